"""Regions of the genome to leave out, such as the ENCODE blacklist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.text import COMMENTS, MAX_DIGITS, read_lines
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window

#: Merged, sorted regions by chromosome: int64 (region, 2), first base and base after the last.
Regions = dict[str, np.ndarray]


def read_regions(path: Path) -> Regions:
    """Read regions from BED (three columns or more), gzipped or not; errors name the line."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.startswith(COMMENTS):
            continue
        fields = [part.strip() for part in line.split("\t")]
        numbers = [part for part in fields[1:3] if part.isascii() and part.isdecimal()]
        if len(numbers) < 2 or not fields[0] or max(map(len, numbers)) > MAX_DIGITS:
            raise ChromvizError(
                f"{path}, line {number}: give BED: chromosome, start and end, tab-separated"
            )
        start, end = map(int, numbers)
        if end <= start:
            raise ChromvizError(
                f"{path}, line {number}: end {end} is not after start {start}; "
                "BED is 0-based and half-open"
            )
        found.setdefault(fields[0], []).append((start, end))
    if not found:
        raise ChromvizError(f"{path} has no regions; give BED, or leave the option out")
    return {chrom: _merge(np.array(pairs, dtype=np.int64)) for chrom, pairs in found.items()}


def overlapping(
    regions: Regions,
    table: pd.DataFrame,
    window: Window,
    translate: Callable[[str], str | None],
) -> np.ndarray:
    """Return which bins overlap a region, bool (gene, bin), bins along the chromosome.

    Regions and genes without a chromosome in common are an error.
    """
    named = {translate(chrom): pairs for chrom, pairs in regions.items()}
    chrom = table["chrom"].to_numpy(object)
    if len(chrom) and not set(named) & set(chrom):
        raise ChromvizError(
            f"the regions to leave out have no chromosome in common with the genes: "
            f"{next(iter(regions))!r} and {chrom[0]!r}; give regions of the same assembly"
        )
    hit = np.zeros((len(table), window.n_bins), dtype=bool)
    start = table["tss"].to_numpy(np.int64)[:, None] + window.bin_start
    for name, pairs in named.items():
        rows = np.flatnonzero(chrom == name)
        first = start[rows]
        # The first region that ends after the bin begins: does it begin before the bin ends?
        at = np.searchsorted(pairs[:, 1], first, side="right")
        begins = np.append(pairs[:, 0], np.iinfo(np.int64).max)[at]
        hit[rows] = begins < first + window.bin_width
    return hit


def _merge(pairs: np.ndarray) -> np.ndarray:
    """Return regions sorted, with overlapping or touching regions merged."""
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    reach = np.maximum.accumulate(pairs[:, 1])
    new = np.append(True, pairs[1:, 0] > reach[:-1])
    last = np.append(np.flatnonzero(new)[1:] - 1, len(pairs) - 1)
    return np.column_stack([pairs[new, 0], reach[last]])

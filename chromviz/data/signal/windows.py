"""Windows around TSSs: the direction of their bins, and which bins are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.signal.chromosomes import Translator
from chromviz.data.text import data_lines, parse_interval
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window

#: Merged, sorted regions by chromosome: int64 (region, 2), first base and base after the last.
Regions = dict[str, np.ndarray]


def window_bounds(genes: pd.DataFrame, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the first base of each gene's window and the base after its last, int64 (gene,)."""
    tss = genes["tss"].to_numpy(np.int64)
    return tss - window.flank, tss + window.flank


def orient(values: np.ndarray, strand: np.ndarray, orientation: str) -> np.ndarray:
    """Orient values (gene, bin) along the chromosome (``genome``) or along the gene (``strand``).

    ``genome`` is as in the paper. With ``strand``, rows of genes on ``-`` are reversed and genes of
    unknown strand are NaN. The values are not changed in place.
    """
    if orientation not in ("genome", "strand"):
        raise ChromvizError(f"unknown orientation {orientation!r}; known: genome, strand")
    if orientation == "genome":
        return values
    turned = np.where((strand == "-")[:, None], values[:, ::-1], values)
    turned[strand == "."] = np.nan
    return turned


def read_regions(path: Path) -> Regions:
    """Read regions to leave out from BED (three columns or more), gzipped or not."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, line in data_lines(path):
        where = f"{path}, line {number}"
        chrom, start, end = [*map(str.strip, line.split("\t")), "", ""][:3]
        if not (chrom and start and end):
            raise ChromvizError(f"{where}: give BED: chromosome, start and end, tab-separated")
        found.setdefault(chrom, []).append(parse_interval(start, end, where, first=0))
    if not found:
        raise ChromvizError(f"{path} has no regions; give BED, or leave the option out")
    return {chrom: _merge(np.array(pairs, dtype=np.int64)) for chrom, pairs in found.items()}


def overlapping(
    regions: Regions, table: pd.DataFrame, window: Window, translate: Translator
) -> np.ndarray:
    """Return which bins overlap a region, bool (gene, bin), bins along the chromosome.

    Regions and genes without a chromosome in common are an error.
    """
    named = {translate(chrom): pairs for chrom, pairs in regions.items()}
    translate.check_common()
    chrom = table["chrom"].to_numpy(object)
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

"""Windows around TSSs: the direction of their bins, and which bins are left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.signal.chromosomes import Translator
from chromviz.data.text import data_lines, parse_interval
from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window

#: Merged, sorted regions by chromosome: int64 (region, 2), first base and base after the last.
Regions = dict[str, np.ndarray]
_ANY_SIZE = int(np.iinfo(np.int64).max)


def first_bases(genes: pd.DataFrame, window: Window) -> np.ndarray:
    """Return the first base of each gene's window, int64 (gene,)."""
    return genes["tss"].to_numpy(np.int64) - window.flank


def lie_inside(
    genes: pd.DataFrame, window: Window, sizes: Mapping[str, int], unknown: int = _ANY_SIZE
) -> np.ndarray:
    """Return which windows lie within their chromosome, bool (gene,).

    Chromosomes that are not in `sizes` have the size `unknown`.
    """
    start = first_bases(genes, window)
    size = np.array([sizes.get(name, unknown) for name in genes["chrom"]], dtype=np.int64)
    within: np.ndarray = (start >= 0) & (start + 2 * window.flank <= size)
    return within


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
    return {
        chrom: np.column_stack(merge(*np.array(pairs, dtype=np.int64).T))
        for chrom, pairs in found.items()
    }


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
        begins = np.append(pairs[:, 0], _ANY_SIZE)[at]
        hit[rows] = begins < first + window.bin_width
    return hit


def merge(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return intervals sorted by start, joined where they overlap or touch."""
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reach = np.maximum.accumulate(end)
    first = np.flatnonzero(np.r_[len(start) > 0, start[1:] > reach[:-1]])
    return start[first], np.maximum.reduceat(end, first) if len(first) else end

"""Counts the intervals that overlap each bin around each TSS; intervals come in any order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from chromviz.data.signal.windows import first_bases, lie_inside, merge
from chromviz.vocabulary import Window

MERGE_EVERY = 1 << 21  # reads kept before reads at the same position are merged


class BinsOfChromosome:
    """The bins of one chromosome, and the number of reads that begin and end between their edges.

    A read overlaps ``[a, b)`` if it begins before b and ends after a. The count of a bin is
    therefore the number of reads that begin before b minus the number that end at or before a, and
    two histograms over the edges of all bins are enough. Neighbouring genes share edges.
    """

    def __init__(self, rows: np.ndarray, start: np.ndarray, window: Window) -> None:
        self.rows = rows  # (gene,) of those here
        steps = np.arange(window.n_bins + 1) * window.bin_width
        edges, edge = np.unique(start[:, None] + steps, return_inverse=True)
        self.edges, self.edge = edges, edge.reshape(len(rows), -1)  # (gene, bin + 1): index
        self.begun = np.zeros(len(edges) + 1, np.int64)
        self.ended = np.zeros(len(edges) + 1, np.int64)
        first, self.last = merge(start, start + 2 * window.flank)
        self.first = np.append(first, np.iinfo(np.int64).max)
        self.keys = np.empty(0, np.uint64)
        self.pending: list[np.ndarray] = []
        self.n_pending = 0

    def overlaps(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether each read overlaps a window, bool (read,)."""
        found: np.ndarray = self.first[np.searchsorted(self.last, start, side="right")] < end
        return found

    def add(self, start: np.ndarray, end: np.ndarray) -> None:
        """Count reads, each of which overlaps a window."""
        np.add.at(self.begun, np.searchsorted(self.edges, start, side="right"), 1)
        np.add.at(self.ended, np.searchsorted(self.edges, end, side="left"), 1)

    def counts(self) -> np.ndarray:
        """Return the reads in each bin, int64 (gene, bin)."""
        begun, ended = np.cumsum(self.begun), np.cumsum(self.ended)
        found: np.ndarray = begun[self.edge[:, 1:]] - ended[self.edge[:, :-1]]
        return found

    def remember(self, start: np.ndarray, end: np.ndarray, minus: np.ndarray) -> None:
        """Keep reads to count once per position: start, length and strand in 64 bits."""
        at, length = start.astype(np.uint64), (end - start).astype(np.uint64)
        self.pending.append(at << np.uint64(32) | length << np.uint64(1) | minus.astype(np.uint64))
        self.n_pending += len(start)
        if self.n_pending > max(MERGE_EVERY, len(self.keys)):
            self.merge()

    def merge(self) -> None:
        """Merge reads at the same position."""
        keys = np.concatenate([self.keys, *self.pending])
        self.pending, self.n_pending = [], 0
        # np.unique would make one more copy.
        keys.sort()
        self.keys = keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys

    def recall(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield start, end and strand of the reads kept, one per position."""
        self.merge()
        for begin in range(0, len(self.keys), MERGE_EVERY):
            keys = self.keys[begin : begin + MERGE_EVERY]
            start = (keys >> np.uint64(32)).astype(np.int64)
            length = (keys & np.uint64(2**32 - 1)) >> np.uint64(1)
            yield start, start + length.astype(np.int64), keys & np.uint64(1) == 1


def lay_out(
    genes: pd.DataFrame, window: Window, sizes: Mapping[str, int]
) -> dict[str, BinsOfChromosome]:
    """Return the bins of each chromosome, without windows that leave it."""
    start, chrom = first_bases(genes, window), genes["chrom"].to_numpy(object)
    rows = np.flatnonzero(lie_inside(genes, window, sizes))
    groups = pd.Series(rows).groupby(chrom[rows], sort=False)
    return {
        str(name): BinsOfChromosome(group.to_numpy(), start[group], window)
        for name, group in groups
    }

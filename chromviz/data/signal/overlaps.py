"""Counts the intervals that overlap each bin around each TSS; intervals come in any order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from chromviz.data.signal.windows import window_bounds
from chromviz.vocabulary import Window

MERGE_EVERY = 1 << 21  # reads kept before reads at the same position are merged


@dataclass
class BinsOfChromosome:
    """The bins of one chromosome, and the number of reads that begin and end between their edges.

    A read overlaps ``[a, b)`` if it begins before b and ends after a. The count of a bin is
    therefore the number of reads that begin before b minus the number that end at or before a, and
    two histograms over the edges of all bins are enough. Neighbouring genes share edges.
    """

    rows: np.ndarray  # (gene,) of those here
    edges: np.ndarray  # sorted, distinct
    edge: np.ndarray  # (gene, bin + 1): index into `edges`
    first: np.ndarray  # (region,): merged windows, sorted
    last: np.ndarray
    begun: np.ndarray = field(init=False)
    ended: np.ndarray = field(init=False)
    keys: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))
    pending: list[np.ndarray] = field(default_factory=list)
    n_pending: int = 0

    def __post_init__(self) -> None:
        self.begun = np.zeros(len(self.edges) + 1, np.int64)
        self.ended = np.zeros(len(self.edges) + 1, np.int64)

    def overlaps(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether each read overlaps a window, bool (read,)."""
        region = np.searchsorted(self.last, start, side="right")
        return self.first[np.minimum(region, len(self.first) - 1)] < np.where(
            region < len(self.first), end, np.int64(-1)
        )

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
    start, end = window_bounds(genes, window)
    chrom = genes["chrom"].to_numpy(object)
    size = np.array([sizes.get(name, np.iinfo(np.int64).max) for name in chrom], dtype=np.int64)
    rows = np.flatnonzero((start >= 0) & (end <= size))
    found: dict[str, BinsOfChromosome] = {}
    for name, group in pd.Series(rows).groupby(chrom[rows], sort=False):
        here = group.to_numpy()
        steps = np.arange(window.n_bins + 1) * window.bin_width
        edges, edge = np.unique(start[here, None] + steps, return_inverse=True)
        first = np.sort(start[here])
        last = first + 2 * window.flank
        # A region ends where the next window begins after it.
        gap = np.flatnonzero(first[1:] > last[:-1])
        found[str(name)] = BinsOfChromosome(
            rows=here,
            edges=edges,
            edge=edge.reshape(len(here), -1),
            first=first[np.concatenate(([0], gap + 1))],
            last=last[np.append(gap, len(last) - 1)],
        )
    return found

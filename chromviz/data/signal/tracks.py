"""Signal tracks: from bigWig files to the mean signal of each bin around each TSS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.signal.bigwig import BigWig, one_line, open_bigwig
from chromviz.data.signal.remote import short_name
from chromviz.data.signal.windows import check_orientation, orient, window_bounds
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window

# Bases in memory at a time, 8 bytes each: few enough to stay in the processor's cache.
_BASES = 100_000
# Windows between two calls of progress, whose blocks a server is asked for together.
GROUP = 400


def chrom_sizes(location: Path | str) -> dict[str, int]:
    """Return the chromosomes of a bigWig file (path or address) and their sizes in bases."""
    with open_bigwig(location) as track:
        return {name: size for name, (_, size) in track.chroms.items()}


def read_bins(
    location: Path | str,
    genes: pd.DataFrame,
    window: Window,
    *,
    orientation: str = "genome",
    translate: Callable[[str], str | None] | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Read the mean signal of each bin around each TSS.

    The mean is over the bases of the bin that have data; a bin without any is NaN, never zero.
    A window that leaves its chromosome is all NaN, never clipped, and so is a window on a
    chromosome that the track lacks. Only the parts of a remote file that the windows need are
    transferred.

    Parameters
    ----------
    location
        A bigWig file with any suffix, or its http(s) address.
    genes
        Columns ``chrom``, ``tss`` (0-based) and ``strand``.
    window
        Flank and bin width.
    orientation
        ``genome`` or ``strand``, see :func:`chromviz.data.signal.windows.orient`.
    translate
        Function that returns the genes' name for a chromosome of the file, or None if the genes
        do not use it. By default the names are the same.
    progress
        Called with the number of windows read.

    Returns
    -------
    numpy.ndarray
        float32 (gene, bin), in the unit of the track.

    Raises
    ------
    ChromvizError
        If the file is missing, is not a bigWig, is damaged or cut off, holds infinite values, or
        has no chromosome in common with the genes; at an address also if the server cannot be
        reached or does not send parts of files.
    """
    check_orientation(orientation)
    bins = np.full((len(genes), window.n_bins), np.nan, dtype=np.float32)
    chrom = genes["chrom"].to_numpy(object)
    with open_bigwig(location) as track:
        theirs = _translated(track, chrom, translate or str)
        rows, position, asked = _place(track, theirs, genes, window)
        what = f"reading {short_name(location)}"
        progress(what, 0, len(rows))
        blocks = track.find_blocks(position, position + 2 * window.flank)
        memory = np.empty((max(1, _BASES // (2 * window.flank)), 2 * window.flank))
        for first in range(0, len(rows), GROUP):
            group = slice(first, min(first + GROUP, len(rows)))
            _prefetch(track, blocks, position[group], window)
            with one_line(track.source):
                bins[rows[group]] = _read_windows(track, asked[group], window, memory)
            progress(what, group.stop, len(rows))
    _refuse_infinite(track.source.name, genes, bins)
    return orient(bins, genes["strand"].to_numpy(object), orientation)


def _place(
    track: BigWig, theirs: dict[str, str], genes: pd.DataFrame, window: Window
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int, int]]]:
    """Return the windows within their chromosomes, in the order of the file.

    Neighbours share blocks. The result is the genes' rows, the positions of the first bases, int64
    (window,) each, and the windows as the track names them.
    """
    chrom = genes["chrom"].to_numpy(object)
    start, end = window_bounds(genes, window)
    places = {ours: track.chroms[own] for ours, own in theirs.items()}
    size = np.array([places.get(name, (0, -1))[1] for name in chrom], dtype=np.int64)
    rows = np.flatnonzero((start >= 0) & (end <= size))
    position = np.array(
        [track.position(theirs[chrom[row]], start[row]) for row in rows], dtype=np.int64
    )
    order = np.argsort(position, kind="stable")
    rows = rows[order]
    asked = [(theirs[chrom[row]], int(start[row]), int(end[row])) for row in rows]
    return rows, position[order], asked


def _translated(
    track: BigWig, chrom: np.ndarray, translate: Callable[[str], str | None]
) -> dict[str, str]:
    """Return the track's names of chromosomes by the genes' names; refuse if none is shared."""
    name = track.source.name
    theirs: dict[str, str] = {}
    for own in track.chroms:
        ours = translate(own)
        if ours is not None and theirs.setdefault(ours, own) != own:
            raise ChromvizError(
                f"{name} has two chromosomes for the genes' {ours!r}: {theirs[ours]!r} and "
                f"{own!r}; give a track with one of them"
            )
    used = list(dict.fromkeys(chrom))
    if used and not theirs.keys() & set(used):
        raise ChromvizError(
            f"{name} has no chromosome in common with the genes: they use "
            f"{', '.join(map(repr, used[:3]))}, the track "
            f"{', '.join(map(repr, list(track.chroms)[:3]))}; rename the chromosomes in the gene "
            "file"
        )
    return theirs


def _prefetch(
    track: BigWig, blocks: tuple[np.ndarray, ...], position: np.ndarray, window: Window
) -> None:
    """Transfer the blocks of neighbouring windows, (window,) sorted, if the file is remote."""
    begin, end, start, stop = blocks
    at = np.searchsorted(position + 2 * window.flank, begin, "right")
    inside = at < len(position)
    inside[inside] = position[at[inside]] < end[inside]
    track.source.prefetch(start[inside], stop[inside])


def _read_windows(
    track: BigWig, windows: list[tuple[str, int, int]], window: Window, memory: np.ndarray
) -> np.ndarray:
    """Return the mean of each bin of some windows, float32 (window, bin)."""
    bins = np.full((len(windows), window.n_bins), np.nan, dtype=np.float32)
    present = np.zeros(len(windows), dtype=np.int64)
    with track.checked(windows, present), np.errstate(invalid="ignore"):
        for first in range(0, len(windows), len(memory)):
            part = slice(first, min(first + len(memory), len(windows)))
            base = memory[: part.stop - first]
            present[part] = track.fill(windows[part], base)
            some = np.flatnonzero(present[part])
            whole = present[part][some] == base.shape[1]
            for rows, mean in ((some[whole], _whole_means), (some[~whole], _means)):
                if len(rows):
                    here = base if len(rows) == len(base) else base[rows]
                    bins[first + rows] = mean(here.reshape(len(rows), -1, window.bin_width))
    return bins


def _whole_means(base: np.ndarray) -> np.ndarray:
    """Return the mean of bins (window, bin, base) whose bases all have data."""
    mean: np.ndarray = base.sum(axis=2) / base.shape[2]
    # Infinite values of both signs add up to NaN, and are no missing data.
    mean[np.isnan(mean)] = np.inf
    return mean


def _means(base: np.ndarray) -> np.ndarray:
    """Return the mean over the bases with data of bins (window, bin, base), NaN without any."""
    missing = np.isnan(base)
    covered = base.shape[2] - np.count_nonzero(missing, axis=2)
    total = np.where(missing, 0, base).sum(axis=2)
    total[np.isnan(total)] = np.inf
    mean: np.ndarray = np.divide(total, covered, out=np.full_like(total, np.nan), where=covered > 0)
    return mean


def _refuse_infinite(name: str, genes: pd.DataFrame, bins: np.ndarray) -> None:
    infinite = np.flatnonzero(np.isinf(bins).any(axis=1))
    if len(infinite):
        gene = genes.iloc[int(infinite[0])]
        raise ChromvizError(
            f"{name} holds infinite values around "
            f"{gene['chrom']}:{gene['tss']}; make the track again with finite values"
        )

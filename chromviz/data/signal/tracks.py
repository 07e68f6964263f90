"""Signal tracks: from bigWig files to the mean signal of each bin around each TSS."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.archives.http import is_address
from chromviz.data.signal.bigwig import BigWig, genome_position, one_line, open_bigwig
from chromviz.data.signal.chromosomes import Assembly, Translator
from chromviz.data.signal.remote import short_name
from chromviz.data.signal.windows import first_bases, lie_inside
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window

# Windows that are this close are read together, because they share blocks of data; but at most
# this number of bases at a time, which then stay in the processor's cache (8 bytes each).
_GAP, _BASES = 10_000, 100_000
# Records that overlap are looked for in the first group of windows, and then in one region of this
# number. To look takes as long as to read. Compressed blocks have checksums, so overlaps can only
# come from a faulty writer, which makes them everywhere.
_CHECKED = 16
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
    translate: Translator | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Read the mean signal of each bin around each TSS, float32 (gene, bin), in the track's unit.

    `location` is a bigWig file with any suffix, or its http(s) address; only the parts of a remote
    file that the windows need are transferred. `genes` has the columns ``chrom`` and ``tss``
    (0-based). Bins are along the chromosome. `progress` receives the windows read.

    The mean is over the bases of the bin that have data; a bin without any is NaN, never zero.
    A window that leaves its chromosome is all NaN, never clipped, and so is a window on a
    chromosome that the track lacks.

    It is an error if the file is missing, is not a bigWig, is damaged or cut off, holds infinite
    values, or has no chromosome in common with the genes; at an address also if the server cannot
    be reached or does not send parts of files.
    """
    bins = np.full((len(genes), window.n_bins), np.nan, dtype=np.float32)
    with open_bigwig(location) as track:
        names = translate or Translator(genes["chrom"], Assembly(""), track.source.name)
        for name in track.chroms:
            names(name)
        names.check_common()
        rows, position, asked = _place(track, names.theirs, genes, window)
        what = f"reading {short_name(location)}"
        progress(what, 0, len(rows))
        blocks = track.find_blocks(position, position + 2 * window.flank)
        # Of a remote file, no more is transferred than the windows need.
        gap = 0 if is_address(location) else _GAP
        for first in range(0, len(rows), GROUP):
            group = slice(first, min(first + GROUP, len(rows)))
            _prefetch(track, blocks, position[group], window)
            with one_line(track.source):
                every = 1 if first == 0 else _CHECKED
                bins[rows[group]] = _read_windows(track, asked[group], window, gap, every)
            progress(what, group.stop, len(rows))
    infinite = np.flatnonzero(np.isinf(bins).any(axis=1))
    if len(infinite):
        gene = genes.iloc[int(infinite[0])]
        raise ChromvizError(
            f"{track.source.name} holds infinite values around {gene['chrom']}:{gene['tss']}; make "
            "the track again with finite values"
        )
    return bins


def _place(
    track: BigWig, theirs: dict[str, str], genes: pd.DataFrame, window: Window
) -> tuple[np.ndarray, np.ndarray, list[tuple[str, int, int]]]:
    """Return the windows within their chromosomes, in the order of the file.

    Neighbours share blocks. The result is the genes' rows, the positions of the first bases, int64
    (window,) each, and the windows as the track names them.
    """
    chrom, start = genes["chrom"].to_numpy(object), first_bases(genes, window)
    sizes = {ours: track.chroms[own][1] for ours, own in theirs.items()}
    rows = np.flatnonzero(lie_inside(genes, window, sizes, unknown=-1))
    number = np.array([track.chroms[theirs[chrom[row]]][0] for row in rows], dtype=np.int64)
    position = genome_position(number, start[rows])
    order = np.argsort(position, kind="stable")
    rows = rows[order]
    length = 2 * window.flank
    asked = [(theirs[chrom[row]], int(start[row]), int(start[row]) + length) for row in rows]
    return rows, position[order], asked


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
    track: BigWig, windows: Sequence[tuple[str, int, int]], window: Window, gap: int, every: int
) -> np.ndarray:
    """Return the mean of each bin of windows in the order of the file, float32 (window, bin).

    Overlapping records are looked for in one of `every` regions.
    """
    bins = np.full((len(windows), window.n_bins), np.nan, dtype=np.float32)
    memory = np.empty(max(_BASES, 2 * window.flank))
    with np.errstate(invalid="ignore"):
        for number, part in enumerate(_regions(windows, gap, len(memory))):
            chrom, start, _ = windows[part.start]
            base = memory[: windows[part.stop - 1][2] - start]
            track.fill(chrom, start, base, check=number % every == 0)
            for row in range(part.start, part.stop):
                first = windows[row][1] - start
                own = base[first : first + 2 * window.flank].reshape(-1, window.bin_width)
                total = np.add.reduce(own, axis=1)
                gaps = math.isnan(np.add.reduce(total))  # or infinite values of both signs
                bins[row] = _means(own) if gaps else total / window.bin_width
    return bins


def _regions(windows: Sequence[tuple[str, int, int]], gap: int, most: int) -> Iterator[slice]:
    """Yield windows to read together: neighbours at most `gap` bases apart, `most` bases in all."""
    first = 0
    for row in range(1, len(windows) + 1):
        if row < len(windows):
            (chrom, begin, _), (_, _, reach) = windows[first], windows[row - 1]
            name, start, end = windows[row]
            if name == chrom and start <= reach + gap and end - begin <= most:
                continue
        yield slice(first, row)
        first = row


def _means(base: np.ndarray) -> np.ndarray:
    """Return the mean over the bases with data of bins (bin, base), NaN without any."""
    missing = np.isnan(base)
    covered = base.shape[1] - np.count_nonzero(missing, axis=1)
    total = np.where(missing, 0, base).sum(axis=1)
    # Infinite values of both signs add up to NaN, and are not missing data.
    total[np.isnan(total)] = np.inf
    mean: np.ndarray = np.divide(total, covered, out=np.full_like(total, np.nan), where=covered > 0)
    return mean

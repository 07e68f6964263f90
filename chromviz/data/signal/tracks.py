"""Signal tracks: bigWig files to the mean signal of each bin around each TSS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from chromviz.data.signal.bigwig import (
    BASE_BITS,
    Blocks,
    Track,
    concatenate,
    find_blocks,
    read_records,
    read_track,
)
from chromviz.data.signal.remote import open_source, short_name
from chromviz.data.signal.windows import check_orientation, orient, window_bounds
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window

# What one thread works on at a time: enough that NumPy is fast and threads seldom meet, little
# enough that each needs some 50 MB. A block unpacks to 32 kB in most files.
_BINS, _BLOCKS = 50_000, 256
_MAX_THREADS = 4


def chrom_sizes(location: Path | str) -> dict[str, int]:
    """Return the chromosomes of a bigWig file and their sizes in bases.

    Parameters
    ----------
    location
        A path, or an http(s) address.

    Raises
    ------
    ChromvizError
        If the file is missing or out of reach, is not a bigWig, or is cut off.
    """
    with open_source(location) as source:
        return {name: size for name, (_, size) in read_track(source).chroms.items()}


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
    A window that leaves its chromosome is all NaN, never clipped, and so is one on a chromosome
    that the track lacks. Of a file at an address only what the windows need is transferred.

    Parameters
    ----------
    location
        A bigWig file, whatever its suffix, or its http(s) address.
    genes
        Columns ``chrom``, ``tss`` (0-based) and ``strand``.
    window
        Flank and bin width.
    orientation
        ``genome`` or ``strand``, see :func:`chromviz.data.signal.windows.orient`.
    translate
        Given a chromosome's name in the file, returns the genes' name for it, or None if they
        have none. Without it the names are the same.
    progress
        Told of windows read.

    Returns
    -------
    numpy.ndarray
        float32 (gene, bin), in the unit of the track.

    Raises
    ------
    ChromvizError
        If the file is missing, is not a bigWig, is damaged or cut off, holds infinite values, or
        has no chromosome in common with the genes; of an address also if it cannot be reached or
        sends no parts of files.
    """
    check_orientation(orientation)
    bins = np.full((len(genes), window.n_bins), np.nan, dtype=np.float32)
    with open_source(location) as source:
        track = read_track(source)
        which, names = pd.factorize(genes["chrom"].to_numpy(object))
        chroms = _translated(track, names.tolist(), translate or str)
        places = np.array([chroms.get(name, (0, -1)) for name in names], dtype=np.int64)
        number, size = places.reshape(-1, 2)[which].T
        start, end = window_bounds(genes, window)
        rows = np.flatnonzero((start >= 0) & (end <= size))
        position = (number << BASE_BITS) + start
        # In the order of the file, where neighbours share blocks.
        rows = rows[np.argsort(position[rows], kind="stable")]
        done, what = 0, f"reading {short_name(location)}"
        progress(what, done, len(rows))
        pieces = _cut(track, rows, position[rows], window)
        # Unpacking and NumPy let go of the interpreter, so that threads use several cores.
        with ThreadPoolExecutor(min(joblib.cpu_count(), _MAX_THREADS)) as pool:
            try:
                for batch in _batches(pieces, source.at_once):
                    blocks = concatenate([piece.blocks for piece in batch])
                    source.expect(blocks.offset, blocks.size)
                    jobs = [pool.submit(_fill, bins, track, piece, window) for piece in batch]
                    for job, piece in zip(jobs, batch, strict=True):
                        job.result()
                        done += len(piece.rows)
                        progress(what, done, len(rows))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    infinite = np.flatnonzero(np.isinf(bins).any(axis=1))
    if len(infinite):
        gene = genes.iloc[int(infinite[0])]
        raise ChromvizError(
            f"{location} holds infinite values around {gene['chrom']}:{gene['tss']}; "
            "make the track again with finite values"
        )
    return orient(bins, genes["strand"].to_numpy(object), orientation)


def _translated(
    track: Track, names: list[str], translate: Callable[[str], str | None]
) -> dict[str, tuple[int, int]]:
    """Return a track's chromosomes by the genes' names; refuse one that shares none with them."""
    chroms: dict[str, tuple[int, int]] = {}
    origin: dict[str, str] = {}
    for own, place in track.chroms.items():
        name = translate(own)
        if name in origin:
            raise ChromvizError(
                f"{track.source.name} has two chromosomes for the genes' {name!r}: "
                f"{origin[name]!r} and {own!r}; give a track with one of them"
            )
        if name is not None:
            chroms[name], origin[name] = place, own
    if names and not chroms.keys() & set(names):
        raise ChromvizError(
            f"{track.source.name} has no chromosome in common with the genes: they use "
            f"{', '.join(map(repr, names[:3]))}, the track "
            f"{', '.join(map(repr, list(track.chroms)[:3]))}; rename the chromosomes in the gene "
            "file"
        )
    return chroms


@dataclass(frozen=True)
class _Piece:
    """What one thread works on at a time: windows, and all the blocks that overlap them.

    Parameters
    ----------
    rows
        int64 (window,): which genes they are of.
    start
        int64 (window,): their first bases, sorted, all on one chromosome.
    blocks
        The blocks.
    """

    rows: np.ndarray
    start: np.ndarray
    blocks: Blocks


def _cut(track: Track, rows: np.ndarray, start: np.ndarray, window: Window) -> list[_Piece]:
    """Cut windows, sorted by position, into pieces of bounded work."""
    end = start + 2 * window.flank
    blocks = find_blocks(track, start, end)
    first = np.searchsorted(np.maximum.accumulate(blocks.end), start, "right")
    after = np.searchsorted(blocks.start, end)
    chrom = start >> BASE_BITS
    pieces, at = [], 0
    while at < len(rows):
        ends = (
            int(np.searchsorted(after, first[at] + _BLOCKS, "right")),
            int(np.searchsorted(chrom, chrom[at], "right")),
            at + _BINS // window.n_bins,
        )
        stop = max(min(ends), at + 1)
        found = blocks[first[at] : after[stop - 1]]
        found = found[found.end > start[at]]
        pieces.append(_Piece(rows[at:stop], start[at:stop] - (chrom[at] << BASE_BITS), found))
        at = stop
    return pieces


def _batches(pieces: list[_Piece], limit: int) -> Iterator[list[_Piece]]:
    """Group neighbouring pieces, up to some bytes of blocks, or one piece if it has more."""
    batch: list[_Piece] = []
    total = 0
    for piece in pieces:
        size = int(piece.blocks.size.sum())
        if batch and total + size > limit:
            yield batch
            batch, total = [], 0
        batch.append(piece)
        total += size
    if batch:
        yield batch


def _fill(bins: np.ndarray, track: Track, piece: _Piece, window: Window) -> None:
    """Read a piece and put its bins in their rows."""
    bins[piece.rows] = _bin_means(read_records(track, piece.blocks), piece.start, window)


def _bin_means(records: np.ndarray, start: np.ndarray, window: Window) -> np.ndarray:
    """Return the mean over the bases with data of each bin, float32 (window, bin).

    Bins that hold an infinite value are infinite.

    Parameters
    ----------
    records
        Stretches with one value, see :func:`chromviz.data.signal.bigwig.read_records`.
    start
        int64 (window,): first base of each window.
    window
        Flank and bin width.
    """
    records = _near(records, start, 2 * window.flank)
    edge = start[:, None] + window.bin_width * np.arange(window.n_bins + 1)
    finite = np.isfinite(records["value"])
    if finite.all():
        return _means(records, edge)
    # A base whose value is "not a number" has no data.
    means = _means(records[finite], edge)
    infinite = records[np.isinf(records["value"])]
    infinite["value"] = 0
    means[~np.isnan(_means(infinite, edge))] = np.inf
    return means


def _near(records: np.ndarray, start: np.ndarray, width: int) -> np.ndarray:
    """Return the records that overlap windows, which are sorted: often few of those in a block."""
    first = np.searchsorted(records["end"], start, "right")
    after = np.searchsorted(records["start"], start + width)
    new = np.flatnonzero(np.r_[True, first[1:] > after[:-1]])
    first, after = first[new], after[np.r_[new[1:] - 1, len(start) - 1]]
    # Without their fields, which NumPy would compare at every step.
    plain = records.view(f"V{records.itemsize}")
    found = np.concatenate([plain[a:b] for a, b in zip(first, after, strict=True)])
    return found.view(records.dtype)


def _means(records: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Return the mean value of the bases between edges, NaN where there are none.

    Parameters
    ----------
    records
        As for :func:`_bin_means`, of finite value.
    edge
        int64 (window, bin + 1): edges of the bins.

    Returns
    -------
    numpy.ndarray
        float32 (window, bin).
    """
    # An empty record behind the last stands for none.
    begin = np.full(len(records) + 1, np.iinfo(np.int64).max)
    begin[:-1] = records["start"]
    bases, value = np.zeros_like(begin), np.zeros(len(begin))
    bases[:-1], value[:-1] = records["end"] - records["start"], records["value"]
    # The record at each edge, or else the next one, and how many of its bases lie before the edge.
    at = np.searchsorted(records["end"], edge, "right")
    before = np.maximum(edge - begin[at], 0)
    covered = np.diff((np.cumsum(bases) - bases)[at] + before)
    left, right = at[:, :-1], at[:, 1:]
    same = left == right
    total = value[left] * np.where(same, covered, bases[left] - before[:, :-1])
    total += value[right] * np.where(same, 0, before[:, 1:])
    # Whole records in between. Of an empty range, reduceat gives one element: not wanted.
    between = np.stack([np.minimum(left + 1, right), right], axis=-1)
    whole = np.add.reduceat(value * bases, between.ravel())[::2].reshape(total.shape)
    total += np.where(right - left > 1, whole, 0.0)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = (total / covered).astype(np.float32)
    return mean

"""Signal tracks: bigWig files to the mean signal of each bin around each TSS."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import Window

_BIGWIG, _BIGBED = 0x888FFC26, 0x8789F2EB
# The fixed header of a bigWig (Kent et al., Bioinformatics 26, 2204, 2010, supplement): magic,
# version, zoom levels, offsets of the chromosome tree, the data and their index; then one record
# of 24 bytes a zoom level, its index's offset in the last 8.
_HEADER = "IHHQQQ"
_HEADER_SIZE, _ZOOM_SIZE = 64, 24
_REPORT_EVERY = 1000


def chrom_sizes(path: Path) -> dict[str, int]:
    """Return the chromosomes of a bigWig file and their sizes in bases.

    Raises
    ------
    ChromvizError
        If the file is missing, is not a bigWig, or is cut off.
    """
    with _open(Path(path)) as reader:
        return dict(reader.chroms())


def window_bounds(genes: pd.DataFrame, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the first base of each gene's window and the base after its last, int64 (gene,)."""
    tss = genes["tss"].to_numpy(np.int64)
    return tss - window.flank, tss + window.flank


def read_bins(
    path: Path,
    genes: pd.DataFrame,
    window: Window,
    *,
    orientation: str = "genome",
    progress: Progress = silent,
) -> np.ndarray:
    """Read the mean signal of each bin around each TSS.

    The mean is over the bases of the bin that have data; a bin without any is NaN, never zero.
    A window that leaves its chromosome is all NaN, never clipped, and so is one on a chromosome
    that the track lacks.

    Parameters
    ----------
    path
        A bigWig file, whatever its suffix.
    genes
        Columns ``chrom``, ``tss`` (0-based) and ``strand``.
    window
        Flank and bin width.
    orientation
        ``genome``: bins rise along the chromosome, as in the paper. ``strand``: bins rise along
        the gene, so rows of ``-`` genes are reversed, and genes of unknown strand are NaN.
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
        has no chromosome in common with the genes.
    """
    path = Path(path)
    if orientation not in ("genome", "strand"):
        raise ChromvizError(f"unknown orientation {orientation!r}; known: genome, strand")
    bins = np.full((len(genes), window.n_bins), np.nan, dtype=np.float32)
    with _open(path) as reader:
        sizes = reader.chroms()
        _check_chroms(path, genes, sizes)
        start, end = window_bounds(genes, window)
        chrom = genes["chrom"].to_numpy(object)
        size = np.array([sizes.get(name, -1) for name in chrom], dtype=np.int64)
        rows = np.flatnonzero((start >= 0) & (end <= size))
        # In the order of the file, where neighbours share compressed blocks: 1.4 times as fast.
        rows = rows[np.lexsort((start[rows], chrom[rows].astype(str)))]
        what = f"reading {path.name}"
        for done, row in enumerate(rows):
            if done % _REPORT_EVERY == 0:
                progress(what, done, len(rows))
            # `exact` reads the bases themselves, not the zoom levels' approximation.
            bins[row] = reader.values(
                chrom[row],
                int(start[row]),
                int(end[row]),
                bins=window.n_bins,
                exact=True,
                fillna=None,
            )
        progress(what, len(rows), len(rows))
    if np.isinf(bins).any():
        gene = genes.iloc[int(np.flatnonzero(np.isinf(bins).any(axis=1))[0])]
        raise ChromvizError(
            f"{path} holds infinite values around {gene['chrom']}:{gene['tss']}; "
            "make the track again with finite values"
        )
    if orientation == "strand":
        strand = genes["strand"].to_numpy(object)
        bins[strand == "-"] = bins[strand == "-", ::-1]
        bins[strand == "."] = np.nan
    return bins


def _check_chroms(path: Path, genes: pd.DataFrame, sizes: dict[str, int]) -> None:
    """Refuse a track that names its chromosomes otherwise than the genes."""
    names = list(dict.fromkeys(genes["chrom"]))
    if names and not sizes.keys() & set(names):
        raise ChromvizError(
            f"{path} has no chromosome in common with the genes: they use "
            f"{', '.join(map(repr, names[:3]))}, the track {', '.join(map(repr, list(sizes)[:3]))}"
            "; rename the chromosomes in the gene file"
        )


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Keep a Rust panic's own words off standard error: one line says what is wrong.

    Python's own standard error goes on as before, through a copy of the stream.
    """
    try:
        stream = sys.stderr.fileno()
    # No such stream, closed, or replaced by an object that is no file: nothing to keep quiet.
    except (AttributeError, OSError, ValueError):
        yield
        return
    sys.stderr.flush()
    kept = os.dup(stream)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream)
        yield
    finally:
        os.dup2(kept, stream)
        os.close(kept)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a bigWig file for reading; whatever goes wrong inside is told as one error."""
    # Imported here: the rest of the package does without it.
    import pybigtools

    _check_header(path)
    try:
        # A file object: by name, pybigtools 0.3 refuses every suffix but its own few, in their
        # exact case, and takes what is not a file for a web address.
        with path.open("rb") as handle, _quiet_library():
            yield pybigtools.open(handle)
    except ChromvizError:
        raise
    except BaseException as error:
        # A damaged block makes the Rust library panic, and a panic is not an Exception.
        panicked = type(error).__name__ == "PanicException"
        if not (panicked or isinstance(error, (pybigtools.BBIReadError, OSError, ValueError))):
            raise
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise _damaged(path, problem) from None


def _check_header(path: Path) -> None:
    """Refuse what is not a bigWig, or is one whose end is missing, before the library sees it."""
    try:
        with path.open("rb") as handle:
            length = os.fstat(handle.fileno()).st_size
            header = handle.read(_HEADER_SIZE)
            order = "<" if header[:4] == _BIGWIG.to_bytes(4, "little") else ">"
            if header[:4] not in (_BIGWIG.to_bytes(4, "little"), _BIGWIG.to_bytes(4, "big")):
                bigbed = header[:4] in (_BIGBED.to_bytes(4, "little"), _BIGBED.to_bytes(4, "big"))
                found = "it is a bigBed" if bigbed else "it begins otherwise"
                raise ChromvizError(f"{path} is not a bigWig file ({found}); give a bigWig")
            if len(header) < _HEADER_SIZE:
                raise _damaged(path, f"its header ends after {len(header)} bytes")
            _, _, n_zooms, *offsets = struct.unpack_from(order + _HEADER, header)
            zooms = handle.read(n_zooms * _ZOOM_SIZE)
    except FileNotFoundError:
        raise ChromvizError(f"no file {path}; check the path") from None
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    complete = len(zooms) - len(zooms) % _ZOOM_SIZE
    offsets += [
        struct.unpack_from(order + "Q", zooms, at + 16)[0] for at in range(0, complete, _ZOOM_SIZE)
    ]
    if len(zooms) < n_zooms * _ZOOM_SIZE or max(offsets) >= length:
        raise _damaged(path, f"it ends after {length:,} bytes")


def _damaged(path: Path, problem: str) -> ChromvizError:
    return ChromvizError(
        f"{path} is a damaged or cut-off bigWig file ({problem}); fetch or copy it again"
    )

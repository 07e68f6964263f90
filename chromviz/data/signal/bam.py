"""The reads of a BAM file, in any order and without an index, by pysam."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from chromviz.data.signal.read_files import MAX_POSITION, Batch
from chromviz.errors import ChromvizError

# Bits of a record's flag (SAM/BAM format specification, section 1.4).
UNMAPPED, REVERSE, FAILED, DUPLICATE = 0x4, 0x10, 0x200, 0x400

# The empty block that ends every BGZF file (section 4.1.2).
_END_OF_BAM = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_ON_GENOME = (0, 2, 3, 7, 8)  # M, D, N, =, X of MIDNSHP=X
RECORDS = 50_000  # at a time
_RECORD = np.dtype("i4, i4, i8, u2, u1")
_RECORD.names = ("chrom", "start", "bases", "flag", "quality")


@contextmanager
def open_bam(path: Path) -> Iterator[Any]:
    """Open a BAM file with pysam, whose failures become one line."""
    # Imported here: only work on BAM files needs it.
    import pysam

    with path.open("rb") as handle:
        handle.seek(max(0, handle.seek(0, 2) - len(_END_OF_BAM)))
        if handle.read() != _END_OF_BAM:
            raise _damaged(path, "the block that ends a BAM file is missing")
    # htslib prints to standard error what it also returns.
    verbosity = pysam.set_verbosity(0)
    try:
        with _silent_deallocation():
            # Absolute, since a lone "-" would be standard input.
            file = pysam.AlignmentFile(str(path.absolute()), "rb", check_sq=False)
        with file:
            yield file
    except ChromvizError:
        raise
    except (OSError, ValueError, NotImplementedError) as error:
        raise _damaged(path, str(error).splitlines()[0][:120] or "no reason given") from None
    finally:
        pysam.set_verbosity(verbosity)


@contextmanager
def _silent_deallocation() -> Iterator[None]:
    """Ignore that pysam cannot close a file which it also could not open."""
    previous = sys.unraisablehook

    def hook(told: Any) -> None:
        if not isinstance(told.exc_value, OSError):
            previous(told)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = previous


def header_sizes(path: Path, file: Any) -> dict[str, int]:
    """Return the chromosomes of the header and their sizes in bases."""
    sizes = dict(zip(file.references, file.lengths, strict=True))
    if len(sizes) < file.nreferences or min(sizes.values(), default=0) < 0:
        raise _damaged(path, "its header makes no sense")
    return sizes


def read_bam(path: Path, file: Any, report: Callable[[int], None]) -> Iterator[Batch]:
    """Yield the reads of an open BAM file that are mapped to at least one base.

    `report` receives the bytes of the file that have been read.
    """
    names = list(file.references)
    records = file.fetch(until_eof=True)
    while len(rows := np.fromiter(map(_record, islice(records, RECORDS)), _RECORD)):
        flag, chrom = rows["flag"], rows["chrom"]
        start = rows["start"].astype(np.int64)
        end = start + rows["bases"]
        if (start < -1).any() or end.max() > MAX_POSITION:
            raise _damaged(path, "a read lies beyond any chromosome")
        mapped = (flag & UNMAPPED == 0) & (chrom >= 0) & (start >= 0) & (end > start)
        yield Batch(
            names,
            chrom[mapped],
            start[mapped],
            end[mapped],
            flag[mapped] & REVERSE != 0,
            flag[mapped],
            rows["quality"][mapped],
        )
        # The upper bits of BGZF's offsets are those of the compressed file.
        report(file.tell() >> 16)


def _record(read: Any) -> tuple[int, int, int, int, int]:
    """Return a read's chromosome, start, bases on the chromosome, flag and mapping quality."""
    # htslib says one base where the operations cover none, and pysam None without operations.
    bases = read.reference_length
    if bases == 1:
        bases = sum(length for operation, length in read.cigartuples if operation in _ON_GENOME)
    place = read.reference_id, read.reference_start, bases or 0
    return (*place, read.flag, read.mapping_quality)


def _damaged(path: Path, problem: str) -> ChromvizError:
    return ChromvizError(
        f"{path} is a damaged or cut-off BAM file ({problem}); download or make it again"
    )

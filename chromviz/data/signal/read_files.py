"""Files of aligned reads: their kind, their content in blocks, and batches of reads.

Files are read from end to end, and the checksums of gzipped files are verified.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from chromviz.errors import ChromvizError
from chromviz.progress import Progress

#: The largest coordinate of a BAM file, far beyond any chromosome.
MAX_POSITION = 2**31 - 1
#: Beginnings of lines of BED that hold no record.
SKIPPED = (b"#", b"track ", b"track\t", b"browser ", b"browser\t")
#: Some editors begin a file with this mark of UTF-8.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_GZIP, _BAM = b"\x1f\x8b", b"BAM\1"
_BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")  # in either byte order
_MEGABYTE = 1_000_000
_HEAD = 1 << 16  # bytes that tell a file's kind
BLOCK = 1 << 21  # bytes parsed at a time
_OTHER_KINDS = (
    (b"CRAM", "a CRAM file; convert it with samtools view -b"),
    (_BAM, "a BAM file without its compression; convert it with samtools view -b"),
    (b"@HD\t", "a SAM file; convert it with samtools view -b"),
    (b"@SQ\t", "a SAM file; convert it with samtools view -b"),
    (b"@PG\t", "a SAM file; convert it with samtools view -b"),
    *((magic, "a bigWig file, which holds signal; give reads (BAM or BED)") for magic in _BIGWIG),
    (b"\xeb\xf2\x89\x87", "a bigBed file; convert it with bigBedToBed"),
    (b"\x87\x89\xf2\xeb", "a bigBed file; convert it with bigBedToBed"),
)


@dataclass(frozen=True)
class Batch:
    """Consecutive reads of a file; every array is (read,).

    Parameters
    ----------
    names
        Names of the file's chromosomes; for BED those seen so far.
    chrom
        Index into `names`, int.
    start, end
        Bases that the read spans on the chromosome, 0-based and half-open, int64.
    minus
        Whether the read is on the reverse strand; None if strands are not needed.
    flag, quality
        Flag (uint16) and mapping quality (uint8) of a BAM record; None for BED.
    """

    names: list[str]
    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    minus: np.ndarray | None
    flag: np.ndarray | None = None
    quality: np.ndarray | None = None


def kind_of_reads(path: Path) -> str | None:
    """Return ``bam`` or ``bed`` if the first bytes of a file show that it holds reads, else None.

    ``bed`` is text, gzipped or not, whose first record has a chromosome and two coordinates and is
    not bedGraph.
    """
    head = _head(Path(path))
    if head.startswith(_BAM):
        return "bam" if _is_gzip(Path(path)) else None
    for line in head.removeprefix(BYTE_ORDER_MARK).split(b"\n"):
        if line.strip() and not line.startswith(SKIPPED):
            fields = line.rstrip(b"\r").split(b"\t")
            coordinates = len(fields) >= 3 and fields[1].isdigit() and fields[2].isdigit()
            return "bed" if coordinates and not is_bedgraph(fields) else None
        if line.startswith(b"track") and b"type=bedGraph" in line:
            return None
    return None


def refuse_other_kinds(path: Path) -> None:
    """Raise for a file of a known kind that is neither BAM nor BED, and say how to convert it."""
    head = _head(path)
    for magic, found in _OTHER_KINDS:
        if head.startswith(magic):
            raise ChromvizError(f"{path} is {found}")
    if not head:
        raise ChromvizError(f"{path} is empty; download or make it again")


def refuse_neither(path: Path) -> None:
    """Raise for a file of a known kind that is neither reads nor bigWig."""
    head = _head(path)
    if head.startswith(_BIGWIG):
        return
    refuse_other_kinds(path)
    for line in head.removeprefix(BYTE_ORDER_MARK).split(b"\n"):
        named = line.startswith(b"track") and b"type=bedGraph" in line
        if named or is_bedgraph(line.split(b"\t")):
            raise ChromvizError(f"{path} is bedGraph; convert it with bedGraphToBigWig")
        if line.strip() and not line.startswith(SKIPPED):
            return


def is_bedgraph(fields: list[bytes]) -> bool:
    """Whether a line has four columns of which the fourth is a number."""
    if len(fields) != 4:
        return False
    with contextlib.suppress(ValueError):
        float(fields[3])
        return True
    return False


def read_blocks(path: Path, progress: Progress) -> Generator[bytes, None, None]:
    """Yield a file's content, unpacked if it is gzipped, in blocks of about 2 MB."""
    what = f"counting {path.name}"
    with open_bytes(path) as handle:
        try:
            total = handle.seek(0, 2) // _MEGABYTE + 1  # never 0 of 0
            for block in _content(handle, path):
                progress(what, min(handle.tell() // _MEGABYTE, total - 1), total, "MB")
                yield block
        except OSError as error:
            raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    progress(what, total, total, "MB")


def _content(handle: IO[bytes], path: Path) -> Generator[bytes, None, None]:
    """Yield a file's content, unpacked if its first bytes are those of gzip, whatever its name."""
    handle.seek(0)
    gzipped = handle.read(2) == _GZIP
    handle.seek(0)
    stream = gzip.GzipFile(fileobj=handle) if gzipped else handle
    try:
        while raw := stream.read(BLOCK):
            yield raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ChromvizError(
            f"{path} is a damaged or cut-off gzip file ({error}); download or copy it again"
        ) from None


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading; failures are one line."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise ChromvizError(f"no file {path}; check the path") from None
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None


def _is_gzip(path: Path) -> bool:
    with open_bytes(path) as handle:
        return handle.read(2) == _GZIP


def _head(path: Path) -> bytes:
    """Return the first bytes of a file's content."""
    head = b""
    with open_bytes(path) as handle:
        try:
            # The first members of a gzip file may hold next to nothing.
            for part in _content(handle, path):
                head += part
                if len(head) >= _HEAD:
                    break
        except OSError as error:
            raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    return head

"""The kind of a file of signal, and the batches of reads that files of reads are read in."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromviz.data.text import COMMENTS, GZIP, read_blocks
from chromviz.errors import ChromvizError

BIGWIG, BAM, READS = "bigWig", "BAM", "reads"
#: The largest coordinate of a BAM file, far beyond any chromosome.
MAX_POSITION = 2**31 - 1
#: Beginnings of lines of BED that hold no record.
SKIPPED = tuple(map(str.encode, COMMENTS))

_HEAD = 1 << 16  # bytes that tell a file's kind
_MAGIC = b"BAM\1"
_SAM = "a SAM file; convert it with samtools view -b"
_BIGBED = "a bigBed file; convert it with bigBedToBed"
_OTHER_KINDS = {
    b"CRAM": "a CRAM file; convert it with samtools view -b",
    _MAGIC: "a BAM file without its compression; convert it with samtools view -b",
    **dict.fromkeys((b"@HD\t", b"@SQ\t", b"@PG\t"), _SAM),
    **dict.fromkeys((b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb"), _BIGBED),
}


@dataclass(frozen=True)
class Batch:
    """Consecutive reads of a file: every array is (read,), coordinates are 0-based and half-open.

    `chrom` holds indices into `names`, the file's chromosomes. `minus` is None if strands are not
    needed; `flag` (uint16) and `quality` (uint8) are None for BED.
    """

    names: list[str]
    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    minus: np.ndarray | None
    flag: np.ndarray | None = None
    quality: np.ndarray | None = None


def kind_of_file(path: Path) -> str:
    """Return :data:`BIGWIG`, :data:`BAM` or :data:`READS` (BED) by a file's first bytes.

    Other known kinds are an error that says how to convert them; an unknown kind is ``""``. BED is
    text, gzipped or not, whose first record has a chromosome and two coordinates.
    """
    head = b""
    # The first members of a gzip file may be almost empty.
    for block in read_blocks(path, _HEAD):
        head += block
        if len(head) >= _HEAD:
            break
    if not head:
        raise ChromvizError(f"{path} is empty; download or make it again")
    if head.startswith((b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")):  # in either byte order
        return BIGWIG
    if head.startswith(_MAGIC):
        with path.open("rb") as file:
            if file.read(2) == GZIP:
                return BAM
    for magic, found in _OTHER_KINDS.items():
        if head.startswith(magic):
            raise ChromvizError(f"{path} is {found}")
    return _kind_of_text(head, path)


def _kind_of_text(head: bytes, path: Path) -> str:
    """Return the kind that the first record of a text shows; refuse bedGraph."""
    for line in head.removeprefix(codecs.BOM_UTF8).split(b"\n"):
        named_bedgraph = line.startswith(b"track") and b"type=bedGraph" in line
        record = bool(line.strip()) and not line.startswith(SKIPPED)
        fields = line.rstrip(b"\r").split(b"\t")
        if named_bedgraph or (record and _is_bedgraph(fields)):
            raise ChromvizError(
                f"{path} is bedGraph (four columns, the fourth a number); convert it with "
                "bedGraphToBigWig"
            )
        if record:
            coordinates = len(fields) >= 3 and fields[1].isdigit() and fields[2].isdigit()
            return READS if coordinates else ""
    return ""


def _is_bedgraph(fields: list[bytes]) -> bool:
    """Return whether a line has four columns of which the fourth is a number."""
    if len(fields) != 4:
        return False
    try:
        float(fields[3])
    except ValueError:
        return False
    return True

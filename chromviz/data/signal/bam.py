"""The reads of a BAM file.

The file needs no index and no order: an index that is stale or damaged cannot hide reads.
Layout: SAM/BAM format specification, sections 4.1 (BGZF) and 4.2 (BAM).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np

from chromviz.data.signal.read_files import (
    MAX_POSITION,
    Batch,
    at_each_byte,
    chrom_name,
    open_bytes,
)
from chromviz.errors import ChromvizError

# Bits of a record's flag (section 1.4).
UNMAPPED, REVERSE, FAILED, DUPLICATE = 0x4, 0x10, 0x200, 0x400

# The empty block that ends every BGZF file (section 4.1.2).
_END_OF_BAM = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_MAX_HEADER = _MAX_RECORD = 1 << 28
# What follows the size of a record, up to its name.
_RECORD = np.dtype(
    {
        "names": ["ref", "pos", "name", "quality", "ops", "flag"],
        "formats": ["<i4", "<i4", "u1", "u1", "<u2", "<u2"],
        "offsets": [4, 8, 12, 13, 16, 18],
        "itemsize": 36,
    }
)
_ON_GENOME = np.isin(np.arange(16), (0, 2, 3, 7, 8))  # M, D, N, =, X of MIDNSHP=X


def read_bam(
    path: Path, blocks: Iterator[bytes]
) -> tuple[dict[str, int], Generator[Batch, None, None]]:
    """Read the reads of a BAM file, all that are mapped to at least one base.

    Parameters
    ----------
    path
        The file, for messages and to see that its end is there.
    blocks
        Its content, see :func:`read_blocks`.

    Returns
    -------
    sizes : dict
        Chromosomes of the header and their sizes in bases.
    batches : generator of Batch
        The reads.

    Raises
    ------
    ChromvizError
        If the file is cut off or its records make no sense.
    """
    with open_bytes(path) as handle:
        handle.seek(max(0, handle.seek(0, 2) - len(_END_OF_BAM)))
        if handle.read() != _END_OF_BAM:
            raise _damaged_bam(path, "the block that ends a BAM file is missing")
    data = b""

    def have(length: int) -> None:
        """See that so much of the header is at hand."""
        nonlocal data
        while len(data) < length:
            block = next(blocks, b"")
            if not block or length > _MAX_HEADER:
                raise _damaged_bam(path, "it ends, or makes no sense, within its header")
            data += block

    def number(at: int) -> int:
        """Return the number at an offset, none of which may be negative."""
        have(at + 4)
        found = int(struct.unpack_from("<i", data, at)[0])
        if found < 0:
            raise _damaged_bam(path, "its header makes no sense")
        return found

    at = 8 + number(4)
    n_chroms = number(at)
    at += 4
    sizes: dict[str, int] = {}
    for _ in range(n_chroms):
        length = number(at)
        size = number(at + 4 + length)
        name = chrom_name(data[at + 4 : at + 4 + length].rstrip(b"\0"), path)
        if name in sizes:
            raise _damaged_bam(path, f"its header names {name!r} twice")
        sizes[name] = size
        at += 8 + length
    return sizes, _bam_batches(path, data[at:], blocks, list(sizes))


def _bam_batches(
    path: Path, data: bytes, blocks: Iterator[bytes], names: list[str]
) -> Generator[Batch, None, None]:
    """Yield the mapped reads of each block; a record that a block cuts goes with the next."""
    # Unsigned, so that each step goes forward whatever the bytes.
    size_at = struct.Struct("<I").unpack_from
    n_read = 0
    while True:
        # Where a record begins only the one before it tells: the one loop over reads in Python.
        offsets, at = [0], 0
        with contextlib.suppress(struct.error):  # the size itself is cut off
            while True:
                at += 4 + size_at(data, at)[0]
                offsets.append(at)
        size = np.diff(np.array(offsets))
        wrong = (size < _RECORD.itemsize) | (size > _MAX_RECORD)
        if wrong.any():
            number = n_read + int(np.argmax(wrong)) + 1
            raise _damaged_bam(path, f"record {number:,} makes no sense")
        if offsets[-1] > len(data):
            del offsets[-1]
        if len(offsets) > 1:
            yield _bam_batch(path, data, np.array(offsets), names, n_read)
            n_read += len(offsets) - 1
        data = data[offsets[-1] :]
        block = next(blocks, b"")
        if not block:
            break
        data += block
    if data:
        raise _damaged_bam(path, f"it ends within record {n_read + 1:,}")


def _bam_batch(
    path: Path, data: bytes, offsets: np.ndarray, names: list[str], n_before: int
) -> Batch:
    """Return the mapped reads of the records between the offsets."""
    at = offsets[:-1]
    record = at_each_byte(data, _RECORD)[at]
    ref, ops = record["ref"], record["ops"].astype(np.int64)
    cigar = at + _RECORD.itemsize + record["name"]
    wrong = (ref < -1) | (ref >= len(names)) | (record["pos"] < -1)
    wrong |= cigar + 4 * ops > offsets[1:]
    if wrong.any():
        number = n_before + int(np.argmax(wrong)) + 1
        raise _damaged_bam(path, f"record {number:,} makes no sense")
    # One row an operation, those of a read next to one another; a read's are told by their sum.
    until = np.cumsum(ops)
    total = int(until[-1])
    where = np.repeat(cigar - 4 * (until - ops), ops) + 4 * np.arange(total)
    op = at_each_byte(data, np.dtype("<u4"))[where] if total else np.empty(0, np.uint32)
    bases = np.where(_ON_GENOME[op & 15], op >> 4, 0).astype(np.int64)
    sums = np.concatenate(([0], np.cumsum(bases)))
    span = sums[until] - sums[until - ops]
    mapped = (record["flag"] & UNMAPPED == 0) & (ref >= 0) & (record["pos"] >= 0) & (span > 0)
    record = record[mapped]
    start = record["pos"].astype(np.int64)
    end = start + span[mapped]
    if len(end) and end.max() > MAX_POSITION:
        raise _damaged_bam(path, "a read ends beyond any chromosome")
    flag = record["flag"]
    return Batch(names, record["ref"], start, end, flag & REVERSE != 0, flag, record["quality"])


def _damaged_bam(path: Path, problem: str) -> ChromvizError:
    return ChromvizError(
        f"{path} is a damaged or cut-off BAM file ({problem}); fetch or make it again"
    )

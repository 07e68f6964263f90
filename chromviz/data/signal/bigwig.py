"""bigWig files, on disk or at an address, decoded by pybigtools.

The header and the two trees, of chromosomes and of blocks, are checked here first (layout: Kent et
al., Bioinformatics 26, 2204 (2010), supplement), because pybigtools follows a circular tree for
ever and does not say what is wrong with a file. The same walk finds the parts of a remote file to
transfer. Positions are int64: the chromosome's number in the file times 2^32, plus the base.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chromviz.data.archives.http import is_address
from chromviz.data.signal.remote import RemoteFile, open_remote
from chromviz.data.signal.windows import merge
from chromviz.errors import ChromvizError

_BASE_BITS = 32
_BIGWIG, _BIGBED, _CHROM_TREE, _INDEX = 0x888FFC26, 0x8789F2EB, 0x78CA8C91, 0x2468ACE0
# Magic, version, zoom levels, offsets of the chromosomes, the data and their index, two counts and
# two offsets that only bigBed uses, and the bytes of the largest block when unpacked.
_HEADER, _HEADER_SIZE = "IHHQQQHHQQI", 64
_ZOOM_SIZE, _MAX_ZOOMS = 24, 32  # writers use up to ten
_TREE_HEAD, _INDEX_HEAD, _NODE_HEAD = 32, 48, 4
_MAX_NAME = 1024  # bytes in the name of a chromosome
_MAX_CHROM = 1 << 31
# A block counts its records, of 12 bytes at most, in 16 bits; packed, it can be a little longer.
# pybigtools makes room for whatever a file claims, and ends the process if there is not so much.
_MAX_BLOCK = 24 + 0xFFFF * 12
_MAX_PACKED = _MAX_BLOCK + _MAX_BLOCK // 100
# pybigtools recognises a bigWig by the suffix of its path.
_SUFFIXES = (".bw", ".bigWig", ".bigwig")
# Panics are printed to the process's standard error, which all threads share.
_STDERR = threading.Lock()


class LocalFile:
    """A file on disk, with the methods of :class:`chromviz.data.signal.remote.RemoteFile`."""

    failure = None

    def __init__(self, handle: io.FileIO, name: str) -> None:
        self.name = name
        # pybigtools reads a path faster, if it knows its suffix.
        self.handle: io.RawIOBase | str = name if name.endswith(_SUFFIXES) else handle
        self.size = os.fstat(handle.fileno()).st_size
        self._descriptor = handle.fileno()

    def read_at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only at the end of the file."""
        try:
            return os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise ChromvizError(f"cannot read {self.name} ({error.strerror or error})") from None

    def prefetch(self, start: np.ndarray, stop: np.ndarray, keep: bool = False) -> None:
        """Do nothing: the operating system reads files on disk ahead."""


ByteSource = LocalFile | RemoteFile


@dataclass(frozen=True)
class BigWig:
    """An open bigWig file.

    `order` is ``<`` if it is little-endian, ``>`` if big-endian; `index` is the offset of the index
    of blocks; `packed` says whether they are compressed; `chroms` has the number in the file and
    the size in bases of each chromosome; and `reader` is pybigtools'.
    """

    source: ByteSource
    order: str
    index: int
    packed: bool
    chroms: dict[str, tuple[int, int]]
    reader: Any

    def find_blocks(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, ...]:
        """Find the blocks of data that overlap windows sorted by start.

        Returns the first base of each block and the base after its last, its first byte and the
        byte after its last: int64 (block,) each, sorted by position.
        """
        head = _take(self.source, self.index, _INDEX_HEAD)
        magic, width = struct.unpack_from(self.order + "II", head)
        if magic != _INDEX:
            raise damaged(self.source, "its index is not an index")
        bounds = [(name, self.order + "u4") for name in ("chrom", "start", "last", "end")]
        bounds.append(("offset", self.order + "u8"))
        tree = _Tree(np.dtype([*bounds, ("size", self.order + "u8")]), np.dtype(bounds), width)
        first, last = merge(start, end)

        def overlapping(items: np.ndarray) -> np.ndarray:
            self._check_items(items)
            begin, stop = _span(items)
            window = np.searchsorted(last, begin, "right")
            inside = window < len(first)
            inside[inside] = first[window[inside]] < stop[inside]
            return items[inside]

        root = self.index + _INDEX_HEAD
        found = tree.leaves(self.source, self.order, root, overlapping) if len(start) else None
        items = np.empty(0, tree.leaf) if found is None else found
        offset, size = items["offset"].astype(np.int64), items["size"].astype(np.int64)
        begin, stop = _span(items)
        order = np.lexsort((stop, begin))
        return begin[order], stop[order], offset[order], (offset + size)[order]

    def _check_items(self, items: np.ndarray) -> None:
        """Raise if items of the index are impossible."""
        if max(items["chrom"].max(initial=0), items["last"].max(initial=0)) >= _MAX_CHROM:
            raise damaged(self.source, "its index names an impossible chromosome")
        end = items["offset"]
        if "size" in (items.dtype.names or ()):
            if items["size"].max(initial=0) > _MAX_PACKED:
                raise damaged(self.source, "its index claims an impossible block")
            # An offset near 2^64 would wrap around.
            end = np.maximum(end, end + items["size"])
        if int(end.max(initial=0)) > self.source.size:
            raise damaged(self.source, f"it ends after {self.source.size:,} bytes")

    def fill(self, chrom: str, start: int, base: np.ndarray, *, check: bool) -> None:
        """Read the value of every base from `start` into `base` (base,), NaN without data.

        The region lies within the chromosome. With `check`, data that give a base two values are an
        error; they always are in a file without compression, which has no checksums. Call it within
        :func:`one_line`.
        """
        end = start + len(base)
        self.reader.values(chrom, start, end, fillna=None, arr=base)
        if self.packed and not check:
            return
        # Two records that overlap count twice here, and pybigtools has added their values up.
        how = {"bins": 1, "summary": "bases_covered", "exact": True, "fillna": 0.0}
        present = len(base) - int(np.count_nonzero(np.isnan(base)))
        if present and self.reader.values(chrom, start, end, **how)[0] != present:
            self._refuse_overlaps(chrom, start, end)

    def _refuse_overlaps(self, chrom: str, start: int, end: int) -> None:
        """Raise if two records of a window overlap; records whose value is NaN are no fault."""
        reach = 0
        for first, last, _ in self.reader.records(chrom, start, end):
            if first < reach:
                raise damaged(
                    self.source, f"records overlap or are out of order at {chrom}:{first:,}"
                )
            reach = last


@contextmanager
def open_bigwig(location: Path | str) -> Iterator[BigWig]:
    """Open a bigWig file on disk or at an http(s) address."""
    # Imported here: only work on bigWig files needs it.
    import pybigtools

    with contextlib.ExitStack() as stack:
        source: ByteSource = (
            stack.enter_context(open_remote(str(location)))
            if is_address(location)
            else _open_local(Path(location), stack)
        )
        order, names, index, packed = _read_header(source)
        chroms = _read_chroms(source, order, names)
        # The index is walked before pybigtools sees it, see the top of this file.
        with one_line(source):
            # The Python wrapper of a reader costs as much again for each window.
            reader = pybigtools.open(source.handle)._rust
        yield BigWig(source, order, index, packed, chroms, reader)


def _open_local(path: Path, stack: contextlib.ExitStack) -> LocalFile:
    try:
        # Opening a pipe would wait for its other end.
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise ChromvizError(f"cannot read {path} (it is not a file); check the path")
        return LocalFile(stack.enter_context(path.open("rb", buffering=0)), str(path))
    except FileNotFoundError:
        raise ChromvizError(f"no file {path}; check the path") from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise ChromvizError(f"cannot read {path} ({problem})") from None


def _read_header(source: ByteSource) -> tuple[str, int, int, bool]:
    """Return byte order, offsets of chromosomes and index, and whether blocks are packed."""
    header = source.read_at(0, _HEADER_SIZE)
    magic = header[:4]
    orders = {_BIGWIG.to_bytes(4, "little"): "<", _BIGWIG.to_bytes(4, "big"): ">"}
    order = orders.get(magic, "")
    if not order:
        bigbed = magic in (_BIGBED.to_bytes(4, "little"), _BIGBED.to_bytes(4, "big"))
        found = "it is a bigBed" if bigbed else "its first bytes are not those of one"
        remedy = (
            "only bigWig can be read from an address: download a file of reads and give its path"
            if is_address(source.name)
            else "give bigWig, or reads (BAM, or tab-separated BED)"
        )
        raise ChromvizError(f"{source.name} is not a bigWig file ({found}); {remedy}")
    if len(header) < _HEADER_SIZE:
        raise damaged(source, f"its header ends after {len(header)} bytes")
    fields = struct.unpack_from(order + _HEADER, header)
    n_zooms, (names, data, index), unpacked = fields[2], fields[3:6], fields[10]
    if unpacked > 16 * _MAX_BLOCK:
        raise damaged(source, f"it claims blocks of {unpacked:,} bytes")
    if n_zooms > _MAX_ZOOMS:
        raise damaged(source, f"it claims {n_zooms:,} zoom levels")
    zooms = np.frombuffer(
        _take(source, _HEADER_SIZE, n_zooms * _ZOOM_SIZE),
        [("_", "u8"), ("data", order + "u8"), ("index", order + "u8")],
    )
    # In most files the zoom levels come last: they show that the end is missing.
    if max(names, data, index, *zooms["data"].tolist(), *zooms["index"].tolist()) >= source.size:
        raise damaged(source, f"it ends after {source.size:,} bytes")
    return order, names, index, unpacked > 0


def _read_chroms(source: ByteSource, order: str, at: int) -> dict[str, tuple[int, int]]:
    """Return number and size of each chromosome, from the tree that starts at a byte."""
    head = _take(source, at, _TREE_HEAD)
    magic, width, key, value, count = struct.unpack_from(order + "IIIIQ", head)
    if magic != _CHROM_TREE or not 0 < key <= _MAX_NAME or value != 8:
        raise damaged(source, "its list of chromosomes cannot be read")
    name = ("name", f"S{key}")
    tree = _Tree(
        np.dtype([name, ("number", order + "u4"), ("size", order + "u4")]),
        np.dtype([name, ("offset", order + "u8")]),
        width,
    )
    listed = tree.leaves(source, order, at + _TREE_HEAD).tolist()
    try:
        chroms = {name.decode(): (number, size) for name, number, size in listed}
    except UnicodeDecodeError:
        raise damaged(source, "a chromosome's name is not text") from None
    numbers = {number for number, _ in chroms.values()}
    if not len(listed) == len(chroms) == len(numbers) == count:
        raise damaged(source, f"it lists {len(listed):,} chromosomes instead of {count:,}")
    if max(numbers, default=0) >= _MAX_CHROM:
        raise damaged(source, "the number of a chromosome is impossible")
    return chroms


@dataclass(frozen=True)
class _Tree:
    """A tree in a file: the items of its leaves and of the nodes above, and items per node."""

    leaf: np.dtype[np.void]
    above: np.dtype[np.void]
    width: int

    def leaves(
        self,
        source: ByteSource,
        order: str,
        root: int,
        keep: Callable[[np.ndarray], np.ndarray] = lambda items: items,
    ) -> np.ndarray:
        """Return the items of the leaves, of those branches only whose items `keep` keeps."""
        largest = max(self.leaf.itemsize, self.above.itemsize)
        room = _NODE_HEAD + min(self.width, 0xFFFF) * largest
        found, level, seen = [np.empty(0, self.leaf)], [root], set[int]()
        while level:
            if not seen.isdisjoint(level):
                raise damaged(source, "its index runs in circles")
            seen.update(level)
            nodes = np.array(level, dtype=np.int64)
            source.prefetch(nodes, nodes + room, keep=True)
            below: list[int] = []
            for node in level:
                kind, count = struct.unpack_from(order + "BxH", _take(source, node, _NODE_HEAD))
                if kind > 1:
                    raise damaged(source, "a node of its index is neither branch nor leaf")
                dtype = self.leaf if kind else self.above
                content = _take(source, node + _NODE_HEAD, count * dtype.itemsize)
                items = keep(np.frombuffer(content, dtype))
                if kind:
                    found.append(items)
                else:
                    below += items["offset"].tolist()
            level = sorted(set(below))
        return np.concatenate(found)


def genome_position(number: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Return the positions of bases on chromosomes, given by their numbers in the file."""
    place: np.ndarray = (number.astype(np.int64) << _BASE_BITS) + base
    return place


def _span(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of an index's items: first base, and the base after the last."""
    first = genome_position(items["chrom"], items["start"])
    return first, genome_position(items["last"], items["end"])


@contextmanager
def one_line(source: ByteSource) -> Iterator[None]:
    """Turn every failure of pybigtools, panics included, into one line about the file."""
    with _STDERR, _captured_stderr() as forget:
        try:
            yield
        except BaseException as error:
            if source.failure is not None:  # what stopped reading from the server
                forget()
                raise source.failure from None
            # A panic derives from BaseException, so that nobody catches it by accident.
            panic = type(error).__name__ == "PanicException"
            if isinstance(error, ChromvizError | MemoryError) or not (
                panic or isinstance(error, Exception)
            ):
                raise
            forget()
            if panic:
                raise damaged(source, "a block cannot be unpacked") from None
            reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
            raise damaged(source, f"pybigtools: {reason}") from None


@contextmanager
def _captured_stderr() -> Iterator[Callable[[], None]]:
    """Hold back what is printed to standard error; discard it on request, else print it later.

    pybigtools prints some failures from Rust, which bypasses Python's ``sys.stderr``.
    """
    try:
        saved = os.dup(2)
    except OSError:  # a process without standard error
        yield lambda: None
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)

        def forget() -> None:
            held.truncate(0)

        try:
            yield forget
        finally:
            os.dup2(saved, 2)
            held.seek(0)
            with contextlib.suppress(OSError):
                os.write(saved, held.read())
            os.close(saved)


def _take(source: ByteSource, offset: int, size: int) -> bytes:
    """Return bytes of the file, or refuse a file that ends before them."""
    content = source.read_at(offset, size) if offset < source.size else b""
    if len(content) < size:
        raise damaged(source, f"it ends after {source.size:,} bytes")
    return content


def damaged(source: ByteSource, problem: str) -> ChromvizError:
    """Return the error for a file that is damaged or cut off."""
    remedy = (
        "try again, or give another copy"
        if is_address(source.name)
        else "download or copy it again"
    )
    return ChromvizError(f"{source.name} is a damaged or cut-off bigWig file ({problem}); {remedy}")

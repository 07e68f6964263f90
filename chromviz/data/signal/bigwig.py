"""The bigWig format, read by hand: chromosomes, the index, and the blocks of data.

The layout is that of Kent et al., Bioinformatics 26, 2204 (2010), supplement. Nothing in a file
is believed that could make reading it endless or huge. Of an index only the nodes on the way to
the windows are read, level by level, and of the data only blocks that overlap them, so that the
same code serves a file on disk and one on a server.

Positions are int64 on one line of all chromosomes: the chromosome's number in the file times
2^32, plus the base.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chromviz.data.archives.http import is_address
from chromviz.data.signal import inflate
from chromviz.data.signal.remote import Source, merge_spans
from chromviz.errors import ChromvizError

#: Bits of a position that hold the base.
BASE_BITS = 32
_BIGWIG, _BIGBED, _NAMES, _INDEX = 0x888FFC26, 0x8789F2EB, 0x78CA8C91, 0x2468ACE0
# Magic, version, zoom levels, offsets of the chromosomes, the data and their index, counts and
# offsets that only bigBed uses, offset of the summary, size of an unpacked block (0: unpacked).
_HEADER, _HEADER_SIZE = "IHHQQQHHQQI", 64
_ZOOM_SIZE, _MAX_ZOOMS = 24, 32  # programs write ten
_NAMES_SIZE, _INDEX_SIZE, _NODE_SIZE, _SECTION_SIZE = 32, 48, 4, 24
_MAX_KEY = 1024  # bytes in the name of a chromosome
_MAX_CHROM = 1 << 31
_MAX_TREE = 1_000_000  # bytes of the chromosomes' tree that are fetched in one go
# A section counts its records in 16 bits, and a record has at most 12 bytes; packed data can be
# a little longer than unpacked.
_MAX_BLOCK = _SECTION_SIZE + 0xFFFF * 12
_MAX_PACKED = _MAX_BLOCK + _MAX_BLOCK // 100
_START_AND_END, _START, _FIXED_STEP = 1, 2, 3
# Bytes of a record by kind of section, 0 for those that are not.
_ITEM_SIZES = np.zeros(256, dtype=np.int64)
_ITEM_SIZES[[_START_AND_END, _START, _FIXED_STEP]] = 12, 8, 4
_USUAL_BLOCK = 1 << 15
# Packed data this short unpacks to less than 67 MB: faster unpacked without a limit.
_SHORT = 1 << 16


@dataclass(frozen=True)
class Track:
    """Where the parts of a bigWig file are.

    Parameters
    ----------
    source
        The file.
    order
        ``<`` if it is little-endian, ``>`` if big-endian.
    index
        Offset of the index.
    packed
        Whether blocks are compressed.
    chroms
        Number and size in bases of each chromosome.
    """

    source: Source
    order: str
    index: int
    packed: bool
    chroms: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Blocks:
    """Blocks of data in the order of the genome: int64 (block,) each.

    Parameters
    ----------
    start, end
        Position of the first base, and after the last.
    offset, size
        Bytes in the file.
    """

    start: np.ndarray
    end: np.ndarray
    offset: np.ndarray
    size: np.ndarray

    def __getitem__(self, which: np.ndarray | slice) -> Blocks:
        return Blocks(self.start[which], self.end[which], self.offset[which], self.size[which])


def read_track(source: Source) -> Track:
    """Read what comes before the data: the header and the chromosomes.

    Raises
    ------
    ChromvizError
        If the file is not a bigWig, is damaged, or is cut off.
    """
    header = source.read(0, _HEADER_SIZE)
    magic = header[:4]
    order = "<" if magic == _BIGWIG.to_bytes(4, "little") else ">"
    if magic not in (_BIGWIG.to_bytes(4, "little"), _BIGWIG.to_bytes(4, "big")):
        bigbed = magic in (_BIGBED.to_bytes(4, "little"), _BIGBED.to_bytes(4, "big"))
        found = "it is a bigBed" if bigbed else "it begins otherwise"
        remedy = (
            "from an address only bigWig is read: of reads, download the file and give its path"
            if is_address(source.name)
            else "give bigWig, or reads (BAM, or BED with tabs)"
        )
        raise ChromvizError(f"{source.name} is not a bigWig file ({found}); {remedy}")
    if len(header) < _HEADER_SIZE:
        raise damaged(source, f"its header ends after {len(header)} bytes")
    fields = struct.unpack_from(order + _HEADER, header)
    n_zooms, (names, data, index), unpacked = fields[2], fields[3:6], fields[10]
    if n_zooms > _MAX_ZOOMS:
        raise damaged(source, f"it claims {n_zooms:,} zoom levels")
    zooms = np.frombuffer(
        _take(source, _HEADER_SIZE, n_zooms * _ZOOM_SIZE),
        [("_", "u8"), ("data", order + "u8"), ("index", order + "u8")],
    )
    # The zoom levels come last in most files: this is what shows that the end is missing.
    offsets = [names, data, index, *zooms["data"].tolist(), *zooms["index"].tolist()]
    if max(offsets) >= source.size:
        raise damaged(source, f"it ends after {source.size:,} bytes")
    end = min((offset for offset in offsets if offset > names), default=source.size)
    ahead = [(index, _INDEX_SIZE + _NODE_SIZE), (names, min(end - names, _MAX_TREE))]
    source.expect(*np.array(ahead, dtype=np.int64).T)
    return Track(source, order, index, unpacked > 0, _read_chroms(source, order, names))


def _read_chroms(source: Source, order: str, at: int) -> dict[str, tuple[int, int]]:
    """Return number and size of each chromosome, from the tree that starts at a byte."""
    head = _take(source, at, _NAMES_SIZE)
    magic, _, key, value, count = struct.unpack_from(order + "IIIIQ", head)
    if magic != _NAMES or not 0 < key <= _MAX_KEY or value != 8:
        raise damaged(source, "its list of chromosomes is no such list")
    leaf_type = np.dtype([("name", f"S{key}"), ("number", order + "u4"), ("size", order + "u4")])
    types = _Types(leaf_type, np.dtype([("name", f"S{key}"), ("child", order + "u8")]))
    listed: list[tuple[bytes, int, int]] = []
    level, left = [at + _NAMES_SIZE], source.size
    while level:
        below: list[int] = []
        for node in level:
            length = types.length(source, order, _take(source, node, _NODE_SIZE))
            left -= length
            if left < 0:
                raise damaged(source, "its list of chromosomes runs in circles")
            leaf, items = types.items(_take(source, node, length))
            if leaf:
                listed += items.tolist()
            else:
                below += items["child"].tolist()
        level = below
    try:
        chroms = {name.decode(): (number, size) for name, number, size in listed}
    except UnicodeDecodeError:
        raise damaged(source, "a chromosome's name is not text") from None
    numbers = {number for number, _ in chroms.values()}
    if not len(listed) == len(chroms) == len(numbers) == count:
        raise damaged(source, f"it lists {len(listed):,} chromosomes of {count:,}, or some twice")
    if max(numbers, default=0) >= _MAX_CHROM:
        raise damaged(source, "it numbers a chromosome beyond reason")
    return chroms


@dataclass(frozen=True)
class _Types:
    """The items of a tree's nodes: those of leaves, and those of the nodes above."""

    leaf: np.dtype[np.void]
    above: np.dtype[np.void]

    def length(self, source: Source, order: str, head: bytes) -> int:
        """Return the bytes of a node from its first four."""
        kind, _, count = struct.unpack_from(order + "BBH", head)
        if kind > 1:
            raise damaged(source, "a node of its index is neither branch nor leaf")
        return _NODE_SIZE + int(count) * (self.leaf if kind else self.above).itemsize

    def items(self, content: bytes) -> tuple[bool, np.ndarray]:
        """Return whether a node is a leaf, and its items."""
        leaf = content[0] == 1
        return leaf, np.frombuffer(content, self.leaf if leaf else self.above, offset=_NODE_SIZE)


def find_blocks(track: Track, start: np.ndarray, end: np.ndarray) -> Blocks:
    """Find the blocks of data that overlap windows.

    Parameters
    ----------
    track
        The file.
    start, end
        int64 (window,): positions of windows, by start.

    Raises
    ------
    ChromvizError
        If the index is damaged or cut off.
    """
    source, order = track.source, track.order
    head = _take(source, track.index, _INDEX_SIZE + _NODE_SIZE)
    magic, width = struct.unpack_from(order + "II", head)
    if magic != _INDEX:
        raise damaged(source, "its index is no index")
    bounds = [(name, order + "u4") for name in ("chrom", "start", "last", "end")]
    leaf_type = np.dtype([*bounds, ("offset", order + "u8"), ("size", order + "u8")])
    types = _Types(leaf_type, np.dtype([*bounds, ("offset", order + "u8")]))
    start, end = _join(start, end)
    found = [_blocks(source, np.empty(0, leaf_type))]
    level = np.array([track.index + _INDEX_SIZE] if len(start) else [], dtype=np.int64)
    room = np.array([types.length(source, order, head[_INDEX_SIZE:])])
    left = source.size
    while len(level):
        below = [_blocks(source, np.empty(0, types.above))]
        for content in _read_level(track, level, room, types):
            left -= len(content)
            if left < 0:
                raise damaged(source, "its index runs in circles")
            leaf, items = types.items(content)
            (found if leaf else below).append(_blocks(source, items))
        nodes = concatenate(below)
        level = np.unique(nodes[_overlap(nodes, start, end)].offset)
        # Nodes of a level follow one another, so that the next one's place tells the length.
        known = np.unique(nodes.offset)
        room = np.diff(known, append=source.size)[np.searchsorted(known, level)]
        room[room > _NODE_SIZE + min(width, 0xFFFF) * leaf_type.itemsize] = _NODE_SIZE
    blocks = concatenate(found)
    blocks = blocks[_overlap(blocks, start, end)]
    if len(blocks.size) and int(blocks.size.max()) > _MAX_PACKED:
        raise damaged(source, "its index claims a block beyond reason")
    return blocks[np.lexsort((blocks.end, blocks.start))]


def _read_level(
    track: Track, level: np.ndarray, room: np.ndarray, types: _Types
) -> Iterator[bytes]:
    """Give the nodes of one level; what `room` does not hold takes a second request."""
    source = track.source
    source.expect(level, room)
    heads = [_take(source, node, _NODE_SIZE) for node in level.tolist()]
    length = np.array([types.length(source, track.order, head) for head in heads])
    whole = length <= room
    for part in (whole, ~whole):
        if part is not whole and part.any():
            source.expect(level[part], length[part])
        for node, size in zip(level[part].tolist(), length[part].tolist(), strict=True):
            yield _take(source, node, size)


def _blocks(source: Source, items: np.ndarray) -> Blocks:
    """Return an index's items with their positions; the size is 0 where they are nodes."""
    chrom, last = items["chrom"].astype(np.int64), items["last"].astype(np.int64)
    offset = items["offset"].astype(np.int64)
    named = items.dtype.names or ()
    size = items["size"].astype(np.int64) if "size" in named else np.zeros_like(offset)
    if max(chrom.max(initial=0), last.max(initial=0)) >= _MAX_CHROM:
        raise damaged(source, "its index names a chromosome beyond reason")
    # A number beyond int64 has become negative.
    if min(offset.min(initial=0), size.min(initial=0)) < 0 or (
        np.maximum(offset, size).max(initial=0) >= source.size
        or (offset + size).max(initial=0) > source.size
    ):
        raise damaged(source, f"it ends after {source.size:,} bytes")
    return Blocks(
        (chrom << BASE_BITS) + items["start"], (last << BASE_BITS) + items["end"], offset, size
    )


def concatenate(parts: list[Blocks]) -> Blocks:
    """Return the blocks of all parts."""
    names = ("start", "end", "offset", "size")
    return Blocks(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _join(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return windows joined where they touch or overlap."""
    reach = np.maximum.accumulate(end)
    first = np.flatnonzero(np.r_[len(start) > 0, start[1:] > reach[:-1]])
    return start[first], np.maximum.reduceat(end, first) if len(first) else end[:0]


def _overlap(blocks: Blocks, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return which blocks overlap a window, bool (block,); windows are sorted and disjoint."""
    window = np.searchsorted(end, blocks.start, "right")
    inside = window < len(start)
    inside[inside] = start[window[inside]] < blocks.end[inside]
    return inside


def read_records(track: Track, blocks: Blocks) -> np.ndarray:
    """Read the records of blocks: stretches of bases that have one value each.

    Parameters
    ----------
    track
        The file.
    blocks
        Some that :func:`find_blocks` gave, in order, all of one chromosome.

    Returns
    -------
    numpy.ndarray
        (record,) in order and disjoint: ``start`` and ``end``, the first base and that after the
        last, 32 bits each; ``value``, float32; in the file's byte order.

    Raises
    ------
    ChromvizError
        If a block is damaged or cut off, lies elsewhere than the index says, or gives a base two
        values.
    """
    contents = _read_blocks(track, blocks)
    held = np.array([len(content) for content in contents], dtype=np.int64)
    if held.min(initial=_SECTION_SIZE) < _SECTION_SIZE:
        raise damaged(track.source, "a block is too short")
    heads = np.frombuffer(
        b"".join([content[:_SECTION_SIZE] for content in contents]), _section_type(track.order)
    )
    base = heads["chrom"].astype(np.int64) << BASE_BITS
    if (base + heads["start"] < blocks.start).any() or (base + heads["end"] > blocks.end).any():
        raise damaged(track.source, "a block lies elsewhere than the index says")
    item = _ITEM_SIZES[heads["kind"]]
    stop = _SECTION_SIZE + heads["count"] * item
    if not item.all() or (held < stop).any():
        raise damaged(track.source, "a block is too short or of an unknown kind")
    parts = [
        content[_SECTION_SIZE:end] for content, end in zip(contents, stop.tolist(), strict=True)
    ]
    for block in np.flatnonzero(heads["kind"] != _START_AND_END).tolist():
        parts[block] = _spell_out(track, heads[block], parts[block])
    records = np.frombuffer(b"".join(parts), _record_type(track.order))
    start, end = records["start"], records["end"]
    wrong = end < start
    wrong[1:] |= start[1:] < end[:-1]
    if wrong.any():
        at = int(start[np.flatnonzero(wrong)[0]])
        raise damaged(
            track.source,
            f"records overlap or are out of order at {_chrom_name(track, blocks)}:{at:,}",
        )
    return records


def _record_type(order: str) -> np.dtype[np.void]:
    return np.dtype([("start", order + "u4"), ("end", order + "u4"), ("value", order + "f4")])


def _section_type(order: str) -> np.dtype[np.void]:
    names = ("chrom", "start", "end", "step", "span")
    return np.dtype(
        [(name, order + "u4") for name in names]
        + [("kind", "u1"), ("_", "u1"), ("count", order + "u2")]
    )


def _chrom_name(track: Track, blocks: Blocks) -> str:
    """Return the chromosome that blocks are of, for messages."""
    number = int(blocks.start[0]) >> BASE_BITS
    return next((name for name, (known, _) in track.chroms.items() if known == number), "?")


def _read_blocks(track: Track, blocks: Blocks) -> list[memoryview]:
    """Return what is in blocks, unpacked."""
    # Blocks that follow one another in the file are read in one go.
    spans = merge_spans(blocks.offset, blocks.offset + blocks.size, waste=0)
    starts = np.array([start for start, _ in spans], dtype=np.int64)
    contents = [memoryview(_take(track.source, start, end - start)) for start, end in spans]
    which = np.searchsorted(starts, blocks.offset, "right") - 1
    first = blocks.offset - starts[which]
    columns = (which.tolist(), first.tolist(), (first + blocks.size).tolist())
    packed = [contents[span][start:end] for span, start, end in zip(*columns, strict=True)]
    if not track.packed:
        return packed
    # A loop of its own, as tight as can be: unpacking lets other threads run, which should not
    # find this one busy with the interpreter.
    try:
        return [memoryview(_unpack(content)) for content in packed]
    except inflate.FAULTS:
        raise damaged(track.source, "a block cannot be unpacked") from None


def _spell_out(track: Track, head: np.void, content: memoryview) -> memoryview:
    """Return the records of a section that leaves out ends, or starts too."""
    count, span = int(head["count"]), int(head["span"])
    items = np.frombuffer(content, track.order + "u4").reshape(count, -1)
    begin = items[:, 0].astype(np.int64)
    if head["kind"] == _FIXED_STEP:
        begin = int(head["start"]) + int(head["step"]) * np.arange(count, dtype=np.int64)
    if begin.max(initial=0) + span >= 1 << BASE_BITS:
        raise damaged(track.source, "a record lies beyond the end of any chromosome")
    records = np.empty(count, _record_type(track.order))
    records["start"], records["end"] = begin, begin + span
    records["value"] = items[:, -1].view(track.order + "f4")
    return memoryview(records.tobytes())


def _unpack(content: memoryview) -> bytes:
    """Return what a block's compressed bytes hold, within reason."""
    if len(content) <= _SHORT:
        return inflate.decompress(content, bufsize=_USUAL_BLOCK)
    unpacker = inflate.decompressobj(15)
    unpacked: bytes = unpacker.decompress(content, _MAX_BLOCK)
    if not unpacker.eof:
        raise inflate.FAULTS[0]
    return unpacked


def _take(source: Source, offset: int, size: int) -> bytes:
    """Return bytes of the file, or refuse one that ends before."""
    content = source.read(offset, size) if offset < source.size else b""
    if len(content) < size:
        raise damaged(source, f"it ends after {source.size:,} bytes")
    return content


def damaged(source: Source, problem: str) -> ChromvizError:
    """Return the error for a file that contradicts itself."""
    remedy = (
        "try again, or give another copy" if is_address(source.name) else "fetch or copy it again"
    )
    return ChromvizError(f"{source.name} is a damaged or cut-off bigWig file ({problem}); {remedy}")

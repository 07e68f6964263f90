"""A bigWig writer for tests: small files in any byte order, with any kind of section, and wrong."""

import struct
import zlib


def section(order, chrom, kind, records, *, step=0, span=0):
    """One block: by kind (start, end, value)..., (start, value)..., or a start and (value,)...."""
    if kind == 3:
        start, records = records
        end = start + step * (len(records) - 1) + span
    else:
        start = records[0][0]
        end = records[-1][1] if kind == 1 else records[-1][0] + span
    head = struct.pack(order + "IIIIIBBH", chrom, start, end, step, span, kind, 0, len(records))
    body = b"".join(
        struct.pack(order + {1: "IIf", 2: "If", 3: "f"}[kind], *record) for record in records
    )
    return (chrom, start, end), head + body


def write(chroms, sections, *, order="<", packed=True, width=2):
    """The bytes of a file: chromosomes with sizes, sections in order, `width` items in a node."""
    names = list(chroms)
    key = max(map(len, names))
    tree = struct.pack(order + "IIIIQQ", 0x78CA8C91, len(names), key, 8, len(names), 0)
    tree += struct.pack(order + "BBH", 1, 0, len(names))
    for number, name in enumerate(names):
        tree += name.encode().ljust(key, b"\0")
        tree += struct.pack(order + "II", number, chroms[name])
    data = 64 + len(tree)
    body, leaves = struct.pack(order + "Q", len(sections)), []
    for (chrom, start, end), content in sections:
        content = zlib.compress(content) if packed else content
        leaves.append((chrom, start, chrom, end, data + len(body), len(content)))
        body += content
    index = data + len(body)
    header = struct.pack(
        order + "IHHQQQHHQQIQ",
        *(0x888FFC26, 4, 0, 64, data, index, 0, 0, 0, 0, 32768 if packed else 0, 0),
    )
    return header + tree + body + _index(order, leaves, index, width)


def _index(order, leaves, at, width):
    head = struct.pack(order + "IIQIIIIQII", 0x2468ACE0, width, len(leaves), 0, 0, 0, 0, at, 1, 0)
    # Levels from the root down, each a list of nodes, which are lists of items.
    grouped = [leaves[first : first + width] for first in range(0, len(leaves), width)] or [[]]
    nodes = [[("leaf", group) for group in grouped]]
    while len(nodes[0]) > 1:
        below = nodes[0]
        nodes.insert(
            0,
            [("above", below[first : first + width]) for first in range(0, len(below), width)],
        )
    places, offset = {}, at + len(head)
    for level in nodes:
        for node in level:
            places[id(node)] = offset
            offset += 4 + len(node[1]) * (32 if node[0] == "leaf" else 24)
    out = head
    for level in nodes:
        for kind, items in level:
            out += struct.pack(order + "BBH", kind == "leaf", 0, len(items))
            for item in items:
                if kind == "leaf":
                    out += struct.pack(order + "IIIIQQ", *item)
                else:
                    bounds = _bounds(item)
                    out += struct.pack(order + "IIIIQ", *bounds, places[id(item)])
    return out


def _bounds(node):
    kind, items = node
    first, last = (
        (items[0], items[-1]) if kind == "leaf" else (_bounds(items[0]), _bounds(items[-1]))
    )
    return (*first[:2], *last[2:4])


def needed(content, windows):
    """Bytes without which windows (chromosome's number, start, end) of a file cannot be read.

    The header, the chromosomes, the nodes of the index that lead to the windows' blocks, and
    those blocks. Little-endian files only.
    """
    names, _, index = struct.unpack_from("<QQQ", content, 8)
    key = struct.unpack_from("<I", content, names + 8)[0]
    total = 64 + 32 + 48

    def chromosomes(at):
        leaf, _, count = struct.unpack_from("<BBH", content, at)
        size = 4 + count * (key + 8)
        if not leaf:
            for item in range(count):
                place = at + 4 + item * (key + 8) + key
                size += chromosomes(struct.unpack_from("<Q", content, place)[0])
        return size

    def node(at):
        leaf, _, count = struct.unpack_from("<BBH", content, at)
        width = 32 if leaf else 24
        size = 4 + count * width
        for item in range(count):
            place = at + 4 + item * width
            c0, start, c1, end, offset = struct.unpack_from("<IIIIQ", content, place)
            if any((c0, start) < (c, b) and (c, a) < (c1, end) for c, a, b in windows):
                size += struct.unpack_from("<Q", content, place + 24)[0] if leaf else node(offset)
        return size

    return total + chromosomes(names + 32) + node(index + 48)

"""The reads of a BED file (tagAlign is BED6): tab-separated, 0-based, half-open, one per line.

pandas reads blocks of lines that are all plain reads. Any other block is read line by line, which
finds the line that is wrong.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.signal.read_files import MAX_POSITION, SKIPPED, Batch
from chromviz.data.text import parse_interval
from chromviz.errors import ChromvizError

_MAX_LINE, _MAX_NAME = 1 << 20, 255
# A block of plain lines: possessive, so that a line that differs is found without backtracking.
_START = rb"(?:(?!#|track[ \t]|browser[ \t])[^\t\r\n]{1,255}+\t[0-9]{1,10}+\t[0-9]{1,10}+"
_PLAIN = re.compile(_START + rb"(?:\t[^\r\n]*+)?+\n)*+")
_PLAIN_6 = re.compile(_START + rb"\t[^\t\r\n]*+\t[^\t\r\n]*+\t[+-](?:\t[^\r\n]*+)?+\n)*+")


def read_bed(path: Path, blocks: Iterator[bytes], strands: bool) -> Iterator[Batch]:
    """Yield the reads of a BED file, given in blocks of bytes.

    Unless `strands` are needed, only the first three columns are read. Errors name the line.
    """
    codes: dict[str, int] = {}
    n_lines = columns = 0
    plain = _PLAIN_6 if strands else _PLAIN
    for data, complete in _whole_lines(path, blocks):
        if b"\0" in data:
            raise ChromvizError(f"{path} is not a text file; give reads (BAM or BED)")
        last = data[data.rfind(b"\n", 0, -1) + 1 :].count(b"\t") + 1
        # Without its last columns, the end of the last line may be too small as well.
        if not complete and last < columns:
            number = n_lines + data.count(b"\n")
            where = f"{path}, line {number:,}"
            raise ChromvizError(f"{where}: the file is cut off here; download or copy it again")
        columns = last
        table = _parse_plain(data, strands) if plain.fullmatch(data) else None
        if table is None:
            table = _parse_lines(path, data, n_lines, strands)
        n_lines += data.count(b"\n")
        if table.empty:
            continue
        here = [codes.setdefault(name, len(codes)) for name in table[0].cat.categories]
        chrom = np.array(here)[table[0].cat.codes]
        minus = table[5].to_numpy() == "-" if strands else None
        yield Batch(list(codes), chrom, table[1].to_numpy(), table[2].to_numpy(), minus)


def _whole_lines(path: Path, blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield text cut at ends of lines, and whether its last line was ended."""
    kept = b""
    for number, block in enumerate(blocks):
        data = kept + (block if number else block.removeprefix(codecs.BOM_UTF8))
        cut = data.rfind(b"\n") + 1
        kept = data[cut:]
        if len(kept) > _MAX_LINE:
            raise ChromvizError(
                f"{path} has a line of more than {_MAX_LINE:,} bytes; give reads (BAM or BED)"
            )
        if cut:
            yield data[:cut].replace(b"\r\n", b"\n"), True
    if kept:
        yield kept.removesuffix(b"\r") + b"\n", False


def _parse_plain(data: bytes, strands: bool) -> pd.DataFrame | None:
    """Return the columns of plain lines, or None if a line needs a closer look."""
    columns = [0, 1, 2, 5] if strands else [0, 1, 2]
    try:
        table = pd.read_csv(
            io.BytesIO(data),
            sep="\t",
            header=None,
            index_col=False,
            usecols=columns,
            dtype=dict.fromkeys(columns, "category") | {1: "int64", 2: "int64"},
            quoting=3,  # a quotation mark is a letter like others
            na_filter=False,
            skip_blank_lines=False,
            engine="c",
        )
    except (ValueError, OverflowError):  # lines of several lengths, or text that is not UTF-8
        return None
    wrong = (table[2] <= table[1]) | (table[2] > MAX_POSITION)
    return None if wrong.any() or len(table) != data.count(b"\n") else table


def _parse_lines(path: Path, data: bytes, n_before: int, strands: bool) -> pd.DataFrame:
    """Return the columns of any lines, or refuse the first that is not a read."""
    rows = []
    for number, line in enumerate(data[:-1].split(b"\n"), start=n_before + 1):
        if not line.strip() or line.startswith(SKIPPED):
            continue
        where = f"{path}, line {number:,}"
        fields = line.decode("utf-8", "replace").split("\t")
        if len(fields) < 3:
            raise ChromvizError(
                f"{where}: it has {len(fields)} tab-separated column{'s' * (len(fields) > 1)}, and "
                "reads need three: chromosome, start, end; give BAM or BED"
            )
        name = line.partition(b"\t")[0]
        if not 0 < len(name) <= _MAX_NAME or name != fields[0].encode():
            raise ChromvizError(f"{where}: {name[:40]!r} cannot be the name of a chromosome")
        start, end = parse_interval(fields[1], fields[2], where, first=0)
        if end > MAX_POSITION:
            raise ChromvizError(f"{where}: {end} is beyond the end of any chromosome")
        if strands and len(fields) < 6:
            raise ChromvizError(
                f"{where}: it has no strand ({len(fields)} tab-separated columns; the strand is "
                "the sixth), which this way of counting needs; give BED6, or count whole reads of "
                "both strands"
            )
        strand = fields[5] if strands else ""
        if strands and strand not in ("+", "-"):
            raise ChromvizError(
                f"{where}: strand {strand[:40]!r} is neither '+' nor '-', and this way of counting "
                "needs it"
            )
        rows.append((fields[0], start, end, strand))
    table = pd.DataFrame(rows, columns=[0, 1, 2, 5])
    return table.astype({0: "category", 1: "int64", 2: "int64"})

"""The reads of a BED file (tagAlign is BED6): tab separated, 0-based and half-open, one a line."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from chromviz.data.signal.read_files import (
    BYTE_ORDER_MARK,
    MAX_POSITION,
    SKIPPED,
    Batch,
    at_each_byte,
    chrom_name,
    is_bedgraph,
)
from chromviz.errors import ChromvizError

_MAX_LINE, _MAX_NAME = 1 << 20, 255
_MAYBE_SKIPPED = np.isin(np.arange(256), list(b"#tb \t\r\n"))
_TAB, _NEWLINE, _RETURN, _PLUS, _MINUS, _ZERO = b"\t\n\r+-0"
_BEDGRAPH = "it looks like bedGraph, which holds signal (four columns, the fourth a number)"


def read_bed(path: Path, blocks: Iterator[bytes], strands: bool) -> Generator[Batch, None, None]:
    """Read the reads of a BED file, one a line, tab separated.

    Empty lines, comments and ``track`` and ``browser`` lines are left out.

    Parameters
    ----------
    path
        The file, for messages.
    blocks
        Its content, see :func:`read_blocks`.
    strands
        Whether strands are needed; if not, no column after the third is looked at.

    Yields
    ------
    Batch
        The reads.

    Raises
    ------
    ChromvizError
        If the file is not text or a line is no read; the message names the line.
    """
    codes: dict[bytes, int] = {}
    names: list[str] = []
    n_lines = 0
    columns = 0
    for data, complete in _whole_lines(path, blocks):
        if b"\0" in data:
            raise ChromvizError(f"{path} is not a text file; give reads (BAM or BED)")
        lines = _Lines(path, data, n_lines)
        n_lines += lines.n_lines
        if not len(lines.first):
            continue
        if not columns:
            lines.refuse_bedgraph()
        # A line that nothing ends stands alone. Without its last columns, its end may be too small.
        if not complete and lines.columns[0] < columns:
            lines.refuse(0, "the file is cut off here; fetch or copy it again")
        columns = int(lines.columns[-1])
        yield lines.parse(codes, names, strands)


def _whole_lines(path: Path, blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield text cut at ends of lines, and whether its last line was ended."""
    kept = b""
    for number, block in enumerate(blocks):
        data = kept + (block if number else block.removeprefix(BYTE_ORDER_MARK))
        cut = data.rfind(b"\n") + 1
        kept = data[cut:]
        if len(kept) > _MAX_LINE:
            raise ChromvizError(
                f"{path} has a line of more than {_MAX_LINE:,} bytes; give reads (BAM or BED)"
            )
        if cut:
            yield data[:cut], True
    if kept:
        yield kept + b"\n", False


class _Lines:
    """The records among some whole lines of a BED file.

    Fields are found, and coordinates computed, for all lines at once; only a line that is refused
    is looked at by itself. ``first`` and ``last`` are the places, among all tabs and newlines, of
    the first of a record and of its newline.
    """

    def __init__(self, path: Path, data: bytes, n_before: int) -> None:
        self.path, self.data, self.n_before = path, data, n_before
        self.bytes = np.frombuffer(data, np.uint8)
        self.breaks = np.flatnonzero((self.bytes == _TAB) | (self.bytes == _NEWLINE))
        last = np.flatnonzero(self.bytes[self.breaks] == _NEWLINE)
        self.n_lines = len(last)
        first = np.concatenate(([0], last[:-1] + 1))
        begin = np.concatenate(([0], self.breaks[last[:-1]] + 1))
        keep = np.ones(len(last), dtype=bool)
        for line in np.flatnonzero(_MAYBE_SKIPPED[self.bytes[begin]]):
            text = data[begin[line] : self.breaks[last[line]]]
            keep[line] = bool(text.strip()) and not text.startswith(SKIPPED)
        self.number = np.flatnonzero(keep)
        self.first, self.last, self.begin = first[keep], last[keep], begin[keep]
        self.end = self.breaks[self.last]
        self.end = self.end - (self.bytes[self.end - 1] == _RETURN)
        self.columns = self.last - self.first + 1

    def parse(self, codes: dict[bytes, int], names: list[str], strands: bool) -> Batch:
        """Return the reads; chromosomes that are new are added to `codes` and `names`."""
        self._refuse_any(self.columns < (6 if strands else 3), strands)
        until = [
            np.minimum(self.breaks[self.first + column], self.end)
            for column in (range(6) if strands else range(3))
        ]
        start, wrong = self._numbers(until[0] + 1, until[1])
        end, wrong_end = self._numbers(until[1] + 1, until[2])
        width = until[0] - self.begin
        wrong |= wrong_end | (end <= start) | (width < 1) | (width > _MAX_NAME)
        minus = None
        if strands:
            sign = self.bytes[until[4] + 1]
            minus = sign == _MINUS
            wrong |= (until[5] - until[4] != 2) | ~(minus | (sign == _PLUS))
        self._refuse_any(wrong, strands)
        return Batch(names, self._chroms(width, codes, names), start, end, minus)

    def _numbers(self, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the whole numbers in fields (record,), and which are none that can be."""
        width = end - begin
        value = np.zeros(len(width), dtype=np.int64)
        wrong = (width < 1) | (width > len(str(MAX_POSITION)))
        certain = int(width.min())
        for place in range(min(int(width.max()), len(str(MAX_POSITION)))):
            # Bytes below "0" wrap around to large numbers.
            digit = self.bytes[end - (place + 1)] - np.uint8(_ZERO)
            if place >= certain:
                digit[width <= place] = 0
            wrong |= digit > 9
            value += digit * np.int64(10**place)
        return value, wrong | (value > MAX_POSITION)

    def _chroms(self, width: np.ndarray, codes: dict[bytes, int], names: list[str]) -> np.ndarray:
        """Return the code of each record's chromosome (record,)."""
        widest = int(width.max())
        padded = self.data + bytes(widest)
        letters = at_each_byte(padded, np.dtype(f"S{widest}"))[self.begin]
        if int(width.min()) < widest:
            table = letters.view(np.uint8).reshape(-1, widest)
            table[np.arange(widest) >= width[:, None]] = 0
        # Neighbours are nearly always on one chromosome, so that names are looked up by run.
        run = np.concatenate(([0], np.flatnonzero(letters[1:] != letters[:-1]) + 1))
        found = []
        for letter in letters[run].tolist():
            if letter not in codes:
                names.append(chrom_name(letter, self.path))
                codes[letter] = len(codes)
            found.append(codes[letter])
        return np.repeat(found, np.diff(np.append(run, len(letters))))

    def _refuse_any(self, wrong: np.ndarray, strands: bool) -> None:
        if wrong.any():
            record = int(np.argmax(wrong))
            self.refuse(record, _problem(self._fields(record), strands))

    def refuse(self, record: int, problem: str) -> NoReturn:
        """Raise what is wrong with a record."""
        line = self.n_before + int(self.number[record]) + 1
        raise ChromvizError(f"{self.path}, line {line:,}: {problem}")

    def refuse_bedgraph(self) -> None:
        """Refuse signal, which a rule that looks at three columns would count as reads."""
        records = range(min(100, len(self.first)))
        if all(is_bedgraph(self._fields(record)) for record in records):
            self.refuse(0, f"{_BEDGRAPH}; give reads (BED6 or BAM)")

    def _fields(self, record: int) -> list[bytes]:
        return self.data[self.begin[record] : self.end[record]].split(b"\t")


def _problem(fields: list[bytes], strands: bool) -> str:
    """Say what is wrong with the fields of a line that was refused."""
    shown = [field[:40].decode("utf-8", "replace") for field in fields]
    if len(fields) < 3:
        return (
            f"it has {len(fields)} tab-separated column{'s' * (len(fields) > 1)}, and reads need "
            "three: chromosome, start, end; give BAM or BED"
        )
    if not 0 < len(fields[0]) <= _MAX_NAME:
        return f"{shown[0]!r} cannot be the name of a chromosome"
    for field, text in zip(fields[1:3], shown[1:3], strict=True):
        if field.startswith(b"-") and field[1:].isdigit():
            return f"{text} is negative; coordinates count from 0"
        if not field.isdigit():
            return f"{text!r} is not a coordinate (a whole number from 0)"
        if len(field) > len(str(MAX_POSITION)) or int(field) > MAX_POSITION:
            return f"{text} is beyond the end of any chromosome"
    if int(fields[2]) <= int(fields[1]):
        return f"end {shown[2]} does not lie after start {shown[1]}; BED is 0-based and half-open"
    if strands and len(fields) < 6:
        return (
            f"it has no strand ({len(fields)} tab-separated columns, the strand is the sixth), "
            "which this way of counting needs; give BED6, or count whole reads of both strands"
        )
    return f"strand {shown[5]!r} is neither '+' nor '-', and this way of counting needs it"

"""Lines of annotation files, and the genes, transcripts and entries that are read from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chromviz.data.text import COMMENTS, MAX_DIGITS, iter_lines
from chromviz.errors import ChromvizError


@dataclass(slots=True)
class Feature:
    """A stretch of a chromosome, 0-based and half-open, and the gene on it."""

    line: int
    gene: str
    symbol: str
    biotype: str
    chrom: str
    start: int
    end: int
    strand: str


@dataclass(slots=True)
class Transcript(Feature):
    """A transcript of a gene; `rank` as in :func:`chromviz.data.genes.loci.rank`."""

    id: str
    rank: int


@dataclass(slots=True)
class Locus(Feature):
    """A gene at one place; `recorded` if it has a line, not only transcripts."""

    recorded: bool = True
    transcripts: list[Transcript] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """One row of :class:`chromviz.data.genes.annotation.Genes`, and the line it comes from."""

    line: int
    gene: str
    symbol: str
    chrom: str
    tss: int
    strand: str
    biotype: str
    parent: str


def data_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of the lines that are neither blank nor comments."""
    return ((number, line) for number, line in enumerate(iter_lines(path), 1) if is_data(line))


def is_data(line: str) -> bool:
    """Return whether a line is neither blank nor a comment."""
    return not (line.startswith(COMMENTS) or line.isspace() or not line)


def parse_interval(start: str, end: str, where: str, first: int) -> tuple[int, int]:
    """Return the 0-based, half-open interval from `start` to `end`.

    With `first` 1, coordinates are 1-based and inclusive; with 0, they are those of BED.
    """
    for text in (start, end):
        number_like = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
        if not number_like or int(text) < first:
            raise ChromvizError(
                f"{where}: {text!r} is not a coordinate (a whole number from {first})"
            )
    begin, stop = int(start) - first, int(end)
    if stop <= begin:
        problem = "lies before" if first else "does not lie after"
        hint = "" if first else "; BED is 0-based and half-open"
        raise ChromvizError(f"{where}: end {stop} {problem} start {int(start)}{hint}")
    return begin, stop


def join_symbols(entries: list[Entry]) -> str:
    """Return the different symbols of one gene, joined by ``/``."""
    return "/".join(dict.fromkeys(entry.symbol for entry in entries if entry.symbol))

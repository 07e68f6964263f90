"""Gene annotation: BED6 to one transcription start site (TSS) a gene.

BED is tab separated, 0-based and half-open: chrom, start, end, name, score, strand. The name is
``ID`` or ``ID|SYMBOL``. The strand decides which end of a record is the TSS, so it is required;
a record of one base is the TSS itself and may leave the strand open (``.``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from chromviz.data.text import read_lines
from chromviz.errors import ChromvizError

_SKIPPED = ("#", "track ", "track\t", "browser ", "browser\t")
_NO_GENES = "it holds no gene; give a BED file with one line a gene"
_MAX_DIGITS = 12  # longer than any chromosome, shorter than what int64 cannot hold


@dataclass(frozen=True)
class Genes:
    """Annotated genes.

    Parameters
    ----------
    table
        One row a gene: ``gene`` (id), ``symbol`` (empty if the file has none), ``chrom``,
        ``tss`` (int64, 0-based) and ``strand`` (``+``, ``-`` or ``.``).
    notes
        What the user should know about the file.
    """

    table: pd.DataFrame
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Record:
    """One line of the file."""

    line: int
    gene: str
    symbol: str
    chrom: str
    tss: int
    strand: str


def read_genes(path: Path) -> Genes:
    """Read a gene annotation in BED6 (more columns are ignored), gzipped or not.

    The TSS is the record's one base; of a longer record it is ``start`` on ``+`` and ``end - 1``
    on ``-``. A gene on two lines at the same TSS under different symbols is one gene with two
    names: the symbols are joined by ``/`` and the known strand wins.

    Parameters
    ----------
    path
        The BED file.

    Returns
    -------
    Genes
        In the order of the file.

    Raises
    ------
    ChromvizError
        If the file is missing, is not BED6, or names a gene twice in contradiction; the message
        names the line and the gene.
    """
    path = Path(path)
    records: dict[str, list[_Record]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip() and not line.startswith(_SKIPPED):
            record = _parse(line, number, path)
            records.setdefault(record.gene, []).append(record)
    if not records:
        raise ChromvizError(f"{path}: {_NO_GENES}")
    merged = [_merge(same, path) for same in records.values()]
    table = pd.DataFrame(
        {
            "gene": [record.gene for record in merged],
            "symbol": [record.symbol for record in merged],
            "chrom": [record.chrom for record in merged],
            "tss": pd.Series([record.tss for record in merged], dtype="int64"),
            "strand": [record.strand for record in merged],
        }
    )
    return Genes(table, _notes(merged, records, path))


def _parse(line: str, number: int, path: Path) -> _Record:
    """Return the record on one line, or raise what is wrong with it."""
    where = f"{path}, line {number}"
    fields = line.rstrip("\t ").split("\t")
    if len(fields) < 6:
        raise ChromvizError(
            f"{where}: it has no strand column ({len(fields)} tab-separated columns); "
            "give BED6: chrom, start, end, name, score, strand"
        )
    chrom, first, last, name, _, strand = (text.strip() for text in fields[:6])
    gene, _, symbol = name.partition("|")
    if not chrom or not gene:
        raise ChromvizError(f"{where}: the {'gene id' if chrom else 'chromosome'} is empty")
    for text in (first, last):
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
            raise ChromvizError(
                f"{where}, gene {gene}: {text!r} is not a coordinate (a whole number from 0)"
            )
    start, end = int(first), int(last)
    if end <= start:
        raise ChromvizError(
            f"{where}, gene {gene}: end {end} does not lie after start {start}; "
            "BED is 0-based and half-open"
        )
    if strand not in ("+", "-", "."):
        raise ChromvizError(f"{where}, gene {gene}: strand {strand!r} is not +, - or .")
    if strand == "." and end - start > 1:
        raise ChromvizError(
            f"{where}, gene {gene}: strand '.' on a record of {end - start} bases leaves its TSS "
            "unknown; give the strand, or one base at the TSS"
        )
    return _Record(number, gene, symbol, chrom, end - 1 if strand == "-" else start, strand)


def _merge(same: list[_Record], path: Path) -> _Record:
    """Return the one gene that records of the same id describe, or raise why there is none."""
    first = same[0]
    for row, later in enumerate(same[1:], start=1):
        for earlier in same[:row]:
            problem = ""
            if (earlier.chrom, earlier.tss) != (later.chrom, later.tss):
                problem = "lies at different places"
            elif {earlier.strand, later.strand} == {"+", "-"}:
                problem = "lies on both strands"
            elif earlier.symbol == later.symbol:
                problem = "is repeated"
            if problem:
                raise ChromvizError(
                    f"{path}: gene {first.gene} {problem}, on lines {earlier.line} and "
                    f"{later.line}; keep one of them"
                )
    if len(same) == 1:
        return first
    strand = next((record.strand for record in same if record.strand != "."), ".")
    symbol = "/".join(record.symbol for record in same if record.symbol)
    return _Record(first.line, first.gene, symbol, first.chrom, first.tss, strand)


def _notes(merged: list[_Record], records: dict[str, list[_Record]], path: Path) -> list[str]:
    """Return what the user should know: merged genes, open strands."""
    notes = []
    shared = [record for record in merged if len(records[record.gene]) > 1]
    if shared:
        example = f"{shared[0].gene} = {shared[0].symbol}"
        notes.append(
            f"{path.name}: {len(shared)} genes stand on "
            f"several lines under different symbols; each is kept once ({example})"
        )
    unknown = sum(record.strand == "." for record in merged)
    if unknown:
        notes.append(f"{path.name}: {unknown:,} of {len(merged):,} genes have no strand")
    return notes

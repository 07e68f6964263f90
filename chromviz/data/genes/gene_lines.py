"""Genes in formats with one line per gene: BED6 and Roadmap's ``gene_info``.

BED is 0-based and half-open: chrom, start, end, name, score, strand. The name is ``ID`` or
``ID|SYMBOL``. The strand decides which end of a record is the TSS, so it is required; a record of
one base is the TSS itself and may have no strand (``.``).

``gene_info`` has, with or without column names: id, chromosome, first and last base (1-based,
inclusive), strand (``1`` or ``-1``), biotype, symbol, description.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from chromviz.data.genes.records import Entry, join_symbols
from chromviz.data.text import data_lines, parse_interval
from chromviz.errors import ChromvizError

_BED = "BED6: chrom, start, end, name, score, strand"
_STRANDS = {"1": "+", "-1": "-"}


def is_gene_info(fields: Sequence[str]) -> bool:
    """Return whether a line's fields are those of ``gene_info``."""
    # A gene's number as BED's name and 1 as its score would look alike, except for BED's strand.
    return (
        len(fields) >= 6
        and fields[2].isdecimal()
        and fields[3].isdecimal()
        and fields[4].strip() in _STRANDS
        and fields[5].strip() not in ("+", "-", ".")
    )


def read_gene_bed(path: Path) -> list[Entry]:
    """Return the entries of a BED6 file; further columns are ignored."""
    entries = []
    for number, line in data_lines(path):
        fields = [text.strip() for text in line.split("\t")]
        where = f"{path}, line {number}"
        if len(fields) < 6 or not fields[5]:
            spaced = " with spaces between them, not tabs" if len(line.split()) >= 6 else ""
            count = len(line.rstrip("\t").split("\t"))
            raise ChromvizError(
                f"{where}: it has no strand column ({count} tab-separated columns{spaced}); give "
                f"{_BED}"
            )
        chrom, first, last, name, _, strand = fields[:6]
        gene, _, symbol = name.partition("|")
        _check_names(chrom, gene, where)
        if first.isalpha() and last.isalpha():
            raise ChromvizError(
                f"{where}: it has column names ({first!r}, {last!r}), which BED does not have; "
                f"remove this line, and give {_BED}"
            )
        where += f", gene {gene}"
        start, end = parse_interval(first, last, where, first=0)
        if strand not in ("+", "-", "."):
            raise ChromvizError(f"{where}: strand {strand!r} is not +, - or .")
        if strand == "." and end - start > 1:
            raise ChromvizError(
                f"{where}: strand '.' on a record of {end - start} bases leaves its TSS unknown; "
                "give the strand, or one base at the TSS"
            )
        tss = end - 1 if strand == "-" else start
        entries.append(Entry(number, gene, symbol, chrom, tss, strand, "", gene))
    return entries


def read_gene_info(path: Path) -> list[Entry]:
    """Return the entries of a ``gene_info`` file."""
    entries = []
    for row, (number, line) in enumerate(data_lines(path)):
        fields = [text.strip() for text in line.split("\t")]
        where = f"{path}, line {number}"
        if len(fields) < 6 or not fields[5]:
            count = len(line.rstrip().split("\t"))
            raise ChromvizError(
                f"{where}: {count} tab-separated columns where gene_info has id, chromosome, "
                "start, end, strand, biotype and symbol; the file may be cut off"
            )
        gene, chrom, first, last, sign, biotype = fields[:6]
        # The first line may be column names: no digit where coordinates and strand are.
        if row == 0 and not any(map(str.isdigit, first + last + sign)):
            continue
        _check_names(chrom, gene, where)
        where += f", gene {gene}"
        start, end = parse_interval(first, last, where, first=1)
        if sign not in _STRANDS:
            raise ChromvizError(f"{where}: strand {sign!r} is not 1 or -1")
        symbol = fields[6] if len(fields) > 6 else ""
        tss = end - 1 if sign == "-1" else start
        entries.append(Entry(number, gene, symbol, chrom, tss, _STRANDS[sign], biotype, gene))
    return entries


def _check_names(chrom: str, gene: str, where: str) -> None:
    """Raise if the chromosome or the gene id is empty."""
    if not (chrom and gene):
        raise ChromvizError(f"{where}: the {'gene id' if chrom else 'chromosome'} is empty")


def merge_lines(entries: list[Entry], path: Path) -> tuple[list[Entry], list[str]]:
    """Return one entry per gene, and notes for the user.

    A gene on two lines at the same TSS with different symbols is one gene with two names: the
    symbols are joined by ``/``, and a known strand is kept.
    """
    by_gene: dict[str, list[Entry]] = {}
    for entry in entries:
        by_gene.setdefault(entry.gene, []).append(entry)
    merged = []
    shared = []
    for gene, same in by_gene.items():
        if len(same) == 1:
            merged += same
            continue
        for earlier, later in combinations(same, 2):
            _check_same(earlier, later, path)
        strand = next((entry.strand for entry in same if entry.strand != "."), ".")
        merged.append(replace(same[0], symbol=join_symbols(same), strand=strand))
        shared.append(f"{gene} = {merged[-1].symbol}")
    notes = []
    if shared:
        notes.append(
            f"{path.name}: {len(shared)} gene ids occur on several lines with different symbols; "
            f"each is kept once ({shared[0]})"
        )
    unknown = sum(entry.strand == "." for entry in merged)
    if unknown:
        notes.append(f"{path.name}: {unknown:,} of {len(merged):,} genes have no strand")
    return merged, notes


def _check_same(earlier: Entry, later: Entry, path: Path) -> None:
    """Raise if two lines of one id do not describe one gene with two symbols."""
    problem = ""
    if (earlier.chrom, earlier.tss) != (later.chrom, later.tss):
        problem = "has different positions"
    elif {earlier.strand, later.strand} == {"+", "-"}:
        problem = "is on both strands"
    elif earlier.symbol == later.symbol:
        problem = "is repeated"
    if problem:
        raise ChromvizError(
            f"{path}: gene {earlier.gene} {problem}, on lines {earlier.line} and {later.line}; "
            "keep one of them"
        )

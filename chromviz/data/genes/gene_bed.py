"""Genes in BED6: one line a gene.

BED is tab separated, 0-based and half-open: chrom, start, end, name, score, strand. The name is
``ID`` or ``ID|SYMBOL``. The strand decides which end of a record is the TSS, so it is required;
a record of one base is the TSS itself and may leave the strand open (``.``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from chromviz.data.genes.entries import Entry, coordinate
from chromviz.data.text import COMMENTS
from chromviz.errors import ChromvizError


def read_gene_bed(lines: Iterable[str], path: Path) -> list[Entry]:
    """Return the entries of a BED6 file's lines; more columns are ignored.

    Raises
    ------
    ChromvizError
        If a line is not BED6, or leaves the TSS open.
    """
    return [
        _parse(line, number, path)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith(COMMENTS)
    ]


def _parse(line: str, number: int, path: Path) -> Entry:
    """Return the entry on one line, or raise what is wrong with it."""
    where = f"{path}, line {number}"
    fields = line.rstrip("\t ").split("\t")
    if len(fields) < 6:
        spaced = " with spaces between them, not tabs" if len(line.split()) >= 6 else ""
        raise ChromvizError(
            f"{where}: it has no strand column ({len(fields)} tab-separated columns{spaced}); "
            "give BED6: chrom, start, end, name, score, strand"
        )
    chrom, first, last, name, _, strand = (text.strip() for text in fields[:6])
    gene, _, symbol = name.partition("|")
    if not chrom or not gene:
        raise ChromvizError(f"{where}: the {'gene id' if chrom else 'chromosome'} is empty")
    if first.isalpha() and last.isalpha():
        raise ChromvizError(
            f"{where}: it names columns ({first!r}, {last!r}), which BED does not; remove it, and "
            "give BED6: chrom, start, end, name, score, strand"
        )
    start = coordinate(first, f"{where}, gene {gene}")
    end = coordinate(last, f"{where}, gene {gene}")
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
    tss = end - 1 if strand == "-" else start
    return Entry(number, gene, symbol, chrom, tss, strand, "", gene)

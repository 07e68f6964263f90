"""Genes in formats with one line per gene: BED6 and Roadmap's ``gene_info``.

BED is 0-based and half-open: chrom, start, end, name, score, strand. The name is ``ID`` or
``ID|SYMBOL``. The strand decides which end of a record is the TSS, so it is required; a record of
one base is the TSS itself and may have no strand (``.``).

``gene_info`` has, with or without column names: id, chromosome, first and last base (1-based,
inclusive), strand (``1`` or ``-1``), biotype, symbol, description.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chromviz.data.genes.loci import Locus
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


def read_gene_bed(path: Path) -> list[Locus]:
    """Return the genes of a BED6 file; further columns are ignored."""
    genes = []
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
        genes.append(Locus(number, gene, symbol, "", chrom, start, end, strand))
    return genes


def read_gene_info(path: Path) -> list[Locus]:
    """Return the genes of a ``gene_info`` file."""
    genes = []
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
        genes.append(Locus(number, gene, symbol, biotype, chrom, start, end, _STRANDS[sign]))
    return genes


def _check_names(chrom: str, gene: str, where: str) -> None:
    """Raise if the chromosome or the gene id is empty."""
    if not (chrom and gene):
        raise ChromvizError(f"{where}: the {'gene id' if chrom else 'chromosome'} is empty")

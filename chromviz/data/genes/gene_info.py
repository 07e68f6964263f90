"""Genes in Roadmap's ``gene_info``: one line a gene.

Tab separated, without a header or with one: id, chromosome, first base, last base (1-based, both
inclusive), strand (``1`` or ``-1``), biotype, symbol, description. Rows may end in one more tab.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from chromviz.data.genes.entries import Entry, coordinate
from chromviz.errors import ChromvizError

_STRANDS = {"1": "+", "-1": "-"}


def is_gene_info(fields: Sequence[str]) -> bool:
    """Tell whether a line's fields are those of ``gene_info``."""
    # A gene's number in BED's name and 1 as its score would look alike, but for BED's strand.
    return (
        len(fields) >= 6
        and fields[2].isdecimal()
        and fields[3].isdecimal()
        and fields[4].strip() in _STRANDS
        and fields[5].strip() not in ("+", "-", ".")
    )


def read_gene_info(lines: Iterable[str], path: Path) -> list[Entry]:
    """Return the entries of a ``gene_info`` file's lines.

    Raises
    ------
    ChromvizError
        If a line is cut short, or its place or strand is unclear.
    """
    entries = []
    begun = False
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [text.strip() for text in line.split("\t")]
        # The first line may name the columns instead.
        if begun or not _is_header(fields):
            entries.append(_parse(fields, number, path))
        begun = True
    return entries


def _is_header(fields: Sequence[str]) -> bool:
    """Tell whether fields are names: no digit where the coordinates and the strand are."""
    return len(fields) >= 6 and not any(char.isdigit() for char in "".join(fields[2:5]))


def _parse(fields: Sequence[str], number: int, path: Path) -> Entry:
    """Return the entry on one line, or raise what is wrong with it."""
    where = f"{path}, line {number}"
    if len(fields) < 6:
        raise ChromvizError(
            f"{where}: {len(fields)} tab-separated columns where gene_info has id, chromosome, "
            "start, end, strand, biotype and symbol; the file may be cut off"
        )
    gene, chrom, first, last, sign, biotype = fields[:6]
    symbol = fields[6] if len(fields) > 6 else ""
    if not chrom or not gene:
        raise ChromvizError(f"{where}: the {'chromosome' if gene else 'gene id'} is empty")
    start = coordinate(first, f"{where}, gene {gene}", least=1)
    end = coordinate(last, f"{where}, gene {gene}", least=1)
    if end < start:
        raise ChromvizError(f"{where}, gene {gene}: end {end} lies before start {start}")
    if sign not in _STRANDS:
        raise ChromvizError(f"{where}, gene {gene}: strand {sign!r} is not 1 or -1")
    strand = _STRANDS[sign]
    tss = end - 1 if strand == "-" else start - 1
    return Entry(number, gene, symbol, chrom, tss, strand, biotype, gene)

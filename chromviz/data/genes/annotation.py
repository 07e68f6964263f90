"""Gene annotation: one transcription start site (TSS) per gene, from any common format.

The content, gzipped or not, tells the format: GTF or GFF3 (:mod:`chromviz.data.genes.gff`), or BED6
or Roadmap's ``gene_info``, which have one line per gene. Chromosomes keep their names.

BED is 0-based and half-open: chrom, start, end, name (``ID`` or ``ID|SYMBOL``), score, strand. A
record of one base is the TSS itself and may have no strand (``.``). ``gene_info`` has, with or
without column names: id, chromosome, first and last base (1-based, inclusive), strand (``1`` or
``-1``), biotype, symbol, description.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chromviz.data.genes.gff import read_gff3, read_gtf
from chromviz.data.genes.loci import (
    RULES,
    STRANDS,
    Locus,
    merge_lines,
    parse_place,
    part_ids,
    place_entries,
)
from chromviz.data.text import data_lines, iter_lines
from chromviz.errors import ChromvizError, UnknownNameError

_GFF3_PAIR = re.compile(r"[^\s=;\"]+=")
_INFO_STRANDS = {"1": "+", "-1": "-"}
_BED = "BED6: chrom, start, end, name, score, strand"
_HEAD = 5000  # lines that may be comments before the first that shows the format


@dataclass(frozen=True)
class Genes:
    """Annotated genes, and notes on what the user should know about the file.

    `table` has one row per gene (per transcript with the rule ``transcript``): ``gene`` (id,
    unique), ``symbol`` (empty if the file has none), ``chrom``, ``tss`` (int64, 0-based) and
    ``strand`` (``+``, ``-`` or ``.``); except for BED also ``biotype`` (empty if unknown) and
    ``parent`` (id of the gene in the file, which transcripts of one gene share). `format` is
    ``BED``, ``GTF``, ``GFF3`` or ``gene_info``.
    """

    table: pd.DataFrame
    notes: list[str]
    format: str


def read_genes(path: Path, *, tss: str = "gene", biotype: str | None = None) -> Genes:
    """Read a gene annotation: BED6, GTF, GFF3 or Roadmap's gene_info, gzipped or not.

    Genes are in the order of the file. Ids are unique, see ``part_ids`` (GTF, GFF3) and
    ``merge_lines`` (BED, gene_info) in :mod:`chromviz.data.genes.loci`.

    Parameters
    ----------
    path
        The file.
    tss
        How the TSS of a gene is chosen. ``gene``: the 5' end of the gene record; without one, the
        most upstream start of its transcripts, or of their exons. ``canonical``: the 5' end of one
        transcript per gene: the MANE Select one, else Ensembl's canonical one or RefSeq Select,
        else the APPRIS principal one (lowest number), else the longest on the genome; among equals
        the longest, then the first by id. ``transcript``: every transcript is a separate entry.
        The last two need a file with transcripts: GTF or GFF3.
    biotype
        Keep only genes of this biotype, for instance ``protein_coding``.

    Raises
    ------
    ChromvizError
        If the file is missing, has no known format, has a line that is damaged or leaves a TSS
        unknown, contradicts itself about a gene, or lacks what `tss` or `biotype` needs; the
        message names the line and the gene.
    """
    path = Path(path)
    if tss not in RULES:
        raise UnknownNameError("TSS rule", tss, RULES)
    kind = _format(path)
    by_line = kind in ("BED", "gene_info")
    if by_line and tss != "gene":
        raise ChromvizError(
            f"{path} is {kind}, which has no transcripts, so the TSS cannot be chosen by {tss}; "
            "give GTF or GFF3, or the rule gene"
        )
    notes: list[str] = []
    if kind == "GTF":
        loci = read_gtf(path, transcripts=tss != "gene")
    elif kind == "GFF3":
        loci, notes = read_gff3(path)
    else:
        loci = _read_bed(path) if kind == "BED" else _read_gene_info(path)
    loci = _of_biotype(sorted(loci, key=lambda locus: locus.line), biotype, path, notes)
    if not loci:
        raise ChromvizError(
            f"{path}: it contains no gene; give BED with one line per gene, GTF, GFF3 or gene_info"
        )
    table, placed = place_entries(loci, tss, path)
    table, merged = (merge_lines if by_line else part_ids)(table, path)
    notes += merged if by_line else placed + merged
    columns = ["gene", "symbol", "chrom", "tss", "strand"]
    # BED has neither biotypes nor genes of several entries.
    columns += [] if kind == "BED" else ["biotype", "parent"]
    return Genes(table[columns].reset_index(drop=True), notes, kind)


def _format(path: Path) -> str:
    """Return the format that the first lines show, or BED, whose errors say what is wrong."""
    data = 0
    for number, line in enumerate(iter_lines(path)):
        if line.startswith("##gff-version") and line.split()[-1].startswith("3"):
            return "GFF3"
        fields = line.split("\t")
        if line.startswith("#"):
            continue
        if len(fields) >= 8 and fields[6] in ("+", "-", ".", "?") and not fields[2].isdecimal():
            return "GFF3" if _GFF3_PAIR.match(fields[-1].strip()) else "GTF"
        if _is_gene_info(fields):
            return "gene_info"
        data += bool(line.strip())
        # The first line may be column names.
        if data == 2 or number == _HEAD:
            break
    return "BED"


def _of_biotype(
    genes: list[Locus], biotype: str | None, path: Path, notes: list[str]
) -> list[Locus]:
    """Return the genes of one biotype, if one is given, and note how many they are."""
    if biotype is None or not genes:
        return genes
    counts = Counter(gene.biotype for gene in genes)
    if set(counts) == {""}:
        raise ChromvizError(
            f"{path} has no biotypes, so genes cannot be selected by {biotype}; give an annotation "
            "with biotypes, or leave this option out"
        )
    if not biotype or biotype not in counts:
        present = ", ".join(f"{name or 'none'} {n:,}" for name, n in counts.most_common(12))
        raise ChromvizError(f"{path} has no gene of biotype {biotype!r}; it has: {present}")
    notes.append(
        f"{path.name}: kept {counts[biotype]:,} of {len(genes):,} genes, those of {biotype}"
    )
    return [gene for gene in genes if gene.biotype == biotype]


def _is_gene_info(fields: list[str]) -> bool:
    """Return whether a line's fields are those of ``gene_info``."""
    # A gene's number as BED's name and 1 as its score would look alike, except for BED's strand.
    return (
        len(fields) >= 6
        and fields[2].isdecimal()
        and fields[3].isdecimal()
        and fields[4].strip() in _INFO_STRANDS
        and fields[5].strip() not in STRANDS
    )


def _read_bed(path: Path) -> list[Locus]:
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
        chrom, start, end, name, _, strand = fields[:6]
        if start.isalpha() and end.isalpha():
            raise ChromvizError(
                f"{where}: it has column names ({start!r}, {end!r}), which BED does not have; "
                f"remove this line, and give {_BED}"
            )
        gene, _, symbol = name.partition("|")
        _check_id(gene, where)
        place = parse_place((chrom, start, end, strand), f"gene {gene}", where, 0, STRANDS)
        genes.append(Locus(number, gene, symbol, "", *place))
    return genes


def _read_gene_info(path: Path) -> list[Locus]:
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
        # The first line may be column names: no digit where coordinates and strand are.
        if row == 0 and not any(map(str.isdigit, "".join(fields[2:5]))):
            continue
        gene, biotype, symbol = fields[0], fields[5], "".join(fields[6:7])
        _check_id(gene, where)
        place = parse_place(fields[1:5], f"gene {gene}", where, 1, _INFO_STRANDS)
        genes.append(Locus(number, gene, symbol, biotype, *place))
    return genes


def _check_id(gene: str, where: str) -> None:
    if not gene:
        raise ChromvizError(f"{where}: the gene id is empty")

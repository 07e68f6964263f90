"""Gene annotation: one transcription start site (TSS) per gene, from any common format.

The content, gzipped or not, tells the format: BED6 or Roadmap's ``gene_info``
(:mod:`chromviz.data.genes.gene_lines`), GTF or GFF3 (:mod:`chromviz.data.genes.gff`). Chromosomes
keep the names that they have in the file.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chromviz.data.genes.gene_lines import is_gene_info, read_gene_bed, read_gene_info
from chromviz.data.genes.gff import read_gff3, read_gtf
from chromviz.data.genes.loci import RULES, Locus, merge_lines, part_ids, place_entries
from chromviz.data.text import iter_lines
from chromviz.errors import ChromvizError, UnknownNameError

_GFF3_PAIR = re.compile(r"[^\s=;\"]+=")
_HEAD = 5000  # lines that may be comments before the first that shows the format


@dataclass(frozen=True)
class Genes:
    """Annotated genes.

    Parameters
    ----------
    table
        One row per gene (per transcript with the rule ``transcript``): ``gene`` (id, unique),
        ``symbol`` (empty if the file has none), ``chrom``, ``tss`` (int64, 0-based) and ``strand``
        (``+``, ``-`` or ``.``); except for BED also ``biotype`` (empty if unknown) and ``parent``
        (id of the gene in the file, which transcripts of one gene share).
    notes
        What the user should know about the file.
    format
        ``BED``, ``GTF``, ``GFF3`` or ``gene_info``.
    """

    table: pd.DataFrame
    notes: list[str]
    format: str


def read_genes(path: Path, *, tss: str = "gene", biotype: str | None = None) -> Genes:
    """Read a gene annotation: BED6, GTF, GFF3 or Roadmap's gene_info, gzipped or not.

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

    Returns
    -------
    Genes
        In the order of the file, with unique ids: see ``part_ids`` (GTF, GFF3) and
        ``merge_lines`` (BED, gene_info) in :mod:`chromviz.data.genes.loci`.

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
        loci = read_gene_bed(path) if kind == "BED" else read_gene_info(path)
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
        if is_gene_info(fields):
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

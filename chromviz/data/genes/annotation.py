"""Gene annotation: one transcription start site (TSS) per gene, from any common format.

The content, gzipped or not, tells the format: BED6 or Roadmap's ``gene_info``
(:mod:`chromviz.data.genes.gene_lines`), GTF (:mod:`chromviz.data.genes.gtf`) or GFF3
(:mod:`chromviz.data.genes.gff3`). Chromosomes keep the names that they have in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from chromviz.data.genes.gene_lines import is_gene_info, read_gene_bed, read_gene_info
from chromviz.data.genes.gff3 import read_gff3
from chromviz.data.genes.gtf import read_gtf
from chromviz.data.genes.loci import RULES, complete, place
from chromviz.data.genes.unique import merge_lines, part_ids
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
    notes: list[str] = field(default_factory=list)
    format: str = "BED"


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
        the longest, then the first by id. ``transcript``: every transcript is an entry of its own.
        The last two need a file with transcripts: GTF or GFF3.
    biotype
        Keep only genes of this biotype, for instance ``protein_coding``.

    Returns
    -------
    Genes
        In the order of the file. Ids are unique, see :mod:`chromviz.data.genes.unique`.

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
    if kind in ("GTF", "GFF3"):
        entries, notes = _from_features(path, kind, tss, biotype)
    else:
        if tss != "gene":
            raise ChromvizError(
                f"{path} is {kind}, which has no transcripts, so the TSS cannot be chosen by "
                f"{tss}; give GTF or GFF3, or the rule gene"
            )
        entries = (read_gene_bed if kind == "BED" else read_gene_info)(path)
        notes = []
        if biotype is not None and len(entries):
            entries, notes = _of_biotype(entries, biotype, path)
        entries, merged = merge_lines(entries, path)
        notes += merged
    if entries.empty:
        raise ChromvizError(
            f"{path}: it contains no gene; give BED with one line per gene, GTF, GFF3 or gene_info"
        )
    # BED has neither biotypes nor genes of several entries.
    unused = ["line", "biotype", "parent"] if kind == "BED" else ["line"]
    columns = entries.drop(columns=unused).astype({"tss": "int64"})
    return Genes(pd.DataFrame(columns.to_dict("list")), notes, kind)


def _from_features(
    path: Path, kind: str, tss: str, biotype: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Return the entries of a GTF or GFF3 file, and notes."""
    genes, transcripts, *more = (read_gtf if kind == "GTF" else read_gff3)(path)
    notes = [line for lines in more for line in lines]
    loci, transcripts = complete(genes, transcripts)
    if biotype is not None and len(loci):
        loci, kept = _of_biotype(loci, biotype, path)
        notes += kept
    if loci.empty:
        return loci, notes
    entries, placed = place(loci, transcripts, tss, path)
    entries, parted = part_ids(entries, path)
    return entries, notes + placed + parted


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


def _of_biotype(genes: pd.DataFrame, biotype: str, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the genes of one biotype, and how many they are."""
    counts = genes["biotype"].value_counts()
    if set(counts.index) == {""}:
        raise ChromvizError(
            f"{path} has no biotypes, so genes cannot be selected by {biotype}; give an annotation "
            "with biotypes, or leave this option out"
        )
    if not biotype or biotype not in counts:
        present = ", ".join(f"{name or 'none'} {n:,}" for name, n in counts.head(12).items())
        raise ChromvizError(f"{path} has no gene of biotype {biotype!r}; it has: {present}")
    note = f"{path.name}: kept {counts[biotype]:,} of {len(genes):,} genes, those of {biotype}"
    return genes[genes["biotype"] == biotype], [note]

"""Gene annotation: one transcription start site (TSS) a gene, from any common format.

The content, gzipped or not, tells the format: BED6 (:mod:`chromviz.data.genes.gene_bed`), GTF
(:mod:`chromviz.data.genes.gtf`), GFF3 (:mod:`chromviz.data.genes.gff3`) or Roadmap's ``gene_info``
(:mod:`chromviz.data.genes.gene_info`). Chromosomes keep the names that the file gives them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

import pandas as pd

from chromviz.data.genes.entries import Entry, merge_lines, part_ids
from chromviz.data.genes.gene_bed import read_gene_bed
from chromviz.data.genes.gene_info import is_gene_info, read_gene_info
from chromviz.data.genes.gff3 import read_gff3
from chromviz.data.genes.gtf import read_gtf
from chromviz.data.genes.loci import RULES, Locus, place
from chromviz.data.text import iter_lines
from chromviz.errors import ChromvizError, UnknownNameError

_GFF3_PAIR = re.compile(r"[^\s=;\"]+=")
_T = TypeVar("_T", Locus, Entry)

_HEAD = 5000  # lines that may be comments before the first that tells the format


@dataclass(frozen=True)
class Genes:
    """Annotated genes.

    Parameters
    ----------
    table
        One row a gene (a transcript, if that is the rule): ``gene`` (id, unique), ``symbol``
        (empty if the file has none), ``chrom``, ``tss`` (int64, 0-based) and ``strand`` (``+``,
        ``-`` or ``.``); but for BED also ``biotype`` (empty if unknown) and ``parent`` (id in the
        file of the gene that the row belongs to, which transcripts of one gene share).
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
        What decides a gene's TSS. ``gene``: the 5' end of the gene's own record; without one, the
        most upstream start of its transcripts, or of their exons. ``canonical``: the 5' end of one
        transcript a gene: the MANE Select one, else Ensembl's canonical one or RefSeq Select, else
        APPRIS' principal one (lowest number), else the longest from end to end on the genome;
        among equals the longest, then the first by id. ``transcript``: every transcript is an
        entry of its own. The last two need a file with transcripts: GTF or GFF3.
    biotype
        Keep the genes of this biotype only, for instance ``protein_coding``.

    Returns
    -------
    Genes
        In the order of the file. Ids are unique: see
        :func:`chromviz.data.genes.entries.merge_lines` (BED, gene_info) and
        :func:`chromviz.data.genes.entries.part_ids` (GTF, GFF3).

    Raises
    ------
    ChromvizError
        If the file is missing, is of no known format, has a line that is damaged or leaves a TSS
        unknown, names a gene twice in contradiction, or lacks what `tss` or `biotype` needs; the
        message names the line and the gene.
    """
    path = Path(path)
    if tss not in RULES:
        raise UnknownNameError("TSS rule", tss, RULES)
    lines = iter_lines(path)
    head = _head(lines)
    kind = _format(head)
    every = chain(head, lines)
    notes: list[str] = []
    if kind in ("GTF", "GFF3"):
        loci, notes = _read_loci(kind, every, path, transcripts=tss != "gene")
        if biotype is not None and loci:
            loci, kept = _of_biotype(loci, biotype, path)
            notes += kept
        if loci:
            entries, placed = place(loci, tss, path)
            entries, parted = part_ids(entries, path)
            notes += placed + parted
        else:
            entries = []
    else:
        if tss != "gene":
            raise ChromvizError(
                f"{path} is {kind}, which has no transcripts, so the TSS cannot be by {tss}; give "
                "GTF or GFF3, or the rule gene"
            )
        entries = (read_gene_bed if kind == "BED" else read_gene_info)(every, path)
        if biotype is not None and entries:
            entries, notes = _of_biotype(entries, biotype, path)
        entries, merged = merge_lines(entries, path)
        notes += merged
    if not entries:
        raise ChromvizError(
            f"{path}: it holds no gene; give BED with one line a gene, or GTF, GFF3 or gene_info"
        )
    table = _table(entries)
    # BED says nothing of these two.
    return Genes(table.drop(columns=["biotype", "parent"]) if kind == "BED" else table, notes, kind)


def _read_loci(
    kind: str, lines: Iterable[str], path: Path, *, transcripts: bool
) -> tuple[list[Locus], list[str]]:
    if kind == "GTF":
        return read_gtf(lines, path, transcripts=transcripts), []
    return read_gff3(lines, path, transcripts=transcripts)


def _head(lines: Iterator[str]) -> list[str]:
    """Return the first lines, up to the second that holds data."""
    head: list[str] = []
    data = 0
    for line in lines:
        head.append(line)
        data += bool(line.strip()) and not line.startswith("#")
        if data == 2 or len(head) == _HEAD:
            break
    return head


def _format(head: list[str]) -> str:
    """Return the format that the first lines show; BED if none, whose errors say what is wrong."""
    for line in head:
        if line.startswith("##gff-version") and line.split()[-1].startswith("3"):
            return "GFF3"
        fields = line.split("\t")
        if line.startswith("#"):
            continue
        if len(fields) >= 8 and fields[6] in ("+", "-", ".", "?") and not fields[2].isdecimal():
            return "GFF3" if _GFF3_PAIR.match(fields[-1].strip()) else "GTF"
        if is_gene_info(fields):
            return "gene_info"
    return "BED"


def _of_biotype(genes: list[_T], biotype: str, path: Path) -> tuple[list[_T], list[str]]:
    """Return the genes of one biotype, and how many they are."""
    counts = Counter(gene.biotype for gene in genes)
    if set(counts) == {""}:
        raise ChromvizError(
            f"{path} gives no gene's biotype, so {biotype} cannot be picked out; give an "
            "annotation with biotypes, or leave the choice out"
        )
    if not biotype or biotype not in counts:
        present = ", ".join(f"{name or 'none'} {n:,}" for name, n in counts.most_common(12))
        raise ChromvizError(f"{path} has no gene of biotype {biotype!r}; it has: {present}")
    note = f"{path.name}: {counts[biotype]:,} of {len(genes):,} genes are {biotype} and kept"
    return [gene for gene in genes if gene.biotype == biotype], [note]


def _table(entries: list[Entry]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "gene": [entry.gene for entry in entries],
            "symbol": [entry.symbol for entry in entries],
            "chrom": [entry.chrom for entry in entries],
            "tss": pd.Series([entry.tss for entry in entries], dtype="int64"),
            "strand": [entry.strand for entry in entries],
            "biotype": [entry.biotype for entry in entries],
            "parent": [entry.parent for entry in entries],
        }
    )

"""Lines of annotation files, and the genes, transcripts and entries that are read from them."""

from __future__ import annotations

from dataclasses import dataclass, field


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


def join_symbols(entries: list[Entry]) -> str:
    """Return the different symbols of one gene, joined by ``/``."""
    return "/".join(dict.fromkeys(entry.symbol for entry in entries if entry.symbol))

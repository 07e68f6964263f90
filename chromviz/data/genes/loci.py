"""From genes and transcripts to the TSS of each, by the rule that the user chose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from chromviz.data.genes.entries import Entry
from chromviz.errors import ChromvizError

#: What decides a gene's TSS.
RULES: dict[str, str] = {
    "gene": "the 5' end of the gene record",
    "canonical": "the 5' end of one transcript a gene: MANE Select, else Ensembl canonical or "
    "RefSeq Select, else APPRIS principal, else the longest on the genome",
    "transcript": "the 5' end of each transcript, an entry of its own",
}

# The tags that make a transcript its gene's, best first.
_DECIDERS = (
    "MANE Select",
    "Ensembl canonical or RefSeq Select",
    "APPRIS principal",
    "the longest transcript",
)
_TAGS = {"MANE_Select": 0, "Ensembl_canonical": 1, "RefSeq_Select": 1}
_LONGEST = 3
# GENCODE before release 20 wrote it without a number.
_APPRIS = re.compile(r"appris_principal(?:_(\d))?")


class Transcript(NamedTuple):
    """A transcript; 0-based and half-open."""

    line: int
    id: str
    chrom: str
    start: int
    end: int
    strand: str
    rank: tuple[int, int]


@dataclass(slots=True)
class Locus:
    """A gene at one place; 0-based and half-open.

    Parameters
    ----------
    recorded
        Whether the file has a line for the gene itself; else its span is that of its transcripts.
    """

    line: int
    gene: str
    symbol: str
    biotype: str
    chrom: str
    start: int
    end: int
    strand: str
    recorded: bool
    transcripts: list[Transcript] = field(default_factory=list)


class Orphan(NamedTuple):
    """A transcript whose gene has no line in the file."""

    gene: str
    symbol: str
    biotype: str
    transcript: Transcript


def rank(tags: str) -> tuple[int, int]:
    """Return how good a transcript is as its gene's, lower is better, by its comma-joined tags."""
    best = (_LONGEST, 0)
    if not tags:
        return best
    # RefSeq writes "MANE Select", Ensembl and GENCODE "MANE_Select".
    for tag in tags.replace(" ", "_").split(","):
        if tag in _TAGS:
            best = min(best, (_TAGS[tag], 0))
        elif appris := _APPRIS.fullmatch(tag):
            best = min(best, (2, int(appris[1] or 1)))
    return best


def gather(orphans: Iterable[Orphan]) -> list[Locus]:
    """Return the genes that transcripts without a gene record make up.

    Transcripts of one gene id on one strand that overlap, in a chain, are one place.
    """
    groups: dict[tuple[str, str, str], list[Orphan]] = {}
    for orphan in orphans:
        at = orphan.transcript
        groups.setdefault((orphan.gene, at.chrom, at.strand), []).append(orphan)
    loci = []
    for (gene, chrom, strand), members in groups.items():
        members.sort(key=lambda orphan: (orphan.transcript.start, orphan.transcript.line))
        locus: Locus | None = None
        for _, symbol, biotype, at in members:
            if locus is None or at.start >= locus.end:
                locus = Locus(at.line, gene, "", "", chrom, at.start, at.end, strand, False)
                loci.append(locus)
            locus.line = min(locus.line, at.line)
            locus.end = max(locus.end, at.end)
            locus.symbol = locus.symbol or symbol
            locus.biotype = locus.biotype or biotype
            locus.transcripts.append(at)
    return loci


def place(loci: Sequence[Locus], rule: str, path: Path) -> tuple[list[Entry], list[str]]:
    """Return the entries that a rule of :data:`RULES` makes of genes, and how they came about.

    Raises
    ------
    ChromvizError
        If the rule needs transcripts and there is none, or a strand is unknown.
    """
    bare = [locus for locus in loci if not locus.transcripts]
    if rule != "gene" and len(bare) == len(loci):
        raise ChromvizError(
            f"{path} holds no transcript, so the TSS cannot be by {rule}; give a file with "
            "transcripts, or the rule gene"
        )
    if rule == "transcript":
        entries = [
            _entry(locus, at, at.id, path)
            for locus in loci
            for at in locus.transcripts or (_as_transcript(locus),)
        ]
        notes = [f"{path.name}: {len(entries):,} transcripts, each with a TSS of its own"]
        if bare:
            notes[0] += f"; {len(bare):,} genes without one stand under their own id"
        return entries, notes
    if rule == "canonical":
        chosen = [
            min(locus.transcripts, key=_preference) if locus.transcripts else None for locus in loci
        ]
        entries = [
            _entry(locus, at or _as_transcript(locus), locus.gene, path)
            for locus, at in zip(loci, chosen, strict=True)
        ]
        counts = Counter(at.rank[0] for at in chosen if at)
        ways = [f"{_DECIDERS[way]} {counts[way]:,}" for way in sorted(counts)]
        if bare:
            ways.append(f"the gene record, having no transcript, {len(bare):,}")
        return entries, [f"{path.name}: what decides the TSS of each gene: {', '.join(ways)}"]
    entries = [_entry(locus, _as_transcript(locus), locus.gene, path) for locus in loci]
    unrecorded = [locus for locus in loci if not locus.recorded]
    notes = []
    if len(unrecorded) < len(loci):
        notes.append(f"{path.name}: the TSS of a gene is {RULES['gene']}")
    if unrecorded:
        notes.append(
            f"{path.name}: {len(unrecorded):,} of {len(loci):,} genes have no gene record "
            f"({unrecorded[0].gene}); their TSS is the most upstream start of their transcripts"
        )
    return entries, notes


def _preference(at: Transcript) -> tuple[tuple[int, int], int, str]:
    return at.rank, at.start - at.end, at.id


def _as_transcript(locus: Locus) -> Transcript:
    """Return a gene's own span, in the place of a transcript."""
    return Transcript(
        locus.line, locus.gene, locus.chrom, locus.start, locus.end, locus.strand, (_LONGEST, 0)
    )


def _entry(locus: Locus, at: Transcript, name: str, path: Path) -> Entry:
    """Return the entry that begins where a transcript does."""
    if at.strand not in ("+", "-") and at.end - at.start > 1:
        raise ChromvizError(
            f"{path}, line {at.line}, gene {locus.gene}: strand {at.strand!r} leaves its TSS "
            "unknown; give the strand, or take the gene out"
        )
    tss = at.end - 1 if at.strand == "-" else at.start
    strand = at.strand if at.strand in ("+", "-") else "."
    return Entry(at.line, name, locus.symbol, at.chrom, tss, strand, locus.biotype, locus.gene)

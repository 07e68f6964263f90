"""From genes and transcripts to entries: one TSS for each, by the rule that the user chose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from chromviz.data.genes.records import Entry, Feature, Locus, Transcript, join_symbols
from chromviz.errors import ChromvizError

#: How the TSS of a gene is chosen.
RULES: dict[str, str] = {
    "gene": "the 5' end of the gene record",
    "canonical": "the 5' end of one transcript per gene: MANE Select, else Ensembl canonical or "
    "RefSeq Select, else APPRIS principal, else the longest on the genome",
    "transcript": "the 5' end of each transcript, as a separate entry",
}

# What makes a transcript canonical, best first.
_DECIDERS = (
    "MANE Select",
    "Ensembl canonical or RefSeq Select",
    "APPRIS principal",
    "longest transcript",
)
_TAGS = {"MANE_Select": 0, "Ensembl_canonical": 1, "RefSeq_Select": 1}
_STEP = 10  # between the ranks of two deciders
# GENCODE before release 20 wrote it without a number.
_APPRIS = re.compile(r"appris_principal(?:_(\d))?")

# Chromosomes, but not the scaffolds, patches and alternative loci that repeat their genes.
_MAIN = re.compile(r"(?:chr)?(?:\d{1,2}[LR]?|[XYWZM]|MT|[IVX]+)|NC_\d+(?:\.\d+)?")
# RefSeq's names for human and mouse X and Y.
_SEX = {"NC_000023": "X", "NC_000024": "Y", "NC_000086": "X", "NC_000087": "Y"}


def rank(tags: str) -> int:
    """Return the rank of a transcript within its gene by its comma-separated tags, 0 best."""
    best = _STEP * _DECIDERS.index("longest transcript")
    # RefSeq writes "MANE Select", Ensembl and GENCODE "MANE_Select".
    for tag in tags.replace(" ", "_").split(","):
        if tag in _TAGS:
            best = min(best, _STEP * _TAGS[tag])
        elif appris := _APPRIS.fullmatch(tag):
            best = min(best, 2 * _STEP + int(appris[1] or 1))
    return best


def gather(orphans: Iterable[Transcript]) -> list[Locus]:
    """Return genes that only transcripts show.

    Transcripts of one gene id on one strand that overlap, in a chain, are one gene.
    """

    def key(place: Feature) -> tuple[str, str, str]:
        return place.gene, place.chrom, place.strand

    loci: list[Locus] = []
    for item in sorted(orphans, key=lambda item: (*key(item), item.start, item.line)):
        locus = loci[-1] if loci else None
        if locus is None or key(locus) != key(item) or item.start >= locus.end:
            place = (item.line, item.gene, item.symbol, item.biotype, item.chrom)
            locus = Locus(*place, item.start, item.end, item.strand, recorded=False)
            loci.append(locus)
        locus.line, locus.end = min(locus.line, item.line), max(locus.end, item.end)
        locus.symbol = locus.symbol or item.symbol
        locus.biotype = locus.biotype or item.biotype
        locus.transcripts.append(item)
    for locus in loci:
        locus.transcripts.sort(key=lambda item: item.line)
    return loci


def place_entries(loci: list[Locus], rule: str, path: Path) -> tuple[list[Entry], list[str]]:
    """Return the entries that a rule of :data:`RULES` gives, and notes on how they were chosen."""
    bare = sum(not locus.transcripts for locus in loci)
    if rule != "gene" and bare == len(loci):
        raise ChromvizError(
            f"{path} contains no transcript, so the TSS cannot be chosen by {rule}; give a file "
            "with transcripts, or the rule gene"
        )
    entries = []
    deciders: Counter[int] = Counter()
    for locus in loci:
        if rule == "gene" or not locus.transcripts:
            entries.append(_entry(locus, locus, locus.gene, path))
        elif rule == "canonical":
            best = min(locus.transcripts, key=_precedence)
            deciders[best.rank // _STEP] += 1
            entries.append(_entry(best, locus, locus.gene, path))
        else:
            entries += [_entry(item, locus, item.id, path) for item in locus.transcripts]
    if rule == "gene":
        return entries, _about_records(loci, path)
    if rule == "canonical":
        ways = [f"{_DECIDERS[way]} {count:,}" for way, count in sorted(deciders.items())]
        if bare:
            ways.append(f"gene record (genes without transcripts) {bare:,}")
        return entries, [f"{path.name}: the TSS of each gene is chosen by: {', '.join(ways)}"]
    kept = f"; {bare:,} genes without one are kept under their own id" if bare else ""
    return entries, [f"{path.name}: {len(entries):,} transcripts, each with its own TSS{kept}"]


def _precedence(item: Transcript) -> tuple[int, int, str]:
    """Return the sort key of transcripts: the canonical one of a gene is the first."""
    return item.rank, item.start - item.end, item.id


def _entry(chosen: Feature, locus: Locus, name: str, path: Path) -> Entry:
    """Return the entry of a gene that begins where a transcript or the gene itself does."""
    if chosen.strand not in ("+", "-") and chosen.end - chosen.start > 1:
        raise ChromvizError(
            f"{path}, line {chosen.line}, gene {locus.gene}: strand {chosen.strand!r} leaves its "
            "TSS unknown; give the strand, or remove the gene"
        )
    tss = chosen.end - 1 if chosen.strand == "-" else chosen.start
    strand = "." if chosen.strand == "?" else chosen.strand
    return Entry(
        chosen.line, name, locus.symbol, chosen.chrom, tss, strand, locus.biotype, locus.gene
    )


def _about_records(loci: list[Locus], path: Path) -> list[str]:
    unrecorded = [locus.gene for locus in loci if not locus.recorded]
    notes = []
    if len(unrecorded) < len(loci):
        notes.append(f"{path.name}: the TSS of a gene is {RULES['gene']}")
    if unrecorded:
        notes.append(
            f"{path.name}: {len(unrecorded):,} of {len(loci):,} genes have no gene record "
            f"({unrecorded[0]}); their TSS is the most upstream start of their transcripts"
        )
    return notes


def part_ids(entries: list[Entry], path: Path) -> tuple[list[Entry], list[str]]:
    """Return entries with distinct ids in the order of the file, and notes for the user.

    Entries of one id at one TSS are merged. If an id occurs at several positions, the first on a
    main chromosome (else the first) keeps it, and with it the expression. The others are kept as
    ``ID_PAR_Y`` if they are on Y and the id is on X, else as ``ID@chrom:tss:strand``.
    """
    places: dict[tuple[str, str, int, str], list[Entry]] = {}
    for entry in entries:
        places.setdefault((entry.gene, entry.chrom, entry.tss, entry.strand), []).append(entry)
    joined = list(dict.fromkeys(gene for (gene, *_), same in places.items() if len(same) > 1))
    by_gene: dict[str, list[Entry]] = {}
    for same in places.values():
        merged = replace(same[0], symbol=join_symbols(same))
        by_gene.setdefault(merged.gene, []).append(merged)
    taken = set(by_gene)
    pairs: list[str] = []
    moved: list[str] = []
    for gene, same in by_gene.items():
        holder = next((entry for entry in same if _MAIN.fullmatch(entry.chrom)), same[0])
        on_y = [entry for entry in same if _sex(entry) == "Y"]
        for entry in same:
            if entry is holder:
                continue
            name = f"{gene}_PAR_Y"
            if on_y == [entry] and _sex(holder) == "X" and name not in taken:
                pairs.append(name)
            else:
                name = f"{gene}@{entry.chrom}:{entry.tss}:{entry.strand}"
                moved.append(name)
            if name in taken:
                raise ChromvizError(
                    f"{path}: {gene} occurs at several positions, one of which would be named "
                    f"{name}, which is the id of another gene; rename one of them"
                )
            taken.add(name)
            entry.gene = name
    texts = {
        "{} ids are repeated at the same TSS; each is kept once ({})": joined,
        "{} ids occur on both X and Y; the copy on Y is named with _PAR_Y ({})": pairs,
        "{} additional positions of ids that occur at several are kept under new names ({}); the "
        "first on a main chromosome keeps the id, and with it the expression": moved,
    }
    notes = [
        f"{path.name}: {text.format(f'{len(names):,}', names[0])}"
        for text, names in texts.items()
        if names
    ]
    single = [entry for same in by_gene.values() for entry in same]
    return sorted(single, key=lambda entry: entry.line), notes


def _sex(entry: Entry) -> str:
    """Return X or Y for an entry on that chromosome, else an empty string."""
    name = entry.chrom.removeprefix("chr")
    return name if name in ("X", "Y") else _SEX.get(entry.chrom.partition(".")[0], "")

"""Genes and transcripts of a file, and the table of entries with one TSS each made from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from chromviz.data.text import parse_interval
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

#: Strands as BED, GTF and GFF3 write them; GFF3 also has ``?``.
STRANDS = {"+": "+", "-": "-", ".": "."}
_COLUMNS = ["line", "gene", "symbol", "chrom", "tss", "strand", "biotype", "parent"]


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
    """A transcript of a gene, and its :func:`rank`."""

    id: str
    rank: int


@dataclass(slots=True)
class Locus(Feature):
    """A gene at one place; `recorded` if it has a line, not only transcripts."""

    recorded: bool = True
    transcripts: list[Transcript] = field(default_factory=list)


def parse_place(
    fields: Sequence[str], what: str, where: str, first: int, strands: Mapping[str, str]
) -> tuple[str, int, int, str]:
    """Return chromosome, interval and strand from the texts of chromosome, start, end and strand.

    `first` is as in :func:`chromviz.data.text.parse_interval`, and `what` the gene or transcript.
    """
    chrom, start, end, strand = (text.strip() for text in fields)
    if not chrom:
        raise ChromvizError(f"{where}: the chromosome is empty")
    where = f"{where}, {what}"
    interval = parse_interval(start, end, where, first)
    if strand not in strands:
        raise ChromvizError(f"{where}: strand {strand!r} is not one of {', '.join(strands)}")
    return (chrom, *interval, strands[strand])


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


def place_entries(loci: list[Locus], rule: str, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per entry that a rule of :data:`RULES` gives, and notes on the choice.

    The columns are those of :class:`chromviz.data.genes.annotation.Genes` and ``line``.
    """
    bare = sum(not locus.transcripts for locus in loci)
    if rule != "gene" and bare == len(loci):
        raise ChromvizError(
            f"{path} contains no transcript, so the TSS cannot be chosen by {rule}; give a file "
            "with transcripts, or the rule gene"
        )
    rows = []
    deciders: Counter[int] = Counter()
    for locus in loci:
        if rule == "gene" or not locus.transcripts:
            rows.append(_row(locus, locus, locus.gene, path))
        elif rule == "canonical":
            best = min(locus.transcripts, key=lambda one: (one.rank, one.start - one.end, one.id))
            deciders[best.rank // _STEP] += 1
            rows.append(_row(best, locus, locus.gene, path))
        else:
            rows += [_row(item, locus, item.id, path) for item in locus.transcripts]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    if rule == "gene":
        return table, _about_records(loci, path)
    if rule == "canonical":
        ways = [f"{_DECIDERS[way]} {count:,}" for way, count in sorted(deciders.items())]
        if bare:
            ways.append(f"gene record (genes without transcripts) {bare:,}")
        return table, [f"{path.name}: the TSS of each gene is chosen by: {', '.join(ways)}"]
    kept = f"; {bare:,} genes without one are kept under their own id" if bare else ""
    return table, [f"{path.name}: {len(table):,} transcripts, each with its own TSS{kept}"]


def _row(chosen: Feature, locus: Locus, name: str, path: Path) -> tuple[Any, ...]:
    """Return the entry of a gene that begins where a transcript or the gene itself does."""
    length = chosen.end - chosen.start
    if chosen.strand not in ("+", "-") and length > 1:
        raise ChromvizError(
            f"{path}, line {chosen.line}, gene {locus.gene}: strand {chosen.strand!r} leaves its "
            f"TSS unknown, since the record has {length:,} bases; give the strand, or remove the "
            "gene"
        )
    tss = chosen.end - 1 if chosen.strand == "-" else chosen.start
    strand = "." if chosen.strand == "?" else chosen.strand
    place = chosen.chrom, tss, strand
    return chosen.line, name, locus.symbol, *place, locus.biotype, locus.gene


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


def merge_lines(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per gene of a file with one line per gene, and notes for the user.

    A gene on two lines at the same TSS with different symbols is one gene with two names: the
    symbols are joined by ``/``, and a known strand is kept.
    """
    shared = []
    for gene, same in table[table.duplicated("gene", keep=False)].groupby("gene", sort=False):
        for earlier, later in combinations(same.to_dict("records"), 2):
            _check_same(earlier, later, path)
        symbol = _join_symbols(same["symbol"])
        strand = next((strand for strand in same["strand"] if strand != "."), ".")
        table.loc[same.index[0], ["symbol", "strand"]] = symbol, strand
        shared.append(f"{gene} = {symbol}")
    merged = table.drop_duplicates("gene")
    notes = []
    if shared:
        notes.append(
            f"{path.name}: {len(shared)} gene ids occur on several lines with different symbols; "
            f"each is kept once ({shared[0]})"
        )
    unknown = int((merged["strand"] == ".").sum())
    if unknown:
        notes.append(f"{path.name}: {unknown:,} of {len(merged):,} genes have no strand")
    return merged, notes


def _check_same(earlier: dict[Any, Any], later: dict[Any, Any], path: Path) -> None:
    """Raise if two lines of one id do not describe one gene with two symbols."""
    problem = ""
    if (earlier["chrom"], earlier["tss"]) != (later["chrom"], later["tss"]):
        problem = "has different positions"
    elif {earlier["strand"], later["strand"]} == {"+", "-"}:
        problem = "is on both strands"
    elif earlier["symbol"] == later["symbol"]:
        problem = "is repeated"
    if problem:
        raise ChromvizError(
            f"{path}: gene {earlier['gene']} {problem}, on lines {earlier['line']} and "
            f"{later['line']}; keep one of them"
        )


def part_ids(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return rows with distinct ids in the order of the file, and notes for the user.

    Rows of one id at one TSS are merged. If an id occurs at several positions, the first on a
    main chromosome (else the first) keeps it, and with it the expression. The others are kept as
    ``ID_PAR_Y`` if they are on Y and the id is on X, else as ``ID@chrom:tss:strand``.
    """
    place = ["gene", "chrom", "tss", "strand"]
    repeated = table[table.duplicated(place, keep=False)]
    joined = repeated["gene"].unique().tolist()
    if joined:
        symbols = repeated.groupby(place)["symbol"].transform(_join_symbols)
        table.loc[repeated.index, "symbol"] = symbols
    table = table.drop_duplicates(place, ignore_index=True)
    names, chroms = table["gene"].tolist(), table["chrom"].tolist()
    taken = set(names)
    pairs: list[str] = []
    moved: list[str] = []
    several = table[table.duplicated("gene", keep=False)].groupby("gene", sort=False)
    for gene, rows in several.groups.items():
        holder = next((row for row in rows if _MAIN.fullmatch(chroms[row])), rows[0])
        on_y = [row for row in rows if _sex(chroms[row]) == "Y"]
        for row in rows.drop(holder):
            name = f"{gene}_PAR_Y"
            if on_y == [row] and _sex(chroms[holder]) == "X" and name not in taken:
                pairs.append(name)
            else:
                name = "{}@{}:{}:{}".format(*table.loc[row, place])
                moved.append(name)
            if name in taken:
                raise ChromvizError(
                    f"{path}: {gene} occurs at several positions, one of which would be named "
                    f"{name}, which is the id of another gene; rename one of them"
                )
            taken.add(name)
            names[row] = name
    texts = {
        "{} ids are repeated at the same TSS; each is kept once ({})": joined,
        "{} ids occur on both X and Y; the copy on Y is named with _PAR_Y ({})": pairs,
        "{} additional positions of ids that occur at several are kept under new names ({}); the "
        "first on a main chromosome keeps the id, and with it the expression": moved,
    }
    notes = [
        f"{path.name}: {text.format(f'{len(found):,}', found[0])}"
        for text, found in texts.items()
        if found
    ]
    return table.assign(gene=names).sort_values("line", kind="stable"), notes


def _sex(chrom: str) -> str:
    """Return X or Y for these chromosomes, else an empty string."""
    name = chrom.removeprefix("chr")
    return name if name in ("X", "Y") else _SEX.get(chrom.partition(".")[0], "")


def _join_symbols(symbols: pd.Series[str]) -> str:
    """Return the different symbols of one gene, joined by ``/``."""
    return "/".join(dict.fromkeys(filter(None, symbols)))

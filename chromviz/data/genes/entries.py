"""What every annotation format comes down to: an id and a transcription start site (TSS)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chromviz.data.text import MAX_DIGITS
from chromviz.errors import ChromvizError

# Chromosomes, and not the scaffolds, patches and alternative loci that repeat their genes.
_MAIN = re.compile(r"(?:chr)?(?:\d{1,2}[LR]?|[XYWZM]|MT|[IVX]+)|NC_\d+(?:\.\d+)?")
# Human and mouse X and Y by RefSeq's names.
_SEX = {"NC_000023": "X", "NC_000024": "Y", "NC_000086": "X", "NC_000087": "Y"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A gene, or a transcript, with its TSS.

    Parameters
    ----------
    line
        Line of the file it was read from.
    gene
        Its id.
    symbol
        Symbol of the gene, empty if the file has none.
    chrom, tss, strand
        Where it begins: ``tss`` is 0-based, ``strand`` is ``+``, ``-`` or ``.``.
    biotype
        Biotype of the gene, empty if the file has none.
    parent
        Id, as in the file, of the gene it belongs to; its own, unless it is a transcript or one of
        several places.
    """

    line: int
    gene: str
    symbol: str
    chrom: str
    tss: int
    strand: str
    biotype: str
    parent: str


def coordinate(text: str, where: str, least: int = 0) -> int:
    """Return a coordinate, or raise that it is none; `where` names the line and the gene."""
    if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS and int(text) >= least:
        return int(text)
    raise ChromvizError(f"{where}: {text!r} is not a coordinate (a whole number from {least})")


def merge_lines(entries: Sequence[Entry], path: Path) -> tuple[list[Entry], list[str]]:
    """Return one entry a gene, for formats of one line a gene, and what to tell the user.

    A gene on two lines at the same TSS under different symbols is one gene with two names: the
    symbols are joined by ``/`` and the known strand wins. Anything else is a slip.

    Raises
    ------
    ChromvizError
        If two lines of one id contradict or repeat each other.
    """
    groups = _by_id(entries)
    merged = [_merge(same, path) for same in groups.values()]
    notes = []
    shared = [entry for entry in merged if len(groups[entry.gene]) > 1]
    if shared:
        example = f"{shared[0].gene} = {shared[0].symbol}"
        notes.append(
            f"{path.name}: {len(shared)} genes stand on "
            f"several lines under different symbols; each is kept once ({example})"
        )
    unknown = sum(entry.strand == "." for entry in merged)
    if unknown:
        notes.append(f"{path.name}: {unknown:,} of {len(merged):,} genes have no strand")
    return merged, notes


def part_ids(entries: Sequence[Entry], path: Path) -> tuple[list[Entry], list[str]]:
    """Return entries of distinct ids, for files whose makers repeat ids, and what was done.

    Entries of one id at one TSS are one. Of an id at several places, the first place on a main
    chromosome (else the first) keeps it, so that it meets the expression; the others are kept too,
    as ``ID_PAR_Y`` on Y where the id lies on X, else as ``ID@chrom:tss:strand``.

    Raises
    ------
    ChromvizError
        If a name so made is already taken.
    """
    groups = _by_id(entries)
    taken = set(groups)
    kept: list[Entry] = []
    joined: list[str] = []
    pairs: list[str] = []
    moved: list[str] = []
    for gene, same in groups.items():
        places: dict[tuple[str, int, str], list[Entry]] = {}
        for entry in same:
            places.setdefault((entry.chrom, entry.tss, entry.strand), []).append(entry)
        if len(places) < len(same):
            joined.append(gene)
        single = [_join(at) for at in places.values()]
        holder = next((entry for entry in single if _MAIN.fullmatch(entry.chrom)), single[0])
        on_y = [entry for entry in single if _sex(entry.chrom) == "Y"]
        for entry in single:
            name = gene
            if entry is not holder:
                twin = f"{gene}_PAR_Y"
                if on_y == [entry] and _sex(holder.chrom) == "X" and twin not in taken:
                    name = twin
                    pairs.append(name)
                else:
                    name = f"{gene}@{entry.chrom}:{entry.tss}:{entry.strand}"
                    moved.append(name)
                if name in taken:
                    raise ChromvizError(
                        f"{path}: {gene} lies at several places, one of which would be named "
                        f"{name}, which is another's id; rename one of them"
                    )
                taken.add(name)
            kept.append(replace(entry, gene=name))
    return sorted(kept, key=lambda entry: entry.line), _explain(joined, pairs, moved, path)


def _explain(joined: list[str], pairs: list[str], moved: list[str], path: Path) -> list[str]:
    notes = []
    if joined:
        notes.append(
            f"{path.name}: {len(joined):,} ids are repeated at the same TSS; each is kept once "
            f"({joined[0]})"
        )
    if pairs:
        notes.append(
            f"{path.name}: {len(pairs):,} ids lie on both X and Y; the copy on Y is named with "
            f"_PAR_Y ({pairs[0]})"
        )
    if moved:
        notes.append(
            f"{path.name}: {len(moved):,} further places of ids that lie at several are kept under "
            f"names of their own ({moved[0]}); the first place on a main chromosome keeps the id, "
            "and with it the expression"
        )
    return notes


def _sex(chrom: str) -> str:
    """Return X or Y for that chromosome, else an empty string."""
    name = chrom.removeprefix("chr")
    return name if name in ("X", "Y") else _SEX.get(chrom.partition(".")[0], "")


def _by_id(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.gene, []).append(entry)
    return groups


def _merge(same: list[Entry], path: Path) -> Entry:
    """Return the one gene that lines of the same id describe, or raise why there is none."""
    first = same[0]
    for row, later in enumerate(same[1:], start=1):
        for earlier in same[:row]:
            problem = ""
            if (earlier.chrom, earlier.tss) != (later.chrom, later.tss):
                problem = "lies at different places"
            elif {earlier.strand, later.strand} == {"+", "-"}:
                problem = "lies on both strands"
            elif earlier.symbol == later.symbol:
                problem = "is repeated"
            if problem:
                raise ChromvizError(
                    f"{path}: gene {first.gene} {problem}, on lines {earlier.line} and "
                    f"{later.line}; keep one of them"
                )
    strand = next((entry.strand for entry in same if entry.strand != "."), ".")
    return replace(_join(same), strand=strand)


def _join(same: list[Entry]) -> Entry:
    """Return the first of entries at one place, under all their symbols."""
    symbols = dict.fromkeys(entry.symbol for entry in same if entry.symbol)
    return replace(same[0], symbol="/".join(symbols))

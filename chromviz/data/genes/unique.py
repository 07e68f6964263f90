"""Gene ids that occur more than once in an annotation: one entry for each, or a clear error."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from chromviz.errors import ChromvizError

# Chromosomes, but not the scaffolds, patches and alternative loci that repeat their genes.
_MAIN = re.compile(r"(?:chr)?(?:\d{1,2}[LR]?|[XYWZM]|MT|[IVX]+)|NC_\d+(?:\.\d+)?")
# RefSeq's names for human and mouse X and Y.
_SEX = {"NC_000023": "X", "NC_000024": "Y", "NC_000086": "X", "NC_000087": "Y"}
_PLACE = ["gene", "chrom", "tss", "strand"]


def merge_lines(entries: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return one entry per gene, for formats with one line per gene, and notes for the user.

    A gene on two lines at the same TSS with different symbols is one gene with two names: the
    symbols are joined by ``/``, and a known strand is kept. Anything else is an error.

    Raises
    ------
    ChromvizError
        If two lines of one id contradict or repeat each other.
    """
    merged = entries.drop_duplicates("gene").copy()
    shared = ""
    count = 0
    for gene, same in entries[entries.duplicated("gene", keep=False)].groupby("gene", sort=False):
        _check_same(same, path)
        row = same.index[0]
        strands = [strand for strand in same["strand"] if strand != "."]
        merged.loc[row, ["symbol", "strand"]] = [_joined(same["symbol"]), (*strands, ".")[0]]
        shared = shared or f"{gene} = {merged.loc[row, 'symbol']}"
        count += 1
    notes = []
    if count:
        notes.append(
            f"{path.name}: {count} gene ids occur on several lines with different symbols; each is "
            f"kept once ({shared})"
        )
    unknown = int((merged["strand"] == ".").sum())
    if unknown:
        notes.append(f"{path.name}: {unknown:,} of {len(merged):,} genes have no strand")
    return merged, notes


def _check_same(same: pd.DataFrame, path: Path) -> None:
    """Raise if lines of one id do not describe one gene with several symbols."""
    rows: list[Any] = list(same.itertuples())
    for earlier, later in combinations(rows, 2):
        problem = ""
        if (earlier.chrom, earlier.tss) != (later.chrom, later.tss):
            problem = "has different positions"
        elif {earlier.strand, later.strand} == {"+", "-"}:
            problem = "is on both strands"
        elif earlier.symbol == later.symbol:
            problem = "is repeated"
        if problem:
            raise ChromvizError(
                f"{path}: gene {earlier.gene} {problem}, on lines {earlier.line} and {later.line}; "
                "keep one of them"
            )


def part_ids(entries: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return entries with distinct ids, for formats that may repeat ids, and notes for the user.

    Entries of one id at one TSS are merged. If an id occurs at several positions, the first on a
    main chromosome (else the first) keeps it, and with it the expression. The others are kept as
    ``ID_PAR_Y`` if they are on Y and the id is on X, else as ``ID@chrom:tss:strand``.

    Raises
    ------
    ChromvizError
        If a name made in this way is already taken.
    """
    single = entries.drop_duplicates(_PLACE).copy()
    repeated = entries[entries.duplicated(_PLACE, keep=False)]
    for _, same in repeated.groupby(_PLACE, sort=False):
        single.loc[same.index[0], "symbol"] = _joined(same["symbol"])
    taken = set(single["gene"])
    pairs: list[str] = []
    moved: list[str] = []
    for gene, same in single[single.duplicated("gene", keep=False)].groupby("gene", sort=False):
        main = [row for row in same.index if _MAIN.fullmatch(same["chrom"][row])]
        holder = [*main, *same.index][0]
        on_y = [row for row in same.index if _sex(same["chrom"][row]) == "Y"]
        for row in same.index.drop(holder):
            name = f"{gene}_PAR_Y"
            if on_y == [row] and _sex(same["chrom"][holder]) == "X" and name not in taken:
                pairs.append(name)
            else:
                name = f"{gene}@" + ":".join(map(str, same.loc[row, _PLACE[1:]]))
                moved.append(name)
            if name in taken:
                raise ChromvizError(
                    f"{path}: {gene} occurs at several positions, one of which would be named "
                    f"{name}, which is the id of another gene; rename one of them"
                )
            taken.add(name)
            single.loc[row, "gene"] = name
    notes = _notes(list(dict.fromkeys(repeated["gene"])), pairs, moved, path)
    return single.sort_values("line", kind="stable"), notes


def _notes(joined: list[str], pairs: list[str], moved: list[str], path: Path) -> list[str]:
    notes = []
    if joined:
        notes.append(
            f"{path.name}: {len(joined):,} ids are repeated at the same TSS; each is kept once "
            f"({joined[0]})"
        )
    if pairs:
        notes.append(
            f"{path.name}: {len(pairs):,} ids occur on both X and Y; the copy on Y is named with "
            f"_PAR_Y ({pairs[0]})"
        )
    if moved:
        notes.append(
            f"{path.name}: {len(moved):,} additional positions of ids that occur at several are "
            f"kept under new names ({moved[0]}); the first on a main chromosome keeps the id, and "
            "with it the expression"
        )
    return notes


def _sex(chrom: str) -> str:
    """Return X or Y for that chromosome, else an empty string."""
    name = chrom.removeprefix("chr")
    return name if name in ("X", "Y") else _SEX.get(chrom.partition(".")[0], "")


def _joined(symbols: Iterable[str]) -> str:
    return "/".join(dict.fromkeys(symbol for symbol in symbols if symbol))

"""Which row of an expression table belongs to each gene: by id, or by symbol."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from chromviz.errors import ChromvizError

# Ids of Ensembl, GENCODE (the second number is that of a lift between assemblies, R that of older
# copies on Y) and RefSeq transcripts. Only these have versions: the end of a clone's name such as
# AC000111.3, or of WormBase's Y110A7A.10, tells one gene from another.
_VERSIONED = re.compile(
    r"(ENS[A-Z]*[GTPE]R?\d+|(?:N[MRPC]|X[MRP])_\d+)\.\d+(?:_\d+)?(_PAR_Y)?", re.ASCII
)
_TRANSCRIPT = re.compile(r"ENS[A-Z]*T\d+|[NX][MR]_\d+", re.ASCII)

# The published DeepChrome and AttentiveChrome matrices name ENSG00000000003 000003.
_SHORT = re.compile(r"(\d{6})(?:_.*)?", re.ASCII)
_GENE = re.compile(r"ENS[A-Z]*?G\d{5}(\d{6})", re.ASCII)

#: Placeholders in tables for genes without a name.
NO_NAME = ("NA", "N/A", "NaN", "nan", "na", "-", ".")


def without_version(name: str) -> str:
    """Return an Ensembl, GENCODE or RefSeq id without its version, any other name as it is.

    ``ENSG00000182378.14_PAR_Y``, the copy of a gene on Y, stays apart from the one on X:
    ``ENSG00000182378_PAR_Y``.
    """
    found = _VERSIONED.fullmatch(name)
    return f"{found[1]}{found[2] or ''}" if found else name


@dataclass(frozen=True)
class ShortIds:
    """Gene names, which of them were replaced, bool (gene,), and the six-digit ids that were not.

    Six-digit ids are kept if they match more than one gene (`ambiguous`) or none (`unknown`).
    """

    names: list[str]
    expanded: np.ndarray
    ambiguous: list[str]
    unknown: list[str]


def expand_short_ids(names: Sequence[str], known: Iterable[str]) -> ShortIds:
    """Replace ids that are the last six digits of an Ensembl gene id by the full id.

    The published DeepChrome and AttentiveChrome matrices name ``ENSG00000000003`` as ``000003``,
    some with a suffix after ``_``. A short id is replaced only if exactly one known gene ends in
    its digits and no other name stands for the same gene. Versions do not matter, and the copy of
    a gene on Y (``_PAR_Y``) counts as the gene on X.

    Names are unique; a name that is among the `known` ids of an annotation or an expression table
    is never replaced.

    Examples
    --------
    >>> found = expand_short_ids(["000003", "000005_1", "999999"], ["ENSG00000000003.14"])
    >>> found.names, found.unknown
    (['ENSG00000000003', '000005_1', '999999'], ['000005_1', '999999'])
    """
    known = set(known)
    by_digits: dict[str, set[str]] = {}
    for name in known:
        bare = without_version(name)
        if ending := _GENE.fullmatch(bare):
            by_digits.setdefault(ending[1], set()).add(bare)
    short = {
        row: found[1]
        for row, name in enumerate(names)
        if name not in known and (found := _SHORT.fullmatch(name))
    }
    taken = Counter(without_version(name) for row, name in enumerate(names) if row not in short)
    for digits in short.values():
        taken.update(by_digits.get(digits, ()))
    full = list(names)
    expanded = np.zeros(len(names), dtype=bool)
    ambiguous: list[str] = []
    unknown: list[str] = []
    for row, digits in short.items():
        matches = by_digits.get(digits, set())
        if len(matches) == 1 and taken[next(iter(matches))] == 1:
            full[row], expanded[row] = next(iter(matches)), True
        else:
            (ambiguous if matches else unknown).append(names[row])
    return ShortIds(full, expanded, ambiguous, unknown)


def match_expression(
    genes: Iterable[str], values: pd.Series[float], symbols: Iterable[str]
) -> tuple[np.ndarray, list[str]]:
    """Return the expression of each gene, float64 (gene,), and notes on how genes were matched.

    A gene has the row of its own id; else the row whose id is the same except for the version. If
    more genes match by symbol than by id, the table is keyed by symbols, and genes without a row
    by id have the row of their symbol. Genes that share a symbol stay unknown.

    `genes` are ids (gene,), `values` expression by unique id, and `symbols` (gene,) are empty where
    unknown. Unknown expression is NaN. It is an error if no gene matches, or if rows that differ
    only in their version contradict each other.
    """
    ids, symbols = list(genes), list(symbols)
    at = values.index.get_indexer(pd.Index(ids, dtype=object)).astype(np.int64)
    missing = np.flatnonzero(at < 0)
    found = _by_stripped_id([ids[row] for row in missing], values)
    at[missing] = found
    notes = []
    if (found >= 0).any():
        row = int(np.flatnonzero(found >= 0)[0])
        notes.append(
            f"{int((found >= 0).sum()):,} of {len(ids):,} genes match the expression table by id "
            f"without version ({ids[missing[row]]} = {values.index[found[row]]})"
        )
    by_symbol, shared = _by_symbol(ids, symbols, values)
    if (by_symbol >= 0).sum() > (at >= 0).sum():
        taken = (at < 0) & (by_symbol >= 0)
        notes.append(
            f"{int(taken.sum()):,} of {len(ids):,} genes match the expression table by symbol, "
            "not by id"
        )
        unclear = np.flatnonzero(shared & (at < 0))
        if len(unclear):
            notes.append(
                f"{len(unclear):,} genes share their symbol with another gene (such as "
                f"{symbols[unclear[0]]}); their expression is unknown, because the table does "
                "not distinguish them"
            )
        at[taken] = by_symbol[taken]
    if ids and not (at >= 0).any():
        raise ChromvizError(_no_match(ids[0], str(values.index[0]) if len(values) else ""))
    levels = np.full(len(ids), np.nan)
    levels[at >= 0] = values.to_numpy(np.float64)[at[at >= 0]]
    return levels, notes


def _by_stripped_id(ids: Sequence[str], values: pd.Series[float]) -> np.ndarray:
    """Return the row of each id, versions aside (gene,), -1 if there is none."""
    wanted = {without_version(name) for name in ids}
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(values.index):
        bare = without_version(str(name))
        if bare in wanted:
            rows.setdefault(bare, []).append(row)
    level = values.to_numpy(np.float64)
    found = np.full(len(ids), -1, dtype=np.int64)
    for gene, name in enumerate(ids):
        for row in rows.get(without_version(name), []):
            first = found[gene] if found[gene] >= 0 else row
            found[gene] = first
            if level[row] != level[first] and not np.isnan([level[row], level[first]]).all():
                raise ChromvizError(
                    f"gene {name} matches two rows of the expression table by id without version, "
                    f"which contradict each other: {values.index[first]} has {level[first]:g}, "
                    f"{values.index[row]} {level[row]:g}; keep one of them"
                )
    return found


def _by_symbol(
    ids: Sequence[str], symbols: Sequence[str], values: pd.Series[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of each gene's symbol (gene,), -1 if none, and whether others share it."""
    # Expression of a symbol is that of the gene on X, not of its copy on Y.
    own = pd.Index(
        [
            "" if name.endswith("_PAR_Y") or symbol in NO_NAME else symbol
            for name, symbol in zip(ids, symbols, strict=True)
        ],
        dtype=object,
    )
    found = np.where(own == "", -1, values.index.get_indexer(own))
    shared = own.duplicated(keep=False) & (found >= 0)
    return np.where(shared, -1, found), shared


def _no_match(gene: str, row: str) -> str:
    """Return the message for genes of which none is in the table."""
    message = (
        f"genes and expression have no gene in common: they use {gene!r} and {row!r}; give ids of "
        "one kind"
    )
    if _TRANSCRIPT.match(row) and not _TRANSCRIPT.match(gene):
        message += " (the expression is by transcript: give it by gene, or the TSS by transcript)"
    if _TRANSCRIPT.match(gene) and not _TRANSCRIPT.match(row):
        message += " (the genes are transcripts: give expression by transcript)"
    return message

"""Which row of an expression table is each gene's: by id, by id without version, by symbol."""

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

#: What stands in tables where a gene has no name.
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
    """Gene names, with six-digit ids replaced by the Ensembl ids that they stand for.

    Parameters
    ----------
    names
        The names (gene,): the full id where one was found, else the name as given.
    expanded
        bool (gene,): names that were replaced.
    ambiguous
        Six-digit ids that stay as they are because they match more than one gene.
    unknown
        Six-digit ids that stay as they are because they match no gene.
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

    Parameters
    ----------
    names
        Gene names (gene,), unique. A name that is among `known` is never replaced.
    known
        Ids of an annotation, of an expression table, or of both.

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
    genes: Iterable[str], values: pd.Series[float], symbols: Iterable[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Return the expression of each gene.

    A gene meets the row of its own id; else the row whose id is the same but for the version. If
    more genes meet the table by symbol than by id, it is keyed by symbols, and genes that no id
    meets take the row of their symbol. A symbol that several genes share tells which of them is
    meant to nobody: they stay unknown.

    Parameters
    ----------
    genes
        Gene ids (gene,).
    values
        Expression by id, unique; NaN where unknown.
    symbols
        Gene symbols (gene,), empty where unknown.

    Returns
    -------
    levels : ndarray
        float64 (gene,), NaN where the table has no row, or no value.
    notes : list of str
        How genes met the table, other than by their own ids.

    Raises
    ------
    ChromvizError
        If no gene meets the table, or the rows that a gene meets without version contradict one
        another.
    """
    ids = list(genes)
    at = values.index.get_indexer(pd.Index(ids, dtype=object)).astype(np.int64)
    missing = np.flatnonzero(at < 0)
    found = _by_stripped_id([ids[row] for row in missing], values)
    at[missing] = found
    notes = []
    if (found >= 0).any():
        row = int(np.flatnonzero(found >= 0)[0])
        notes.append(
            f"{int((found >= 0).sum()):,} of {len(ids):,} genes meet the expression table by id "
            f"without version ({ids[missing[row]]} = {values.index[found[row]]})"
        )
    if symbols is not None:
        symbols = list(symbols)
        by_symbol, shared = _by_symbol(ids, symbols, values)
        if (by_symbol >= 0).sum() > (at >= 0).sum():
            taken = (at < 0) & (by_symbol >= 0)
            notes += _about_symbols(taken, np.flatnonzero(shared & (at < 0)), symbols)
            at[taken] = by_symbol[taken]
    if ids and not (at >= 0).any():
        raise ChromvizError(_strangers(ids, list(values.index)))
    levels = np.full(len(ids), np.nan)
    levels[at >= 0] = values.to_numpy(np.float64)[at[at >= 0]]
    return levels, notes


def _by_stripped_id(ids: Sequence[str], values: pd.Series[float]) -> np.ndarray:
    """Return the row of each id, versions aside (gene,), -1 where there is none."""
    wanted = {without_version(name) for name in ids}
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(values.index):
        bare = without_version(str(name))
        if bare in wanted:
            rows.setdefault(bare, []).append(row)
    level = values.to_numpy(np.float64)
    found = np.full(len(ids), -1, dtype=np.int64)
    for gene, name in enumerate(ids):
        same = rows.get(without_version(name), [])
        if not same:
            continue
        first = level[same[0]]
        for other in same[1:]:
            if level[other] != first and not (np.isnan(level[other]) and np.isnan(first)):
                raise ChromvizError(
                    f"gene {name} meets two rows of the expression table by id without version, "
                    f"which contradict each other: {values.index[same[0]]} has {first:g}, "
                    f"{values.index[other]} {level[other]:g}; keep one of them"
                )
        found[gene] = same[0]
    return found


def _by_symbol(
    ids: Sequence[str], symbols: Sequence[str], values: pd.Series[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of each gene's symbol (gene,), -1 where none, and whether others share it."""
    # A copy on Y has a symbol of its own in no table; what there is, is of the gene on X.
    own = [
        "" if name.endswith("_PAR_Y") or symbol in NO_NAME else symbol
        for name, symbol in zip(ids, symbols, strict=True)
    ]
    counts = Counter(own)
    found = values.index.get_indexer(pd.Index(own, dtype=object)).astype(np.int64)
    found[[not symbol for symbol in own]] = -1
    shared = np.array([counts[symbol] > 1 for symbol in own], dtype=bool) & (found >= 0)
    found[shared] = -1
    return found, shared


def _about_symbols(taken: np.ndarray, shared: np.ndarray, symbols: Sequence[str]) -> list[str]:
    notes = [
        f"{int(taken.sum()):,} of {len(taken):,} genes meet the expression table by symbol, not by "
        "id"
    ]
    if len(shared):
        notes.append(
            f"{len(shared):,} genes share their symbol with another gene (such as "
            f"{symbols[shared[0]]}), so it does not tell whose the expression is; theirs is unknown"
        )
    return notes


def _strangers(ids: Sequence[str], rows: Sequence[object]) -> str:
    """Return what to say where no gene meets the table."""
    row = str(rows[0]) if rows else ""
    message = (
        "genes and expression have no gene in common: they use "
        f"{ids[0]!r} and {row!r}; give ids of one kind"
    )
    if _TRANSCRIPT.match(row) and not _TRANSCRIPT.match(ids[0]):
        message += " (the expression is by transcript: give it by gene, or the TSS by transcript)"
    if _TRANSCRIPT.match(ids[0]) and not _TRANSCRIPT.match(row):
        message += " (the genes are transcripts: give expression by transcript)"
    return message

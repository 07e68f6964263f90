"""Tables in result folders: one dialect of CSV, one writer and one reader.

UTF-8, commas, a header, no index, Unix line ends, full precision. A missing number is ``NaN``, an
empty cell is empty text. A column holds numbers if all of its cells do, unless it is in
:data:`NAMES`: a gene may be called 172936.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import TextIO

import pandas as pd

from chromviz import provenance

#: Columns that name things; they are text even if every name looks like a number.
NAMES = frozenset(
    (
        *("cell", "cells", "model", "variant", "method", "mark", "marks", "track", "gene"),
        *("symbol", "chrom", "strand", "split", "state", "role", "unit", "expression_unit"),
        *("test", "statistic", "null", "level", "layer", "name", "gene_set", "reference"),
        *("one", "other", "own", "way", "reason", "note", "sentence", "missing"),
    )
)
_MISSING = "NaN"


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV: a missing number is NaN, a missing text is empty."""
    buffer = io.StringIO()
    _write(table, buffer)
    return buffer.getvalue()


def parse_csv(text: str) -> pd.DataFrame:
    """Return the table that :func:`to_csv` wrote."""
    cells = pd.read_csv(io.StringIO(text), keep_default_na=False, dtype=str)
    return pd.DataFrame({name: _values(cells[name]) for name in cells}, columns=cells.columns)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all; compressed if the name ends in ``.gz``."""
    with provenance.atomic_path(path) as temporary:
        if path.suffix != ".gz":
            _write(table, temporary)
            return
        # Without a time and a name in its header, the same table is the same file. Level 9 takes
        # more than twice as long, for 5 % less.
        with (
            temporary.open("wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
            io.TextIOWrapper(packed, "utf-8", newline="") as handle,
        ):
            _write(table, handle)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that :func:`write_csv` wrote without compression."""
    return parse_csv(path.read_text("utf-8"))


def _write(table: pd.DataFrame, target: Path | TextIO) -> None:
    texts = {str(name): table[name].fillna("") for name in table if _is_text(table[name])}
    table.assign(**texts).to_csv(target, index=False, lineterminator="\n", na_rep=_MISSING)


def _is_text(column: pd.Series) -> bool:
    """Return whether a column holds text; one of numbers may have gaps, and then be of objects."""
    if column.dtype != object:
        return isinstance(column.dtype, (pd.StringDtype, pd.CategoricalDtype))
    return column.name in NAMES or any(isinstance(value, str) for value in column)


def _values(cells: pd.Series) -> pd.Series:
    """Return a column as numbers if all cells are, otherwise as text."""
    missing = cells == _MISSING
    if cells.name not in NAMES:
        numbers = pd.to_numeric(cells.where(~missing), errors="coerce")
        empty = cells == ""  # as older versions wrote a missing number
        if (numbers.notna() | missing | empty).all() and not empty.all():
            return numbers
    return cells

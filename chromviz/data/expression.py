"""Gene expression: one cell type's column of a gene-by-cell table, and its ON threshold."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.text import read_lines
from chromviz.errors import ChromvizError
from chromviz.vocabulary import cell_label, find_eid

_MISSING = ("", "NA", "NaN", "nan", "na")


@dataclass(frozen=True)
class Expression:
    """The expression of one cell type.

    Parameters
    ----------
    values
        float64 by gene id, NaN where the table has no value.
    threshold
        Median over all rows of the cell's column; a gene above it is ON (section 5 of the paper,
        "Dataset"). Rows of a repeated gene id count each, as in the paper's 19,802.
    unit
        Unit of `values` and `threshold`.
    """

    values: pd.Series[float]
    threshold: float
    unit: str = "RPKM"


def read_expression(path: Path, cell: str) -> Expression:
    """Read one cell type's column of a gene-by-cell table, as Roadmap publishes RPKM.

    Tab-separated, gzipped or not; the header names the cells, the first column the genes. A row
    may end in one more tab, as Roadmap's do. Empty cells and NA are NaN.

    Parameters
    ----------
    path
        The table.
    cell
        EID, common name, or the column's own name, in any case.

    Raises
    ------
    ChromvizError
        If the file is missing or damaged, has no (or more than one) column for the cell, or a row
        is cut short, holds something else than a number, or contradicts an earlier one.
    """
    lines = read_lines(path)
    if not lines or not lines[0].strip():
        raise ChromvizError(f"{path} is empty; give a table of genes by cell types")
    header = [name.strip() for name in lines[0].rstrip("\t ").split("\t")]
    column = _find_column(header, cell, path)
    first_line: dict[str, int] = {}
    values: dict[str, float] = {}
    every_row = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        gene, value = _parse(line, number, len(header), column, path)
        every_row.append(value)
        if gene not in values:
            values[gene] = value
            first_line[gene] = number
        elif value != values[gene] and not (math.isnan(value) and math.isnan(values[gene])):
            raise ChromvizError(
                f"{path}: gene {gene} has {values[gene]:g} on line {first_line[gene]} and "
                f"{value:g} on line {number}; keep one of them"
            )
    known = np.array(every_row, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        raise ChromvizError(
            f"{path}: the column {header[column]} holds no value; give a table of genes by cell "
            "types with numbers in it"
        )
    series = pd.Series(values, dtype="float64", name=header[column])
    return Expression(series, float(np.median(known)))


def _find_column(header: list[str], cell: str, path: Path) -> int:
    """Return the position in the header of a cell type's column."""
    # Its own name first: a header may well hold both "K562" and "E123".
    wanted = cell.strip().lower()
    eid = find_eid(cell)
    hits = [at for at, name in enumerate(header) if at and name.lower() == wanted]
    if not hits and eid:
        hits = [at for at, name in enumerate(header) if at and find_eid(name) == eid]
    if len(hits) == 1:
        return hits[0]
    label = cell_label(eid) if eid else cell
    if hits:
        numbers = " and ".join(str(at + 1) for at in hits)
        raise ChromvizError(
            f"{path} has several columns for the cell {label} ({numbers}); keep one of them"
        )
    names = {name.lower(): name for name in header[1:]}
    near = difflib.get_close_matches((eid or cell).lower(), names, n=3, cutoff=0.5)
    offer = ", ".join(names[name] for name in near) or ", ".join(header[1:6]) or "none"
    raise ChromvizError(
        f"{path} has no column for the cell {label}; nearest of its {len(header) - 1}: {offer}"
    )


def _parse(line: str, number: int, width: int, column: int, path: Path) -> tuple[str, float]:
    """Return the gene and value on one line, or raise what is wrong with it."""
    fields = line.split("\t")
    gene = fields[0].strip()
    where = f"{path}, line {number}"
    if not gene:
        raise ChromvizError(f"{where}: the gene id is empty")
    if len(fields) < width or any(extra.strip() for extra in fields[width:]):
        raise ChromvizError(
            f"{where}, gene {gene}: {len(fields)} columns where the header has {width}; "
            "the file may be cut off, or not tab-separated"
        )
    text = fields[column].strip()
    if text in _MISSING:
        return gene, math.nan
    try:
        # float() reads 1_000 as 1000, which in a table is a slip and not a number.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ChromvizError(
            f"{where}, gene {gene}: {text!r} is not a number; leave the cell empty, or write NA, "
            "where the value is unknown"
        )
    return gene, value

"""Gene expression: one column of a table of genes, as quantifiers and archives write them."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.genes.expression_columns import (
    choose_column,
    is_descriptive,
    parse_number,
    unit_of,
)
from chromviz.data.genes.ids import NO_NAME
from chromviz.data.text import read_lines
from chromviz.errors import ChromvizError

# Salmon on GENCODE's transcripts names them ENST...|ENSG...|OTT...|...
_FIRST_NAME = re.compile(r"(ENS[A-Z]*\d+(?:\.\d+)?(?:_PAR_Y)?)\|", re.ASCII)
_SUMMARY = "__"  # of the rows that HTSeq adds for reads of no gene


@dataclass(frozen=True)
class Expression:
    """The expression of one cell type.

    Parameters
    ----------
    values
        float64 by gene id, NaN where the table has no value.
    every
        float64 (row,): the column of every row of the table, NaN where it has no value. Rows of a
        repeated gene id count each, as in the paper's 19,802.
    unit
        Unit of `values`: ``RPKM``, ``FPKM``, ``TPM``, ``counts``, or empty where it is unknown.
    column
        Name of the column, empty if the table names none.
    notes
        What the user should know about the table.
    """

    values: pd.Series[float]
    every: np.ndarray
    unit: str = "RPKM"
    column: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def threshold(self) -> float:
        """Median of the known values of every row (section 5 of the paper, "Dataset")."""
        return float(np.median(self.every[~np.isnan(self.every)]))


def read_expression(path: Path, cell: str, *, column: str | None = None) -> Expression:
    """Read one column of a table of expression, gzipped or not.

    Separated by tabs or commas; the first column names the genes, or transcripts. Tables of genes
    by cell types (Roadmap's RPKM), of two columns (with or without names), of salmon, kallisto,
    RSEM, StringTie and featureCounts are known. A row may end in one more tab, as Roadmap's do.
    Empty cells and NA are NaN.

    Parameters
    ----------
    path
        The table.
    cell
        EID, common name, or the column's own name, in any case: the column to read where `column`
        names none. A table without a column of that name is read for its TPM, else its FPKM or
        RPKM, else its only column of numbers, which a note says.
    column
        The column's name; the case matters only if it has to.

    Raises
    ------
    ChromvizError
        If the file is missing or damaged, it is unclear which column to read, or a row is cut
        short, holds something else than a number, or contradicts an earlier one.
    """
    path = Path(path)
    lines = read_lines(path)
    begin = next((row for row, line in enumerate(lines) if not _is_comment(line)), len(lines))
    if begin == len(lines) or not lines[begin].strip():
        raise ChromvizError(f"{path} is empty; give a table of genes by cell types")
    split = _splitter(lines[begin])
    header = split(lines[begin].rstrip("\t "))
    notes: list[str] = []
    named = len(header) != 2 or is_descriptive(header[0]) or not _is_value(header[1])
    if named:
        rows = lines[begin + 1 :]
        at, notes = choose_column(header, rows, split, cell, column, path)
        name, first = header[at], begin + 2
    elif column is not None:
        raise ChromvizError(
            f"{path} has no line of column names, so none is {column!r}; leave the column's name "
            "out: there is only one"
        )
    else:
        rows, at, name, first = lines[begin:], 1, "", begin + 1
        notes.append(f"{path.name}: no column names; its second column is read as the expression")
    values, every, summaries, nameless = _read_rows(rows, first, split, len(header), at, path)
    if np.isnan(every).all():
        raise ChromvizError(
            f"{path}: the column {name or 2} holds no value; give a table of genes by cell types "
            "with numbers in it"
        )
    if summaries:
        notes.append(
            f"{path.name}: {summaries} rows that begin with {_SUMMARY} count reads of no gene and "
            "are left out"
        )
    if nameless:
        notes.append(f"{path.name}: {nameless:,} rows name no gene (NA) and are left out")
    unit = unit_of(header if named else [], name, path, every)
    series = pd.Series(values, dtype="float64", name=name)
    return Expression(series, every, unit, name, notes + _remarks(every, unit, path))


def _is_comment(line: str) -> bool:
    """Tell whether a line before the table is a comment, such as featureCounts' command."""
    return line.startswith("#") and "\t" not in line


def _splitter(header: str) -> Callable[[str], list[str]]:
    """Return what splits a line into fields, without blanks and quotes around them."""
    separator = "\t" if "\t" in header or "," not in header else ","

    def split(line: str) -> list[str]:
        if '"' not in line:
            return [text.strip() for text in line.split(separator)]
        if separator == "\t":
            # A tab is never inside a field, and a quote may be.
            return [_unquoted(text.strip()) for text in line.split(separator)]
        try:
            return [text.strip() for text in next(csv.reader([line]))]
        except csv.Error:
            return []  # which no table has as many of as its header

    return split


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _is_value(text: str) -> bool:
    """Tell whether a field of the first line is a value, and so no column's name."""
    return bool(text) and parse_number(text) is not None


def _read_rows(
    rows: list[str],
    first: int,
    split: Callable[[str], list[str]],
    width: int,
    column: int,
    path: Path,
) -> tuple[dict[str, float], np.ndarray, int, int]:
    """Return the values by gene and of every row, and how many rows were no gene's or nameless."""
    first_line: dict[str, int] = {}
    values: dict[str, float] = {}
    every = []
    summaries = nameless = 0
    for number, line in enumerate(rows, start=first):
        if not line.strip():
            continue
        if line.startswith(_SUMMARY):
            summaries += 1
            continue
        fields = split(line)
        if fields and fields[0] in NO_NAME:
            nameless += 1
            continue
        gene, value = _parse(fields, number, width, column, path)
        every.append(value)
        if gene not in values:
            values[gene] = value
            first_line[gene] = number
        elif value != values[gene] and not (math.isnan(value) and math.isnan(values[gene])):
            raise ChromvizError(
                f"{path}: gene {gene} has {values[gene]:g} on line {first_line[gene]} and "
                f"{value:g} on line {number}; keep one of them"
            )
    return values, np.array(every, dtype=np.float64), summaries, nameless


def _parse(
    fields: list[str], number: int, width: int, column: int, path: Path
) -> tuple[str, float]:
    """Return the gene and value on one line, or raise what is wrong with it."""
    gene = fields[0] if fields else ""
    where = f"{path}, line {number}"
    if not gene:
        raise ChromvizError(f"{where}: the gene id is empty")
    if len(fields) < width or any(fields[width:]):
        raise ChromvizError(
            f"{where}, gene {gene}: {len(fields)} columns where the header has {width}; "
            "the file may be cut off, or not tab-separated"
        )
    value = parse_number(fields[column])
    if value is None:
        comma = parse_number(fields[column].replace(",", ".")) is not None
        remedy = (
            "write decimals with a point"
            if comma
            else "leave the cell empty, or write NA, where the value is unknown"
        )
        raise ChromvizError(
            f"{where}, gene {gene}: {fields[column]!r} is not a finite number; {remedy}"
        )
    long = _FIRST_NAME.match(gene)
    return long[1] if long else gene, value


def _remarks(every: np.ndarray, unit: str, path: Path) -> list[str]:
    """Return what the values themselves show: logarithms, or counts of reads."""
    known = every[~np.isnan(every)]
    notes = []
    negative = int((known < 0).sum())
    if negative:
        notes.append(
            f"{path.name}: {negative:,} of {len(known):,} values are negative, as logarithms are; "
            "labels by the median or a quantile are the same with or without a logarithm"
        )
    whole = unit == "" and known.max() > 1 and bool((known == np.floor(known)).all())
    if unit == "counts" or whole:
        what = "are counts of reads" if unit == "counts" else "are whole numbers, as counts are"
        notes.append(
            f"{path.name}: the values {what}, which grow with the length of a gene: long genes "
            "will be ON more often than TPM or RPKM would make them"
        )
    return notes

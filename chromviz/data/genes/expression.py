"""Gene expression: one column of a table of genes, as quantifiers and archives write them."""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz.data.genes.ids import NO_NAME
from chromviz.data.text import read_lines
from chromviz.errors import ChromvizError
from chromviz.vocabulary import cell_label, find_eid

# Salmon on GENCODE's transcripts names them ENST...|ENSG...|OTT...|...
_FIRST_NAME = re.compile(r"(ENS[A-Z]*\d+(?:\.\d+)?(?:_PAR_Y)?)\|", re.ASCII)
_SUMMARY = "__"  # begins the rows that HTSeq adds for reads outside genes
_NAME_ONE = ", or name one with --expression-column"
_MISSING = ("", "NA", "NaN", "nan", "na")

# Yields the number of its line and the fields of each row, which are too many to keep.
_Rows = Callable[[], Iterator[tuple[int, list[str]]]]

# Names of quantifiers' columns that do not depend on a gene's length, best first.
_PREFERRED = ("TPM", "FPKM", "RPKM")
_UNITS = {"tpm": "TPM", "fpkm": "FPKM", "rpkm": "RPKM", "count": "counts", "counts": "counts"}
_UNIT = re.compile(r"(?<![a-z])(tpm|fpkm|rpkm|counts?)(?![a-z])")
_COUNTS = ("numreads", "est_counts", "expected_count")
_FEATURE_COUNTS = {"chr", "start", "end", "strand", "length"}

# Columns that describe a gene, as quantifiers and Ensembl's tables call them.
_DESCRIPTIVE = frozenset(
    re.sub(r"[^a-z]", "", name)
    for name in (
        *("gene", "gene_id", "gene_name", "gene_symbol", "symbol", "name", "external_gene_name"),
        *("gene_short_name", "hgnc_symbol", "entrez", "entrez_id", "entrezgene", "ensembl"),
        *("ensembl_id", "transcript", "transcript_id", "transcript_id(s)", "target_id", "tss_id"),
        *("chr", "chrom", "chromosome", "reference", "seqname", "start", "end", "stop", "strand"),
        *("locus", "length", "effective_length", "eff_length", "width", "gc", "gc_content"),
        *("biotype", "gene_biotype", "gene_type", "description", "tracking_id", "coverage"),
        *("class_code", "nearest_ref_id", "fpkm_conf_lo", "fpkm_conf_hi", "fpkm_status"),
    )
)


@dataclass(frozen=True)
class Expression:
    """The expression of one cell type, and notes on what the user should know about the table.

    `values` is float64 by gene id, NaN where the table has no value. `every`, float64 (row,), is
    the column of every row of the table: each row of a repeated gene id counts, as in the paper's
    19,802. `unit` is ``RPKM``, ``FPKM``, ``TPM``, ``counts``, or empty if it is unknown; `column`
    is empty if the table has no column names.
    """

    values: pd.Series[float]
    every: np.ndarray
    unit: str
    column: str
    notes: list[str]

    @property
    def threshold(self) -> float:
        """Median of the known values of every row (section 5 of the paper, "Dataset")."""
        return float(np.median(self.every[~np.isnan(self.every)]))


def read_expression(path: Path, cell: str, *, column: str | None = None) -> Expression:
    """Read one column of a table of expression, gzipped or not.

    Columns are separated by tabs or commas; the first names the genes or transcripts. The layouts
    of Roadmap (genes by cell types), salmon, kallisto, RSEM, StringTie and featureCounts are
    known, and tables of two columns with or without names. A row may end in one more tab, as
    Roadmap's do. Empty cells and NA are NaN.

    `column` is the column's name; its case matters only if two names differ in nothing else.
    Without it, `cell` names the column: EID, common name, or the column's own name, in any case. If
    no column has that name, the TPM is read, else the FPKM or RPKM, else the only column of
    numbers, and a note says so.

    It is an error if the file is missing or damaged, it is unclear which column to read, or a row
    is cut short, has a value that is not a number, or contradicts an earlier row.
    """
    path = Path(path)
    lines = read_lines(path)
    # Comments before the table, such as featureCounts' command, have no tabs.
    begin = next((at for at, line in enumerate(lines) if line[:1] != "#" or "\t" in line), None)
    if begin is None or not lines[begin].strip():
        raise ChromvizError(f"{path} is empty; give a table of genes by cell types")
    separator = "\t" if "\t" in lines[begin] or "," not in lines[begin] else ","
    header = _split(lines[begin].rstrip("\t "), separator)
    notes: list[str] = []
    named = len(header) != 2 or _is_descriptive(header[0]) or not _is_value(header[1])
    if not named and column is not None:
        raise ChromvizError(
            f"{path} has no line of column names, so none is {column!r}; leave the column's name "
            "out: there is only one"
        )
    first = begin + named

    def rows() -> Iterator[tuple[int, list[str]]]:
        numbered = enumerate(lines[first:], start=first + 1)
        return ((number, _split(line, separator)) for number, line in numbered if line.strip())

    if named:
        at, notes = _choose_column(header, rows, cell, column, path)
    else:
        header, at = ["", ""], 1
        notes.append(f"{path.name}: no column names; its second column is read as the expression")
    values, every, ignored = _read_rows(rows, len(header), at, path)
    known = every[~np.isnan(every)]
    if not len(known):
        raise ChromvizError(
            f"{path}: the column {header[at] or 2} holds no value; give a table of genes by cell "
            "types with numbers in it"
        )
    unit = _unit_of(header, header[at], path.name, known)
    notes += [f"{path.name}: {line}" for line in [*ignored, *_remarks(known, unit)]]
    series = pd.Series(values, dtype="float64", name=header[at])
    return Expression(series, every, unit, header[at], notes)


def _split(line: str, separator: str) -> list[str]:
    """Return the fields of a line without surrounding blanks and quotes."""
    if '"' not in line:
        return [text.strip() for text in line.split(separator)]
    if separator == "\t":
        # A tab is never inside a field, and a quote may be.
        return [re.sub(r'^"(.*)"$', r"\1", text.strip()) for text in line.split(separator)]
    try:
        return [text.strip() for text in next(csv.reader([line]))]
    except csv.Error:
        return []  # fewer fields than any header has


def _is_descriptive(name: str) -> bool:
    """Return whether a column of that name describes the gene."""
    return re.sub(r"[^a-z]", "", name.lower()) in _DESCRIPTIVE


def _is_value(text: str) -> bool:
    """Return whether a field of the first line is a value, so that it names no column."""
    return bool(text) and _parse_number(text) is not None


def _parse_number(text: str) -> float | None:
    """Return the number in a cell, NaN if it is empty or NA, None if it is not a number."""
    if text in _MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return None
    # float() reads 1_000 as 1000, which in a table is an error.
    return value if math.isfinite(value) and "_" not in text else None


def _choose_column(
    header: list[str], rows: _Rows, cell: str, column: str | None, path: Path
) -> tuple[int, list[str]]:
    """Return the position of the column to read, and notes on the choice."""
    eid = find_eid(cell)
    wanted = (cell if column is None else column).strip()
    tests: list[Callable[[str], bool]] = [lambda name: name.lower() == wanted.lower()]
    what, remedy = f"for the cell {cell_label(eid) if eid else cell}", _NAME_ONE
    if column is not None:
        tests.insert(0, lambda name: name == wanted)
        what, remedy = wanted, ""
    elif eid:
        # Its own name comes first: a header may have both "K562" and "E123".
        tests.append(lambda name: find_eid(name) == eid)
    hits = next(filter(None, (_matching(header, test) for test in tests)), [])
    if len(hits) > 1:
        numbers = " and ".join(str(at + 1) for at in hits)
        raise ChromvizError(
            f"{path} has several columns {what} ({numbers}); keep one of them{remedy}"
        )
    if hits:
        return hits[0], []
    if column is not None:
        raise ChromvizError(f"{path} has no column {wanted!r}; {_offer(header, wanted)}")
    why = f"none is named after {cell}"
    titles = [name.upper() for name in header[1:]]
    hits = [titles.index(unit) + 1 for unit in _PREFERRED if titles.count(unit) == 1][:1]
    if not hits:
        hits = _numeric(header, rows)
        why += ", and no other holds expression"
        # A column that is named after another cell type is that cell type's.
        if len(hits) != 1 or find_eid(header[hits[0]]) is not None:
            raise ChromvizError(_no_column(header, cell, path))
    chosen = f"{path.name}: the column {header[hits[0]]} is read ({why})"
    return hits[0], [f"{chosen}; name another with --expression-column"]


def _matching(header: Sequence[str], test: Callable[[str], bool]) -> list[int]:
    """Return the columns, except the first, whose names pass a test."""
    return [at for at, name in enumerate(header) if at and test(name)]


def _numeric(header: Sequence[str], rows: _Rows) -> list[int]:
    """Return the columns that are not descriptive and whose first value is a number."""
    found = _matching(header, lambda name: not _is_descriptive(name))
    first: dict[int, str] = {}
    for _, fields in rows():
        if len(found) < 2 or len(first) == len(found):
            break
        for at in found:
            if at < len(fields) and fields[at] not in _MISSING:
                first.setdefault(at, fields[at])
    return [at for at in found if _parse_number(first.get(at, "")) is not None]


def _no_column(header: Sequence[str], cell: str, path: Path) -> str:
    """Return the message for a table without a column that is clearly meant."""
    if len(header) < 2:
        return (
            f"{path} has one column; give a table of genes and their expression, separated by tabs "
            "or commas"
        )
    if all(_parse_number(name) is not None for name in header[1:]):
        return (
            f"{path} begins with numbers where the names of its columns should be; add a first "
            "line that names them, and name one with --expression-column"
        )
    eid = find_eid(cell)
    label = cell_label(eid) if eid else cell
    return f"{path} has no column for the cell {label}; {_offer(header, eid or cell)}"


def _offer(header: Sequence[str], wanted: str) -> str:
    """Return the columns nearest to a name, or the first ones, and how to name one."""
    names = [name for name in header[1:] if not _is_descriptive(name)]
    lowered = {name.lower() for name in names}
    near = difflib.get_close_matches(wanted.lower(), lowered, n=3, cutoff=0.5)
    listed = [name for name in names if name.lower() in near] or names[:5]
    more = "" if near or len(names) <= 5 else ", ..."
    return (
        f"nearest of its {len(names)}: {', '.join(listed) or 'none'}{more}; name one with "
        "--expression-column"
    )


def _unit_of(header: Sequence[str], name: str, file: str, known: np.ndarray) -> str:
    """Return the unit of a column, empty if it is unknown.

    It is found in the column's name, else the format, else the file's name. Roadmap's tables name
    columns by EID; they hold RPKM unless they hold whole numbers only.
    """
    lowered = name.lower()
    titles = [title.lower() for title in header]
    if "log" in lowered or (known < 0).any():
        return ""
    if lowered in _COUNTS or (titles[0] == "geneid" and set(titles) >= _FEATURE_COUNTS):
        return "counts"
    for text in (lowered, file.lower()):
        units = {_UNITS[unit] for unit in _UNIT.findall(text)}
        if len(units) == 1 and "log" not in text:
            return units.pop()
    roadmap = re.fullmatch(r"e\d{3}", lowered) and (known != np.floor(known)).any()
    return "RPKM" if roadmap else ""


def _read_rows(
    rows: _Rows, width: int, column: int, path: Path
) -> tuple[dict[str, float], np.ndarray, list[str]]:
    """Return the values by gene and of every row, and notes on rows that are ignored."""
    first_line: dict[str, int] = {}
    values: dict[str, float] = {}
    every = []
    summaries = nameless = 0
    for number, fields in rows():
        name = fields[0] if fields else ""
        if name.startswith(_SUMMARY):
            summaries += 1
            continue
        if name in NO_NAME:
            nameless += 1
            continue
        gene, value = _parse_row(fields, f"{path}, line {number}", width, column)
        every.append(value)
        first_line.setdefault(gene, number)
        known = values.setdefault(gene, value)
        if value != known and not (math.isnan(value) and math.isnan(known)):
            raise ChromvizError(
                f"{path}: gene {gene} has {known:g} on line {first_line[gene]} and "
                f"{value:g} on line {number}; keep one of them"
            )
    notes = []
    if summaries:
        notes.append(
            f"{summaries} rows that begin with {_SUMMARY} count reads outside genes and are ignored"
        )
    if nameless:
        notes.append(f"{nameless:,} rows have no gene name (NA) and are ignored")
    return values, np.array(every, dtype=np.float64), notes


def _parse_row(fields: list[str], where: str, width: int, column: int) -> tuple[str, float]:
    """Return the gene and the value in a row."""
    gene = fields[0] if fields else ""
    if not gene:
        raise ChromvizError(f"{where}: the gene id is empty")
    if len(fields) < width or any(fields[width:]):
        raise ChromvizError(
            f"{where}, gene {gene}: {len(fields)} columns where the header has {width}; "
            "the file may be cut off, or not tab-separated"
        )
    value = _parse_number(fields[column])
    if value is None:
        remedy = "leave the cell empty, or write NA, if the value is unknown"
        if _parse_number(fields[column].replace(",", ".")) is not None:
            remedy = "write decimals with a point"
        raise ChromvizError(
            f"{where}, gene {gene}: {fields[column]!r} is not a finite number; {remedy}"
        )
    long = _FIRST_NAME.match(gene)
    return long[1] if long else gene, value


def _remarks(known: np.ndarray, unit: str) -> list[str]:
    """Return notes on what the values look like: logarithms, or counts of reads."""
    notes = []
    negative = int((known < 0).sum())
    if negative:
        notes.append(
            f"{negative:,} of {len(known):,} values are negative, as logarithms are; labels by the "
            "median or a quantile are the same with or without a logarithm"
        )
    whole = unit == "" and known.max() > 1 and bool((known == np.floor(known)).all())
    if unit == "counts" or whole:
        what = "counts of reads" if unit == "counts" else "whole numbers, as counts are"
        notes.append(
            f"the values are {what}, which increase with the length of a gene: long genes will be "
            "ON more often than with TPM or RPKM"
        )
    return notes

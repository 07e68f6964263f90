"""Which column of a table of expression to read, and its unit."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from chromviz.errors import ChromvizError
from chromviz.vocabulary import cell_label, find_eid

_MISSING = ("", "NA", "NaN", "nan", "na")

# What quantifiers call expression, best first, without what depends on a gene's length.
_PREFERRED = ("TPM", "FPKM", "RPKM")
_UNITS = {"tpm": "TPM", "fpkm": "FPKM", "rpkm": "RPKM", "count": "counts", "counts": "counts"}
_UNIT = re.compile(r"(?<![a-z])(tpm|fpkm|rpkm|counts?)(?![a-z])")
_COUNTS = ("numreads", "est_counts", "expected_count")

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


def is_descriptive(name: str) -> bool:
    """Tell whether a column of that name describes the gene."""
    return re.sub(r"[^a-z]", "", name.lower()) in _DESCRIPTIVE


def parse_number(text: str) -> float | None:
    """Return the number that a cell holds, NaN if it is empty or NA, None if it is none."""
    if text in _MISSING:
        return math.nan
    try:
        # float() reads 1_000 as 1000, which in a table is a slip and not a number.
        value = math.nan if "_" in text else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def choose_column(
    header: Sequence[str],
    rows: Sequence[str],
    split: Callable[[str], list[str]],
    cell: str,
    column: str | None,
    path: Path,
) -> tuple[int, list[str]]:
    """Return the position of the column to read, and what to tell the user about the choice.

    Parameters
    ----------
    header
        Names of the columns; the first names the genes.
    rows, split
        The lines below, and what splits one into fields.
    cell, column
        As for :func:`chromviz.data.genes.expression.read_expression`.
    path
        The file, for messages.

    Raises
    ------
    ChromvizError
        If there is no such column, several, or none that is clearly meant.
    """
    if column is not None:
        return _named(header, column, path), []
    found = _of_cell(header, cell, path)
    if found is not None:
        return found, []
    lowered = [name.lower() for name in header]
    for unit in _PREFERRED:
        if lowered[1:].count(unit.lower()) == 1:
            at = lowered.index(unit.lower(), 1)
            return at, [_chosen(header[at], f"none is named after {cell}", path)]
    numeric = _numeric(header, rows, split)
    if len(numeric) == 1:
        # A column that is named after another cell type is that cell type's.
        other = find_eid(header[numeric[0]])
        if other is None:
            why = f"none is named after {cell}, and no other holds expression"
            return numeric[0], [_chosen(header[numeric[0]], why, path)]
    raise ChromvizError(_no_column(header, cell, path))


def unit_of(header: Sequence[str], name: str, path: Path, every: np.ndarray) -> str:
    """Return the unit of a column, empty if nothing tells it.

    The column's name tells it, else the format, else the file's name. Roadmap's tables name
    columns by EID; they hold RPKM unless they hold whole numbers only.
    """
    lowered = name.lower()
    if "log" in lowered or (every < 0).any():
        return ""
    if lowered in _COUNTS:
        return "counts"
    places = {"chr", "start", "end", "strand", "length"}
    if [title.lower() for title in header[:1]] == ["geneid"] and places <= {
        title.lower() for title in header
    }:
        return "counts"
    for text in (lowered, path.name.lower()):
        units = {_UNITS[unit] for unit in _UNIT.findall(text)}
        if len(units) == 1 and "log" not in text:
            return units.pop()
    known = every[~np.isnan(every)]
    if re.fullmatch(r"e\d{3}", lowered) and (known != np.floor(known)).any():
        return "RPKM"
    return ""


def _chosen(name: str, why: str, path: Path) -> str:
    return f"{path.name}: the column {name} is read ({why}); name another with --expression-column"


def _named(header: Sequence[str], column: str, path: Path) -> int:
    """Return the position of the column of a name."""
    wanted = column.strip()
    hits = [at for at, name in enumerate(header) if at and name == wanted]
    if not hits:
        hits = [at for at, name in enumerate(header) if at and name.lower() == wanted.lower()]
    if len(hits) == 1:
        return hits[0]
    if hits:
        numbers = " and ".join(str(at + 1) for at in hits)
        raise ChromvizError(f"{path} has several columns {wanted} ({numbers}); keep one of them")
    raise ChromvizError(f"{path} has no column {wanted!r}; {_offer(header, wanted)}")


def _of_cell(header: Sequence[str], cell: str, path: Path) -> int | None:
    """Return the position of a cell type's column, None if there is none."""
    # Its own name first: a header may well hold both "K562" and "E123".
    wanted = cell.strip().lower()
    eid = find_eid(cell)
    hits = [at for at, name in enumerate(header) if at and name.lower() == wanted]
    if not hits and eid:
        hits = [at for at, name in enumerate(header) if at and find_eid(name) == eid]
    if len(hits) > 1:
        numbers = " and ".join(str(at + 1) for at in hits)
        label = cell_label(eid) if eid else cell
        raise ChromvizError(
            f"{path} has several columns for the cell {label} ({numbers}); keep one of them, or "
            "name one with --expression-column"
        )
    return hits[0] if hits else None


def _numeric(
    header: Sequence[str], rows: Sequence[str], split: Callable[[str], list[str]]
) -> list[int]:
    """Return the columns that may be expression: not descriptive, and of numbers."""
    numeric = [at for at, name in enumerate(header) if at and not is_descriptive(name)]
    if len(numeric) < 2:
        return numeric
    # A column is text if its first value is.
    unseen = set(numeric)
    for row in rows:
        fields = split(row)
        for at in list(unseen):
            if at < len(fields) and fields[at] not in _MISSING:
                unseen.remove(at)
                if parse_number(fields[at]) is None:
                    numeric.remove(at)
        if not unseen:
            break
    return numeric


def _no_column(header: Sequence[str], cell: str, path: Path) -> str:
    """Return what to say where no column is clearly meant."""
    if len(header) < 2:
        return (
            f"{path} has one column; give a table of genes and their expression, separated by tabs "
            "or commas"
        )
    if all(parse_number(name) is not None for name in header[1:]):
        return (
            f"{path} begins with numbers where the names of its columns should be; add a first "
            "line that names them, and name one with --expression-column"
        )
    eid = find_eid(cell)
    label = cell_label(eid) if eid else cell
    return f"{path} has no column for the cell {label}; {_offer(header, eid or cell)}"


def _offer(header: Sequence[str], wanted: str) -> str:
    """Return the columns nearest to a name, or the first, and how to name one."""
    names = [name for name in header[1:] if not is_descriptive(name)]
    lowered = {name.lower() for name in names}
    near = difflib.get_close_matches(wanted.lower(), lowered, n=3, cutoff=0.5)
    listed = [name for name in names if name.lower() in near] or names[:5]
    more = "" if near or len(names) <= 5 else ", ..."
    return (
        f"nearest of its {len(names)}: {', '.join(listed) or 'none'}{more}; name one with "
        "--expression-column"
    )

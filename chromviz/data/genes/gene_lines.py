"""Genes in formats with one line per gene: BED6 and Roadmap's ``gene_info``.

BED is 0-based and half-open: chrom, start, end, name, score, strand. The name is ``ID`` or
``ID|SYMBOL``. The strand decides which end of a record is the TSS, so it is required; a record of
one base is the TSS itself and may have no strand (``.``).

``gene_info`` has, with or without column names: id, chromosome, first and last base (1-based,
inclusive), strand (``1`` or ``-1``), biotype, symbol, description.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from chromviz.data.genes.features import intervals
from chromviz.data.text import read_columns, refuse_first

_BED = ("chrom", "start", "end", "name", "score", "strand")
_INFO = ("gene", "chrom", "start", "end", "strand", "biotype", "symbol")
_STRANDS = {"1": "+", "-1": "-"}


def is_gene_info(fields: Sequence[str]) -> bool:
    """Tell whether a line's fields are those of ``gene_info``."""
    # A gene's number as BED's name and 1 as its score would look alike, except for BED's strand.
    return (
        len(fields) >= 6
        and fields[2].isdecimal()
        and fields[3].isdecimal()
        and fields[4].strip() in _STRANDS
        and fields[5].strip() not in ("+", "-", ".")
    )


def read_gene_bed(path: Path) -> pd.DataFrame:
    """Return the entries of a BED6 file; further columns are ignored.

    Raises
    ------
    ChromvizError
        If a line is not BED6, or leaves the TSS unknown.
    """
    rows = _read(path, _BED)
    short = rows["strand"] == ""
    refuse_first(short, lambda line: _not_bed([rows[name][line] for name in _BED], path, line))
    names = rows["name"].str.extract(r"^([^|]*)\|?(.*)$")
    gene, symbol = names[0], names[1]
    _refuse_empty(rows["chrom"], gene, path)
    refuse_first(
        rows["start"].str.isalpha() & rows["end"].str.isalpha(),
        lambda line: (
            f"{path}, line {line}: it has column names ({rows['start'][line]!r}, "
            f"{rows['end'][line]!r}), which BED does not have; remove this line, and give BED6: "
            f"{', '.join(_BED)}"
        ),
    )
    start, end = intervals(rows, path, "gene " + gene, first=0)
    strand = rows["strand"]
    refuse_first(
        ~strand.isin(["+", "-", "."]),
        lambda line: (
            f"{path}, line {line}, gene {gene[line]}: strand {strand[line]!r} is not +, - or ."
        ),
    )
    refuse_first(
        (strand == ".") & (end - start > 1),
        lambda line: (
            f"{path}, line {line}, gene {gene[line]}: strand '.' on a record of "
            f"{end[line] - start[line]} bases leaves its TSS unknown; give the strand, or one base "
            "at the TSS"
        ),
    )
    return _entries(rows, gene, symbol, start.where(strand != "-", end - 1), "")


def read_gene_info(path: Path) -> pd.DataFrame:
    """Return the entries of a ``gene_info`` file.

    Raises
    ------
    ChromvizError
        If a line is cut short, or its position or strand is not valid.
    """
    rows = _read(path, _INFO)
    # The first line may be column names: no digit where coordinates and strand are.
    if len(rows) and not rows.iloc[0, 2:5].str.contains(r"\d").any() and rows["biotype"].iloc[0]:
        rows = rows.iloc[1:]
    gene, chrom, sign = rows["gene"], rows["chrom"], rows["strand"]
    refuse_first(
        rows["biotype"] == "",
        lambda line: (
            f"{path}, line {line}: {sum(rows[name][line] != '' for name in _INFO)} tab-separated "
            "columns where gene_info has id, chromosome, start, end, strand, biotype and symbol; "
            "the file may be cut off"
        ),
    )
    _refuse_empty(chrom, gene, path)
    start, end = intervals(rows, path, "gene " + gene, first=1)
    refuse_first(
        ~sign.isin(list(_STRANDS)),
        lambda line: (
            f"{path}, line {line}, gene {gene[line]}: strand {sign[line]!r} is not 1 or -1"
        ),
    )
    rows = rows.assign(strand=sign.map(_STRANDS))
    tss = start.where(rows["strand"] != "-", end - 1)
    return _entries(rows, gene, rows["symbol"], tss, rows["biotype"])


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    rows = pd.concat([pd.DataFrame(columns=list(columns)), *read_columns(path, columns, columns)])
    return rows.assign(**{name: rows[name].str.strip() for name in columns})


def _refuse_empty(chrom: pd.Series[str], gene: pd.Series[str], path: Path) -> None:
    refuse_first(
        (chrom == "") | (gene == ""),
        lambda line: (
            f"{path}, line {line}: the {'gene id' if chrom[line] else 'chromosome'} is empty"
        ),
    )


def _not_bed(row: list[str], path: Path, line: int) -> str:
    filled = [number for number, text in enumerate(row, start=1) if text]
    spaced = " with spaces between them, not tabs" if len(row[0].split()) >= 6 else ""
    return (
        f"{path}, line {line}: it has no strand column ({max(filled)} tab-separated "
        f"columns{spaced}); give BED6: {', '.join(_BED)}"
    )


def _entries(
    rows: pd.DataFrame,
    gene: pd.Series[str],
    symbol: pd.Series[str],
    tss: pd.Series[int],
    biotype: pd.Series[str] | str,
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "line": rows.index,
            "gene": gene,
            "symbol": symbol,
            "chrom": rows["chrom"],
            "tss": tss,
            "strand": rows["strand"],
            "biotype": biotype,
            "parent": gene,
        }
    ).reset_index(drop=True)

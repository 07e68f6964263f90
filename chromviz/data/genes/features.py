"""What GTF and GFF3 share: nine columns, and genes and transcripts at places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from chromviz.data.text import MAX_DIGITS, read_columns, refuse_first

#: Features that lie within a transcript.
PARTS = (
    *("exon", "CDS", "UTR", "5UTR", "3UTR", "five_prime_utr", "three_prime_utr", "intron"),
    *("five_prime_UTR", "three_prime_UTR", "start_codon", "stop_codon", "Selenocysteine"),
)
#: Columns of a table of genes, and of one of transcripts. Intervals are 0-based and half-open.
#: `rank` is that of :func:`chromviz.data.genes.loci.rank`; `locus` is the index of the
#: transcript's gene, -1 if the file has no record of it.
GENES = ("line", "gene", "symbol", "biotype", "chrom", "start", "end", "strand")
TRANSCRIPTS = (*GENES, "id", "rank", "locus")

_COLUMNS = ("chrom", "source", "kind", "start", "end", "score", "strand", "frame", "attributes")
_USED = ("chrom", "kind", "start", "end", "strand", "attributes")


def read_features(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the lines of a GTF or GFF3 file as strings, indexed by line number.

    Raises
    ------
    ChromvizError
        If a line has fewer than nine columns.
    """
    for table in read_columns(path, _COLUMNS, _USED):
        fasta = table["chrom"].str.startswith(">")
        if fasta.any():  # sequences may follow the last feature of GFF3
            table = table[~fasta.cummax()]
        refuse_first(
            table["attributes"] == "",
            partial(_too_few, table, path),
        )
        yield table
        if fasta.any():
            return


def _too_few(rows: pd.DataFrame, path: Path, line: int) -> str:
    filled = [_COLUMNS.index(name) + 1 for name in _USED if rows[name][line] != ""]
    return (
        f"{path}, line {line}: {max(filled)} tab-separated columns where GTF and GFF3 have 9; the "
        "file may be cut off, or its tabs lost"
    )


def stack(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Return one table of the columns of several, none included."""
    whole = pd.concat([pd.DataFrame(columns=list(columns)), *parts], ignore_index=True)
    return whole[list(columns)].astype({"line": "int64", "start": "int64", "end": "int64"})


def with_places(rows: pd.DataFrame, path: Path, names: pd.Series[str]) -> pd.DataFrame:
    """Return rows with stripped strings and 0-based, half-open int64 intervals.

    Parameters
    ----------
    rows
        Rows of :func:`read_features`.
    path, names
        The file and, for each row, what it describes (``gene A``), for messages.

    Raises
    ------
    ChromvizError
        If a row has no chromosome, no coordinates, or an unknown strand.
    """
    chrom, strand = rows["chrom"].str.strip(), rows["strand"].str.strip()
    refuse_first(chrom == "", lambda line: f"{path}, line {line}: the chromosome is empty")
    start, end = intervals(rows, path, names, first=1)
    refuse_first(
        ~strand.isin(["+", "-", ".", "?"]),
        lambda line: (
            f"{path}, line {line}, {names[line]}: strand {strand[line]!r} is not +, - or ."
        ),
    )
    return rows.assign(line=rows.index, chrom=chrom, start=start, end=end, strand=strand)


def intervals(
    rows: pd.DataFrame, path: Path, names: pd.Series[str], *, first: int
) -> tuple[pd.Series[int], pd.Series[int]]:
    """Return 0-based starts and ends, int64 (row,), of coordinates that count from `first`.

    Raises
    ------
    ChromvizError
        If a coordinate is not a whole number from `first`, or an interval is empty.
    """

    def whole(column: str) -> pd.Series[int]:
        text = rows[column].str.strip()
        number = text.where(text.str.fullmatch(rf"[0-9]{{1,{MAX_DIGITS}}}"), "-1").astype("int64")
        refuse_first(
            number < first,
            lambda line: (
                f"{path}, line {line}, {names[line]}: {text[line]!r} is not a coordinate (a whole "
                f"number from {first})"
            ),
        )
        return number

    start, end = whole("start"), whole("end")
    hint = "" if first else "; BED is 0-based and half-open"
    problem = "lies before" if first else "does not lie after"
    refuse_first(
        end < start + (not first),
        lambda line: (
            f"{path}, line {line}, {names[line]}: end {end[line]} {problem} start "
            f"{start[line]}{hint}"
        ),
    )
    return start - first, end

"""Genes in GTF, as written by Ensembl, GENCODE, RefSeq and UCSC.

Gene and transcript records are used where there are any. A transcript without a record spans its
exons, and a gene without a record spans its transcripts.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from chromviz.data.genes.features import (
    GENES,
    PARTS,
    TRANSCRIPTS,
    read_features,
    stack,
    with_places,
)
from chromviz.data.genes.loci import rank
from chromviz.data.text import refuse_first

_TRANSCRIPTS = ("transcript", "mRNA")
# Attributes before the one that is wanted; values in quotes may contain semicolons.
_BEFORE = r'^(?:[^;"]*(?:"[^"]*"[^;"]*)*;)*?\s*'
_SPAN = ["id", "chrom", "strand", "gene"]


def read_gtf(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the gene records of a GTF file, and its transcripts.

    Returns
    -------
    genes, transcripts : pandas.DataFrame
        See :data:`chromviz.data.genes.features.GENES`.

    Raises
    ------
    ChromvizError
        If a line is cut short, has no valid interval, or no gene id.
    """
    genes, records, parts = [], [], []
    recorded: set[str] = set()
    for table in read_features(path):
        kind = table["kind"]
        if len(rows := table[kind == "gene"]):
            genes.append(_describe(rows, path))
        if len(rows := table[kind.isin(_TRANSCRIPTS)]):
            found = _describe(rows, path)
            named = _attribute(found["attributes"], "transcript_id")
            found["id"] = named.where(named != "", found["gene"])
            found["rank"] = [rank(_tags(text)) for text in found["attributes"]]
            records.append(found)
            recorded.update(found["id"] + "\t" + found["chrom"])
        if len(rows := table[kind.isin(PARTS)]):
            parts.append(_spans(rows, recorded, path))
    all_genes = stack(genes, GENES)
    spans = stack(parts, TRANSCRIPTS).sort_values("line", kind="stable")
    spans = _merge(spans)
    # Records may come after the parts. Parts of a gene without a transcript id add nothing.
    unrecorded = ~(spans["id"] + "\t" + spans["chrom"]).isin(recorded)
    known = pd.MultiIndex.from_frame(all_genes[["gene", "chrom"]])
    of_gene = pd.MultiIndex.from_frame(spans[["gene", "chrom"]]).isin(known)
    spans = spans[unrecorded & ~((spans["id"] == "") & of_gene)]
    spans["id"] = spans["id"].where(spans["id"] != "", spans["gene"])
    spans["rank"] = rank("")
    transcripts = pd.concat([stack(records, TRANSCRIPTS), spans], ignore_index=True)
    transcripts["locus"] = _locus(transcripts, all_genes)
    return all_genes, transcripts


def _describe(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return rows with place, gene id, symbol and biotype."""
    text = rows["attributes"]
    gene = _gene_id(text, path)
    symbol, biotype = (
        _attribute(text, first).where(lambda found: found != "", _attribute(text, second))
        for first, second in (("gene_name", "gene"), ("gene_type", "gene_biotype"))
    )
    return with_places(rows, path, "gene " + gene).assign(gene=gene, symbol=symbol, biotype=biotype)


def _spans(rows: pd.DataFrame, recorded: set[str], path: Path) -> pd.DataFrame:
    """Return the intervals that the parts of transcripts without a record span."""
    name = _attribute(rows["attributes"], "transcript_id")
    rows = rows.assign(id=name)[~(name + "\t" + rows["chrom"].str.strip()).isin(recorded)]
    gene = _gene_id(rows["attributes"], path)
    spans = _merge(with_places(rows, path, "gene " + gene).assign(gene=gene))
    # The first part speaks for its transcript.
    return _describe(rows.loc[spans["line"]], path).assign(
        id=spans["id"].to_numpy(), start=spans["start"].to_numpy(), end=spans["end"].to_numpy()
    )


def _merge(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each transcript, its interval covering those of all its rows."""
    groups = rows.groupby(_SPAN, sort=False)
    first = rows.drop_duplicates(_SPAN).copy()
    first["start"] = groups["start"].min().to_numpy()
    first["end"] = groups["end"].max().to_numpy()
    return first


def _locus(transcripts: pd.DataFrame, genes: pd.DataFrame) -> pd.Series[int]:
    """Return the index of each transcript's gene: the one around it, else the first of that id."""
    own = transcripts[["gene", "chrom", "start", "end"]].reset_index(names="row")
    pairs = own.merge(
        genes[["gene", "chrom", "start", "end"]].reset_index(names="locus"),
        on=["gene", "chrom"],
        suffixes=("", "_gene"),
    )
    outside = (pairs["start_gene"] > pairs["start"]) | (pairs["end"] > pairs["end_gene"])
    best = pairs.assign(outside=outside).sort_values(["row", "outside", "locus"])
    found = best.drop_duplicates("row").set_index("row")["locus"]
    return found.reindex(transcripts.index, fill_value=-1)


def _gene_id(attributes: pd.Series[str], path: Path) -> pd.Series[str]:
    gene = _attribute(attributes, "gene_id")
    refuse_first(
        gene == "",
        lambda line: (
            f"{path}, line {line}: it has no gene_id; give GTF with "
            'gene_id "ID" among the attributes'
        ),
    )
    return gene


def _attribute(attributes: pd.Series[str], key: str) -> pd.Series[str]:
    """Return the first value of an attribute in each row, empty if there is none."""
    # A loop: str.extract takes three times as long.
    search = re.compile(rf'{_BEFORE}{key}\s+(?:"([^"]*)"|([^\s;"]+))').search
    found = [
        (hit[1] or hit[2] or "").strip() if (hit := search(text)) else "" for text in attributes
    ]
    return pd.Series(found, index=attributes.index, dtype=object)


def _tags(attributes: str) -> str:
    return ",".join(piece.partition('"')[0] for piece in attributes.split('tag "')[1:])

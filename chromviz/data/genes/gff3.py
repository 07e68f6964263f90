"""Genes in GFF3, as written by Ensembl, GENCODE and RefSeq.

Features are linked by ``ID`` and ``Parent``. A gene is named by its ``gene_id``, else by its ``ID``
without the prefix ``gene-`` or ``gene:``. RefSeq's are of the second kind: ``gene-TP53`` is
``TP53``, the name that RefSeq's GTF and counts made with either file use; few tables have its
``GeneID`` numbers.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

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

_TRANSCRIPTS = ("RNA", "rna", "transcript", "transcript_variant", "gene_segment")
_PREFIX = re.compile(r"^(?:gene|transcript|rna|mRNA)[-:](?=.)")
# RefSeq before 2018 numbered its genes; these ids mean nothing.
_NUMBERED = r"(?:gene|rna)\d+"


def read_gff3(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return the gene records of a GFF3 file, its transcripts, and notes for the user.

    Returns
    -------
    genes, transcripts : pandas.DataFrame
        See :data:`chromviz.data.genes.features.GENES`.
    notes : list of str
        What the user should know about the file.

    Raises
    ------
    ChromvizError
        If a line is cut short, or a gene or transcript has no valid interval or no id.
    """
    genes: list[pd.DataFrame] = []
    candidates: list[pd.DataFrame] = []
    ids: set[str] = set()
    parents: set[str] = set()
    for table in read_features(path):
        kind, parent = table["kind"], _attribute(table["attributes"], "Parent")
        part = kind.isin(PARTS)
        has_parent = table["attributes"].str.contains("Parent=", regex=False)
        gene = ~part & kind.str.endswith("gene") & ~has_parent
        transcript = ~part & ~gene & kind.str.endswith(("gene", *_TRANSCRIPTS))
        if gene.any():
            genes.append(_genes(table[gene], path))
            ids.update(genes[-1]["ID"])
        if transcript.any():
            rows = table[transcript].assign(parent=parent[transcript])
            candidates.append(_transcripts(rows, path))
            ids.update(candidates[-1]["ID"])
        for text in set(parent[part]):
            parents.update(text.split(","))
        other = ~part & ~gene & ~transcript & has_parent
        ids.update(_attribute(table.loc[other, "attributes"], "ID"))
    all_genes = stack(genes, ["ID", *GENES])
    transcripts = stack(candidates, ["parent", *TRANSCRIPTS])
    # Of genes with one ID, the first has the transcripts.
    first = all_genes.drop_duplicates("ID")
    locus = pd.Series(first.index, index=first["ID"]).reindex(transcripts["parent"])
    transcripts["locus"] = locus.fillna(-1).astype("int64").to_numpy()
    # The products of a transcript, such as the miRNAs of a primary transcript, are no transcripts.
    product = (transcripts["locus"] < 0) & transcripts["parent"].isin(ids - {""})
    lost = sorted(parents - ids - {""})
    notes = []
    if lost:
        notes.append(
            f"{path.name}: the exons of {len(lost):,} transcripts or genes without a line of their "
            f"own ({lost[0]}) are ignored"
        )
    return all_genes[list(GENES)], transcripts.loc[~product, list(TRANSCRIPTS)], notes


def _genes(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return gene records."""
    text = rows["attributes"]
    gene = _name(text, "gene_id")
    refuse_first(
        gene == "",
        lambda line: (
            f"{path}, line {line}: a {rows['kind'][line]} without ID; give GFF3 with ID=... among "
            "the attributes of genes"
        ),
    )
    key = _attribute(text, "ID")
    return with_places(rows, path, "gene " + gene).assign(
        ID=key.where(key != "", gene),
        gene=gene,
        symbol=_first_of(text, "gene_name", "gene", "Name"),
        biotype=_first_of(text, "gene_type", "gene_biotype", "biotype"),
    )[["ID", *GENES]]


def _transcripts(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return transcripts, whose genes may come later in the file."""
    text = rows["attributes"]
    parent = rows["parent"].str.split(",").str[0]
    of_parent = parent.str.replace(_PREFIX, "", n=1, regex=True)
    name = _name(text, "transcript_id")
    name = name.where(name != "", of_parent)
    refuse_first(
        name == "",
        lambda line: (
            f"{path}, line {line}: a {rows['kind'][line]} with neither ID nor Parent; give GFF3 "
            "with ID=... among the attributes of transcripts"
        ),
    )
    gene = _first_of(text, "gene_id", "geneID", "gene")
    gene = gene.where(gene != "", of_parent)
    return with_places(rows, path, "transcript " + name).assign(
        ID=_attribute(text, "ID"),
        parent=parent,
        id=name,
        gene=gene.where(gene != "", name),
        symbol=_first_of(text, "gene_name", "gene"),
        biotype=_first_of(text, "gene_type", "gene_biotype", "biotype"),
        rank=[rank(tags) for tags in _attribute(text, "tag")],
        locus=-1,
    )[["ID", "parent", *TRANSCRIPTS]]


def _attribute(attributes: pd.Series[str], key: str) -> pd.Series[str]:
    """Return the decoded value of an attribute in each row, empty if there is none."""
    found = attributes.str.extract(rf"(?:^|;)\s*{key}\s*=([^;]*)", expand=False)
    return found.fillna("").str.strip().map(_decode)


def _decode(value: str) -> str:
    if "%" not in value:
        return value
    decoded = unquote(value)
    # What cannot be printed in one line stays as it was written.
    return decoded if decoded.isprintable() else value


def _first_of(attributes: pd.Series[str], *keys: str) -> pd.Series[str]:
    """Return the first attribute in each row that is not empty."""
    found = _attribute(attributes, keys[0])
    for key in keys[1:]:
        found = found.where(found != "", _attribute(attributes, key))
    return found


def _name(attributes: pd.Series[str], attribute: str) -> pd.Series[str]:
    """Return the id that each gene or transcript is named by, empty if it has none."""
    key = _attribute(attributes, "ID")
    given = _attribute(attributes, attribute)
    named = _first_of(attributes, "gene", "Name")
    own = key.str.replace(_PREFIX, "", n=1, regex=True)
    own = own.where(~(key.str.fullmatch(_NUMBERED) & (named != "")), named)
    # GENCODE's gene_id does not distinguish the copy of a gene on Y from that on X; its ID does.
    return given.where((given != "") & ~key.str.endswith("_PAR_Y"), own)

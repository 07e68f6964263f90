"""The dataset and attribution formats: build, check, save, load.

Both are :class:`xarray.Dataset` objects and NetCDF-4 files that xarray opens by itself.

A **dataset** holds one cell type: ``signal(gene, mark, bin)`` and ``coverage(track, gene, bin)``
(float32, NaN where the source has no data), ``expression(gene)`` (NaN where unknown),
``label(gene)`` (1 ON, 0 OFF, -1 unknown), ``split(gene)`` and ``reason(gene)``: why models leave
the gene out, empty for the genes they use. Simulated data also has ``truth(gene, mark, bin)``.
All annotated genes are in the file.

An **attribution** holds one method's ``weight`` over (gene, mark, bin), (gene, bin),
(gene, mark) or, for a class, (mark, bin), with ``probability(gene)`` where a model is involved
and ``delta(gene)`` where the method has a completeness error.
"""

from chromviz.schema.attribution import (
    Origin,
    build_attribution,
    check_attribution,
    explained_genes,
    load_attribution,
    require_made_from,
    save_attribution,
)
from chromviz.schema.dataset import (
    build_dataset,
    check_dataset,
    dataset_hash,
    gene_counts,
    load_dataset,
    reasons,
    require_alike,
    save_dataset,
    select_marks,
    usable,
)
from chromviz.schema.gene_names import find_gene, find_genes
from chromviz.schema.summary import Summarised, Summary, describe
from chromviz.schema.variables import name_variables

__all__ = [
    "Origin",
    "Summarised",
    "Summary",
    "build_attribution",
    "build_dataset",
    "check_attribution",
    "check_dataset",
    "dataset_hash",
    "describe",
    "explained_genes",
    "find_gene",
    "find_genes",
    "gene_counts",
    "load_attribution",
    "load_dataset",
    "name_variables",
    "reasons",
    "require_alike",
    "require_made_from",
    "save_attribution",
    "save_dataset",
    "select_marks",
    "usable",
]

"""A figure in a result folder: PDF, PNG, and a CSV of what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from chromviz import provenance
from chromviz.models.checkpoint import TrainedModel
from chromviz.plot.curves import draw_deletion, draw_learning_curves
from chromviz.plot.dots import draw_truth, draw_validation
from chromviz.plot.gene_rows import draw_genes
from chromviz.plot.heatmap import draw_consensus
from chromviz.plot.style import save_figure
from chromviz.results.folder import ResultFolder
from chromviz.results.tables import to_csv
from chromviz.validation.consensus import consensus_table
from chromviz.validation.profiles import genes_by_expression
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK


def write_figure(
    folder: ResultFolder,
    name: str,
    title: str,
    table: pd.DataFrame,
    draw: Callable[[pd.DataFrame], Figure],
) -> None:
    """Write ``{name}.{csv,pdf,png}`` of a table with a column ``simulated``, unless up to date."""
    csv = to_csv(table)

    def make() -> None:
        provenance.write_text(folder.path / f"{name}.csv", csv)
        simulated = bool(table["simulated"].any())
        metadata = file_metadata(title, folder.subject, folder["seed"], csv, simulated=simulated)
        save_figure(draw(table), folder.path / name, metadata=metadata)

    folder.once(name, csv, [f"{name}.{form}" for form in ("csv", "pdf", "png")], make)


def file_metadata(
    title: str, subject: str, seed: int, csv: str, *, simulated: bool
) -> dict[str, str]:
    """Return the metadata of a figure's files; `csv` holds its numbers, whose hash is recorded."""
    return {
        "Title": f"{title} (simulated data)" if simulated else title,
        "Creator": f"chromviz {provenance.versions()['chromviz']}",
        "Subject": f"{subject}, seed {seed}; made by: {provenance.command()}",
        "Keywords": f"table sha256 {provenance.hash_json(csv)}",
    }


def write_gain(folder: ResultFolder, table: pd.DataFrame) -> None:
    """Write the figure ``gain``: agreement of each explanation, and its gain over the raw signal.

    A tidy table without agreement on H3K4me3 gives no figure.
    """
    profile = table[(table["test"] == "profile") & (table["mark"] == PROMOTER_MARK)]
    shown = profile[profile["statistic"].isin(("pearson", "gain"))].reset_index(drop=True)
    if len(shown):
        write_figure(
            folder, "gain", "Agreement, and gain over the raw signal", shown, draw_validation
        )


def write_panels(
    folder: ResultFolder, table: pd.DataFrame, curves: pd.DataFrame | None = None
) -> None:
    """Write the figures that a validation's tests allow: deletion, consensus, planted truth."""
    if curves is not None:
        title = "Deletion and insertion of top bins"
        write_figure(folder, "deletion", title, curves, draw_deletion)
    methods = consensus_table(table)
    if len(methods):
        write_figure(folder, "consensus_matrix", "How far methods agree", methods, draw_consensus)
    truth = table[table["test"] == "planted truth"].reset_index(drop=True)
    if len(truth):
        write_figure(folder, "planted_truth", "Planted causes found", truth, draw_truth)


def write_genes(folder: ResultFolder, attribution: xr.Dataset, dataset: xr.Dataset) -> None:
    """Write the figure ``genes``: test genes sorted by expression, if any is known."""
    test = dataset["split"].values == "test"
    if not np.isfinite(dataset["expression"].values[test]).any():
        return
    table = genes_by_expression(attribution, dataset)
    title = f"Test genes by expression: {PROMOTER_MARK}, its weights and {REFERENCE_TRACK}"
    write_figure(folder, "genes", title, table, draw_genes)


def write_curves(folder: ResultFolder, models: Iterable[TrainedModel]) -> None:
    """Write the figure ``learning``: the learning curves of the models that have one."""
    parts = [table for model in models if len(table := model.learning_curve())]
    if parts:
        curves = pd.concat(parts, ignore_index=True)
        write_figure(folder, "learning", "Learning curves", curves, draw_learning_curves)

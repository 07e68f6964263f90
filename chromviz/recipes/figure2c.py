"""β of one gene across cell types (Figure 2c)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.extractors.run import extract
from chromviz.models.store import Training, trained
from chromviz.plot.heatmap import draw_figure2c
from chromviz.recipes.options import Run
from chromviz.reporting.figures import write_figure
from chromviz.results.folder import ResultFolder
from chromviz.schema.genes import reason_of

#: The model that attends to marks.
BETA_MODEL = "lstm-alpha-beta"

#: The gene of the paper's Figure 2c.
PAPER_GENE = "PAX5"


def beta_table(dataset: xr.Dataset, position: int, model_name: str, run: Run) -> pd.DataFrame:
    """Return β of one gene in one cell type, and what else is known of the gene.

    Parameters
    ----------
    dataset, position
        The cell type, and the place of the gene in it.
    model_name
        The architecture; it is trained if the store does not hold it.
    run
        Seeds, device and reporter.

    Returns
    -------
    pandas.DataFrame
        One row per mark: ``gene, symbol, cell, mark, weight, probability, label, expression,
        threshold, split, reason, model, model_seed, simulated, missing``. Weight and probability
        are NaN if models cannot read the gene; ``reason`` then says why.
    """
    marks = [str(mark) for mark in dataset["mark"].values]
    reason = reason_of(dataset, position)
    weight, probability = np.full(len(marks), np.nan), np.nan
    if not reason:
        training = Training(model_name, dataset, run.seed, members=run.seeds)
        model = trained(training, device=run.device, reporter=run.reporter)
        beta = extract("beta", dataset, model, genes=[position], device=run.device, seed=run.seed)
        weight = beta["weight"].values[0].astype(np.float64)
        probability = float(beta["probability"].values[0])
    one = dataset.isel(gene=position)
    return pd.DataFrame(
        {
            "gene": str(one["gene"].values),
            "symbol": str(one["symbol"].values),
            "cell": dataset.attrs["cell"],
            "mark": marks,
            "weight": weight,
            "probability": probability,
            "label": int(one["label"]),
            "expression": float(one["expression"]),
            "threshold": float(dataset.attrs["label_threshold"]),
            "split": str(one["split"].values),
            "reason": reason,
            "model": model_name,
            "model_seed": run.seed,
            "simulated": int(dataset.attrs["simulated"]),
            "missing": str(dataset.attrs["missing"]),
        }
    )


def write_figure2c(folder: ResultFolder, table: pd.DataFrame) -> None:
    """Write ``figure2c`` as PDF, PNG and CSV."""
    title = f"Figure 2c: β of {table['symbol'].iloc[0] or table['gene'].iloc[0]}"
    write_figure(folder, "figure2c", title, table, draw_figure2c)

"""One gene across cell types: its β, prediction, label and expression (Figure 2c)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.extract.run import extract
from chromviz.plot.heatmap import draw_figure2c
from chromviz.progress import SILENT, Reporter
from chromviz.recipes.figures import write_figure
from chromviz.recipes.folder import ResultFolder
from chromviz.recipes.trained import trained

#: The model that attends over marks.
BETA_MODEL = "lstm-alpha-beta"

#: The gene of the paper's Figure 2c.
PAPER_GENE = "PAX5"


def reason_of(dataset: xr.Dataset, position: int) -> str:
    """Return why a model cannot read a gene; a gene without a label can be read."""
    if np.isnan(dataset["signal"].values[position]).any():
        return str(dataset["reason"].values[position])
    return ""


def gene_rows(
    dataset: xr.Dataset,
    position: int,
    *,
    model_name: str = BETA_MODEL,
    seed: int = 0,
    members: int = 1,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> pd.DataFrame:
    """Return one gene's β and what is known of it in one cell type.

    Parameters
    ----------
    dataset
        The cell type.
    position
        The gene's place in it.
    model_name
        The architecture.
    seed, members, device, reporter
        As for :func:`chromviz.recipes.trained.trained`.

    Returns
    -------
    pandas.DataFrame
        A row a mark: ``gene, symbol, cell, mark, weight, probability, label, expression,
        threshold, split, reason, model, model_seed, simulated, missing``. Weight
        and probability are NaN where models cannot read the gene, and ``reason`` says why.
    """
    marks = [str(mark) for mark in dataset["mark"].values]
    reason = reason_of(dataset, position)
    weight, probability = np.full(len(marks), np.nan), np.nan
    if not reason:
        model, _ = trained(
            model_name, dataset, seed=seed, members=members, device=device, reporter=reporter
        )
        beta = extract("beta", model, dataset, genes=[position], device=device, seed=seed)
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
            "model_seed": seed,
            "simulated": int(dataset.attrs["simulated"]),
            "missing": str(dataset.attrs["missing"]),
        }
    )


def write_figure2c(folder: ResultFolder, table: pd.DataFrame) -> None:
    """Write ``figure2c`` as PDF, PNG and CSV."""
    title = f"Figure 2c: β of {table['symbol'].iloc[0] or table['gene'].iloc[0]}"
    write_figure(folder, "figure2c", title, table, draw_figure2c)

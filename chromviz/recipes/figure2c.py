"""β of one gene across cell types (Figure 2c)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.data.cells import available_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models.choice import Choice
from chromviz.models.store import Training, trained
from chromviz.plot.heatmap import draw_figure2c
from chromviz.recipes import resolve
from chromviz.recipes.run import Run
from chromviz.reporting.figures import write_figure
from chromviz.results.folder import ResultFolder
from chromviz.schema import find_gene
from chromviz.schema.gene_names import reason_of
from chromviz.validation.tidy import origin
from chromviz.vocabulary import PAPER_CELLS, cell_label, find_eid

#: The model that attends to marks.
BETA_MODEL = "lstm-alpha-beta"

#: The gene of the paper's Figure 2c.
PAPER_GENE = "PAX5"

#: The message if there is no figure.
NO_BETA = "no Figure 2c: none of the models trained here gives β"


@dataclass(frozen=True)
class Figure2c:
    """The model whose β is shown, and the gene's dataset and position by cell type, in order."""

    model: str
    cells: dict[str, tuple[xr.Dataset, int]]


def plan_figure2c(
    chosen: Sequence[Choice],
    dataset: xr.Dataset,
    gene: str | None,
    data: str | Path | None,
    say: Callable[[str], None],
) -> Figure2c | None:
    """Return what the figure will show, or None if no model that is trained here gives β."""
    position = None if gene is None else _readable(dataset, gene)
    able = beta_models(chosen)
    if not able:
        if gene is not None:
            say(NO_BETA)
        return None
    if position is None:
        position = _default_gene(dataset, say)
    model = BETA_MODEL if BETA_MODEL in able else able[0]
    return Figure2c(model, _cells(dataset, position, data, say))


def beta_models(chosen: Sequence[Choice]) -> list[str]:
    """Return the models with β. They are trained on each cell type, so files do not count."""
    return [one.name for one in chosen if not one.model and "beta" in one.spec.attends]


def _readable(dataset: xr.Dataset, gene: str) -> int:
    """Return the position of a gene, refusing one that lacks complete signal."""
    position = find_gene(dataset, gene)
    if reason := reason_of(dataset, position):
        raise ChromvizError(
            f"{gene} lacks complete signal in {cell_label(dataset.attrs['cell'])} ({reason}); "
            "choose another --gene"
        )
    return position


def _default_gene(dataset: xr.Dataset, say: Callable[[str], None]) -> int:
    """Return the position of PAX5, or of the test gene with the highest expression, and note it."""
    try:
        return _readable(dataset, PAPER_GENE)
    except ChromvizError as error:
        problem = str(error)
    test = resolve.genes_to_explain(dataset)
    expression = dataset["expression"].values[test]
    # DeepChrome CSV has no expression values; any test gene serves.
    known = bool(np.isfinite(expression).any())
    best = int(test[np.nanargmax(expression)] if known else test[0])
    symbol = dataset["symbol"].values[best] or dataset["gene"].values[best]
    which = "test gene with the highest expression" if known else "first test gene"
    say(f"Figure 2c shows {symbol}, the {which}: {problem}")
    return best


def _cells(
    dataset: xr.Dataset, position: int, data: str | Path | None, say: Callable[[str], None]
) -> dict[str, tuple[xr.Dataset, int]]:
    """Return the dataset and the paper's cell types that are available, with the gene's position.

    The paper's cell types are last, in the paper's order.
    """
    gene, own = str(dataset["gene"].values[position]), str(dataset.attrs["cell"])
    available = [find_eid(item) for item in available_cells(data)]
    found = {} if own in PAPER_CELLS else {own: (dataset, position)}
    for cell in PAPER_CELLS:
        if cell == own:
            found[cell] = (dataset, position)
        elif cell in available:
            try:
                other = open_cell(cell, data)
                found[cell] = (other, find_gene(other, gene))
            except ChromvizError as error:
                say(f"Figure 2c leaves out {cell_label(cell)}: {error}")
    return found


def write_figure2c(
    folder: ResultFolder, model: str, cells: Iterable[tuple[xr.Dataset, int]], run: Run
) -> pd.DataFrame:
    """Write ``figure2c`` of datasets and the gene's position in each; return its table."""
    parts = [_beta_table(dataset, position, model, run) for dataset, position in cells]
    table = pd.concat(parts, ignore_index=True)
    title = f"Figure 2c: β of {table['symbol'].iloc[0] or table['gene'].iloc[0]}"
    write_figure(folder, "figure2c", title, table, draw_figure2c)
    return table


def _beta_table(dataset: xr.Dataset, position: int, model_name: str, run: Run) -> pd.DataFrame:
    """Return β of one gene in one cell type, one row per mark; NaN if models cannot read it."""
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
            **origin(dataset),
        }
    )

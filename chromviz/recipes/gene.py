"""One gene across cell types: its β, prediction, label and expression (Figure 2c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.data.store import list_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.extract import find_method
from chromviz.extract.run import extract
from chromviz.models import find_model
from chromviz.models.inference import find_device
from chromviz.plot.heatmap import draw_figure2c
from chromviz.progress import SILENT, Reporter
from chromviz.recipes.figures import write_figure
from chromviz.recipes.folder import ResultFolder
from chromviz.recipes.trained import Job, train_missing, trained
from chromviz.schema import find_gene
from chromviz.vocabulary import PAPER_CELLS, cell_label, resolve_cell

#: The model that attends over marks.
BETA_MODEL = "lstm-alpha-beta"

#: The gene of the paper's Figure 2c.
PAPER_GENE = "PAX5"


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    folder
        The result folder.
    table
        One row a cell type and mark, see :func:`gene_rows`.
    made, kept
        Steps done now, and steps found done.
    """

    folder: Path
    table: pd.DataFrame
    made: list[str]
    kept: list[str]


def audit(
    gene: str,
    cells: Sequence[str] = PAPER_CELLS,
    *,
    data: Path | None = None,
    out: Path | None = None,
    model: str = BETA_MODEL,
    seed: int = 0,
    members: int = 1,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> Audit:
    """Show one gene across cell types, as Figure 2c does for PAX5.

    Parameters
    ----------
    gene
        Symbol, or id with or without version suffix.
    cells
        Names of cell types; one model is trained (or found) for each.
    data
        A folder of datasets; None for the embedded simulated one.
    out
        The result folder; ``results/audit-{gene}`` if not given.
    model
        The architecture, which must attend over marks; trained on each cell type.
    seed, members, device
        As for :func:`chromviz.recipes.trained.trained`.
    reporter
        Told how it goes.

    Returns
    -------
    Audit
        The table; ``figure2c.{pdf,png,csv}`` and ``manifest.json`` are in the folder.

    Raises
    ------
    ChromvizError
        If a cell type or the gene is unknown, or no cell type has complete signal for the gene.
    """
    find_device(device)
    spec = find_model(model)
    refusal = find_method("beta").refusal(spec.name, spec.gives)
    if refusal:
        raise ChromvizError(refusal)
    available, where = list_cells(data), str(data or "the embedded dataset")
    names = list(dict.fromkeys(resolve_cell(cell, available, where) for cell in cells))
    if not names:
        raise ChromvizError("no cell type to audit; name them with --cells A,B,C")
    opened = [open_cell(data, name) for name in names]
    positions = [find_gene(dataset, gene) for dataset in opened]
    readable = [not reason_of(dataset, at) for dataset, at in zip(opened, positions, strict=True)]
    if not any(readable):
        reason = reason_of(opened[0], positions[0])
        raise ChromvizError(
            f"models cannot read {gene} in {', '.join(map(cell_label, names))} ({reason}); "
            "choose another gene or prepare tracks that cover it"
        )
    folder = ResultFolder(out or Path("results") / f"audit-{gene}", f"audit {gene}")
    jobs = [
        Job(spec.name, item, seed, members=members)
        for item, fine in zip(opened, readable, strict=True)
        if fine
    ]
    train_missing(jobs, device=device, reporter=reporter)
    parts = [
        gene_rows(
            dataset,
            at,
            model_name=spec.name,
            seed=seed,
            members=members,
            device=device,
            reporter=reporter,
        )
        for dataset, at in zip(opened, positions, strict=True)
    ]
    table = pd.concat(parts, ignore_index=True)
    folder["simulated"] = int(table["simulated"].max())
    folder["seed"] = seed
    write_figure2c(folder, table)
    folder.finish()
    return Audit(folder.path, table, folder.made, folder.kept)


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
        As for :func:`audit`.

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

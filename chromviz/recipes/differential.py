"""Genes that change state between cell types, ranked by how attention to marks moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.data.store import available_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.extractors import find_method
from chromviz.extractors.run import extract
from chromviz.models import find_model
from chromviz.models.inference import find_device
from chromviz.models.store import Training, train_missing, trained
from chromviz.plot.changes import draw_changes
from chromviz.progress import SILENT, Reporter
from chromviz.recipes.gene import BETA_MODEL
from chromviz.reporting.figures import write_figure
from chromviz.results.folder import ResultFolder, of_result
from chromviz.schema import Summarised, Summary, dataset_hash, require_alike, usable
from chromviz.validation.differential import active_share, changes, recovery
from chromviz.vocabulary import PAPER_CELLS, resolve_cell


@dataclass(frozen=True, repr=False)
class Differential(Summarised):
    """What changes between cell types.

    Parameters
    ----------
    folder
        The result folder.
    table
        See :func:`chromviz.validation.differential.changes`.
    recovery
        See :func:`chromviz.validation.differential.recovery`.
    made, kept
        Steps done now, and steps found done.
    """

    folder: Path
    table: pd.DataFrame
    recovery: pd.DataFrame
    made: list[str]
    kept: list[str]

    def summary(self) -> Summary:
        """Return what was found, in a few lines."""
        rows = (
            ("table", f"{len(self.table)} rows"),
            ("recovery", f"{len(self.recovery)} rows"),
            *of_result(self, any(one["simulated"].any() for one in (self.table, self.recovery))),
        )
        return Summary("Genes that change state", rows)


def differential(
    cells: Sequence[str] = PAPER_CELLS,
    *,
    data: Path | None = None,
    out: Path | None = None,
    model: str = BETA_MODEL,
    seed: int = 0,
    seeds: int = 3,
    n_bootstrap: int = 2000,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> Differential:
    """Rank the genes that change state between cell types by how β moves.

    Genes are those for testing in every cell type, so that no model has learnt their labels.

    Parameters
    ----------
    cells, data, model, device, reporter
        As for :func:`chromviz.recipes.audit.audit`; two cell types or more.
    out
        The result folder; ``results/differential`` if not given.
    seed, seeds
        Trainings a cell type, from `seed` on: the intervals are over them.
    n_bootstrap
        Resamples of genes, for the intervals of the recovery.

    Returns
    -------
    Differential
        The folder holds ``differential.csv``, ``.pdf`` and ``.png`` (no figure where no gene
        changes), ``recovery.csv`` and ``manifest.json``.

    Raises
    ------
    ChromvizError
        If there are fewer than two cell types, their marks or windows differ, no gene is for
        testing in all, or the model has no β.
    """
    find_device(device)
    spec = find_model(model)
    refusal = find_method("beta").refusal(spec.name, spec.gives)
    if refusal:
        raise ChromvizError(refusal)
    if seeds < 1:
        raise ChromvizError(f"it takes at least one training, not {seeds}")
    available, where = available_cells(data), str(data or "the embedded dataset")
    names = list(dict.fromkeys(resolve_cell(cell, available, where) for cell in cells))
    if len(names) < 2:
        raise ChromvizError("genes change between cell types: name two or more with --cells A,B,C")
    opened = [open_cell(name, data) for name in names]
    require_alike(opened)
    marks = [str(mark) for mark in opened[0]["mark"].values]
    active_share(np.ones(len(marks)), marks)
    places = _common(opened)
    folder = ResultFolder(out or Path("results") / "differential", "differential")
    numbers = range(seed, seed + seeds)
    wanted = [Training(spec, dataset, number) for dataset in opened for number in numbers]
    train_missing(wanted, device=device, reporter=reporter)
    probability, beta = [], []
    for dataset, at in zip(opened, places, strict=True):
        found = []
        for number in numbers:
            training = Training(spec, dataset, number)
            fitted = trained(training, device=device, reporter=reporter)
            found.append(extract("beta", dataset, fitted, genes=at, device=device, seed=number))
        probability.append([one["probability"].values for one in found])
        beta.append([one["weight"].values for one in found])
    labels = [str(dataset.attrs["cell"]) for dataset in opened]
    first = opened[0].isel(gene=places[0])
    genes = pd.DataFrame({"gene": first["gene"].values, "symbol": first["symbol"].values})
    label = np.stack([one["label"].values[at] for one, at in zip(opened, places, strict=True)])
    values = (label, np.array(probability, float), np.array(beta, float))
    simulated = max(int(dataset.attrs["simulated"]) for dataset in opened)
    common: dict[str, Any] = {"model": spec.name, "seeds": seeds, "simulated": simulated}
    table = changes(genes, labels, *values, marks).assign(**common)
    found_again = recovery(*values, marks, n_bootstrap=n_bootstrap, seed=seed).assign(**common)
    folder["simulated"], folder["seed"], folder["seeds"] = simulated, seed, seeds
    folder["datasets"] = {name: dataset_hash(one) for name, one in zip(labels, opened, strict=True)}
    if len(table):
        write_figure(folder, "differential", "Genes that change state", table, draw_changes)
    else:
        folder.write_table("differential.csv", "differential.csv", table)
    folder.write_table("recovery.csv", "recovery.csv", found_again)
    folder.finish()
    return Differential(folder.path, table, found_again, folder.made, folder.kept)


def _common(opened: Sequence[xr.Dataset]) -> list[np.ndarray]:
    """Return the places of the genes that every cell type has for testing, in one order."""
    of = [
        one["gene"].values[
            (one["split"].values == "test") & usable(one) & (one["label"].values >= 0)
        ]
        for one in opened
    ]
    shared = set(of[0]).intersection(*of[1:])
    genes = [gene for gene in of[0] if gene in shared]
    if not genes:
        raise ChromvizError(
            "no gene is for testing in every cell type; prepare them with one split"
        )
    return [pd.Index(one["gene"].values).get_indexer(genes) for one in opened]

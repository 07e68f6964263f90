"""Genes that change state between cell types, ranked by the change in attention to marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import find_method
from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models import find_model
from chromviz.models.store import Training, train_missing, trained
from chromviz.plot.heatmap import draw_changes
from chromviz.recipes import resolve
from chromviz.recipes.figure2c import BETA_MODEL
from chromviz.recipes.run import Outcome, Run, RunOptions, finished, run_options
from chromviz.reporting.figures import write_figure
from chromviz.results.folder import ResultFolder
from chromviz.schema import Summary, dataset_hash, usable
from chromviz.validation.differential import active_share, changes, recovery
from chromviz.vocabulary import PAPER_CELLS


@dataclass(frozen=True, repr=False)
class Differential(Outcome):
    """The result of :func:`differential`: see :mod:`chromviz.validation.differential`."""

    table: pd.DataFrame
    recovery: pd.DataFrame

    def summary(self) -> Summary:
        """Return what was found, in a few lines."""
        return self.brief(
            "Genes that change state",
            any(one["simulated"].any() for one in (self.table, self.recovery)),
            ("table", f"{len(self.table)} rows"),
            ("recovery", f"{len(self.recovery)} rows"),
        )


def differential(
    cells: Sequence[str] = PAPER_CELLS,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    model: str = BETA_MODEL,
    **options: Unpack[RunOptions],
) -> Differential:
    """Rank the genes that change state between cell types by the change in β.

    Only genes that are test genes in every cell type count, so no model has learned their labels.
    The folder, by default ``results/differential``, holds ``differential.{csv,pdf,png}`` and
    ``recovery.csv``. `options` are as for :func:`chromviz.audit`, with ``seeds`` trainings per cell
    type (default 3), over which intervals are computed, and ``n_bootstrap``.
    """
    run = run_options(options, seeds=3)
    spec = find_model(model)
    if refusal := find_method("beta").refusal(spec.name, spec.gives):
        raise ChromvizError(refusal)
    names = resolve.resolve_cells(cells, data)
    if len(names) < 2:
        raise ChromvizError("genes change between cell types: name two or more with --cells A,B,C")
    opened = resolve.open_cells(names, data)
    marks = [str(mark) for mark in opened[0]["mark"].values]
    active_share(np.ones(len(marks)), marks)  # refuses marks without a known role
    positions = _shared_test_genes(opened)
    folder = ResultFolder(Path(out) if out else Path("results") / "differential", "differential")
    probability, beta = _explain(spec.name, opened, positions, run)
    labels = [str(dataset.attrs["cell"]) for dataset in opened]
    first = opened[0].isel(gene=positions[0])
    genes = pd.DataFrame({"gene": first["gene"].values, "symbol": first["symbol"].values})
    label = np.stack([one["label"].values[at] for one, at in zip(opened, positions, strict=True)])
    simulated = max(int(dataset.attrs["simulated"]) for dataset in opened)
    common: dict[str, Any] = {"model": spec.name, "seeds": run.seeds, "simulated": simulated}
    table = changes(genes, labels, label, probability, beta, marks).assign(**common)
    found = recovery(
        label, probability, beta, marks, n_bootstrap=run.n_bootstrap, seed=run.seed
    ).assign(**common)
    folder["simulated"], folder["seed"], folder["seeds"] = simulated, run.seed, run.seeds
    folder["datasets"] = {name: dataset_hash(one) for name, one in zip(labels, opened, strict=True)}
    if len(table):
        write_figure(folder, "differential", "Genes that change state", table, draw_changes)
    else:
        folder.write_table("differential", "differential.csv", table)
    folder.write_table("recovery", "recovery.csv", found)
    return Differential(*finished(folder), table, found)


def _explain(
    model: str, opened: Sequence[xr.Dataset], positions: Sequence[np.ndarray], run: Run
) -> tuple[np.ndarray, np.ndarray]:
    """Return probability (cell, seed, gene) and β (cell, seed, gene, mark)."""
    trainings = [Training(model, one, number) for one in opened for number in run.numbers]
    train_missing(trainings, device=run.device, reporter=run.reporter)
    places = [at for at in positions for _ in run.numbers]
    found = []
    for one, at in zip(trainings, places, strict=True):
        fitted = trained(one, device=run.device, reporter=run.reporter)
        found.append(
            extract("beta", one.dataset, fitted, genes=at, device=run.device, seed=one.seed)
        )
    shape = (len(opened), run.seeds, len(positions[0]))
    probability = np.array([one["probability"].values for one in found], float)
    beta = np.array([one["weight"].values for one in found], float)
    return probability.reshape(shape), beta.reshape(*shape, -1)


def _shared_test_genes(opened: Sequence[xr.Dataset]) -> list[np.ndarray]:
    """Return the positions of the genes that are test genes in every cell type, in one order."""
    tests = [
        one["gene"].values[
            (one["split"].values == "test") & usable(one) & (one["label"].values >= 0)
        ]
        for one in opened
    ]
    shared = set(tests[0]).intersection(*tests[1:])
    genes = [gene for gene in tests[0] if gene in shared]
    if not genes:
        raise ChromvizError(
            "no gene is a test gene in every cell type; prepare them with the same split"
        )
    return [pd.Index(one["gene"].values).get_indexer(genes) for one in opened]

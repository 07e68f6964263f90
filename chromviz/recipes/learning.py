"""Training as a result: a model in a folder with its learning curve; each cell type left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import joblib
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.data.pool import leave_one_out
from chromviz.models.checkpoint import TrainedModel, curve_table, save_model
from chromviz.models.store import Training, train_missing, trained
from chromviz.models.training import Settings
from chromviz.plot.curves import draw_learning_curve
from chromviz.plot.style import save_figure
from chromviz.progress import SILENT, Reporter
from chromviz.results.tables import to_csv


def write_model(model: TrainedModel, stem: Path) -> list[str]:
    """Write a model, and its learning curve as ``{stem}.curve.{csv,pdf,png}`` where it has one.

    Returns
    -------
    list of str
        Names of the files.
    """
    save_model(model, stem)
    files = [f"{stem.name}.safetensors", f"{stem.name}.json"]
    table = curve_table(model)
    if table.empty:
        return files
    curve = stem.with_name(f"{stem.name}.curve")
    csv = to_csv(table)
    provenance.write_text(curve.with_name(f"{curve.name}.csv"), csv)
    simulated = " (simulated data)" if model.card.simulated else ""
    metadata = {
        "Title": f"Learning curve of {model.card.name} on {model.card.cell}{simulated}",
        "Creator": f"chromviz {provenance.versions()['chromviz']}",
        "Subject": f"made by: {provenance.command()}",
        "Keywords": f"table sha256 {provenance.hash_json(csv)}",
    }
    written = save_figure(draw_learning_curve(table), curve, metadata=metadata)
    return [*files, f"{curve.name}.csv", *(path.name for path in written)]


def leave_each_out(
    name: str,
    datasets: Sequence[xr.Dataset],
    *,
    settings: Settings | None = None,
    seed: int = 0,
    members: int = 1,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> tuple[pd.DataFrame, list[TrainedModel]]:
    """Train, for each cell type, on all the others, and test on it.

    Parameters
    ----------
    name
        The architecture.
    datasets
        At least two cell types, see :func:`chromviz.data.pool.leave_one_out`.
    settings, seed, members, device, reporter
        As for :func:`chromviz.models.store.trained`.

    Returns
    -------
    table : pandas.DataFrame
        A row a cell type: ``cell, model, seed, members, auc_left_out`` (of the model that saw
        neither the cell type nor the tested genes), ``auc_own`` (of one trained on the cell type
        itself; the same test genes), ``n_train, n_test, removed_genes, simulated``.
    models : list of TrainedModel
        Those that saw the others, by cell type.

    Raises
    ------
    ChromvizError
        If the cell types do not go together, or training fails.
    """
    cells = [str(one.attrs["cell"]) for one in datasets]
    rows, models = [], []
    together = joblib.cpu_count()
    for start in range(0, len(cells), together):
        # A fold is as large as all cell types together, so only those in work are there.
        folds = [leave_one_out(datasets, cell) for cell in cells[start : start + together]]
        own = datasets[start : start + together]
        trainings = [Training(name, one, seed, settings, members) for one in (*folds, *own)]
        train_missing(trainings, device=device, reporter=reporter)
        found = [trained(training, device=device, reporter=reporter) for training in trainings]
        for fold, there, here in zip(folds, found[: len(folds)], found[len(folds) :], strict=True):
            models.append(there)
            rows.append(
                {
                    "cell": str(fold.attrs["held_out"]),
                    "model": there.card.name,
                    "seed": seed,
                    "members": members,
                    "auc_left_out": there.card.metrics["test_auc"],
                    "auc_own": here.card.metrics["test_auc"],
                    "n_train": there.card.genes["train"],
                    "n_test": there.card.genes["test"],
                    "removed_genes": int(fold.attrs["removed_genes"]),
                    "simulated": there.card.simulated,
                }
            )
    return pd.DataFrame(rows), models

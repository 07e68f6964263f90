"""A trained model as files with its learning curve; models with each cell type left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import joblib
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.catalog import ModelSpec
from chromviz.data.pool import leave_one_out
from chromviz.models import find_model
from chromviz.models.checkpoint import TrainedModel, save_model
from chromviz.models.store import Training, kept_at, train_missing, trained
from chromviz.plot.curves import draw_learning_curve
from chromviz.plot.style import save_figure
from chromviz.recipes.run import Run
from chromviz.results.tables import to_csv, write_csv
from chromviz.settings import Settings


def write_model(model: TrainedModel, stem: Path) -> list[str]:
    """Write a model and its learning curve, if any; return the names of the files."""
    save_model(model, stem)
    files = [f"{stem.name}.safetensors", f"{stem.name}.json"]
    table = model.learning_curve()
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


def keep_model(
    model: TrainedModel, training: Training, device: str, out: Path | None
) -> tuple[Path | None, str]:
    """Write a model to a folder, if one is given; return its path and where it is in words.

    The path has no suffix, and is None if the code of the model cannot be identified.
    """
    if out is not None:
        last = f"-{training.seed + training.members - 1}" if training.members > 1 else ""
        stem = out / f"{model.card.cell}.{training.spec.slug}.seed{training.seed}{last}"
        return stem, f"in {out}: {', '.join(write_model(model, stem))}"
    kept = kept_at(training, device)
    if training.members > 1:
        where = "the members are in the store of trained models; --out writes the ensemble"
    elif kept is None:
        where = "model not stored: its code cannot be identified"
    else:
        where = f"model in {kept}.safetensors and .json"
    return kept, where


def write_folds(table: pd.DataFrame, models: Sequence[TrainedModel], out: Path) -> None:
    """Write what :func:`leave_each_out` returned: the models, and ``leave_one_out.csv``."""
    for model, seed in zip(models, table["seed"], strict=True):
        slug = find_model(model.card.name).slug
        write_model(model, out / f"{model.card.cell}.{slug}.seed{seed}")
    write_csv(table, out / "leave_one_out.csv")


def leave_each_out(
    model: str | ModelSpec, datasets: Sequence[xr.Dataset], settings: Settings | None, run: Run
) -> tuple[pd.DataFrame, list[TrainedModel]]:
    """For each cell type, train on all the others and test on it.

    Returns a table and the models that saw the others. ``auc_left_out`` is of the model that saw
    neither the cell type nor the test genes, ``auc_own`` of one trained on the cell type itself;
    both are tested on the same genes. `settings` are by default those of the architecture.
    """
    cells = [str(one.attrs["cell"]) for one in datasets]
    rows, models = [], []
    together = joblib.cpu_count()
    for start in range(0, len(cells), together):
        # A fold is as large as all cell types together, so only those being trained are kept.
        folds = [leave_one_out(datasets, cell) for cell in cells[start : start + together]]
        own = datasets[start : start + together]
        trainings = [Training(model, one, run.seed, settings, run.seeds) for one in (*folds, *own)]
        train_missing(trainings, device=run.device, reporter=run.reporter)
        found = [trained(one, device=run.device, reporter=run.reporter) for one in trainings]
        for fold, there, here in zip(folds, found[: len(folds)], found[len(folds) :], strict=True):
            models.append(there)
            rows.append(
                {
                    "cell": str(fold.attrs["held_out"]),
                    "model": there.card.name,
                    "seed": run.seed,
                    "members": run.seeds,
                    "auc_left_out": there.card.metrics["test_auc"],
                    "auc_own": here.card.metrics["test_auc"],
                    "n_train": there.card.genes["train"],
                    "n_test": there.card.genes["test"],
                    "removed_genes": int(fold.attrs["removed_genes"]),
                    "simulated": there.card.simulated,
                }
            )
    return pd.DataFrame(rows), models

"""Trained models, kept by what decides their result and trained only when there is none."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import platformdirs
import xarray as xr

from chromviz import provenance
from chromviz.models import find_model
from chromviz.models.checkpoint import TrainedModel, load_model, save_model, training_key
from chromviz.models.training import Settings, train
from chromviz.progress import SILENT, Reporter
from chromviz.schema import dataset_hash

#: Environment variable that moves the cache.
CACHE_VARIABLE = "CHROMVIZ_CACHE"


def cache_folder() -> Path:
    """Return where trained models are kept: ``$CHROMVIZ_CACHE``, or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (Path(chosen) if chosen else platformdirs.user_cache_path("chromviz")) / "models"


def trained(
    name: str,
    dataset: xr.Dataset,
    *,
    settings: Settings | None = None,
    seed: int = 0,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> tuple[TrainedModel, Path]:
    """Return a trained model from the cache, training and keeping it if it is not there.

    A kept model is used again only for the same architecture, data (by content), settings and
    seed.

    Parameters
    ----------
    name
        The architecture.
    dataset
        What to train on.
    settings, seed, device
        As for :func:`chromviz.models.training.train`.
    reporter
        Told of epochs, and of what was trained or found.

    Returns
    -------
    model : TrainedModel
        The model.
    stem : Path
        Where it is kept, without suffix.

    Raises
    ------
    ChromvizError
        If the kept model is damaged (it is not replaced in silence) or training fails.
    """
    spec = find_model(name)
    settings = settings or spec.settings()
    key = training_key(spec.name, dataset_hash(dataset), asdict(settings), seed)
    stem = cache_folder() / f"{dataset.attrs['cell']}.{spec.name}.seed{seed}.{key}"
    if Path(f"{stem}.json").is_file():
        return load_model(stem), stem
    provenance.ensure_folder(stem.parent)
    what = f"training {spec.name} on {dataset.attrs['cell']}"

    def on_epoch(row: dict[str, float]) -> None:
        detail = f"loss {row['train_loss']:.3f}, validation AUC {row['valid_auc']:.3f}"
        reporter.progress(what, int(row["epoch"]), settings.max_epochs, detail)

    model = train(
        spec.name, dataset, settings=settings, seed=seed, device=device, on_epoch=on_epoch
    )
    reporter.progress(what, settings.max_epochs, settings.max_epochs, "stopped")
    save_model(model, stem)
    reporter.say(describe(model))
    return model, stem


def describe(model: TrainedModel) -> str:
    """Return one line about a trained model for people."""
    metrics = model.card.metrics
    test = metrics["test_auc"]
    return (
        f"{model.card.name} on {model.card.cell}: {metrics['epochs']:.0f} epochs in "
        f"{metrics['seconds']:.0f} s, validation AUC {metrics['valid_auc']:.3f}, "
        f"test AUC {'undefined' if test is None else format(test, '.3f')}"
    )

"""Training: one entry for every kind of model, which writes the card."""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np
import torch
import xarray as xr
from sklearn.metrics import roc_auc_score
from torch import nn

from chromviz import provenance
from chromviz.errors import ChromvizError
from chromviz.models import find_model
from chromviz.models.checkpoint import Card, TrainedModel, weights_hash
from chromviz.models.descent import OnEpoch, Settings, descend, one_thread
from chromviz.models.fitted import Fitted, Genes
from chromviz.models.inference import find_device, logits
from chromviz.schema import dataset_hash, usable

__all__ = ["OnEpoch", "Settings", "train"]


def train(
    name: str,
    dataset: xr.Dataset,
    *,
    settings: Settings | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: OnEpoch | None = None,
) -> TrainedModel:
    """Train an architecture on a dataset's training genes.

    A network takes gradient steps, see :func:`chromviz.models.descent.descend`; a
    :class:`~chromviz.models.fitted.Fitted` model is given the genes once. Nothing of the global
    random state changes.

    Parameters
    ----------
    name
        The architecture's name, as in :func:`chromviz.models.models`.
    dataset
        A dataset with genes in ``train`` and ``valid``.
    settings
        Defaults to the architecture's own.
    seed
        Draws the initial weights, the order of the genes and dropout.
    device
        Where to train.
    on_epoch
        Called after each epoch with its record.

    Returns
    -------
    TrainedModel
        The module, on CPU in evaluation mode, with its card.

    Raises
    ------
    ChromvizError
        If a split lacks genes of either state, or training diverges.
    """
    spec = find_model(name)
    settings = settings or spec.settings()
    target = find_device(device)
    parts = {part: _part(dataset, part) for part in ("train", "valid", "test")}
    for part in ("train", "valid"):
        states = set(parts[part][1])
        if states != {0.0, 1.0}:
            raise ChromvizError(
                f"cannot train on {dataset.attrs['cell']}: its {part} genes "
                f"({len(parts[part][1])}) must include both ON and OFF ones; "
                "prepare it with more genes"
            )
    started = time.perf_counter()
    devices = [target] if target.type == "cuda" else []
    curve: list[dict[str, float]] = []
    kept: dict[str, float] = {}
    with one_thread(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        module = spec.build(dataset.sizes["mark"], dataset.sizes["bin"])
        if isinstance(module, Fitted):
            module.fit(parts["train"], parts["valid"], seed)
        else:
            module, curve, best = descend(
                module,
                parts["train"],
                parts["valid"],
                settings=settings,
                seed=seed,
                device=target,
                on_epoch=on_epoch,
            )
            kept = {**curve[best], "best_epoch": best + 1.0, "epochs": float(len(curve))}
    module = module.eval()
    if not curve:
        kept["valid_auc"] = float(
            roc_auc_score(parts["valid"].label, logits(module, parts["valid"].signal))
        )
    metrics = {
        "valid_auc": kept["valid_auc"],
        "valid_loss": kept.get("valid_loss"),
        "best_epoch": kept.get("best_epoch"),
        "test_auc": _auc_of(module, *parts["test"], device=device),
        "epochs": kept.get("epochs"),
        "seconds": round(time.perf_counter() - started, 2),
    }
    card = Card(
        name=spec.name,
        n_bins=dataset.sizes["bin"],
        bin_width=int(dataset.attrs["bin_width"]),
        marks=tuple(str(mark) for mark in dataset["mark"].values),
        cell=str(dataset.attrs["cell"]),
        signal_unit=str(dataset.attrs["signal_unit"]),
        simulated=int(dataset.attrs["simulated"]),
        dataset_hash=dataset_hash(dataset),
        settings={} if isinstance(module, Fitted) else asdict(settings),
        seed=seed,
        device=str(target),
        genes={part: len(labels) for part, (_, labels) in parts.items()},
        metrics=metrics,
        curve=curve,
        weights_hash=weights_hash(module),
        stamp=provenance.stamp(seed),
    )
    return TrainedModel(module, card)


def _part(dataset: xr.Dataset, part: str) -> Genes:
    """Return the genes of a split that models can use."""
    rows = np.flatnonzero((dataset["split"].values == part) & usable(dataset))
    return Genes(dataset["signal"].values[rows], dataset["label"].values[rows].astype(np.float32))


def _auc_of(module: nn.Module, signal: np.ndarray, label: np.ndarray, device: str) -> float | None:
    """Return the AUC, None where there are not genes of both states."""
    if len(set(label)) < 2:
        return None
    return float(roc_auc_score(label, logits(module, signal, device=device)))

"""Training: one entry for every kind of model, which writes the card."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
import xarray as xr
from sklearn.metrics import roc_auc_score
from torch import nn

from chromviz import provenance
from chromviz.errors import ChromvizError
from chromviz.models import ModelSpec, find_model
from chromviz.models.checkpoint import Card, TrainedModel, weights_hash
from chromviz.models.descent import OnEpoch, descend
from chromviz.models.ensemble import join
from chromviz.models.fitted import Fitted, Genes
from chromviz.models.inference import find_device, logits
from chromviz.models.threads import one_thread
from chromviz.schema import dataset_hash, usable
from chromviz.settings import Settings

__all__ = ["OnEpoch", "Settings", "combine", "takes_steps", "train"]


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
        If a split lacks genes of either state, the signal holds what is no number, or training
        diverges.
    """
    spec = find_model(name)
    settings = settings or spec.settings()
    target = find_device(device)
    parts = {part: _part(dataset, part) for part in ("train", "valid")}
    for part, genes in parts.items():
        _check_genes(genes, part, str(dataset.attrs["cell"]))
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
        valid = parts["valid"]
        kept["valid_auc"] = float(roc_auc_score(valid.label, logits(module, valid.signal)))
    test = _part(dataset, "test")
    metrics = {
        "valid_auc": kept["valid_auc"],
        "valid_loss": kept.get("valid_loss"),
        "best_epoch": kept.get("best_epoch"),
        "test_auc": _auc_of(module, test, device),
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
        genes={part: len(genes.label) for part, genes in (*parts.items(), ("test", test))},
        metrics=metrics,
        curve=curve,
        weights_hash=weights_hash(module),
        stamp={
            **provenance.stamp(seed),
            **({"model_version": spec.version} if spec.version else {}),
        },
    )
    return TrainedModel(module, card)


def combine(
    models: Sequence[TrainedModel], dataset: xr.Dataset, device: str = "cpu"
) -> TrainedModel:
    """Join networks that differ in their seed as an ensemble, and measure it.

    Parameters
    ----------
    models
        Trained models of one architecture, on one dataset, with the same settings.
    dataset
        That dataset.
    device
        Where to compute the logits.

    Returns
    -------
    TrainedModel
        See :class:`chromviz.models.ensemble.Ensemble`. AUCs on its card are its own; the members'
        are in ``card.members``.

    Raises
    ------
    ChromvizError
        If the models are not alike, or a seed is there twice.
    """
    first = models[0].card
    alike = ("name", "marks", "n_bins", "dataset_hash", "settings")
    for name in alike:
        if any(getattr(model.card, name) != getattr(first, name) for model in models):
            raise ChromvizError(
                f"an ensemble's members must be trained alike; these differ in {name}"
            )
    seeds = [model.card.seed for model in models]
    if len(set(seeds)) < len(seeds):
        raise ChromvizError("an ensemble's members must differ in their seed; one is there twice")
    started = time.perf_counter()
    module = join([model.module for model in models]).eval()
    aucs = {part: _auc_of(module, _part(dataset, part), device) for part in ("valid", "test")}
    spent = sum(model.card.metrics["seconds"] or 0 for model in models)
    card = replace(
        first,
        metrics={
            **dict.fromkeys(first.metrics),
            "valid_auc": aucs["valid"],
            "test_auc": aucs["test"],
            "seconds": round(spent + time.perf_counter() - started, 2),
        },
        curve=[],
        weights_hash=weights_hash(module),
        stamp={**first.stamp, **provenance.stamp(first.seed)},
        members=[
            {
                "seed": model.card.seed,
                "metrics": model.card.metrics,
                "curve": model.card.curve,
                "weights_hash": model.card.weights_hash,
            }
            for model in models
        ],
    )
    return TrainedModel(module, card)


def takes_steps(spec: ModelSpec, dataset: xr.Dataset) -> bool:
    """Return whether a model is trained by gradient steps, not fitted in one go."""
    with torch.random.fork_rng(devices=[]):
        return not isinstance(spec.build(dataset.sizes["mark"], dataset.sizes["bin"]), Fitted)


def _part(dataset: xr.Dataset, part: str) -> Genes:
    """Return the genes of a split that models can use."""
    rows = np.flatnonzero((dataset["split"].values == part) & usable(dataset))
    return Genes(dataset["signal"].values[rows], dataset["label"].values[rows].astype(np.float32))


def _check_genes(genes: Genes, part: str, cell: str) -> None:
    """Refuse genes that nothing can be learnt from."""
    if set(genes.label) != {0.0, 1.0}:
        raise ChromvizError(
            f"cannot train on {cell}: its {part} genes ({len(genes.label)}) must include both ON "
            "and OFF ones; prepare it with more genes"
        )
    broken = ~np.isfinite(genes.signal).all(axis=(1, 2))
    if broken.any():
        raise ChromvizError(
            f"cannot train on {cell}: the signal of {int(broken.sum())} of its {part} genes holds "
            "NaN or infinite values; give these genes a reason to be left out, as "
            "chromviz.schema.reasons does"
        )


def _auc_of(module: nn.Module, genes: Genes, device: str) -> float | None:
    """Return the AUC, None where there are not genes of both states."""
    if len(set(genes.label)) < 2:
        return None
    return float(roc_auc_score(genes.label, logits(module, genes.signal, device=device)))

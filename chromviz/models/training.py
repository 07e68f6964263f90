"""Training: one function for every kind of model, which also writes the card."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from sklearn.metrics import roc_auc_score
from torch import nn

from chromviz import provenance
from chromviz.catalog import ModelSpec
from chromviz.errors import ChromvizError
from chromviz.models import find_model
from chromviz.models.checkpoint import Card, TrainedModel, weights_hash
from chromviz.models.classical.base import Fitted, LabelledGenes
from chromviz.models.descent import Descent, OnEpoch, descend
from chromviz.models.ensemble import join
from chromviz.models.inference import find_device, logits
from chromviz.models.layers import input_of, read_as
from chromviz.models.threads import one_thread
from chromviz.schema import dataset_hash, usable
from chromviz.settings import Settings


def train_once(
    model: str | ModelSpec,
    dataset: xr.Dataset,
    *,
    settings: Settings | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: OnEpoch | None = None,
) -> TrainedModel:
    """Train an architecture on the training genes of a dataset, without the store.

    `model` is what :func:`chromviz.models.find_model` takes; `settings` default to those of the
    architecture. `seed` determines initial weights, order of the genes and dropout; the global
    random state does not change. The module is returned on the CPU in evaluation mode.
    """
    spec = find_model(model)
    settings = settings or spec.settings()
    target = find_device(device)
    parts = {part: _part(dataset, part) for part in ("train", "valid")}
    for part, genes in parts.items():
        _check_genes(genes, part, str(dataset.attrs["cell"]))
    started = time.perf_counter()
    found = fit(spec.build, parts, settings=settings, seed=seed, device=target, on_epoch=on_epoch)
    test = _part(dataset, "test")
    found_there = ("valid_auc", "valid_loss", "best_epoch", "epochs")
    metrics = {name: found.kept.get(name) for name in found_there}
    metrics["test_auc"] = _auc_of(found.module, test, device)
    metrics["seconds"] = round(time.perf_counter() - started, 2)
    version = {"model_version": spec.version} if spec.version else {}
    fitted = isinstance(found.module, Fitted)
    card = Card(
        name=spec.name,
        n_bins=dataset.sizes["bin"],
        bin_width=int(dataset.attrs["bin_width"]),
        marks=tuple(str(mark) for mark in dataset["mark"].values),
        cell=str(dataset.attrs["cell"]),
        signal_unit=str(dataset.attrs["signal_unit"]),
        simulated=int(dataset.attrs["simulated"]),
        dataset_hash=dataset_hash(dataset),
        settings={} if fitted else {**asdict(settings), "input": input_of(found.module)},
        seed=seed,
        device=str(target),
        genes={part: len(genes.label) for part, genes in (*parts.items(), ("test", test))},
        metrics=metrics,
        curve=found.curve,
        weights_hash=weights_hash(found.module),
        stamp={**provenance.stamp(seed), **version},
    )
    return TrainedModel(found.module, card)


def fit(
    build: Callable[[int, int], nn.Module],
    parts: Mapping[str, LabelledGenes],
    *,
    settings: Settings,
    seed: int,
    device: torch.device,
    on_epoch: OnEpoch | None = None,
) -> Descent:
    """Build a module and train it; together with the network, all code that decides its weights."""
    learnt, checked = parts["train"], parts["valid"]
    devices = [device] if device.type == "cuda" else []
    how: dict[str, Any] = {"settings": settings, "seed": seed, "device": device}
    with one_thread(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        module = build(*learnt.signal.shape[1:])
        read_as(module, settings.input)
        if not isinstance(module, Fitted):
            return descend(module, learnt, checked, **how, on_epoch=on_epoch)
        module.fit(learnt, checked, seed)
    module.eval()
    auc = float(roc_auc_score(checked.label, logits(module, checked.signal)))
    return Descent(module, [], {"valid_auc": auc})


def combine(
    models: Sequence[TrainedModel], dataset: xr.Dataset, device: str = "cpu"
) -> TrainedModel:
    """Join networks that differ only in their seed into an ensemble, and compute its AUC."""
    first = models[0].card
    for name in ("name", "marks", "n_bins", "dataset_hash", "settings"):
        if any(getattr(model.card, name) != getattr(first, name) for model in models):
            raise ChromvizError(
                f"the members of an ensemble must be trained alike; these differ in {name}"
            )
    seeds = [model.card.seed for model in models]
    if len(set(seeds)) < len(seeds):
        raise ChromvizError(
            "the members of an ensemble must differ in their seed; one seed occurs twice"
        )
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
    """Return whether a model is trained by gradient steps."""
    with torch.random.fork_rng(devices=[]):
        return not isinstance(spec.build(dataset.sizes["mark"], dataset.sizes["bin"]), Fitted)


def _part(dataset: xr.Dataset, part: str) -> LabelledGenes:
    """Return the usable genes of a part of the split."""
    rows = np.flatnonzero((dataset["split"].values == part) & usable(dataset))
    return LabelledGenes(
        dataset["signal"].values[rows], dataset["label"].values[rows].astype(np.float32)
    )


def _check_genes(genes: LabelledGenes, part: str, cell: str) -> None:
    """Refuse genes that a model cannot learn from."""
    if set(genes.label) != {0.0, 1.0}:
        raise ChromvizError(
            f"cannot train on {cell}: its {part} genes ({len(genes.label)}) must include both ON "
            "and OFF ones; prepare it with more genes"
        )
    broken = ~np.isfinite(genes.signal).all(axis=(1, 2))
    if broken.any():
        raise ChromvizError(
            f"cannot train on {cell}: the signal of {int(broken.sum())} of its {part} genes holds "
            "NaN or infinite values; mark these genes as left out, as chromviz.schema.reasons does"
        )


def _auc_of(module: nn.Module, genes: LabelledGenes, device: str) -> float | None:
    """Return the AUC; None if the genes are not of both classes."""
    if len(set(genes.label)) < 2:
        return None
    return float(roc_auc_score(genes.label, logits(module, genes.signal, device=device)))

"""One entry for all methods: choose the genes, guard the model, label the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from chromviz.catalog import Method, find_method
from chromviz.errors import ChromvizError
from chromviz.extractors.job import Job
from chromviz.models import models
from chromviz.models.checkpoint import TrainedModel, check_input, weights_hash
from chromviz.models.inference import batch_for, probabilities, session
from chromviz.progress import Progress, silent
from chromviz.schema import Origin, build_attribution, usable
from chromviz.vocabulary import SPLITS


def serves(method: Method, model: TrainedModel | nn.Module | None) -> str:
    """Return why a method cannot serve a model, or an empty string if it can."""
    if method.is_control:
        return ""
    if model is None:
        return f"the method {method.name!r} explains a model, and none was given"
    module, name = _identify(model)[:2]
    return method.refusal(name, _gives(module, name))


def extract(
    method: str,
    dataset: xr.Dataset,
    model: TrainedModel | nn.Module | None = None,
    *,
    genes: str | Sequence[int] | np.ndarray = "test",
    batch_size: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress = silent,
    **parameters: Any,
) -> xr.Dataset:
    """Explain a model's predictions, or give a control's weights.

    Parameters
    ----------
    method
        A name of :func:`chromviz.extractors.methods`.
    dataset
        What to explain.
    model
        A trained model, any module that follows the protocol of :mod:`chromviz.models`, or None
        for a control. Its mode, device and gradients are as before afterwards, also after an
        error.
    genes
        ``train``, ``valid`` or ``test``, ``all`` for every gene that models can use, or
        positions in the dataset.
    batch_size
        Genes in one pass; the result does not depend on it. If None, what suits the device.
    device
        Where to compute.
    seed
        For methods that draw.
    progress
        Told as batches are done.
    **parameters
        The method's settings.

    Returns
    -------
    xarray.Dataset
        An attribution, with ``probability`` where a model was given.

    Raises
    ------
    ChromvizError
        If the method cannot serve the model, takes no such parameter, or a gene has no complete
        signal.
    """
    chosen = find_method(method)
    refusal = serves(chosen, model)
    if refusal:
        raise ChromvizError(refusal)
    unknown = sorted(set(parameters) - set(chosen.parameters))
    if unknown:
        known = ", ".join(chosen.parameters) or "none"
        raise ChromvizError(
            f"the method {chosen.name!r} has no parameter {unknown[0]!r}; it has: {known}"
        )
    settings = {**chosen.parameters, **parameters}
    rows = choose_genes(dataset, genes)
    job = job_for(
        chosen,
        dataset,
        model,
        rows,
        parameters=settings,
        batch_size=batch_size,
        device=device,
        seed=seed,
        progress=progress,
    )
    module, name, model_hash, variant = _identify(None if chosen.is_control else model)
    if module is None:
        found = chosen.function()(job)
    else:
        with session(module, device):
            found = chosen.function()(job)
    attribution = build_attribution(
        found.weight,
        found.dims or chosen.dims,
        dataset,
        Origin(
            method=chosen.name,
            parameters=settings,
            signed=chosen.signed,
            model=name,
            model_hash=model_hash,
            variant=variant,
            seed=seed,
            device="none" if module is None else device,
        ),
        genes=rows,
        probability=None if found.logit is None else probabilities(found.logit),
        delta=found.delta,
        difference=found.difference,
    )
    return attribution.assign_attrs(found.notes or {})


def job_for(
    method: Method,
    dataset: xr.Dataset,
    model: TrainedModel | nn.Module | None,
    rows: np.ndarray,
    *,
    parameters: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress = silent,
) -> Job:
    """Return what a method's function gets, for some genes.

    Parameters
    ----------
    method, model, dataset, batch_size, device, seed, progress
        As for :func:`extract`.
    rows
        Positions of the genes in the dataset.
    parameters
        All of the method's settings; its defaults if None.

    Raises
    ------
    ChromvizError
        If the model cannot read the dataset.
    """
    explained = None if method.is_control else model
    if isinstance(explained, TrainedModel):
        check_input(explained.card, dataset)
    return Job(
        method=method.name,
        module=_identify(explained)[0],
        dataset=dataset,
        signal=dataset["signal"].values[rows],
        genes=dataset["gene"].values[rows],
        marks=dataset["mark"].values,
        bin_centre=dataset["bin_start"].values + int(dataset.attrs["bin_width"]) / 2,
        parameters=method.parameters if parameters is None else parameters,
        batch_size=batch_for(device) if batch_size is None else batch_size,
        seed=seed,
        device=torch.device(device),
        progress=progress,
    )


def choose_genes(dataset: xr.Dataset, genes: str | Sequence[int] | np.ndarray) -> np.ndarray:
    """Return positions of the genes meant by a split's name, ``all``, or positions.

    Raises
    ------
    ChromvizError
        If a name is unknown, no gene is meant, or one has no complete signal.
    """
    complete = ~np.isnan(dataset["signal"].values).any(axis=(1, 2))
    if isinstance(genes, str):
        if genes == "all":
            rows = np.flatnonzero(usable(dataset))
        elif genes in SPLITS[:3]:
            rows = np.flatnonzero((dataset["split"].values == genes) & usable(dataset))
        else:
            raise ChromvizError(
                f"unknown genes {genes!r}; name train, valid, test or all, or give positions"
            )
    else:
        rows = np.asarray(genes)
        if rows.dtype == bool and rows.shape == complete.shape:
            rows = np.flatnonzero(rows)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise ChromvizError(
                "genes must be positions in the dataset (whole numbers) or a mask over all of "
                f"its {len(complete)} genes; not {rows.dtype} of shape {rows.shape}"
            )
        outside = rows[(rows < 0) | (rows >= len(complete))]
        if len(outside):
            raise ChromvizError(
                f"gene position {outside[0]} is outside the dataset's {len(complete)} genes"
            )
    if not len(rows):
        raise ChromvizError(f"{dataset.attrs['cell']} has no genes of the kind {genes!r}")
    if not complete[rows].all():
        lacking = dataset["gene"].values[rows[~complete[rows]]]
        raise ChromvizError(
            f"{len(lacking)} of the genes have no complete signal (first {lacking[0]}); "
            "models cannot read them"
        )
    return rows


def _identify(model: TrainedModel | nn.Module | None) -> tuple[nn.Module | None, str, str, str]:
    """Return a model's module, name, hash and variant."""
    if model is None:
        return None, "", "", ""
    if isinstance(model, TrainedModel):
        return model.module, model.card.name, model.card.weights_hash, model.card.variant
    return model, type(model).__name__, weights_hash(model), ""


def _gives(module: nn.Module | None, name: str) -> tuple[str, ...]:
    """Return what methods may ask of a model; an unregistered one is believed until it runs."""
    # Two models of one architecture are told apart by their cell type.
    name = name.partition("@")[0]
    if name in models():
        return models()[name].gives
    attends = ("alpha", "beta") if callable(getattr(module, "attention", None)) else ()
    return (*attends, "gradient", "output")

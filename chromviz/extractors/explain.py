"""One entry point for all methods: choose genes, protect the model, label the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import nn

from chromviz.catalog import Method, find_method, models
from chromviz.data.cells import dataset_of
from chromviz.errors import ChromvizError
from chromviz.extractors.job import Job
from chromviz.models.checkpoint import TrainedModel, check_input, weights_hash
from chromviz.models.inference import batch_for, probabilities, session
from chromviz.progress import Progress, silent
from chromviz.schema import Origin, build_attribution, find_genes, usable
from chromviz.vocabulary import SPLITS

#: Genes as users name them, see :func:`extract`.
Genes = str | Sequence[str] | Sequence[int] | np.ndarray


def check_settings_of(method: Method, given: Mapping[str, Any]) -> None:
    """Refuse a setting that a method does not have."""
    unknown = sorted(set(given) - set(method.parameters))
    if unknown:
        known = ", ".join(method.parameters) or "none"
        raise ChromvizError(
            f"the method {method.name!r} has no parameter {unknown[0]!r}; it has: {known}"
        )


def serves(method: Method, model: TrainedModel | nn.Module | None) -> str:
    """Return why a method cannot serve a model, or an empty string if it can."""
    if method.is_control:
        return ""
    if model is None:
        return f"the method {method.name!r} explains a model, and none was given"
    module, name, *_ = _identify(model)
    architecture = name.partition("@")[0]  # the cell type may follow
    if architecture in models():
        return method.refusal(name, models()[architecture].gives)
    # An unregistered model may still turn out to lack α or β when it runs.
    attends = ("alpha", "beta") if callable(getattr(module, "attention", None)) else ()
    return method.refusal(name, (*attends, "gradient", "output"))


def extract(
    method: str,
    dataset: xr.Dataset | str,
    model: TrainedModel | nn.Module | None = None,
    *,
    genes: Genes = "test",
    batch_size: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Progress = silent,
    **parameters: Any,
) -> xr.Dataset:
    """Explain the predictions of a model, or compute the weights of a control.

    As :func:`chromviz.extract`, but no model is given by name. `genes` may also be positions in
    the dataset, or a mask over its genes. The mode, device and gradients of the model are restored
    afterwards, also after an error. `progress` is called as batches are finished.
    """
    dataset = dataset_of(dataset)
    chosen = find_method(method)
    if refusal := serves(chosen, model):
        raise ChromvizError(refusal)
    check_settings_of(chosen, parameters)
    settings = {**chosen.parameters, **parameters}
    rows = choose_genes(dataset, genes)
    job = replace(
        job_for(chosen, dataset, model, rows, device),
        parameters=settings,
        batch_size=batch_for(device) if batch_size is None else batch_size,
        seed=seed,
        progress=progress,
    )
    module, name, model_hash, variant = _identify(None if chosen.is_control else model)
    with nullcontext() if module is None else session(module, device):
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
    device: str = "cpu",
) -> Job:
    """Return the input of a method's function for the genes at positions `rows`, with defaults."""
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
        parameters=method.parameters,
        batch_size=batch_for(device),
        seed=0,
        device=torch.device(device),
        progress=silent,
    )


def choose_genes(dataset: xr.Dataset, genes: Genes) -> np.ndarray:
    """Return the positions of genes, given as for :func:`extract`, which have complete signal."""
    given = np.asarray(genes)
    if isinstance(genes, str):
        rows = find_genes(dataset, genes)
        if genes in ("all", *SPLITS[:3]):
            rows = rows[usable(dataset)[rows]]
    elif given.ndim == 1 and len(given) and all(isinstance(one, str) for one in given):
        rows = find_genes(dataset, given.tolist())
        again = rows[pd.Index(rows).duplicated()]
        if len(again):
            gene = dataset["gene"].values[again[0]]
            raise ChromvizError(f"the gene {gene} is named more than once in genes; name it once")
    else:
        rows = _positions(given, dataset.sizes["gene"])
    if not len(rows):
        raise ChromvizError(f"{dataset.attrs['cell']} has no genes in {genes!r}")
    lacking = rows[np.isnan(dataset["signal"].values[rows]).any(axis=(1, 2))]
    if len(lacking):
        raise ChromvizError(
            f"{len(lacking)} of the genes lack complete signal (first "
            f"{dataset['gene'].values[lacking[0]]}), and models cannot read them"
        )
    return rows


def _positions(given: np.ndarray, n_genes: int) -> np.ndarray:
    """Return positions, also from a mask over all genes."""
    rows = np.flatnonzero(given) if given.dtype == bool and given.shape == (n_genes,) else given
    if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
        raise ChromvizError(
            "genes must be names, positions in the dataset (whole numbers) or a mask over all of "
            f"its {n_genes} genes; not {rows.dtype} of shape {rows.shape}"
        )
    outside = rows[(rows < 0) | (rows >= n_genes)]
    if len(outside):
        raise ChromvizError(f"gene position {outside[0]} is outside the dataset's {n_genes} genes")
    return rows


def _identify(model: TrainedModel | nn.Module | None) -> tuple[nn.Module | None, str, str, str]:
    """Return a model's module, name, hash and variant."""
    if model is None:
        return None, "", "", ""
    if isinstance(model, TrainedModel):
        return model.module, model.card.name, model.card.weights_hash, model.card.variant
    if not isinstance(model, nn.Module):
        raise ChromvizError(
            f"the model must be a trained model or a torch.nn.Module, not {model!r}; train one "
            "with chromviz.train, or read one with chromviz.load_model"
        )
    return model, type(model).__name__, weights_hash(model), ""

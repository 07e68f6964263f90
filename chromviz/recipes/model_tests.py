"""The tests of a validation that run models: extract, then turn the results into rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.extractors import find_method
from chromviz.extractors.conditions import Conditions
from chromviz.extractors.erasure import attention_moves, perturbation_curves
from chromviz.extractors.metrics import infidelity_and_sensitivity
from chromviz.extractors.sanity import weights_when_randomised
from chromviz.extractors.stability import NOISE, compared_weights, noisy_copy
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.inference import logits
from chromviz.schema import usable
from chromviz.validation.faithfulness import curve_means, curve_scores, faithfulness_rows
from chromviz.validation.resample import Resampling
from chromviz.validation.rows import (
    Row,
    attention_rows,
    consensus_rows,
    mean_rows,
    prediction_row,
    sanity_rows,
    stability_rows,
)
from chromviz.validation.tidy import tidy_of


def prediction(
    conditions: Conditions, resampling: Resampling, models: Sequence[TrainedModel]
) -> pd.DataFrame:
    """Return the test AUC of each model with its interval over genes."""
    dataset = conditions.dataset
    rows = np.flatnonzero((dataset["split"].values == "test") & usable(dataset))
    label, signal = dataset["label"].values[rows], dataset["signal"].values[rows]
    found = []
    for model in models:
        logit = logits(model.module, signal, device=conditions.device)
        found.append({**_owner(model), **prediction_row(label, logit, resampling)})
    return tidy_of(dataset, found)


def faithfulness(
    conditions: Conditions,
    resampling: Resampling,
    model: TrainedModel,
    own: Mapping[str, xr.Dataset],
    controls: Mapping[str, xr.Dataset],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Delete and insert the top bins of each explanation, and alter the attention of the model.

    Returns tidy rows, and the mean deletion and insertion curves of the model: one row per method,
    way and share, see :func:`chromviz.validation.faithfulness.curve_means`.
    """
    rows: list[Row] = []
    kept = []
    for by in ("bins", "marks"):
        scores = {}
        for method, attribution in {**controls, **own}.items():
            curves = perturbation_curves(
                attribution,
                model,
                conditions.dataset,
                genes=conditions.genes,
                by=by,
                device=conditions.device,
                progress=conditions.progress,
            )
            scores[method] = curve_scores(curves)
            if by == "bins":
                kept.append(curve_means(curves).assign(method=method))
        for method, values in scores.items():
            found = faithfulness_rows(
                values, scores["random"], by=by,
                n_bootstrap=resampling.n_bootstrap, seed=resampling.seed,
            )  # fmt: skip
            rows += [{"method": method, **row} for row in found]
    rows += _captum_metrics(conditions, resampling, model, own)
    rows += _attention(conditions, resampling, model)
    drawn = pd.concat(kept, ignore_index=True)
    attrs = conditions.dataset.attrs
    labels = {"cell": str(attrs["cell"]), **_owner(model)}
    drawn = drawn.assign(**labels)[[*labels, *drawn.columns]]
    drawn = drawn.assign(simulated=int(attrs["simulated"]), missing=str(attrs["missing"]))
    return tidy_of(conditions.dataset, rows, **_owner(model)), drawn


def _captum_metrics(
    conditions: Conditions,
    resampling: Resampling,
    model: TrainedModel,
    own: Mapping[str, xr.Dataset],
) -> list[Row]:
    """Return infidelity and sensitivity of the methods that weight every mark and bin."""
    rows = []
    for method in own:
        if find_method(method).dims != ("gene", "mark", "bin"):
            continue
        values = infidelity_and_sensitivity(
            method, model, conditions.dataset, genes=conditions.few,
            device=conditions.device, seed=conditions.seed,
        )  # fmt: skip
        found = mean_rows(
            values, test="faithfulness, captum", better="lower", resampling=resampling
        )
        rows += [{"method": method, **row} for row in found]
    return rows


def _attention(conditions: Conditions, resampling: Resampling, model: TrainedModel) -> list[Row]:
    """Return how far predictions move under another attention; nothing for other models."""
    try:
        moves = attention_moves(
            model, conditions.dataset, conditions.genes,
            seed=conditions.seed, device=conditions.device,
        )  # fmt: skip
    except ChromvizError:
        return []
    return [{"method": "alpha", **row} for row in attention_rows(moves, resampling)]


def sanity(
    conditions: Conditions,
    resampling: Resampling,
    model: TrainedModel,
    own: Mapping[str, xr.Dataset],
) -> pd.DataFrame:
    """Re-randomise the layers of the model, and compare its explanations with those before.

    ``spearman, LAYER`` is the mean rank correlation over genes with the explanation of the trained
    model, ``spearman_last`` that after all layers are re-randomised.
    """
    rows: list[Row] = []
    for one in weights_when_randomised(_by_gene(own), model, conditions):
        found = sanity_rows(
            one.before, one.after, way=one.way, layer=one.layer, last=one.last,
            resampling=resampling,
        )  # fmt: skip
        rows += [{"method": one.method, **row} for row in found]
    return tidy_of(conditions.dataset, rows, **_owner(model))


def stability(
    conditions: Conditions,
    resampling: Resampling,
    model: TrainedModel,
    others: Sequence[TrainedModel],
    own: Mapping[str, xr.Dataset],
) -> pd.DataFrame:
    """Compare explanations between trainings, and between genes and noisy copies of them."""
    rows: list[Row] = []
    noisy = noisy_copy(conditions)
    notes = {"noise": f"{NOISE:g} of each mark's SD", "seeds": f"{len(others) + 1} seeds"}
    for method in _by_gene(own):
        compared = compared_weights(method, model, others, conditions, noisy)
        for what, pairs in compared.items():
            found = stability_rows(pairs, what=what, note=notes[what], resampling=resampling)
            rows += [{"method": method, **row} for row in found]
    return tidy_of(conditions.dataset, rows, **_owner(model))


def agreement_of_methods(
    conditions: Conditions,
    own: Mapping[str, Mapping[str, xr.Dataset]],
    controls: Mapping[str, xr.Dataset],
) -> pd.DataFrame:
    """Compare every two methods on each model, gene by gene; the raw signal is one of them."""
    rows: list[dict[str, Any]] = []
    for model, found in own.items():
        compared = consensus_rows({**found, "raw_signal": controls["raw_signal"]})
        rows += [{"model": model, **row} for row in compared]
    return tidy_of(conditions.dataset, rows)


def _owner(model: TrainedModel) -> dict[str, str]:
    return {"model": model.card.name, "variant": model.variant}


def _by_gene(own: Mapping[str, xr.Dataset]) -> list[str]:
    """Return the methods that explain single genes."""
    return [name for name in own if find_method(name).dims[0] == "gene"]

"""The tests of a validation that run models: extract, then turn the results into rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import find_method
from chromviz.errors import ChromvizError
from chromviz.extractors.collect import NOISE
from chromviz.extractors.conditions import Conditions, compared_weights, noisy_copy
from chromviz.extractors.erasure import attention_moves, perturbation_curves
from chromviz.extractors.metrics import infidelity_and_sensitivity
from chromviz.extractors.sanity import weights_when_randomised
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.inference import logits
from chromviz.schema import usable
from chromviz.validation import rows as tidy_rows
from chromviz.validation.faithfulness import curve_means, curve_scores, faithfulness_rows
from chromviz.validation.resample import Resampling
from chromviz.validation.tidy import tidy_of


@dataclass(frozen=True)
class Tested:
    """A model with its explanations by method, and how they are tested."""

    model: TrainedModel
    own: Mapping[str, xr.Dataset]
    conditions: Conditions
    resampling: Resampling

    @property
    def by_gene(self) -> list[str]:
        """The methods that explain single genes."""
        return [name for name in self.own if find_method(name).dims[0] == "gene"]

    def table(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """Return rows as the tidy table of this model."""
        return tidy_of(self.conditions.dataset, rows, **_owner(self.model))


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
        found.append({**_owner(model), **tidy_rows.prediction_row(label, logit, resampling)})
    return tidy_of(dataset, found)


def faithfulness(
    tested: Tested, controls: Mapping[str, xr.Dataset]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Delete and insert the top bins of each explanation, and alter the attention of the model.

    Returns tidy rows, and the mean deletion and insertion curves of the model: one row per method,
    way and share, see :func:`chromviz.validation.faithfulness.curve_means`.
    """
    conditions, model = tested.conditions, tested.model
    draws = {"n_bootstrap": tested.resampling.n_bootstrap, "seed": tested.resampling.seed}
    rows: list[tidy_rows.Row] = []
    kept = []
    for by in ("bins", "marks"):
        scores = {}
        for method, attribution in {**controls, **tested.own}.items():
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
            found = faithfulness_rows(values, scores["random"], by=by, **draws)
            rows += [{"method": method, **row} for row in found]
    rows += _captum_metrics(tested)
    rows += _attention(tested)
    drawn = pd.concat(kept, ignore_index=True)
    attrs = conditions.dataset.attrs
    labels = {"cell": str(attrs["cell"]), **_owner(model)}
    drawn = drawn.assign(**labels)[[*labels, *drawn.columns]]
    drawn = drawn.assign(simulated=int(attrs["simulated"]), missing=str(attrs["missing"]))
    return tested.table(rows), drawn


def _captum_metrics(tested: Tested) -> list[tidy_rows.Row]:
    """Return infidelity and sensitivity of the methods that weight every mark and bin."""
    conditions = tested.conditions
    rows = []
    for method in tested.own:
        if find_method(method).dims != ("gene", "mark", "bin"):
            continue
        values = infidelity_and_sensitivity(
            method,
            tested.model,
            conditions.dataset,
            genes=conditions.few,
            device=conditions.device,
            seed=conditions.seed,
        )
        found = tidy_rows.mean_rows(
            values, test="faithfulness, captum", better="lower", resampling=tested.resampling
        )
        rows += [{"method": method, **row} for row in found]
    return rows


def _attention(tested: Tested) -> list[tidy_rows.Row]:
    """Return how far predictions move if the attention is altered; empty without attention."""
    conditions = tested.conditions
    try:
        moves = attention_moves(
            tested.model,
            conditions.dataset,
            conditions.genes,
            seed=conditions.seed,
            device=conditions.device,
        )
    except ChromvizError:
        return []
    rows = tidy_rows.attention_rows(moves, tested.resampling)
    return [{"method": "alpha", **row} for row in rows]


def sanity(tested: Tested) -> pd.DataFrame:
    """Re-randomise the layers of the model, and compare explanations before and after.

    ``spearman, LAYER`` is the mean rank correlation over genes with the explanation of the trained
    model, ``spearman_last`` that after all layers are re-randomised.
    """
    rows: list[tidy_rows.Row] = []
    for method, before, after, step in weights_when_randomised(
        tested.by_gene, tested.model, tested.conditions
    ):
        found = tidy_rows.sanity_rows(before, after, **step, resampling=tested.resampling)
        rows += [{"method": method, **row} for row in found]
    return tested.table(rows)


def stability(tested: Tested, others: Sequence[TrainedModel]) -> pd.DataFrame:
    """Compare explanations between trainings, and between genes and noisy copies of them."""
    rows: list[tidy_rows.Row] = []
    noisy = noisy_copy(tested.conditions)
    notes = {"noise": f"{NOISE:g} of each mark's SD", "seeds": f"{len(others) + 1} seeds"}
    for method in tested.by_gene:
        compared = compared_weights(method, tested.model, others, tested.conditions, noisy)
        for what, pairs in compared.items():
            found = tidy_rows.stability_rows(
                pairs, what=what, note=notes[what], resampling=tested.resampling
            )
            rows += [{"method": method, **row} for row in found]
    return tested.table(rows)


def agreement_of_methods(
    dataset: xr.Dataset,
    own: Mapping[str, Mapping[str, xr.Dataset]],
    controls: Mapping[str, xr.Dataset],
) -> pd.DataFrame:
    """Compare every two methods on each model, gene by gene; the raw signal is one of them."""
    rows = []
    for model, found in own.items():
        compared = tidy_rows.consensus_rows({**found, "raw_signal": controls["raw_signal"]})
        rows += [{"model": model, **row} for row in compared]
    return tidy_of(dataset, rows)


def _owner(model: TrainedModel) -> dict[str, str]:
    return {"model": model.card.name, "variant": model.variant}

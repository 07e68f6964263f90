"""The tests of a validation that run models: extract, then turn the results into rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
from chromviz.validation.consensus import agreement_by_gene, consensus
from chromviz.validation.faithfulness import curve_means, curve_scores, faithfulness_rows
from chromviz.validation.performance import weighted_auc
from chromviz.validation.resample import Resampling, draw_genes
from chromviz.validation.tidy import Row, bounds, mean_rows, origin, tidy_of


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

    def means(self, method: str, values: Mapping[str, np.ndarray], **common: str) -> list[Row]:
        """Return tidy rows of the means over genes of statistics of a method."""
        return mean_rows(values, self.resampling, method=method, **common)

    def table(self, rows: Iterable[Row]) -> pd.DataFrame:
        """Return rows as the tidy table of this model."""
        return tidy_of(self.conditions.dataset, rows, **_owner(self.model))


def prediction(
    conditions: Conditions, resampling: Resampling, models: Sequence[TrainedModel]
) -> pd.DataFrame:
    """Return the test AUC of each model with its interval over genes."""
    dataset = conditions.dataset
    rows = np.flatnonzero((dataset["split"].values == "test") & usable(dataset))
    label, signal = dataset["label"].values[rows], dataset["signal"].values[rows]
    note = "" if len(np.unique(label)) > 1 else "undefined: all test genes are of one state"
    n = len(rows)
    counts = draw_genes(n, np.arange(n), resampling.n_bootstrap, resampling.seed)
    found = []
    for model in models:
        logit = logits(model.module, signal, device=conditions.device)
        estimate = float(weighted_auc(label, logit, np.ones((1, n)))[0])
        interval = bounds(weighted_auc(label, logit, counts))
        found.append({**_owner(model), "estimate": estimate, **interval, "n": n, "note": note})
    return tidy_of(dataset, found, test="prediction", statistic="auc", better="higher")


def faithfulness(
    tested: Tested, controls: Mapping[str, xr.Dataset]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Delete and insert the top bins of each explanation, and alter the attention of the model.

    Returns tidy rows, and the mean deletion and insertion curves (method, way and share).
    """
    conditions, model = tested.conditions, tested.model
    draws = {"n_bootstrap": tested.resampling.n_bootstrap, "seed": tested.resampling.seed}
    rows: list[Row] = []
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
    labels = {"cell": str(conditions.dataset.attrs["cell"]), **_owner(model)}
    ends = origin(conditions.dataset)
    drawn = drawn.assign(**labels, **ends)[[*labels, *drawn.columns, *ends]]
    return tested.table(rows), drawn


def _captum_metrics(tested: Tested) -> list[Row]:
    """Return infidelity and sensitivity of the methods that weight every mark and bin."""
    conditions = tested.conditions
    rows: list[Row] = []
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
        rows += tested.means(method, values, test="faithfulness, captum", better="lower")
    return rows


def _attention(tested: Tested) -> list[Row]:
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
    rows: list[Row] = []
    for way, part in moves.groupby("way", sort=False):
        values = {name: part[name].to_numpy() for name in ("moved", "flipped")}
        rows += tested.means("alpha", values, test=f"attention, {way}", better="higher")
    return rows


def sanity(tested: Tested) -> pd.DataFrame:
    """Re-randomise the layers of the model, and compare explanations before and after.

    ``spearman, LAYER`` is the mean rank correlation over genes, ``spearman_last`` that after all
    layers.
    """
    rows: list[Row] = []
    for method, before, after, step in weights_when_randomised(
        tested.by_gene, tested.model, tested.conditions
    ):
        r = agreement_by_gene(before, after)["spearman"]
        names = [f"spearman, {step['layer']}", *(["spearman_last"] if step["last"] else [])]
        test = f"sanity, {step['way']}"
        rows += tested.means(method, dict.fromkeys(names, r), test=test, better="lower")
    return tested.table(rows)


def stability(tested: Tested, others: Sequence[TrainedModel]) -> pd.DataFrame:
    """Compare explanations between trainings, and between genes and noisy copies of them."""
    rows: list[Row] = []
    noisy = noisy_copy(tested.conditions)
    notes = {"noise": f"{NOISE:g} of each mark's SD", "seeds": f"{len(others) + 1} seeds"}
    for method in tested.by_gene:
        compared = compared_weights(method, tested.model, others, tested.conditions, noisy)
        for what, pairs in compared.items():
            each = [agreement_by_gene(one, other) for one, other in pairs]
            values = {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}
            common = {"test": f"stability, {what}", "better": "higher", "note": notes[what]}
            rows += tested.means(method, values, **common)
    return tested.table(rows)


def agreement_of_methods(
    dataset: xr.Dataset,
    own: Mapping[str, Mapping[str, xr.Dataset]],
    controls: Mapping[str, xr.Dataset],
) -> pd.DataFrame:
    """Compare every two methods with weights of bins and marks on each model, gene by gene."""
    rows = []
    for model, found in own.items():
        every = {**found, "raw_signal": controls["raw_signal"]}
        whole = ("gene", "mark", "bin")
        named = {name: one for name, one in every.items() if one["weight"].dims == whole}
        rows += [
            {
                "model": model,
                "method": f"{row['one']} | {row['other']}",
                "test": "consensus",
                "statistic": row["statistic"],
                "estimate": row["estimate"],
                "n": row["n"],
                "note": f"middle 95 % of genes: {row['low']:.3f} to {row['high']:.3f}",
            }
            for _, row in consensus(named).iterrows()
        ]
    return tidy_of(dataset, rows)


def _owner(model: TrainedModel) -> dict[str, str]:
    return {"model": model.card.name, "variant": model.variant}

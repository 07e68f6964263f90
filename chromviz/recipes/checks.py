"""The tests of a validation that run models: each returns rows of the tidy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.extractors import find_method
from chromviz.extractors.faithfulness import attention_moves, perturbation_curves
from chromviz.extractors.metrics import infidelity_and_sensitivity
from chromviz.extractors.run import extract
from chromviz.extractors.sanity import WAYS, randomised
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.inference import logits
from chromviz.progress import Reporter
from chromviz.schema import usable
from chromviz.validation.association import association
from chromviz.validation.consensus import agreement_by_gene, consensus
from chromviz.validation.faithfulness import curve_means, curve_scores, faithfulness_rows, mean_rows
from chromviz.validation.paired import weighted_auc
from chromviz.validation.planted import planted
from chromviz.validation.resample import draw_genes
from chromviz.validation.tidy import interval, tidy

#: Noise under which stability is looked at, as a share of each mark's standard deviation.
NOISE = 0.1


@dataclass(frozen=True)
class Bench:
    """What all tests have in common.

    Parameters
    ----------
    dataset
        The cell type.
    device, seed, n_bootstrap, n_null
        As for :func:`chromviz.recipes.validate.validate`.
    genes
        Positions of the test genes that models are run on over and over.
    reporter
        Told how it goes.
    """

    dataset: xr.Dataset
    device: str
    seed: int
    n_bootstrap: int
    n_null: int
    genes: np.ndarray
    reporter: Reporter

    def table(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Return rows as the tidy table."""
        attrs = self.dataset.attrs
        return tidy(
            rows,
            cell=str(attrs["cell"]),
            simulated=int(attrs["simulated"]),
            missing=str(attrs["missing"]),
        )

    def means(
        self, values: Mapping[str, np.ndarray], test: str, better: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Return a row for the mean over genes of each statistic."""
        return mean_rows(
            values, test=test, better=better, n_bootstrap=self.n_bootstrap, seed=self.seed
        )


def prediction(bench: Bench, models: Mapping[str, TrainedModel]) -> pd.DataFrame:
    """Return each model's test AUC with its interval over genes: is it worth explaining."""
    dataset = bench.dataset
    rows = np.flatnonzero((dataset["split"].values == "test") & usable(dataset))
    label = dataset["label"].values[rows]
    counts = draw_genes(len(rows), np.arange(len(rows)), bench.n_bootstrap, bench.seed)
    found = []
    for model in models.values():
        logit = logits(model.module, dataset["signal"].values[rows], device=bench.device)
        low, high = interval(weighted_auc(label, logit, counts))
        auc = float(weighted_auc(label, logit, np.ones((1, len(rows))))[0])
        row = {"estimate": auc, "ci_low": low, "ci_high": high, "n": len(rows)}
        note = "" if len(np.unique(label)) > 1 else "undefined: all test genes are of one state"
        named = {"model": model.card.name, "variant": model.card.variant}
        found.append({**named, **row, "note": note, "test": "prediction"})
    return bench.table([{**row, "statistic": "auc", "better": "higher"} for row in found])


def agreement(bench: Bench, attributions: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Hold weights against the track: see :func:`chromviz.validation.association.association`."""
    return association(
        attributions,
        bench.dataset,
        n_bootstrap=bench.n_bootstrap,
        n_null=bench.n_null,
        seed=bench.seed,
    )


def truth(bench: Bench, attributions: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Score weights against the planted truth: see :func:`chromviz.validation.planted.planted`."""
    return planted(attributions, bench.dataset, n_bootstrap=bench.n_bootstrap, seed=bench.seed)


def faithfulness(
    bench: Bench,
    model: TrainedModel,
    own: Mapping[str, xr.Dataset],
    controls: Mapping[str, xr.Dataset],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take away and put in what a model's explanations name, and alter its attention.

    Returns
    -------
    rows : pandas.DataFrame
        Tidy.
    curves : pandas.DataFrame
        What the predictions do while bins go and come, a row a method, way and share: ``cell,
        model, method``, the columns of :func:`chromviz.validation.faithfulness.curve_means`,
        ``simulated``.
    """
    rows: list[dict[str, Any]] = []
    kept = []
    for by in ("bins", "marks"):
        scores = {}
        for method, attribution in {**controls, **own}.items():
            curves = perturbation_curves(
                attribution,
                model,
                bench.dataset,
                genes=bench.genes,
                by=by,
                device=bench.device,
                progress=bench.reporter.progress,
            )
            scores[method] = curve_scores(curves)
            if by == "bins":
                kept.append(curve_means(curves).assign(method=method))
        for method, values in scores.items():
            found = faithfulness_rows(
                values, scores["random"], by=by, n_bootstrap=bench.n_bootstrap, seed=bench.seed
            )
            rows += [{"model": model.card.name, "method": method, **row} for row in found]
    rows += _metrics(bench, model, own)
    rows += _attention(bench, model)
    drawn = pd.concat(kept, ignore_index=True)
    attrs = bench.dataset.attrs
    for name, value in (("model", model.card.name), ("cell", str(attrs["cell"]))):
        drawn.insert(0, name, value)
    drawn = drawn.assign(simulated=int(attrs["simulated"]), missing=str(attrs["missing"]))
    return bench.table(rows), drawn


def _metrics(
    bench: Bench, model: TrainedModel, own: Mapping[str, xr.Dataset]
) -> list[dict[str, Any]]:
    """Return captum's infidelity and sensitivity, of methods that give a weight a bin."""
    rows = []
    for method in own:
        if find_method(method).dims != ("gene", "mark", "bin"):
            continue
        values = infidelity_and_sensitivity(
            method, model, bench.dataset, genes=bench.genes[:50], device=bench.device,
            seed=bench.seed,
        )  # fmt: skip
        better = dict.fromkeys(values, "lower")
        found = bench.means(values, "faithfulness, captum", better)
        rows += [{"model": model.card.name, "method": method, **row} for row in found]
    return rows


def _attention(bench: Bench, model: TrainedModel) -> list[dict[str, Any]]:
    """Return how far predictions move under another α; nothing for models without one of ours."""
    try:
        moves = attention_moves(
            model, bench.dataset, bench.genes, seed=bench.seed, device=bench.device
        )
    except ChromvizError:
        return []
    rows = []
    for way, part in moves.groupby("way", sort=False):
        values = {name: part[name].to_numpy() for name in ("moved", "flipped")}
        better = dict.fromkeys(values, "higher")
        found = bench.means(values, f"attention, {way}", better)
        rows += [{"model": model.card.name, "method": "alpha", **row} for row in found]
    return rows


def sanity(bench: Bench, model: TrainedModel, own: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Draw the model's layers anew, and see whether its explanations notice.

    ``spearman, LAYER`` is the mean rank correlation over genes with the explanation of the trained
    model, ``spearman_last`` that where all layers are drawn anew.
    """
    rows: list[dict[str, Any]] = []
    genes = bench.genes[:50]
    methods = [name for name in own if find_method(name).dims[0] == "gene"]
    before = {name: _weights(name, model, bench, genes) for name in methods}
    for way in WAYS:
        steps = list(randomised(model, way, bench.seed))
        for done, (layer, changed) in enumerate(steps, 1):
            for name in methods:
                after = _weights(name, changed, bench, genes)
                r = agreement_by_gene(before[name], after)["spearman"]
                last = way == "cascading" and done == len(steps)
                for statistic in (f"spearman, {layer}", *(["spearman_last"] if last else [])):
                    row = bench.means({statistic: r}, f"sanity, {way}", {statistic: "lower"})[0]
                    rows.append({"model": model.card.name, "method": name, **row})
            bench.reporter.progress(f"{way} layers of {model.card.name}", done, len(steps))
    return bench.table(rows)


def stability(
    bench: Bench,
    model: TrainedModel,
    others: Sequence[TrainedModel],
    own: Mapping[str, xr.Dataset],
) -> pd.DataFrame:
    """Compare explanations between trainings, and between genes and noisy copies of them."""
    rows: list[dict[str, Any]] = []
    methods = [name for name in own if find_method(name).dims[0] == "gene"]
    noisy = bench.dataset.copy()
    signal = bench.dataset["signal"].values
    learnt = signal[(bench.dataset["split"].values == "train") & usable(bench.dataset)]
    spread = learnt.std(axis=(0, 2), dtype=np.float64)
    rng = np.random.default_rng([bench.seed, 4])
    noise = rng.standard_normal((len(bench.genes), *signal.shape[1:]))
    changed = signal.copy()
    changed[bench.genes] += (NOISE * spread[:, None] * noise).astype(np.float32)
    noisy["signal"] = (("gene", "mark", "bin"), changed)
    for name in methods:
        first = _weights(name, model, bench, bench.genes)
        pairs = {"noise": [(first, _weights(name, model, bench, bench.genes, noisy))]}
        if others:
            weights = [first, *(_weights(name, one, bench, bench.genes) for one in others)]
            pairs["seeds"] = list(combinations(weights, 2))
        for what, compared in pairs.items():
            each = [agreement_by_gene(one, other) for one, other in compared]
            values = {key: np.mean([one[key] for one in each], axis=0) for key in each[0]}
            found = bench.means(values, f"stability, {what}", dict.fromkeys(values, "higher"))
            note = f"{len(others) + 1} seeds" if what == "seeds" else f"{NOISE:g} of each mark's SD"
            rows += [
                {"model": model.card.name, "method": name, **row, "note": row["note"] or note}
                for row in found
            ]
    return bench.table(rows)


def agreement_of_methods(
    bench: Bench,
    own: Mapping[str, Mapping[str, xr.Dataset]],
    controls: Mapping[str, xr.Dataset],
) -> pd.DataFrame:
    """Compare every two methods on each model, gene by gene; the raw signal is one of them."""
    rows = []
    for model, found in own.items():
        whole = {
            name: attribution
            for name, attribution in {**found, "raw_signal": controls["raw_signal"]}.items()
            if attribution["weight"].dims == ("gene", "mark", "bin")
        }
        for _, row in consensus(whole).iterrows():
            rows.append(
                {
                    "model": model,
                    "method": f"{row['one']} | {row['other']}",
                    "test": "consensus",
                    "statistic": row["statistic"],
                    "estimate": row["estimate"],
                    "n": row["n"],
                    "note": f"middle 95 % of genes: {row['low']:.3f} to {row['high']:.3f}",
                }
            )
    return bench.table(rows)


def _weights(
    method: str,
    model: TrainedModel,
    bench: Bench,
    genes: np.ndarray,
    dataset: xr.Dataset | None = None,
) -> np.ndarray:
    """Return weights of some genes, flat (gene, mark and bin)."""
    data = bench.dataset if dataset is None else dataset
    found = extract(method, data, model, genes=genes, device=bench.device, seed=bench.seed)
    return np.asarray(found["weight"].values.reshape(len(genes), -1))

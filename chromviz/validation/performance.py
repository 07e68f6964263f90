"""How well models predict: scores, comparisons of models, and the paper's tables of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from chromviz.validation.paper_values import TABLE_2, TABLE_S1, TABLE_S2, TABLE_S3, deepchrome_auc
from chromviz.validation.resample import student_half
from chromviz.validation.tidy import interval

#: Number of bins of equal width for calibration.
CALIBRATION_BINS = 10

#: Keys of :func:`scores`.
SCORES = ("auc", "auprc", "f1", "brier", "ece", "slope", "intercept", "prevalence")

#: Resamples per block: 20,000 genes then take 40 MB.
_AT_ONCE = 250

#: The value of the column ``marks`` for all marks.
ALL_MARKS = "all"

#: A trained model (``cell, model, seed, marks``) and its predictions of the test genes
#: (``label, probability, n_train, seconds, simulated``).
Predictions = tuple[Mapping[str, Any], pd.DataFrame]

#: Statistics over cell types.
STATISTICS = ("mean", "median", "max", "min")
#: Tables over cell types: the score, the paper's rows, and the models shown (None: all).
_PAPER: dict[str, tuple[str, Mapping[str, Mapping[str, float]], set[str] | None]] = {
    "2": ("auc", TABLE_2, None),
    "s2": ("f1", TABLE_S2, {*TABLE_S2}),
    "s3": ("auc", TABLE_S3, {*TABLE_S3, "linear-regression", "logistic-regression", "rules"}),
}


def scores(label: np.ndarray, probability: np.ndarray) -> dict[str, float | str]:
    """Return how well probabilities of ON (gene,) fit the labels (gene,), 1 ON and 0 OFF.

    ``f1`` is at a threshold of 0.5, ``ece`` the expected calibration error over 10 bins of equal
    width, ``slope`` and ``intercept`` those of the logistic regression of labels on logits (1 and 0
    if calibrated), ``prevalence`` the share of ON; ``note`` explains any NaN.
    """
    label, probability = np.asarray(label), np.asarray(probability, dtype=np.float64)
    found: dict[str, float | str] = dict.fromkeys(SCORES, np.nan)
    if not len(label):
        return found | {"note": "no test gene"}
    found["prevalence"] = float(label.mean())
    found["brier"] = float(brier_score_loss(label, probability, pos_label=1))
    bins = reliability(label, probability)
    gap = (bins["share_on"] - bins["probability"]).abs()
    found["ece"] = float((gap * bins["n"]).sum() / len(label))
    called = probability > 0.5
    notes = []
    if called.any() or (label == 1).any():
        found["f1"] = float(f1_score(label, called, zero_division=0))
    else:
        notes.append("F1 undefined: no gene is ON or called ON")
    if len(np.unique(label)) < 2:
        state = "ON" if label[0] else "OFF"
        notes.append(f"AUC, AUPRC and calibration line undefined: all test genes are {state}")
        return found | {"note": "; ".join(notes)}
    found["auc"] = float(roc_auc_score(label, probability))
    found["auprc"] = float(average_precision_score(label, probability))
    x = logit(np.clip(probability, 1e-9, 1 - 1e-9))
    if np.ptp(x) == 0:
        notes.append("calibration line undefined: all probabilities are the same")
    else:
        # A penalty this weak only keeps a perfect separation finite.
        line = LogisticRegression(C=1e6, max_iter=1000).fit(x[:, None], label)
        found["slope"], found["intercept"] = float(line.coef_[0, 0]), float(line.intercept_[0])
    return found | {"note": "; ".join(notes)}


def reliability(label: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Return the share of ON genes in bins of predicted probability, one row per non-empty bin.

    The interval of ``share_on`` is Wilson's.
    """
    place = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    rows = []
    for number in np.unique(place):
        inside = place == number
        on, n = int(label[inside].sum()), int(inside.sum())
        interval = binomtest(on, n).proportion_ci(method="wilson")
        rows.append(
            {
                "bin_low": number / CALIBRATION_BINS,
                "bin_high": (number + 1) / CALIBRATION_BINS,
                "probability": float(probability[inside].mean()),
                "share_on": on / n,
                "ci_low": float(interval.low),
                "ci_high": float(interval.high),
                "n": n,
            }
        )
    return pd.DataFrame(rows)


def paired_auc(
    label: np.ndarray,
    probability: Mapping[str, np.ndarray],
    reference: str,
    *,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the AUC of several models with that of a reference model, on the same genes.

    All models share the resamples of genes, which makes the interval of a difference shorter; it
    does not cover other trainings. `label` is (gene,), 1 ON and 0 OFF, and `probability` (gene,) by
    model. One row per other model; ``difference`` is its AUC minus the reference's, NaN if all
    genes have one state.
    """
    label = np.asarray(label)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[np.ndarray]] = {model: [] for model in probability}
    for start in range(0, n_bootstrap, _AT_ONCE):
        size = min(_AT_ONCE, n_bootstrap - start)
        counts = rng.multinomial(len(label), np.full(len(label), 1 / len(label)), size=size)
        for model, values in probability.items():
            drawn[model].append(weighted_auc(label, values, counts))
    once = np.ones((1, len(label)))
    others = weighted_auc(label, probability[reference], once)
    rows = []
    for model, values in probability.items():
        if model == reference:
            continue
        differences = [a - b for a, b in zip(drawn[model], drawn[reference], strict=True)]
        whole = weighted_auc(label, values, once) - others
        low, high = interval(np.concatenate(differences) if differences else np.empty(0))
        rows.append((model, reference, float(whole[0]), low, high, len(label)))
    columns = ["model", "reference", "difference", "ci_low", "ci_high", "n"]
    return pd.DataFrame(rows, columns=columns)


def weighted_auc(label: np.ndarray, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the AUC (draw,) under weights (draw, gene) of genes; NaN if a state has no weight."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(place[order]) > 0])
    on = label[order] == 1
    ordered = weight[:, order].astype(np.float64)
    # The weight of each state at each distinct value, from the lowest.
    positive = np.add.reduceat(ordered * on, starts, axis=1)
    negative = np.add.reduceat(ordered * ~on, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    total = positive.sum(axis=1) * negative.sum(axis=1)
    won = (positive * below).sum(axis=1)
    auc: np.ndarray = np.divide(won, total, out=np.full(len(won), np.nan), where=total > 0)
    return auc


def over_cells(differences: np.ndarray) -> dict[str, float | str]:
    """Return the mean of a difference over cell types, with Student's 95 % interval.

    With few cell types a bootstrap interval would be too short.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values)]
    n = len(values)
    mean = float(values.mean()) if n else np.nan
    half = float(student_half(values)) if n >= 3 else np.nan
    note = "" if n >= 3 else f"no interval over cell types: there are {n}, and 3 are needed"
    return {"difference": mean, "ci_low": mean - half, "ci_high": mean + half, "n": n, "note": note}


def shows(name: str, models: Collection[str]) -> bool:
    """Return whether a table has a row for any of these models; ``s1`` has a fixed model."""
    shown = None if name == "s1" else _PAPER[name][2]
    return shown is None or bool(shown & set(models))


def summarise(name: str, units: pd.DataFrame) -> pd.DataFrame:
    """Return one of the paper's tables: ``2``, ``s1``, ``s2`` or ``s3``.

    `units` has one row per trained model: ``cell, model, seed, marks, auc, f1, n_test, simulated,
    missing``. Seeds are averaged within a cell type first. ``2``, ``s2`` (F1) and ``s3`` have one
    row per model; for ``2`` ``better`` is the number of cell types with a higher AUC than
    DeepChrome. ``s1`` has one row per cell type and mark.
    """
    common: dict[str, Any] = {
        "cells": ",".join(dict.fromkeys(units["cell"])),
        "n_seeds": int(units["seed"].nunique()),
        "simulated": int(units["simulated"].max()),
        "missing": "zero" if (units["missing"] == "zero").any() else "nan",
    }
    if name == "s1":
        part = units[(units["model"] == "lstm-alpha-beta")]
        rows = part.groupby(["cell", "marks"], sort=False)["auc"].mean().reset_index()
        published = [
            TABLE_S1.get(key, np.nan) for key in zip(rows["cell"], rows["marks"], strict=True)
        ]
        rows = rows.assign(paper=published, whole=rows["marks"] == ALL_MARKS)
        rows = rows.sort_values(["cell", "whole", "auc"], ascending=[True, False, False])
        return rows.drop(columns="whole").reset_index(drop=True).assign(**common)
    score, paper_rows, shown = _PAPER[name]
    part = units[units["marks"] == ALL_MARKS]
    if shown is not None:
        part = part[part["model"].isin(shown)]
    by_cell = part.groupby(["model", "cell"], sort=False)[score].mean().unstack("cell")
    # A cell type with an undefined score is left out for all models.
    by_cell = by_cell.dropna(axis=1)
    records = []
    for model, values in by_cell.iterrows():
        paper = paper_rows.get(str(model), {})
        record: dict[str, object] = {"model": model}
        for statistic in STATISTICS:
            record[statistic] = float(getattr(values, statistic)()) if len(values) else np.nan
            record[f"paper_{statistic}"] = paper.get(statistic, np.nan)
        if name == "2":
            record |= _better(by_cell, str(model)) | {"paper_better": paper.get("better", np.nan)}
        records.append(record | {"score": score, "n_cells": len(values)})
    return pd.DataFrame(records).assign(**common)


def _better(by_cell: pd.DataFrame, model: str) -> dict[str, float]:
    """Return on how many cell types a model's score is higher than DeepChrome's."""
    if model == "deepchrome" or "deepchrome" not in by_cell.index:
        return {"better": np.nan}
    above = by_cell.loc[model].to_numpy() > by_cell.loc["deepchrome"].to_numpy()
    return {"better": float(above.sum())}


def unit_row(
    unit: Mapping[str, Any], table: pd.DataFrame, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the scores of one trained model: a row of ``suite.csv``."""
    printed = unit["model"] == "deepchrome" and unit["marks"] == ALL_MARKS
    found = scores(table["label"].to_numpy(), table["probability"].to_numpy())
    note = found.pop("note")
    return {
        **unit,
        "n_train": int(table["n_train"].iloc[0]) if len(table) else 0,
        "n_test": len(table),
        **found,
        "seconds": float(table["seconds"].iloc[0]) if len(table) else np.nan,
        "paper": deepchrome_auc().get(unit["cell"], np.nan) if printed else np.nan,
        "simulated": facts["simulated"],
        "missing": facts["missing"],
        "note": note,
    }


def paired_table(
    found: Sequence[Predictions], names: Sequence[str], reference: str, n_bootstrap: int
) -> pd.DataFrame:
    """Compare the AUC of each model with that of the reference model.

    One row per model with level ``cell types``, then one per cell type, seed and model with level
    ``genes``.
    """
    parts = []
    for cell, seed in dict.fromkeys((unit["cell"], unit["seed"]) for unit, _ in found):
        tables = {u["model"]: t for u, t in found if (u["cell"], u["seed"]) == (cell, seed)}
        label = tables[reference]["label"].to_numpy()
        probability = {name: tables[name]["probability"].to_numpy() for name in names}
        one = paired_auc(label, probability, reference, n_bootstrap=n_bootstrap, seed=seed)
        parts.append(one.assign(level="genes", cell=cell, seed=str(seed), note=""))
    by_genes = pd.concat(parts, ignore_index=True)
    over = [
        {
            "model": model,
            "reference": reference,
            **over_cells(part.groupby("cell")["difference"].mean().to_numpy()),
            "level": "cell types",
            "cell": "all",
            "seed": "mean",
        }
        for model, part in by_genes.groupby("model", sort=False)
    ]
    simulated = max((int(table["simulated"].max()) for _, table in found), default=0)
    columns = ["level", "cell", "seed", "model", "reference"]
    columns += ["difference", "ci_low", "ci_high", "n", "note"]
    table = pd.concat([pd.DataFrame(over), by_genes], ignore_index=True)
    return table.reindex(columns=columns).assign(simulated=simulated)


def reliability_table(found: Sequence[Predictions]) -> pd.DataFrame:
    """Return the reliability of each model over all cell types and seeds."""
    parts = []
    for model in dict.fromkeys(unit["model"] for unit, _ in found):
        genes = pd.concat([table for unit, table in found if unit["model"] == model])
        one = reliability(genes["label"].to_numpy(), genes["probability"].to_numpy())
        parts.append(one.assign(model=model))
    simulated = max(int(table["simulated"].max()) for _, table in found)
    return pd.concat(parts, ignore_index=True).assign(simulated=simulated)

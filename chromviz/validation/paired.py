"""Is one model better than another? On the same genes, and over cell types."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from chromviz.validation.resample import student_half
from chromviz.validation.tidy import interval

#: Resamples per block: 20,000 genes then take 40 MB.
_AT_ONCE = 250


def paired_auc(
    label: np.ndarray,
    probability: Mapping[str, np.ndarray],
    reference: str,
    *,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the AUC of several models with that of a reference model, on the same genes.

    Genes are resampled, the same for every model, so what is hard about a gene cancels in the
    difference. The interval does not cover other trainings. `label` is (gene,), 1 ON and 0 OFF, and
    `probability` has (gene,) by model. One row per other model; ``difference`` is its AUC minus the
    reference's, NaN if all genes have one state.
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
    found: dict[str, float | str] = {
        "difference": float(values.mean()) if n else np.nan,
        "ci_low": np.nan,
        "ci_high": np.nan,
        "n": n,
        "note": "",
    }
    if n < 3:
        return found | {"note": f"no interval over cell types: there are {n}, and 3 are needed"}
    half = float(student_half(values))
    return found | {"ci_low": values.mean() - half, "ci_high": values.mean() + half}

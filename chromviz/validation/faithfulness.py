"""Scores of deletion and insertion curves, compared with a random order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from chromviz.validation.resample import draw_genes
from chromviz.validation.tidy import mean_row

#: Shares of bins that comprehensiveness and sufficiency average (DeYoung et al. 2020).
ERASED = (0.01, 0.05, 0.1, 0.2, 0.5)

#: The scores, and which direction is better.
SCORES = {
    "deletion": "higher",
    "insertion": "higher",
    "comprehensiveness": "higher",
    "sufficiency": "lower",
}


def curve_scores(curves: pd.DataFrame) -> pd.DataFrame:
    """Score the curves (:func:`chromviz.extractors.erasure.perturbation_curves`) of each gene.

    With s = 1 for genes predicted ON, else -1: ``deletion`` is s · (logit minus its mean during
    deletion), ``insertion`` s · (mean logit during insertion minus the reference's logit), and
    ``comprehensiveness`` and ``sufficiency`` are s · (probability minus its mean without, or with
    only, the top 1, 5, 10, 20 and 50 % of bins), NaN if the curves lack these shares.
    """
    genes = list(dict.fromkeys(curves["gene"]))
    grids = {
        way: part.pivot(index="gene", columns="share", values="logit").loc[genes]
        for way, part in curves.groupby("way")
    }
    first = curves.drop_duplicates("gene").set_index("gene").loc[genes]
    whole, empty = first["whole"].to_numpy(np.float64), first["empty"].to_numpy(np.float64)
    sign = np.where(whole > 0, 1.0, -1.0)
    shares = grids["deletion"].columns.to_numpy(np.float64)
    span = shares[-1] - shares[0]

    def area(way: str) -> np.ndarray:
        values = grids[way].to_numpy(np.float64)
        if span == 0:
            return np.asarray(values[:, 0])
        return np.asarray(np.trapezoid(values, shares, axis=1) / span)

    def erased(way: str) -> np.ndarray:
        known = [share for share in ERASED if share in grids[way].columns]
        if len(known) < len(ERASED):
            return np.full(len(genes), np.nan)
        probability = _sigmoid(grids[way][known].to_numpy(np.float64))
        return np.asarray(_sigmoid(whole) - probability.mean(axis=1))

    return pd.DataFrame(
        {
            "deletion": sign * (whole - area("deletion")),
            "insertion": sign * (area("insertion") - empty),
            "comprehensiveness": sign * erased("deletion"),
            "sufficiency": sign * erased("insertion"),
        },
        index=pd.Index(genes, name="gene"),
    )


def curve_means(curves: pd.DataFrame) -> pd.DataFrame:
    """Average over genes the probability of the state that is predicted for the whole gene.

    One row per way and share, with the 95 % t interval of the mean, NaN for one gene.
    """
    sign = np.where(curves["whole"] > 0, 1.0, -1.0)
    known = curves.assign(probability=_sigmoid(sign * curves["logit"].to_numpy(np.float64)))
    by = known.groupby(["way", "share"], sort=False)["probability"]
    table = by.agg(["mean", "std", "count"]).reset_index()
    freedom = (table["count"] - 1).where(table["count"] > 1)
    half = student.ppf(0.975, freedom) * table["std"] / np.sqrt(table["count"])
    table = table.assign(ci_low=table["mean"] - half, ci_high=table["mean"] + half)
    columns = ["way", "share", "mean", "ci_low", "ci_high", "count"]
    return table[columns].rename(columns={"count": "n"})


def faithfulness_rows(
    scores: pd.DataFrame,
    chance: pd.DataFrame,
    *,
    by: str = "bins",
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return tidy rows: each score, and its advantage over a random order of the same genes.

    `scores` and `chance` are :func:`curve_scores` of the method and of the control ``random``.
    """
    counts = draw_genes(len(scores), np.arange(len(scores)), n_bootstrap, seed)
    rows = []
    for name, better in SCORES.items():
        values = scores[name].to_numpy()
        towards = 1 if better == "higher" else -1
        over = towards * (values - chance.loc[scores.index, name].to_numpy())
        for statistic, each, sense in (
            (name, values, better),
            (f"{name}_over_random", over, "higher"),
        ):
            row = mean_row(each, counts, against_zero=statistic != name)
            named = {"test": f"faithfulness, {by}", "statistic": statistic, "better": sense}
            rows.append({**named, **row})
    return rows


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logit)))

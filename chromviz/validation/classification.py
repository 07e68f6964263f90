"""How well probabilities of ON fit the labels: ranking, decision, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

#: Number of bins of equal width for calibration.
CALIBRATION_BINS = 10

#: Keys of :func:`scores`.
SCORES = ("auc", "auprc", "f1", "brier", "ece", "slope", "intercept", "prevalence")


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

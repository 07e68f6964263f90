"""Whether weights find planted causes, or only follow the signal.

In simulated data some bins carry signal that causes expression, and decoys signal that causes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.schema import dataset_hash, explained_genes
from chromviz.validation.resample import draw_genes
from chromviz.validation.tidy import UNDEFINED, Row, explanation, mean_row, tidy_of


def planted(
    attributions: Sequence[xr.Dataset],
    dataset: xr.Dataset,
    *,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score weights against the planted truth of simulated data.

    The sign of weights is ignored. Weights over (gene, bin) stand for every mark, those of a class
    for every gene. The genes are the test genes that have a cause.

    Returns a tidy table of means over genes with bootstrap intervals. ``auprc``: average precision
    of causal bins (a random ranking has the ``prevalence``). ``causal_mass``: share of the weight
    on causal bins. ``pointing``: share of genes whose largest weight is on one.
    ``causes_over_decoys``: probability that a causal bin has more weight than a decoy.
    ``{statistic}_over_signal``: the difference from the raw signal, gene by gene, with a two-sided
    p.
    """
    if "truth" not in dataset:
        raise ChromvizError(
            f"{dataset.attrs['cell']} has no planted truth; only simulated data has"
        )
    causal_of = dataset["truth"].values != 0
    decoys_of = (dataset["decoy"].values == 1) & ~causal_of
    test = dataset["split"].values == "test"
    rows = np.flatnonzero(test & causal_of.any(axis=(1, 2)))
    if not len(rows):
        raise ChromvizError(f"no test gene of {dataset.attrs['cell']} has a planted cause")
    causal = causal_of[rows].reshape(len(rows), -1)
    decoys = decoys_of[rows].reshape(len(rows), -1)
    counts = draw_genes(len(rows), np.arange(len(rows)), n_bootstrap, seed)
    data_hash = dataset_hash(dataset)
    signal = dataset["signal"].values[rows].reshape(len(rows), -1)
    # The baseline: the size of the signal. (Test genes have no gaps.)
    raw = score(np.abs(signal), causal, decoys)
    found: list[Row] = []
    for attribution in attributions:
        named = explanation(attribution)
        own = score(_sizes(attribution, dataset, data_hash, rows), causal, decoys)
        for name, values in own.items():
            found.append({**named, "statistic": name, **_summary(values, counts)})
            over = {**named, "statistic": f"{name}_over_signal"}
            if named["method"] == "raw_signal":
                found.append({**over, "note": "the signal itself", "n": len(rows)})
            else:
                gain = values - raw[name]
                found.append({**over, **_summary(gain, counts, against_zero=True)})
    chance = {"method": "prevalence", "note": "expected of a random ranking"}
    found.append({**chance, "statistic": "auprc", **_summary(causal.mean(axis=1), counts)})
    return tidy_of(dataset, found, test="planted truth", better="higher")


def score(size: np.ndarray, causal: np.ndarray, decoys: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores (gene,) explained in :func:`planted`; each gene has a cause.

    `size` is the weight without sign (gene, mark and bin); `causal` and `decoys` are masks.
    """
    total = size.sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mass = np.where(total > 0, (size * causal).sum(axis=1, dtype=np.float64) / total, np.nan)
    largest = size == size.max(axis=1, keepdims=True)
    return {
        "auprc": average_precision(size, causal),
        "causal_mass": mass,
        "pointing": (largest & causal).sum(axis=1) / largest.sum(axis=1),
        "causes_over_decoys": _over(size, causal, decoys),
    }


def average_precision(size: np.ndarray, causal: np.ndarray) -> np.ndarray:
    """Return the average precision of each row (gene,); equal weights are one threshold."""
    order = np.argsort(-size, axis=1, kind="stable")
    ordered = np.take_along_axis(size, order, 1)
    hits = np.take_along_axis(causal, order, 1)
    n = size.shape[1]
    precision = np.cumsum(hits, axis=1) / np.arange(1, n + 1)
    # A hit counts with the precision at the last weight of equal size.
    last = np.ones(ordered.shape, bool)
    last[:, :-1] = ordered[:, :-1] != ordered[:, 1:]
    place = np.where(last, np.arange(n), n - 1)
    ends = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    at_end = np.take_along_axis(precision, ends, 1)
    return np.asarray((at_end * hits).sum(axis=1) / hits.sum(axis=1))


def _over(size: np.ndarray, causal: np.ndarray, decoys: np.ndarray) -> np.ndarray:
    """Return how often a cause weighs more than a decoy, ties one half; NaN without either."""
    found = np.full(len(size), np.nan)
    for row in np.flatnonzero(causal.any(axis=1) & decoys.any(axis=1)):
        ours, theirs = size[row, causal[row]], np.sort(size[row, decoys[row]])
        below = np.searchsorted(theirs, ours, "left") + np.searchsorted(theirs, ours, "right")
        found[row] = below.mean() / (2 * len(theirs))
    return found


def _sizes(
    attribution: xr.Dataset, dataset: xr.Dataset, data_hash: str, rows: np.ndarray
) -> np.ndarray:
    """Return the weights of some genes without sign, float32 (gene, mark and bin)."""
    explained = explained_genes(attribution, dataset, data_hash, bins=True, needed=rows)
    weight = attribution["weight"]
    shape = (len(rows), dataset.sizes["mark"], dataset.sizes["bin"])
    values = np.abs(weight.values)
    if explained is not None:
        values = values[pd.Index(explained).get_indexer(rows)]
        if "mark" not in weight.dims:
            values = values[:, None]
    return np.ascontiguousarray(np.broadcast_to(values, shape)).reshape(len(rows), -1)


def _summary(values: np.ndarray, counts: np.ndarray, *, against_zero: bool = False) -> Row:
    """Return the columns of a mean over the genes where it is defined."""
    known = ~np.isnan(values)
    if not known.any():
        return {"n": 0, "note": UNDEFINED}
    with np.errstate(invalid="ignore", divide="ignore"):
        return mean_row(values[known], counts[:, known], against_zero=against_zero)

"""Agreement of explanations of the same genes between methods, seeds and noisy copies."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.validation.resample import correlate, ranks
from chromviz.validation.tidy import interval

#: Share of a gene's bins that count as its top bins.
TOP = 0.05
#: Persistence of the rank-biased overlap: 95 % of it comes from the first 60 ranks.
_PERSISTENCE = 0.95


def agreement_by_gene(one: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
    """Return how similarly two explanations (gene, mark and bin) rank the bins of each gene.

    Signs are ignored. ``top_overlap`` is the share of the top 5 % of bins that both have, ``rbo``
    the rank-biased overlap (Webber et al. 2010), extrapolated from the top fifth; ties go to the
    earlier bin. All are (gene,), NaN if either explanation is constant.
    """
    one, other = np.abs(one), np.abs(other)
    n = one.shape[1]
    # The place of each bin in the order of weights, largest first.
    orders = [np.argsort(-values, axis=1, kind="stable") for values in (one, other)]
    # A bin is shared from the depth on at which both have it.
    both = np.maximum(*(np.argsort(order, axis=1) for order in orders))
    depth = max(n // 5, 1)
    shared = np.zeros((len(one), n))
    rows = np.repeat(np.arange(len(one)), n)
    np.add.at(shared, (rows, both.ravel()), 1)
    overlap = np.cumsum(shared, axis=1)[:, :depth] / np.arange(1, depth + 1)
    weights = (1 - _PERSISTENCE) * _PERSISTENCE ** np.arange(depth)
    rbo = overlap @ weights + overlap[:, -1] * _PERSISTENCE**depth
    top = max(round(n * TOP), 1)
    flat = (np.ptp(one, axis=1) == 0) | (np.ptp(other, axis=1) == 0)
    found = {
        "spearman": correlate(ranks(one), ranks(other)),
        "top_overlap": (both < top).sum(axis=1) / top,
        "rbo": rbo,
    }
    return {name: np.where(flat, np.nan, values) for name, values in found.items()}


def consensus_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the test ``consensus`` of a tidy table, with both methods in columns."""
    rows = table[table["test"] == "consensus"].reset_index(drop=True)
    pairs = [str(method).partition(" | ") for method in rows["method"]]
    both = {"one": [pair[0] for pair in pairs], "other": [pair[2] for pair in pairs]}
    columns = ["cell", "model", "variant", "one", "other", "statistic", "estimate", "n", "note"]
    return rows.assign(**both)[[*columns, "simulated", "missing"]]


def consensus(named: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Compare every pair of attributions over (gene, mark, bin), named, of the same genes.

    One row per pair and statistic; ``low, high`` is the range of the middle 95 % of genes.
    """
    flat: dict[str, np.ndarray] = {}
    for name, attribution in named.items():
        weight = attribution["weight"]
        if weight.dims != ("gene", "mark", "bin"):
            raise ChromvizError(
                f"{name} has weights over ({', '.join(map(str, weight.dims))}); methods are "
                "compared bin by bin, over (gene, mark, bin)"
            )
        first = next(iter(named.values()))
        if not np.array_equal(attribution["gene"], first["gene"]):
            raise ChromvizError(f"{name} explains other genes; extract all for the same ones")
        flat[name] = weight.values.reshape(len(weight), -1)
    rows = []
    for one, other in combinations(flat, 2):
        for statistic, values in agreement_by_gene(flat[one], flat[other]).items():
            known = values[~np.isnan(values)]
            low, high = interval(values)
            mean = float(known.mean()) if len(known) else np.nan
            rows.append((one, other, statistic, mean, low, high, len(known)))
    columns = ["one", "other", "statistic", "estimate", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)

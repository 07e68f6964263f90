"""Profiles over bins for figures: means with intervals (2a, 2b), and genes by expression."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.validation.agreement import coverage_of, mark_column, reference_coverage
from chromviz.validation.resample import mean_profile, student_half
from chromviz.validation.tidy import origin
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK

#: Maximum number of rows of a heatmap: more cannot be distinguished in print.
ROWS = 200


def weight_profiles(attribution: xr.Dataset) -> pd.DataFrame:
    """Average weights over (gene, mark, bin) over genes, by mark and predicted state.

    One row per state, mark and bin, with the 95 % t interval of the mean. A state without genes has
    no rows.
    """
    weight = attribution["weight"]
    if weight.dims != ("gene", "mark", "bin") or "probability" not in attribution:
        raise ChromvizError(
            f"profiles by mark and predicted state need weights over (gene, mark, bin) of a model; "
            f"{attribution.attrs['method']} has {weight.dims}"
        )
    predicted_on = attribution["probability"].values > 0.5
    of = {name: attribution.attrs[name] for name in ("cell", "model", "method")}
    parts = [
        _mean_profile(
            {**of, "state": state, "mark": str(mark)}, weight.values[chosen, column], attribution
        )
        for state, chosen in (("ON", predicted_on), ("OFF", ~predicted_on))
        if chosen.any()
        for column, mark in enumerate(attribution["mark"].values)
    ]
    return pd.concat(parts, ignore_index=True)


def coverage_profile(dataset: xr.Dataset, track: str = REFERENCE_TRACK) -> pd.DataFrame:
    """Average a track over the genes labelled ON that have coverage in every bin."""
    coverage, rows = reference_coverage(dataset, track)
    named = {"cell": dataset.attrs["cell"], "track": track}
    return _mean_profile(named, coverage[rows], dataset)


def _mean_profile(named: dict[str, str], values: np.ndarray, source: xr.Dataset) -> pd.DataFrame:
    """Return the mean of (gene, bin) over genes in each bin with its 95 % t interval."""
    values = values.astype(np.float64)
    mean = values.mean(axis=0)
    half = student_half(values)
    bin_start = source["bin_start"].values
    width = bin_start[1] - bin_start[0] if len(bin_start) > 1 else np.nan
    return pd.DataFrame(
        {
            **named,
            "bin_start": bin_start,
            "bin_width": width,
            "mean": mean,
            "ci_low": mean - half,
            "ci_high": mean + half,
            "n_genes": len(values),
            **origin(source),
        }
    )


def figure2b_table(
    profiles: pd.DataFrame, coverage: pd.DataFrame, dataset: xr.Dataset
) -> pd.DataFrame:
    """Return what Figure 2b shows: mean coverage, and mean weights of genes predicted ON."""
    weights = profiles[profiles["state"] == "ON"].assign(role="weight", unit="")
    unit = str(dataset.attrs.get("coverage_unit", ""))
    track = coverage.rename(columns={"track": "mark"}).assign(role="coverage", unit=unit)
    track = track.assign(model="", method="")
    columns = ["cell", "model", "method", "role", "mark", "unit", "bin_start", "bin_width"]
    columns += ["mean", "ci_low", "ci_high", "n_genes", "simulated", "missing"]
    return pd.concat([track, weights], ignore_index=True)[columns]


def genes_by_expression(
    attribution: xr.Dataset,
    dataset: xr.Dataset,
    *,
    mark: str = PROMOTER_MARK,
    track: str = REFERENCE_TRACK,
    rows: int = ROWS,
) -> pd.DataFrame:
    """Sort genes by expression; return signal, weights and coverage for each row of a heatmap.

    Weights are over (gene, mark, bin), or (gene, bin) for all marks together. With more genes than
    `rows`, each row averages neighbours in the order.

    Returns one line per layer (``signal``, ``weight``, ``coverage``) and row (0 has the highest
    expression): ``n_genes``, ``n_known`` (with values in this layer), mean ``expression``, the
    share ``on``, ``n_unsorted`` (genes without expression), and one column per bin, named by its
    start in bp from the TSS: the mean to four digits, NaN if no gene has a value.
    """
    weight = attribution["weight"]
    if weight.dims not in (("gene", "mark", "bin"), ("gene", "bin")):
        raise ChromvizError(
            f"a heatmap of genes needs weights of genes over bins; {attribution.attrs['method']} "
            f"has {weight.dims}"
        )
    place = pd.Index(dataset["gene"].values).get_indexer(attribution["gene"].values)
    expression = dataset["expression"].values[place].astype(np.float64)
    known = np.flatnonzero(np.isfinite(expression))
    if not len(known):
        raise ChromvizError(
            f"no gene of {dataset.attrs['cell']} has an expression to sort it by; prepare it with "
            "--expression"
        )
    # Genes of equal expression stay in their order.
    order = known[np.argsort(-expression[known], kind="stable")]
    at = place[order]
    shown, column = weight.values[order], mark_column(dataset, mark)
    layers = {
        "signal": (mark, dataset["signal"].values[at, column], "signal_unit"),
        "weight": (mark, shown[:, column] if shown.ndim == 3 else shown, ""),
        "coverage": (track, coverage_of(dataset, track)[at], "coverage_unit"),
    }
    parts = np.array_split(np.arange(len(order)), min(rows, len(order)))
    label = dataset["label"].values[at]
    starts = dataset["bin_start"].values
    attrs = attribution.attrs
    tables = []
    for layer, (name, values, unit) in layers.items():
        complete = ~np.isnan(values).any(axis=1)
        columns = {
            "cell": str(attrs["cell"]),
            "model": str(attrs["model"]),
            "method": str(attrs["method"]),
            "layer": layer,
            "name": name,
            "unit": str(dataset.attrs.get(unit, "")) if unit else "",
            "row": np.arange(len(parts)),
            "n_genes": [len(part) for part in parts],
            "n_known": [int(complete[part].sum()) for part in parts],
            "expression": [float(expression[order[part]].mean()) for part in parts],
            "on": [float((label[part] == 1).mean()) for part in parts],
            "threshold": float(dataset.attrs["label_threshold"]),
            "expression_unit": str(dataset.attrs.get("expression_unit", "")),
            "n_unsorted": len(expression) - len(known),
            "bin_width": int(starts[1] - starts[0]) if len(starts) > 1 else np.nan,
            **origin(dataset),
        }
        means = np.stack([mean_profile(values[part][complete[part]]) for part in parts])
        by_bin = pd.DataFrame(_digits(means), columns=[str(int(start)) for start in starts])
        tables.append(pd.concat([pd.DataFrame(columns), by_bin], axis=1))
    return pd.concat(tables, ignore_index=True)


def _digits(values: np.ndarray) -> np.ndarray:
    """Round to four significant digits, which is more than a colour shows."""
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.floor(np.log10(np.abs(values)))
    scale = 10.0 ** (3 - np.where(np.isfinite(power), power, 0))
    return np.asarray(np.round(values * scale) / scale)

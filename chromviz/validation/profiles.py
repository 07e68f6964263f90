"""Mean profiles over bins, with intervals: the numbers behind Figures 2a and 2b."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.validation.agreement import reference_genes
from chromviz.validation.resample import student_half
from chromviz.vocabulary import REFERENCE_TRACK


def weight_profiles(attribution: xr.Dataset) -> pd.DataFrame:
    """Average weights over (gene, mark, bin) over genes, by mark and predicted state.

    Returns ``cell, model, method, state, mark, bin_start, bin_width, mean, ci_low, ci_high,
    n_genes, simulated, missing``. ``state`` is ON for a probability above 0.5, else OFF; a state
    without genes has no rows. The interval is the 95 % t interval of the mean, NaN for one gene.
    """
    weight = attribution["weight"]
    if weight.dims != ("gene", "mark", "bin") or "probability" not in attribution:
        raise ChromvizError(
            f"profiles by mark and predicted state need weights over (gene, mark, bin) of a model; "
            f"{attribution.attrs['method']} has {weight.dims}"
        )
    predicted_on = attribution["probability"].values > 0.5
    parts = []
    for state, chosen in (("ON", predicted_on), ("OFF", ~predicted_on)):
        if chosen.any():
            for column, mark in enumerate(attribution["mark"].values):
                part = _mean_profile(weight.values[chosen, column], attribution["bin_start"].values)
                part.insert(0, "mark", str(mark))
                part.insert(0, "state", state)
                parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    for place, name in enumerate(("cell", "model", "method")):
        table.insert(place, name, attribution.attrs[name])
    return table.assign(
        simulated=int(attribution.attrs["simulated"]),
        missing=str(attribution.attrs.get("missing", "")),
    )


def coverage_profile(dataset: xr.Dataset, track: str = REFERENCE_TRACK) -> pd.DataFrame:
    """Average a track over the genes labelled ON that have coverage in every bin.

    Returns ``cell, track, bin_start, bin_width, mean, ci_low, ci_high, n_genes, simulated,
    missing``. A missing track, or one without such a gene, is an error.
    """
    rows = reference_genes(dataset, track)
    index = [str(name) for name in dataset["track"].values].index(track)
    table = _mean_profile(dataset["coverage"].values[index, rows], dataset["bin_start"].values)
    table.insert(0, "track", track)
    table.insert(0, "cell", dataset.attrs["cell"])
    return table.assign(
        simulated=int(dataset.attrs["simulated"]), missing=str(dataset.attrs["missing"])
    )


def _mean_profile(values: np.ndarray, bin_start: np.ndarray) -> pd.DataFrame:
    """Return the mean of (gene, bin) over genes in each bin with its 95 % t interval."""
    values = values.astype(np.float64)
    mean = values.mean(axis=0)
    half = student_half(values)
    width = bin_start[1] - bin_start[0] if len(bin_start) > 1 else np.nan
    return pd.DataFrame(
        {
            "bin_start": bin_start,
            "bin_width": width,
            "mean": mean,
            "ci_low": mean - half,
            "ci_high": mean + half,
            "n_genes": len(values),
        }
    )


def figure2b_table(
    profiles: pd.DataFrame, coverage: pd.DataFrame, dataset: xr.Dataset
) -> pd.DataFrame:
    """Return what Figure 2b shows: mean coverage, and mean weights of genes predicted ON.

    Returns ``cell, model, method, role`` (``coverage`` or ``weight``), ``mark, unit, bin_start,
    bin_width, mean, ci_low, ci_high, n_genes, simulated, missing``.
    """
    weights = profiles[profiles["state"] == "ON"].assign(role="weight", unit="")
    unit = str(dataset.attrs.get("coverage_unit", ""))
    track = coverage.rename(columns={"track": "mark"}).assign(role="coverage", unit=unit)
    track = track.assign(model="", method="")
    columns = ["cell", "model", "method", "role", "mark", "unit", "bin_start", "bin_width"]
    columns += ["mean", "ci_low", "ci_high", "n_genes", "simulated", "missing"]
    return pd.concat([track, weights], ignore_index=True)[columns]

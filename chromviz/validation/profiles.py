"""Mean profiles over bins, with intervals: the numbers behind Figures 2a and 2b."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.validation.agreement import reference_coverage
from chromviz.validation.resample import student_half
from chromviz.vocabulary import REFERENCE_TRACK


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
            "simulated": int(source.attrs["simulated"]),
            "missing": str(source.attrs.get("missing", "")),
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

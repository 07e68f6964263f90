"""Test genes by expression: signal, weights and coverage of each, for a heatmap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.validation.resample import mean_profile
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK

#: Maximum number of rows: more cannot be distinguished in print.
ROWS = 200


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
    column = [str(name) for name in dataset["mark"].values].index(mark)
    covered = [str(name) for name in dataset["track"].values].index(track)
    shown = weight.values[order]
    layers = {
        "signal": (mark, dataset["signal"].values[at, column], "signal_unit"),
        "weight": (mark, shown[:, column] if shown.ndim == 3 else shown, ""),
        "coverage": (track, dataset["coverage"].values[covered, at], "coverage_unit"),
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
            "simulated": int(dataset.attrs["simulated"]),
            "missing": str(dataset.attrs["missing"]),
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

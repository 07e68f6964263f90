"""The tidy table of a validation: one row per cell type, model, method, mark and statistic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import false_discovery_control

from chromviz.results.tables import read_csv
from chromviz.validation.resample import Resampling, draw_genes, mean_draws

#: A row of the tidy table.
Row = dict[str, Any]

#: Columns of ``validation.csv``. ``chrom_low`` and ``chrom_high`` are an interval over chromosomes,
#: ``null`` is what `p` was computed against, ``better`` which direction is better.
COLUMNS = (
    *("cell", "model", "variant", "method", "mark", "test", "statistic"),
    *("estimate", "ci_low", "ci_high"),
    *("chrom_low", "chrom_high", "null", "p", "q", "n", "better", "note", "simulated", "missing"),
)
#: The note of a mean without values.
UNDEFINED = "undefined in every gene"
_TEXT = (*COLUMNS[:7], "null", "better", "note")
_NUMBERS = ("estimate", "ci_low", "ci_high", "chrom_low", "chrom_high", "p", "q")


def tidy(rows: Iterable[Mapping[str, Any]], **common: Any) -> pd.DataFrame:
    """Return rows as the tidy table; `common` columns are the same in every row.

    Missing values are empty, or NaN. An unknown column raises KeyError.
    """
    records = [{**dict.fromkeys(_TEXT, ""), **common, **row} for row in rows]
    unknown = {name for record in records for name in record} - set(COLUMNS)
    if unknown:
        raise KeyError(f"unknown columns of a validation: {', '.join(sorted(unknown))}")
    table = pd.DataFrame(records, columns=list(COLUMNS))
    for name in _NUMBERS:
        table[name] = pd.to_numeric(table[name]).astype(float)
    return table.astype({"n": "Int64"})


def tidy_of(dataset: xr.Dataset, rows: Iterable[Mapping[str, Any]], **common: Any) -> pd.DataFrame:
    """Return rows as the tidy table, with the cell type and origin of a dataset."""
    return tidy(rows, cell=str(dataset.attrs["cell"]), **origin(dataset), **common)


def origin(source: xr.Dataset) -> dict[str, Any]:
    """Return the columns that say where the data of a dataset or an attribution are from."""
    attrs = source.attrs
    return {"simulated": int(attrs["simulated"]), "missing": str(attrs.get("missing", ""))}


def explanation(attribution: xr.Dataset) -> dict[str, str]:
    """Return the columns that name an explanation."""
    return {name: str(attribution.attrs.get(name, "")) for name in ("model", "variant", "method")}


def adjust(table: pd.DataFrame) -> pd.DataFrame:
    """Fill ``q``: p adjusted by Benjamini and Hochberg over marks, methods, models and cells.

    Each statistic against each null is a family. Rows without p do not count.
    """
    table = table.copy()
    for _, part in table.groupby(["test", "statistic", "null"], sort=False):
        known = part.index[part["p"].notna()]
        if len(known):
            table.loc[known, "q"] = false_discovery_control(table.loc[known, "p"].to_numpy())
    return table


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the draws that are defined; NaN if none is."""
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return np.nan, np.nan
    low, high = np.percentile(draws, (2.5, 97.5))
    return float(low), float(high)


def bounds(draws: np.ndarray) -> dict[str, float]:
    """Return :func:`interval` as the columns ``ci_low`` and ``ci_high``."""
    return dict(zip(("ci_low", "ci_high"), interval(draws), strict=True))


def mean_row(
    values: np.ndarray, counts: np.ndarray, *, against_zero: bool = False
) -> dict[str, Any]:
    """Return the columns of a mean over genes with its interval and, if asked, its p against 0.

    `values` are (gene,), and `counts` (draw, gene) say how often each gene is drawn.
    """
    draws = mean_draws(values, counts)
    row = {"estimate": float(values.mean()), **bounds(draws), "n": len(values)}
    return row | ({"null": "bootstrap", "p": p_of_zero(draws)} if against_zero else {})


def mean_rows(values: Mapping[str, np.ndarray], resampling: Resampling, **common: str) -> list[Row]:
    """Return one row for the mean over genes of each statistic (gene,), NaN where undefined."""
    rows = []
    for name, every in values.items():
        each = every[~np.isnan(every)]
        n = len(each)
        row: Row = {**common, "statistic": name, "n": n}
        if n:
            counts = draw_genes(n, np.arange(n), resampling.n_bootstrap, resampling.seed)
            row |= mean_row(each, counts)
        else:
            row["note"] = UNDEFINED
        rows.append(row)
    return rows


def p_above(observed: float, null: np.ndarray) -> float:
    """Return the share of null draws at least as high as the observed value, itself included.

    p is therefore never 0 (Phipson and Smyth 2010).
    """
    null = null[~np.isnan(null)]
    if np.isnan(observed) or not len(null):
        return np.nan
    # A rounding error is not a difference.
    return float((1 + (null >= observed - 1e-12).sum()) / (1 + len(null)))


def p_of_zero(draws: np.ndarray) -> float:
    """Return the two-sided p of 0 under a bootstrap distribution."""
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return np.nan
    below, above = (draws <= 0).sum(), (draws >= 0).sum()
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(draws))))


def read_tidy(path: Path) -> pd.DataFrame:
    """Read a tidy table as it was written."""
    kinds: dict[Any, Any] = dict.fromkeys(_NUMBERS, float) | {"n": "Int64", "simulated": int}
    return read_csv(path)[list(COLUMNS)].astype(kinds)

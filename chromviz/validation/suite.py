"""The paper's tables of performance, from the scores of trained models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from chromviz.validation.published import TABLE_2, TABLE_S1, TABLE_S2, TABLE_S3

#: What is looked at over cell types.
STATISTICS = ("mean", "median", "max", "min")
_PAPER: dict[str, tuple[str, Mapping[str, Mapping[str, float]]]] = {
    "2": ("auc", TABLE_2),
    "s2": ("f1", TABLE_S2),
    "s3": ("auc", TABLE_S3),
}


def shows(name: str, models: Collection[str]) -> bool:
    """Return whether a table has a row for any of these models; ``s1`` brings its own."""
    if name in ("2", "s1"):
        return True
    older = _OLDER if name == "s3" else ()
    return bool({*_PAPER[name][1], *older} & set(models))


def summarise(name: str, units: pd.DataFrame) -> pd.DataFrame:
    """Return one of the paper's tables.

    Parameters
    ----------
    name
        ``2``: AUC of all models over cell types. ``s1``: AUC on one mark at a time. ``s2``: F1 of
        DeepChrome and AttentiveChrome. ``s3``: AUC of older models beside networks.
    units
        A row a trained model: ``cell, model, seed, marks, auc, f1, n_test, simulated, missing``.

    Returns
    -------
    pandas.DataFrame
        Seeds are averaged within a cell type first. For ``2``, ``s2`` and ``s3`` a row a model:
        ``model, mean, median, max, min``, each with ``paper_`` before it beside, ``n_cells,
        n_seeds, simulated, missing``, and for ``2`` ``better``, the number of cell types with a
        higher AUC than DeepChrome. For ``s1`` a row a cell type and mark: ``cell, marks, auc,
        paper``.
    """
    common: dict[str, Any] = {
        "cells": ",".join(dict.fromkeys(units["cell"])),
        "n_seeds": int(units["seed"].nunique()),
        "simulated": int(units["simulated"].max()),
        "missing": "zero" if (units["missing"] == "zero").any() else "nan",
    }
    if name == "s1":
        part = units[(units["model"] == "lstm-alpha-beta")]
        rows = part.groupby(["cell", "marks"], sort=False)["auc"].mean().reset_index()
        published = [
            TABLE_S1.get(key, np.nan) for key in zip(rows["cell"], rows["marks"], strict=True)
        ]
        rows = rows.assign(paper=published, whole=rows["marks"] == "all")
        rows = rows.sort_values(["cell", "whole", "auc"], ascending=[True, False, False])
        return rows.drop(columns="whole").reset_index(drop=True).assign(**common)
    score, paper_rows = _PAPER[name]
    part = units[units["marks"] == "all"]
    if name == "s2":
        part = part[part["model"].isin(paper_rows)]
    elif name == "s3":
        part = part[part["model"].isin([*paper_rows, *_OLDER])]
    by_cell = part.groupby(["model", "cell"], sort=False)[score].mean().unstack("cell")
    # A cell type where the score is undefined counts for no model.
    by_cell = by_cell.dropna(axis=1)
    records = []
    for model, values in by_cell.iterrows():
        paper = paper_rows.get(str(model), {})
        record: dict[str, object] = {"model": model}
        for statistic in STATISTICS:
            record[statistic] = float(getattr(values, statistic)()) if len(values) else np.nan
            record[f"paper_{statistic}"] = paper.get(statistic, np.nan)
        if name == "2":
            record |= _better(by_cell, str(model)) | {"paper_better": paper.get("better", np.nan)}
        records.append(record | {"score": score, "n_cells": len(values)})
    return pd.DataFrame(records).assign(**common)


_OLDER = ("linear-regression", "logistic-regression", "rules")


def _better(by_cell: pd.DataFrame, model: str) -> dict[str, float]:
    """Return on how many cell types a model's score is higher than DeepChrome's."""
    if model == "deepchrome" or "deepchrome" not in by_cell.index:
        return {"better": np.nan}
    above = by_cell.loc[model].to_numpy() > by_cell.loc["deepchrome"].to_numpy()
    return {"better": float(above.sum())}

"""The paper's tables of performance, from the scores of trained models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chromviz.validation.classification import reliability, scores
from chromviz.validation.paired import over_cells, paired_auc
from chromviz.validation.paper_values import TABLE_2, TABLE_S1, TABLE_S2, TABLE_S3, deepchrome_auc

#: The value of the column ``marks`` for all marks.
ALL_MARKS = "all"

#: A trained model (``cell, model, seed, marks``) and its predictions of the test genes
#: (``label, probability, n_train, seconds, simulated``).
Predictions = tuple[Mapping[str, Any], pd.DataFrame]

#: Statistics over cell types.
STATISTICS = ("mean", "median", "max", "min")
_PAPER: dict[str, tuple[str, Mapping[str, Mapping[str, float]]]] = {
    "2": ("auc", TABLE_2),
    "s2": ("f1", TABLE_S2),
    "s3": ("auc", TABLE_S3),
}


def shows(name: str, models: Collection[str]) -> bool:
    """Return whether a table has a row for any of these models; ``s1`` has a fixed model."""
    if name in ("2", "s1"):
        return True
    older = _OLDER if name == "s3" else ()
    return bool({*_PAPER[name][1], *older} & set(models))


def summarise(name: str, units: pd.DataFrame) -> pd.DataFrame:
    """Return one of the paper's tables: ``2``, ``s1``, ``s2`` or ``s3``.

    `units` has one row per trained model: ``cell, model, seed, marks, auc, f1, n_test, simulated,
    missing``. Seeds are averaged within a cell type first. ``2``, ``s2`` (F1) and ``s3`` have one
    row per model; for ``2`` ``better`` is the number of cell types with a higher AUC than
    DeepChrome. ``s1`` has one row per cell type and mark.
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
        rows = rows.assign(paper=published, whole=rows["marks"] == ALL_MARKS)
        rows = rows.sort_values(["cell", "whole", "auc"], ascending=[True, False, False])
        return rows.drop(columns="whole").reset_index(drop=True).assign(**common)
    score, paper_rows = _PAPER[name]
    part = units[units["marks"] == ALL_MARKS]
    if name == "s2":
        part = part[part["model"].isin(paper_rows)]
    elif name == "s3":
        part = part[part["model"].isin([*paper_rows, *_OLDER])]
    by_cell = part.groupby(["model", "cell"], sort=False)[score].mean().unstack("cell")
    # A cell type with an undefined score is left out for all models.
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


def unit_row(
    unit: Mapping[str, Any], table: pd.DataFrame, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the scores of one trained model: a row of ``suite.csv``."""
    printed = unit["model"] == "deepchrome" and unit["marks"] == ALL_MARKS
    found = scores(table["label"].to_numpy(), table["probability"].to_numpy())
    note = found.pop("note")
    return {
        **unit,
        "n_train": int(table["n_train"].iloc[0]) if len(table) else 0,
        "n_test": len(table),
        **found,
        "seconds": float(table["seconds"].iloc[0]) if len(table) else np.nan,
        "paper": deepchrome_auc().get(unit["cell"], np.nan) if printed else np.nan,
        "simulated": facts["simulated"],
        "missing": facts["missing"],
        "note": note,
    }


def paired_table(
    found: Sequence[Predictions], names: Sequence[str], reference: str, n_bootstrap: int
) -> pd.DataFrame:
    """Compare the AUC of each model of all marks with that of the reference model.

    One row per model with level ``cell types``, then one per cell type, seed and model with level
    ``genes``.
    """
    whole = [(unit, table) for unit, table in found if unit["marks"] == ALL_MARKS]
    parts = []
    for cell, seed in dict.fromkeys((unit["cell"], unit["seed"]) for unit, _ in whole):
        tables = {u["model"]: t for u, t in whole if (u["cell"], u["seed"]) == (cell, seed)}
        label = tables[reference]["label"].to_numpy()
        probability = {name: tables[name]["probability"].to_numpy() for name in names}
        one = paired_auc(label, probability, reference, n_bootstrap=n_bootstrap, seed=seed)
        parts.append(one.assign(level="genes", cell=cell, seed=str(seed), note=""))
    by_genes = pd.concat(parts, ignore_index=True)
    over = [
        {
            "model": model,
            "reference": reference,
            **over_cells(part.groupby("cell")["difference"].mean().to_numpy()),
            "level": "cell types",
            "cell": "all",
            "seed": "mean",
        }
        for model, part in by_genes.groupby("model", sort=False)
    ]
    simulated = max((int(table["simulated"].max()) for _, table in whole), default=0)
    columns = ["level", "cell", "seed", "model", "reference"]
    columns += ["difference", "ci_low", "ci_high", "n", "note"]
    table = pd.concat([pd.DataFrame(over), by_genes], ignore_index=True)
    return table.reindex(columns=columns).assign(simulated=simulated)


def reliability_table(found: Sequence[Predictions]) -> pd.DataFrame:
    """Return the reliability of each model of all marks over all cell types and seeds."""
    parts = []
    whole = [(unit, table) for unit, table in found if unit["marks"] == ALL_MARKS]
    for model in dict.fromkeys(unit["model"] for unit, _ in whole):
        genes = pd.concat([table for unit, table in whole if unit["model"] == model])
        one = reliability(genes["label"].to_numpy(), genes["probability"].to_numpy())
        parts.append(one.assign(model=model))
    simulated = max(int(table["simulated"].max()) for _, table in found)
    return pd.concat(parts, ignore_index=True).assign(simulated=simulated)

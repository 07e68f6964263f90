"""The results of an audit of one gene, as JSON and as a tidy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.models.checkpoint import TrainedModel
from chromviz.schema import dataset_hash
from chromviz.schema.gene_names import reason_of
from chromviz.validation.caution import WARNINGS, gene_warnings, neighbours
from chromviz.vocabulary import cell_label

#: The schema of ``audit.json``.
AUDIT = "chromviz-audit"
AUDIT_VERSION = 1
COLUMNS = (
    *("gene", "symbol", "cell", "kind", "name", "model", "method", "signed"),
    *("bin_start", "value", "simulated", "missing"),
)
_STATES = {1: "ON", 0: "OFF", -1: "unknown"}


@dataclass(frozen=True)
class CellAudit:
    """One gene in one cell type: a dataset, and the gene's position in it.

    `models` and `probability` (of ON) are by name, empty if the models cannot read the gene;
    `found` are its attributions by model and method, and `refused` says why a method gave none.
    """

    dataset: xr.Dataset
    position: int
    models: Mapping[str, TrainedModel]
    probability: Mapping[str, float]
    found: Mapping[tuple[str, str], xr.Dataset]
    refused: Mapping[tuple[str, str], str]


def audit_record(parts: Sequence[CellAudit], seed: int) -> dict[str, Any]:
    """Return the record of the gene, as JSON takes it."""
    first, position = parts[0].dataset, parts[0].position
    cells = [_cell_record(part) for part in parts]
    return {
        "schema": AUDIT,
        "schema_version": AUDIT_VERSION,
        "gene": str(first["gene"].values[position]),
        "symbol": str(first["symbol"].values[position]),
        "simulated": any(cell["simulated"] for cell in cells),
        "seed": seed,
        "cells": cells,
    }


def _cell_record(part: CellAudit) -> dict[str, Any]:
    dataset, position = part.dataset, part.position
    one, attrs = dataset.isel(gene=position), dataset.attrs
    near = neighbours(dataset, np.array([position]))
    general = _warnings(part, near)
    return {
        "cell": str(attrs["cell"]),
        "label": cell_label(str(attrs["cell"])),
        "dataset_sha256": dataset_hash(dataset),
        "assembly": str(attrs["assembly"]),
        "chrom": str(one["chrom"].values),
        "tss": int(one["tss"]),
        "strand": str(one["strand"].values),
        "state": _STATES[int(one["label"])],
        "expression": _number(one["expression"]),
        "threshold": _number(attrs["label_threshold"]),
        "split": str(one["split"].values),
        "simulated": bool(attrs["simulated"]),
        "unreadable": reason_of(dataset, position),
        "missing_policy": str(attrs["missing"]),
        "orientation": str(attrs["orientation"]),
        "bin_width": int(attrs["bin_width"]),
        "bin_start": dataset["bin_start"].values.tolist(),
        "signal_unit": str(attrs["signal_unit"]),
        "signal": _by_name(dataset["mark"].values, dataset["signal"].values[position]),
        "coverage_unit": str(attrs.get("coverage_unit", "")),
        "coverage": _by_name(dataset["track"].values, dataset["coverage"].values[:, position]),
        "neighbours": [asdict(item) for item in near[0]],
        "warnings": general,
        "models": [_model_record(part, name, near, general) for name in part.models],
    }


def _warnings(part: CellAudit, near: list[Any], **model: Any) -> list[dict[str, str]]:
    """Return the warnings about the gene, with those about a model's prediction if it is given."""
    found = gene_warnings(part.dataset, np.array([part.position]), beside=near, **model)
    return [{"code": code, "text": WARNINGS[code]} for code, holds in found.items() if holds[0]]


def _model_record(
    part: CellAudit, name: str, near: list[Any], general: list[dict[str, str]]
) -> dict[str, Any]:
    mine = {method: one for (model, method), one in part.found.items() if model == name}
    p, card = part.probability[name], part.models[name].card
    flagged = any(bool(one["flagged"].values[0]) for one in mine.values() if "flagged" in one)
    own = _warnings(
        part,
        near,
        probability=np.array([p]),
        flagged=np.array([flagged]),
        trained_here=card.dataset_hash == dataset_hash(part.dataset),
    )
    return {
        "model": name,
        "sha256": card.weights_hash,
        "probability": _number(p),
        "prediction": "ON" if p > 0.5 else "OFF",
        "warnings": [item for item in own if item not in general],
        "methods": [_method_record(method, one) for method, one in mine.items()],
        "refused": {method: why for (model, method), why in part.refused.items() if model == name},
    }


def _method_record(method: str, one: xr.Dataset) -> dict[str, Any]:
    weight = one["weight"].values[0]
    names = one["mark"].values if "mark" in one.coords else [""]
    record: dict[str, Any] = {
        "method": method,
        "parameters": one.attrs["parameters"],
        "signed": bool(one.attrs["signed"]),
        "weight": _by_name(names, weight.reshape(len(names), -1)),
    }
    if "delta" in one:
        record["completeness_error"] = _number(one["delta"].values[0])
        record["difference"] = _number(one["difference"].values[0])
        record["flagged"] = bool(one["flagged"].values[0])
    return record


def _by_name(names: Any, values: np.ndarray) -> dict[str, list[float | None]]:
    return {
        str(name): [_number(value) for value in row]
        for name, row in zip(names, values, strict=True)
    }


def _number(value: Any) -> float | None:
    """Return a number for JSON: NaN becomes null."""
    return None if np.isnan(value) else float(value)


def audit_table(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return the record as a tidy table, one row per number."""
    rows: list[dict[str, Any]] = []
    for cell in record["cells"]:
        blank = {
            **dict.fromkeys(COLUMNS, ""),
            "gene": record["gene"],
            "symbol": record["symbol"],
            "cell": cell["cell"],
            "simulated": int(cell["simulated"]),
            "missing": cell["missing_policy"],
            "bin_start": None,
            "value": None,
        }
        found = [
            {"kind": "label", "value": {"ON": 1, "OFF": 0}.get(cell["state"])},
            {"kind": "expression", "value": cell["expression"]},
            {"kind": "threshold", "value": cell["threshold"]},
            {"kind": "split", "name": cell["split"]},
        ]
        found += [
            {"kind": "neighbour", "name": one["symbol"] or one["gene"], "bin_start": one["offset"]}
            for one in cell["neighbours"]
        ]
        for kind in ("signal", "coverage"):
            found += _values(cell[kind], cell["bin_start"], kind=kind)
        for model in cell["models"]:
            found += _model_rows(model, cell["bin_start"])
        rows += [blank | one for one in found]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _model_rows(model: Mapping[str, Any], starts: Sequence[int]) -> list[dict[str, Any]]:
    of: dict[str, Any] = {"model": model["model"]}
    rows = [{"kind": "probability", "value": model["probability"], **of}]
    for method in model["methods"]:
        of |= {"method": method["method"], "signed": int(method["signed"])}
        if "completeness_error" in method:
            error = {"kind": "completeness_error", "value": method["completeness_error"]}
            rows.append({**of, **error})
        rows += _values(method["weight"], starts, kind="weight", **of)
    return rows


def _values(
    named: Mapping[str, Sequence[float | None]], starts: Sequence[int], **of: Any
) -> list[dict[str, Any]]:
    """Return one row per number; weights over whole marks have no bin."""
    return [
        {**of, "name": name, "bin_start": start, "value": value}
        for name, values in named.items()
        for start, value in zip(
            starts if len(values) == len(starts) else [None], values, strict=True
        )
    ]

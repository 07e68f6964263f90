"""What the page's gene explorer shows: genes, models, and arrays of signal and weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import method_label, model_label
from chromviz.plot.style import GREY, mark_colours
from chromviz.reporting.packing import Layer, describe_precision, layer_record, pack, share_absolute
from chromviz.validation.caution import WARNINGS, gene_warnings, neighbours
from chromviz.vocabulary import cell_label, mark_label

# Names of assemblies in public browsers.
_BROWSERS = {
    "hg19": ("hg19", "https://grch37.ensembl.org"),
    "grch37": ("hg19", "https://grch37.ensembl.org"),
    "hg38": ("hg38", "https://www.ensembl.org"),
    "grch38": ("hg38", "https://www.ensembl.org"),
}
_SPLITS = ("train", "valid", "test", "none")


@dataclass(frozen=True)
class CellPart:
    """One cell type of the explorer.

    Parameters
    ----------
    dataset
        The cell type.
    attributions
        Weights over genes; several of one model and method have different genes.
    genes
        Positions shown in addition to those that the attributions explain.
    trained_here
        By model, whether it was trained on this dataset; True by default.
    """

    dataset: xr.Dataset
    attributions: Sequence[xr.Dataset]
    genes: Sequence[int] = ()
    trained_here: Mapping[str, bool] = field(default_factory=dict)

    @property
    def rows(self) -> np.ndarray:
        """Positions of all genes that are shown, sorted."""
        shown = [np.asarray(self.genes, dtype=np.int64)]
        shown += [self.places(one) for one in self.attributions]
        return np.unique(np.concatenate(shown))

    def places(self, attribution: xr.Dataset) -> np.ndarray:
        """Return an attribution's genes as positions in the dataset."""
        index = pd.Index(self.dataset["gene"].values.astype(str))
        return np.asarray(index.get_indexer(attribution["gene"].values.astype(str)), dtype=np.int64)


@dataclass(frozen=True)
class Explorer:
    """The explorer's content.

    `record` holds everything but the arrays, as JSON takes it; `texts` the packed arrays (empty for
    one that another gives); `precision` says in words how exact the page's numbers are.
    """

    record: dict[str, Any]
    texts: list[str]
    precision: str

    @property
    def json(self) -> str:
        """The record as JSON for a script element; no text in it can end the element."""
        text = json.dumps(self.record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def explore(parts: Sequence[CellPart], room: int) -> Explorer:
    """Collect what the explorer shows, with arrays of at most `room` bytes; an error if too small.

    The cell types have the same marks and windows.
    """
    rows = [part.rows for part in parts]
    layers = share_absolute(_layers(parts, rows))
    packed = pack(layers, room)
    levels = next((one.levels for one in packed if one), 0)
    first = parts[0].dataset
    names = list(dict.fromkeys(layer.model for layer in layers if layer.model))
    beside = [neighbours(part.dataset, mine) for part, mine in zip(parts, rows, strict=True)]
    coverage = next(layer for layer in layers if layer.kind == "coverage")
    known = _BROWSERS.get(str(first.attrs["assembly"]).lower(), ("", ""))
    record = {
        "simulated": bool(max(int(part.dataset.attrs["simulated"]) for part in parts)),
        "cells": [cell_label(str(part.dataset.attrs["cell"])) for part in parts],
        "assembly": str(first.attrs["assembly"]),
        "ucsc": known[0],
        "ensembl": known[1],
        "alongGene": str(first.attrs["orientation"]) == "strand",
        "binStart": int(first["bin_start"].values[0]),
        "binWidth": int(first.attrs["bin_width"]),
        "signalUnit": str(first.attrs["signal_unit"]),
        "coverageUnit": str(first.attrs.get("coverage_unit", "")),
        "thresholds": [_number(float(part.dataset.attrs["label_threshold"])) for part in parts],
        "marks": _named(first["mark"].values),
        "tracks": _named(coverage.names),
        "warnings": [{"code": code, "text": text} for code, text in WARNINGS.items()],
        "genes": _genes(parts, rows, beside),
        "models": [_model(name, parts, rows, beside) for name in names],
        "layers": [layer_record(layer, one) for layer, one in zip(layers, packed, strict=True)],
    }
    texts = [one.text if one else "" for one in packed]
    return Explorer(record, texts, describe_precision(levels))


def _layers(parts: Sequence[CellPart], rows: Sequence[np.ndarray]) -> list[Layer]:
    """Return signal, coverage and every model's weights of all parts' genes."""
    marks = [str(mark) for mark in parts[0].dataset["mark"].values]
    signal = [part.dataset["signal"].values[at] for part, at in zip(parts, rows, strict=True)]
    layers = [Layer("signal", "signal", np.concatenate(signal), marks)]
    tracks = list(dict.fromkeys(str(t) for part in parts for t in part.dataset["track"].values))
    bins = parts[0].dataset.sizes["bin"]
    coverage = []
    for part, mine in zip(parts, rows, strict=True):
        block = np.full((len(mine), len(tracks), bins), np.nan, dtype=np.float32)
        for at, track in enumerate(part.dataset["track"].values):
            block[:, tracks.index(str(track))] = part.dataset["coverage"].values[at, mine]
        coverage.append(block)
    layers.append(Layer("coverage", "coverage", np.concatenate(coverage), tracks))
    pairs = dict.fromkeys(
        (str(one.attrs["model"]), str(one.attrs["method"]))
        for part in parts
        for one in part.attributions
    )
    return layers + [_weights(model, method, parts, rows) for model, method in pairs]


def _weights(
    model: str, method: str, parts: Sequence[CellPart], rows: Sequence[np.ndarray]
) -> Layer:
    """Return one method's weights of one model, NaN for genes that it does not explain."""
    like = next(one for part in parts for one in part.attributions if _is(one, model, method))
    names = [str(mark) for mark in like["mark"].values] if "mark" in like.coords else [""]
    bins = like.sizes.get("bin", 1)
    total = sum(map(len, rows))
    values = np.full((total, len(names), bins), np.nan, dtype=np.float32)
    complete = "delta" in like
    delta = np.full(total, np.nan) if complete else None
    flagged = np.zeros(total, dtype=bool) if complete else None
    start = 0
    for part, mine in zip(parts, rows, strict=True):
        for one in part.attributions:
            if not _is(one, model, method):
                continue
            at = start + np.searchsorted(mine, part.places(one))
            values[at] = one["weight"].values.reshape(-1, len(names), bins)
            if delta is not None and flagged is not None:
                delta[at], flagged[at] = one["delta"].values, one["flagged"].values == 1
        start += len(mine)
    return Layer(
        "weight" if "bin" in like["weight"].dims else "marks",
        method_label(method),
        values,
        names,
        model,
        method,
        bool(like.attrs["signed"]),
        delta,
        flagged,
    )


def _is(attribution: xr.Dataset, model: str, method: str) -> bool:
    return bool(attribution.attrs["model"] == model and attribution.attrs["method"] == method)


def _genes(
    parts: Sequence[CellPart], rows: Sequence[np.ndarray], beside: Sequence[Any]
) -> dict[str, list[Any]]:
    """Return the columns of the table of genes, one row per gene and cell type."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("id", "symbol", "chrom", "strand", "tss", "label", "split", "reason")
    }
    columns |= {"cell": [], "expression": [], "near": []}
    for cell, (part, mine, near) in enumerate(zip(parts, rows, beside, strict=True)):
        dataset = part.dataset
        for column, name in (("id", "gene"), ("symbol", "symbol"), ("chrom", "chrom")):
            columns[column] += [str(value) for value in dataset[name].values[mine]]
        columns["strand"] += [str(value) for value in dataset["strand"].values[mine]]
        columns["split"] += [_SPLITS.index(str(one)) for one in dataset["split"].values[mine]]
        columns["reason"] += [str(value) for value in dataset["reason"].values[mine]]
        columns["tss"] += [int(value) for value in dataset["tss"].values[mine]]
        columns["label"] += [int(value) for value in dataset["label"].values[mine]]
        columns["expression"] += [_number(float(one)) for one in dataset["expression"].values[mine]]
        columns["cell"] += [cell] * len(mine)
        columns["near"] += [
            [[one.symbol or one.gene, one.offset, one.strand] for one in item] for item in near
        ]
    return columns


def _model(
    name: str, parts: Sequence[CellPart], rows: Sequence[np.ndarray], beside: Sequence[Any]
) -> dict[str, Any]:
    """Return a model's predictions, and the warnings about each gene as bits."""
    probability: list[float | None] = []
    bits: list[int] = []
    for part, mine, near in zip(parts, rows, beside, strict=True):
        p, flagged = np.full(len(mine), np.nan), np.zeros(len(mine), dtype=bool)
        for one in part.attributions:
            if one.attrs["model"] != name:
                continue
            at = np.searchsorted(mine, part.places(one))
            if "probability" in one:
                p[at] = one["probability"].values
            if "flagged" in one:
                flagged[at] |= one["flagged"].values == 1
        found = gene_warnings(
            part.dataset,
            mine,
            probability=p,
            flagged=flagged,
            trained_here=part.trained_here.get(name, True),
            beside=near,
        )
        weights = 1 << np.arange(len(WARNINGS))
        bits += (np.stack([found[code] for code in WARNINGS], axis=1) @ weights).tolist()
        probability += [_number(float(value)) for value in p]
    return {"name": name, "label": model_label(name), "probability": probability, "bits": bits}


def _named(names: Any) -> list[dict[str, str]]:
    """Return marks or tracks with their labels and colours."""
    known = [str(name) for name in names]
    colours = mark_colours(known)
    return [
        {"name": name, "label": mark_label(name), "colour": colours.get(name, GREY)}
        for name in known
    ]


def _number(value: float) -> float | None:
    """Return a number for JSON, rounded; NaN becomes null."""
    return None if np.isnan(value) else float(f"{value:.6g}")

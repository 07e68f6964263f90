"""What the page's gene explorer shows: genes, models, and arrays of signal and weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import method_label, model_label
from chromviz.plot.style import GREY, mark_colours
from chromviz.reporting.packing import (
    Layer,
    describe_precision,
    json_numbers,
    layer_record,
    pack,
    share_absolute,
)
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
    """One cell type of the explorer: its dataset and attributions.

    Several attributions of one model and method have different genes. `genes` are positions shown
    in addition to those that the attributions explain. `trained_here` says by model whether it was
    trained on this dataset; True by default.
    """

    dataset: xr.Dataset
    attributions: Sequence[xr.Dataset]
    genes: Sequence[int] = ()
    trained_here: Mapping[str, bool] = field(default_factory=dict)

    @cached_property
    def rows(self) -> np.ndarray:
        """Positions of all genes that are shown, sorted."""
        index = pd.Index(self.dataset["gene"].values.astype(str))
        shown = [index.get_indexer(one["gene"].values.astype(str)) for one in self.attributions]
        return np.unique(np.concatenate([np.asarray(self.genes, dtype=np.int64), *shown]))

    @cached_property
    def near(self) -> list[Any]:
        """TSSs of other genes in the window of each shown gene."""
        return neighbours(self.dataset, self.rows)

    def column(self, name: str) -> np.ndarray:
        """Return a variable of the shown genes."""
        return np.asarray(self.dataset[name].values[self.rows])

    def places(self, attribution: xr.Dataset) -> np.ndarray:
        """Return the positions of an attribution's genes among those shown."""
        index = pd.Index(self.column("gene").astype(str))
        return np.asarray(index.get_indexer(attribution["gene"].values.astype(str)))


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
    layers = share_absolute(_layers(parts))
    packed = pack(layers, room)
    first = parts[0].dataset
    coverage = next(layer for layer in layers if layer.kind == "coverage")
    ucsc, ensembl = _BROWSERS.get(str(first.attrs["assembly"]).lower(), ("", ""))
    record = {
        "simulated": bool(max(int(part.dataset.attrs["simulated"]) for part in parts)),
        "cells": [cell_label(str(part.dataset.attrs["cell"])) for part in parts],
        "assembly": str(first.attrs["assembly"]),
        "ucsc": ucsc,
        "ensembl": ensembl,
        "alongGene": str(first.attrs["orientation"]) == "strand",
        "binStart": int(first["bin_start"].values[0]),
        "binWidth": int(first.attrs["bin_width"]),
        "signalUnit": str(first.attrs["signal_unit"]),
        "coverageUnit": str(first.attrs.get("coverage_unit", "")),
        "thresholds": json_numbers([part.dataset.attrs["label_threshold"] for part in parts]),
        "marks": _named(first["mark"].values),
        "tracks": _named(coverage.names),
        "warnings": [{"code": code, "text": text} for code, text in WARNINGS.items()],
        "genes": _genes(parts),
        "models": [
            _model(name, parts) for name in dict.fromkeys(one.model for one in layers if one.model)
        ],
        "layers": [layer_record(layer, one) for layer, one in zip(layers, packed, strict=True)],
    }
    levels = next((one.levels for one in packed if one), 0)
    texts = [one.text if one else "" for one in packed]
    return Explorer(record, texts, describe_precision(levels))


def _layers(parts: Sequence[CellPart]) -> list[Layer]:
    """Return signal, coverage and every model's weights of all parts' genes."""
    marks = [str(mark) for mark in parts[0].dataset["mark"].values]
    signal = np.concatenate([part.column("signal") for part in parts])
    tracks = list(dict.fromkeys(str(t) for part in parts for t in part.dataset["track"].values))
    shape = (len(signal), len(tracks), signal.shape[-1])
    coverage = np.full(shape, np.nan, dtype=np.float32)
    for part, start in _starts(parts):
        rows = slice(start, start + len(part.rows))
        for at, track in enumerate(part.dataset["track"].values):
            values = part.dataset["coverage"].values[at, part.rows]
            coverage[rows, tracks.index(str(track))] = values
    pairs = dict.fromkeys(
        (str(one.attrs["model"]), str(one.attrs["method"]))
        for part in parts
        for one in part.attributions
    )
    return [
        Layer("signal", "signal", signal, marks),
        Layer("coverage", "coverage", coverage, tracks),
        *(_weights(model, method, parts) for model, method in pairs),
    ]


def _starts(parts: Sequence[CellPart]) -> Iterator[tuple[CellPart, int]]:
    """Yield each part and the position of its first gene among those of all parts."""
    start = 0
    for part in parts:
        yield part, start
        start += len(part.rows)


def _weights(model: str, method: str, parts: Sequence[CellPart]) -> Layer:
    """Return one method's weights of one model, NaN for genes that it does not explain."""
    found = [
        (start + part.places(one), one)
        for part, start in _starts(parts)
        for one in part.attributions
        if one.attrs["model"] == model and one.attrs["method"] == method
    ]
    like = found[0][1]
    names = [str(mark) for mark in like["mark"].values] if "mark" in like.coords else [""]
    total, bins = sum(len(part.rows) for part in parts), like.sizes.get("bin", 1)
    values = np.full((total, len(names), bins), np.nan, dtype=np.float32)
    for at, one in found:
        values[at] = one["weight"].values.reshape(-1, len(names), bins)
    delta, flagged = None, None
    if "delta" in like:
        delta, flagged = np.full(total, np.nan), np.zeros(total, dtype=bool)
        for at, one in found:
            delta[at], flagged[at] = one["delta"].values, one["flagged"].values == 1
    kind = "weight" if "bin" in like["weight"].dims else "marks"
    signed = bool(like.attrs["signed"])
    return Layer(kind, method_label(method), values, names, model, method, signed, delta, flagged)


def _genes(parts: Sequence[CellPart]) -> dict[str, list[Any]]:
    """Return the columns of the table of genes, one row per gene and cell type."""

    def column(name: str) -> list[Any]:
        return [value for part in parts for value in part.column(name).tolist()]

    return {
        "id": column("gene"),
        **{name: column(name) for name in ("symbol", "chrom", "strand", "tss", "label")},
        "split": [_SPLITS.index(name) for name in column("split")],
        "reason": column("reason"),
        "cell": [cell for cell, part in enumerate(parts) for _ in part.rows],
        "expression": json_numbers(column("expression")),
        "near": [
            [[one.symbol or one.gene, one.offset, one.strand] for one in item]
            for part in parts
            for item in part.near
        ],
    }


def _model(name: str, parts: Sequence[CellPart]) -> dict[str, Any]:
    """Return a model's predictions, and the warnings about each gene as bits."""
    probability: list[float | None] = []
    bits: list[int] = []
    for part in parts:
        p, flagged = np.full(len(part.rows), np.nan), np.zeros(len(part.rows), dtype=bool)
        for one in part.attributions:
            if one.attrs["model"] != name:
                continue
            at = part.places(one)
            if "probability" in one:
                p[at] = one["probability"].values
            if "flagged" in one:
                flagged[at] |= one["flagged"].values == 1
        found = gene_warnings(
            part.dataset,
            part.rows,
            probability=p,
            flagged=flagged,
            trained_here=part.trained_here.get(name, True),
            beside=part.near,
        )
        weights = 1 << np.arange(len(WARNINGS))
        bits += (np.stack([found[code] for code in WARNINGS], axis=1) @ weights).tolist()
        probability += json_numbers(p)
    return {"name": name, "label": model_label(name), "probability": probability, "bits": bits}


def _named(names: Any) -> list[dict[str, str]]:
    """Return marks or tracks with their labels and colours."""
    known = [str(name) for name in names]
    colours = mark_colours(known)
    return [
        {"name": name, "label": mark_label(name), "colour": colours.get(name, GREY)}
        for name in known
    ]

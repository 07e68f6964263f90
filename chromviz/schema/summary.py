"""Summaries of datasets, attributions and results in a few lines, as text and for notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import numpy as np
import xarray as xr

from chromviz.errors import SchemaError
from chromviz.schema.attribution import ATTRIBUTION
from chromviz.schema.dataset import DATASET, dataset_hash, gene_counts
from chromviz.vocabulary import SPLITS, cell_label

#: What every summary of simulated data says.
SIMULATED = "yes: these data are simulated"
_HASH = 12


@dataclass(frozen=True, repr=False)
class Summary:
    """A title and rows of a name and a text; rows without a text are not shown."""

    title: str
    rows: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        shown = [(name, text) for name, text in self.rows if text]
        width = max((len(name) for name, _ in shown), default=0)
        return "\n".join([self.title, *(f"  {name:<{width}}  {text}" for name, text in shown)])

    def _repr_html_(self) -> str:
        """Return a table for a notebook; names in the data are escaped."""
        left = 'style="text-align:left"'
        body = "".join(
            f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(text)}</td></tr>"
            for name, text in self.rows
            if text
        )
        return f"<table><caption {left}>{escape(self.title)}</caption>{body}</table>"


class Summarised:
    """An object whose representation is its summary; a dataclass also needs ``repr=False``."""

    def summary(self) -> Summary:
        """Return a summary of the object."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return repr(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def describe(dataset: xr.Dataset) -> Summary:
    """Return a summary of a dataset or an attribution, which displays itself."""
    schema = dataset.attrs.get("schema")
    if schema == DATASET:
        return _of_dataset(dataset)
    if schema == ATTRIBUTION:
        return _of_attribution(dataset)
    raise SchemaError(
        f"rule 'schema is {DATASET} or {ATTRIBUTION}': it is {schema!r}; describe what "
        "open_cell, extract, load_dataset or load_attribution returned"
    )


def _of_dataset(dataset: xr.Dataset) -> Summary:
    attrs, counts = dataset.attrs, gene_counts(dataset)
    annotated, used = counts.pop("annotated"), counts.pop("used")
    label, split = dataset["label"].values, dataset["split"].values
    n_bins, width = dataset.sizes["bin"], int(attrs["bin_width"])
    first = int(dataset["bin_start"].values[0]) if n_bins else 0
    states = {"ON": 1, "OFF": 0, "unknown": -1}
    rows = (
        ("assembly", str(attrs["assembly"])),
        ("genes", f"{annotated:,} annotated, {used:,} used"),
        ("left out", ", ".join(f"{count:,} ({reason})" for reason, count in counts.items())),
        ("labels", _counted({name: int((label == value).sum()) for name, value in states.items()})),
        ("label rule", str(attrs["label_rule"])),
        ("splits", _counted({name: int((split == name).sum()) for name in SPLITS})),
        ("marks", _listed(dataset["mark"].values)),
        ("signal", str(attrs["signal_unit"])),
        ("tracks", _listed(dataset["track"].values)),
        ("window", f"{n_bins} bins of {width} bp, from {first:+,} to {first + n_bins * width:+,}"),
        ("orientation", str(attrs["orientation"])),
        ("simulated", SIMULATED if attrs["simulated"] else ""),
        ("sha256", dataset_hash(dataset)[:_HASH]),
    )
    return Summary(f"Dataset of {cell_label(str(attrs['cell']))}", rows)


def _of_attribution(attribution: xr.Dataset) -> Summary:
    attrs, weight = attribution.attrs, attribution["weight"]
    settings = json.loads(attrs["parameters"])
    model = str(attrs["model"])
    predicted = ""
    if "probability" in attribution:
        on = int((attribution["probability"].values > 0.5).sum())
        predicted = f", {on:,} of them predicted ON"
    genes = f"{attribution.sizes['gene']:,}{predicted}" if "gene" in weight.dims else ""
    rows = (
        ("model", f"{model} ({str(attrs['model_hash'])[:_HASH]})" if model else "none: a control"),
        ("weights", " × ".join(f"{size} {dim}s" for dim, size in weight.sizes.items())),
        ("signed", "yes" if attrs["signed"] else "no"),
        ("genes", genes),
        ("marks", _listed(attribution["mark"].values) if "mark" in weight.dims else ""),
        ("settings", ", ".join(f"{name} = {value}" for name, value in settings.items())),
        ("completeness", _completeness(attribution)),
        ("seed", str(attrs["seed"])),
        ("simulated", SIMULATED if attrs["simulated"] else ""),
        ("dataset", f"sha256 {str(attrs['dataset_hash'])[:_HASH]}"),
    )
    return Summary(f"{attrs['method']} on {cell_label(str(attrs['cell']))}", rows)


def _completeness(attribution: xr.Dataset) -> str:
    """Return the completeness error of the weights, if the method has one."""
    if "delta" not in attribution or not attribution.sizes["gene"]:
        return ""
    error = np.abs(attribution["delta"].values)
    text = f"error {np.median(error):.2g} logits (median), {error.max():.2g} (largest)"
    if "flagged" in attribution and "delta_threshold" in attribution.attrs:
        share = 100 * float(attribution.attrs["delta_threshold"])
        text += f"; genes over {share:g} %: {int(attribution['flagged'].sum())}"
    return text


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))

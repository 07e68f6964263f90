"""The dataset format: one cell type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.errors import ChromvizError, SchemaError, UnknownNameError
from chromviz.schema import files
from chromviz.schema.variables import (
    COORDINATES,
    IN_DATASETS,
    OF_SIMULATED_DATA,
    SCHEMA_VERSION,
    check_header,
    check_members,
    check_unique,
    check_variables,
    labelled,
    name_variables,
    refuse_rows,
)
from chromviz.vocabulary import SPLITS, Window, cell_label

DATASET = "chromviz-dataset"
_DEFAULT_ATTRS = {
    "assembly": "",
    "orientation": "genome",
    "signal_unit": "",
    "label_rule": "",
    "label_threshold": np.nan,
    "missing": "nan",
    "sources": (),
    "simulated": False,
}
# What the numbers of a result depend on, beside the variables; paths and times may differ.
_HASHED_ATTRS = ("cell", "bin_width", "orientation", "signal_unit", "missing", "simulated")


def build_dataset(
    *,
    cell: str,
    genes: pd.DataFrame,
    marks: Sequence[str],
    signal: np.ndarray,
    window: Window,
    coverage: Mapping[str, np.ndarray] | None = None,
    truth: np.ndarray | None = None,
    seed: int | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Combine arrays into a dataset, record its provenance, and check it.

    `genes` has one row per gene: ``gene`` (id), ``symbol``, ``chrom``, ``tss`` (0-based),
    ``strand``, ``expression`` (NaN if unknown), ``label`` (1 ON, 0 OFF, -1 unknown) and ``split``
    (``train``, ``valid``, ``test`` or ``none``). A column ``reason`` says why models leave a gene
    out; without it the reasons follow from the signal and the label. `signal` is (gene, mark, bin),
    NaN where the source has no data; `coverage` (gene, bin) by reference track; `truth` (gene,
    mark, bin) the sign of a bin's effect on expression, for simulated data. ``sources`` among the
    `attrs` is a list of records (role, name, path, sha256).
    """
    coverage = coverage or {}
    stacked = np.empty((len(coverage), len(genes), window.n_bins), dtype=np.float32)
    for row, track in enumerate(coverage.values()):
        stacked[row] = track
    columns = ("gene", "symbol", "chrom", "tss", "strand", "expression", "label", "split")
    values: dict[str, Any] = {name: genes[name] for name in columns}
    values |= {"mark": marks, "track": list(coverage), "bin_start": window.bin_start}
    values |= {"signal": signal, "coverage": stacked}
    values["reason"] = (
        genes["reason"] if "reason" in genes else reasons(signal, marks, genes["label"].to_numpy())
    )
    if truth is not None:
        values["truth"] = truth
    known = {**_DEFAULT_ATTRS, **attrs}
    known |= {
        "label_threshold": float(known["label_threshold"]),
        "sources": json.dumps([dict(source) for source in known["sources"]]),
        "simulated": int(known["simulated"]),
    }
    header = {"schema": DATASET, "schema_version": SCHEMA_VERSION, "cell": cell}
    header["bin_width"] = window.bin_width
    dataset = xr.Dataset(
        {name: labelled(name, values[name]) for name in values if name not in COORDINATES},
        {name: labelled(name, values[name]) for name in COORDINATES},
        {**header, **known, **provenance.stamp(seed)},
    )
    check_dataset(dataset)
    name_variables(dataset, str(known["orientation"]))
    return dataset


def reasons(signal: np.ndarray, marks: Sequence[str], label: np.ndarray) -> np.ndarray:
    """Return why models leave each gene out (gene,), empty for the genes they use."""
    found = np.full(len(signal), "", dtype=object)
    found[label < 0] = "expression unknown"
    gaps = np.isnan(signal).any(axis=2)
    for column, mark in reversed(list(enumerate(marks))):
        found[gaps[:, column]] = f"no complete signal of {mark}"
    found[gaps.sum(axis=1) > 1] = "no complete signal of several marks"
    return found


def check_dataset(dataset: xr.Dataset) -> None:
    """Check a dataset against the format; the error names the first broken rule."""
    check_header(dataset, DATASET, ("cell", "bin_width", *_DEFAULT_ATTRS))
    check_variables(dataset, IN_DATASETS)
    for name in ("gene", "mark", "track"):
        check_unique(dataset, name)
    _check_numbers(dataset)
    check_members(dataset, "label", (1, 0, -1))
    check_members(dataset, "split", SPLITS)
    check_members(dataset, "strand", ("+", "-", "."))
    if dataset.attrs["orientation"] not in ("genome", "strand"):
        raise SchemaError(
            "rule 'orientation is genome or strand': it is "
            f"{dataset.attrs['orientation']!r}; set the attribute"
        )
    steps = np.diff(dataset["bin_start"].values)
    if (steps != dataset.attrs["bin_width"]).any():
        raise SchemaError(
            "rule 'bins are consecutive': bin_start does not rise by "
            f"bin_width = {dataset.attrs['bin_width']}"
        )
    used = dataset["reason"].values == ""
    # This takes most of the time, so only genes whose sum is not finite are checked bin by bin.
    signal = dataset["signal"].values
    rows = _not_finite(signal)
    broken = dataset["label"].values < 0
    broken[rows] |= np.isnan(signal[rows]).any(axis=(1, 2))
    broken &= used
    refuse_rows(dataset, broken, "a gene without a reason has complete signal and a label")
    in_split = ~used & (dataset["split"].values != "none")
    refuse_rows(dataset, in_split, "a gene that models leave out is in no split")
    if "truth" in dataset:
        if not dataset.attrs["simulated"]:
            raise SchemaError("rule 'only simulated data has a truth': simulated is 0")
        check_variables(dataset, ["truth"])


def dataset_hash(dataset: xr.Dataset) -> str:
    """Return the SHA-256 of what a result can depend on; not of times, paths and versions."""
    names = [name for name in (*IN_DATASETS, *OF_SIMULATED_DATA) if name in dataset.variables]
    content = provenance.hash_arrays({name: dataset[name].values for name in names})
    attrs = {name: np.asarray(dataset.attrs[name]).item() for name in _HASHED_ATTRS}
    return provenance.hash_json([content, attrs])


def usable(dataset: xr.Dataset) -> np.ndarray:
    """Return which genes models use (gene,): complete signal and a known label."""
    return np.asarray(dataset["reason"].values == "")


def gene_counts(dataset: xr.Dataset) -> dict[str, int]:
    """Return how many genes are in the file, used, and left out for each reason."""
    reason = pd.Series(dataset["reason"].values)
    counts = {"annotated": len(reason), "used": int((reason == "").sum())}
    left_out = reason[reason != ""].value_counts()
    return counts | {str(name): int(count) for name, count in left_out.items()}


def select_marks(dataset: xr.Dataset, marks: Sequence[str]) -> xr.Dataset:
    """Return a dataset with only some of its marks as signal; genes and splits stay."""
    known = [str(mark) for mark in dataset["mark"].values]
    for mark in marks:
        if mark not in known:
            raise UnknownNameError("mark", mark, known, f"Looked in {dataset.attrs['cell']}.")
    return dataset.isel(mark=[known.index(mark) for mark in marks])


def require_alike(datasets: Sequence[xr.Dataset]) -> None:
    """Check that cell types have the same marks and windows, so that weights can be compared."""
    first = datasets[0]
    for other in datasets[1:]:
        for what, one, two in (
            ("marks", *(list(map(str, item["mark"].values)) for item in (first, other))),
            ("windows", *(item["bin_start"].values.tolist() for item in (first, other))),
            ("bin widths", *(int(item.attrs["bin_width"]) for item in (first, other))),
            ("orientations", *(str(item.attrs["orientation"]) for item in (first, other))),
        ):
            if one != two:
                raise ChromvizError(
                    f"{cell_label(str(first.attrs['cell']))} and "
                    f"{cell_label(str(other.attrs['cell']))} have different {what}; prepare them "
                    "alike"
                )


def save_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Check a dataset and write it as NetCDF-4, whole or not at all."""
    files.save(dataset, path, check_dataset, "truth", "decoy")


def load_dataset(path: Path) -> xr.Dataset:
    """Read a dataset and check it; errors as :func:`chromviz.schema.files.load`."""
    return files.load(path, check_dataset)


def _not_finite(values: np.ndarray) -> np.ndarray:
    """Return the rows that may hold NaN or infinity: those whose sum is not finite."""
    with np.errstate(all="ignore"):
        total = values.sum(axis=tuple(range(1, values.ndim)))
    return np.flatnonzero(~np.isfinite(total))


def _check_numbers(dataset: xr.Dataset) -> None:
    for name in ("expression", "label", "tss", "bin_start"):
        if dataset[name].dtype.kind != np.dtype(IN_DATASETS[name].dtype).kind:
            raise SchemaError(f"rule '{name} holds numbers': it is {dataset[name].dtype}")
    for name in ("signal", "coverage"):
        if dataset[name].dtype != np.float32:
            raise SchemaError(
                f"rule '{name} is float32': it is {dataset[name].dtype}; convert it first"
            )
        values = dataset[name].values
        if np.isinf(values[_not_finite(values)]).any():
            raise SchemaError(f"rule '{name} is finite or NaN': it holds infinite values")
    if np.isinf(dataset["expression"].values).any():
        raise SchemaError("rule 'expression is finite or NaN': it holds infinite values")

"""The dataset and attribution formats: build, check, save, load.

Both are :class:`xarray.Dataset` objects and NetCDF-4 files that xarray opens by itself.

A **dataset** holds one cell type: ``signal(gene, mark, bin)`` and ``coverage(track, gene, bin)``
(float32, NaN where the source has no data), ``expression(gene)`` (NaN where unknown),
``label(gene)`` (1 ON, 0 OFF, -1 unknown), ``split(gene)`` and ``reason(gene)``: why models leave
the gene out, empty for the genes they use. Simulated data also has ``truth(gene, mark, bin)``.
All annotated genes are in the file.

An **attribution** holds one method's ``weight`` over (gene, mark, bin), (gene, bin),
(gene, mark) or, for a class, (mark, bin), with ``probability(gene)`` where a model is involved
and ``delta(gene)`` where the method has a completeness error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.errors import ChromvizError, SchemaError, UnknownNameError, first_line
from chromviz.vocabulary import SPLITS, Window

DATASET = "chromviz-dataset"
ATTRIBUTION = "chromviz-attribution"
SCHEMA_VERSION = 1

#: Dimensions that a weight may have.
WEIGHT_DIMS = (("gene", "mark", "bin"), ("gene", "bin"), ("gene", "mark"), ("mark", "bin"))

_DATASET_VARIABLES = {
    "signal": ("gene", "mark", "bin"),
    "coverage": ("track", "gene", "bin"),
    "expression": ("gene",),
    "label": ("gene",),
    "split": ("gene",),
    "reason": ("gene",),
}
_DATASET_COORDS = {
    "gene": ("gene",),
    "symbol": ("gene",),
    "chrom": ("gene",),
    "tss": ("gene",),
    "strand": ("gene",),
    "mark": ("mark",),
    "track": ("track",),
    "bin_start": ("bin",),
}
_DATASET_ATTRS = (
    "cell",
    "assembly",
    "bin_width",
    "orientation",
    "signal_unit",
    "label_rule",
    "label_threshold",
    "missing",
    "sources",
    "simulated",
)
_KINDS = {"expression": "f", "label": "i", "tss": "i", "bin_start": "i"}
_ATTRIBUTION_ATTRS = (
    "method",
    "parameters",
    "signed",
    "cell",
    "model",
    "model_hash",
    "dataset_hash",
    "seed",
    "device",
    "simulated",
)
# What the numbers of a result depend on; the rest (paths, times) may differ between two runs.
_HASHED = ("signal", "coverage", "expression", "label", "split", "reason", "truth", "decoy")
_HASHED_ATTRS = ("cell", "bin_width", "orientation", "signal_unit", "missing", "simulated")


def build_dataset(
    *,
    cell: str,
    genes: pd.DataFrame,
    marks: Sequence[str],
    signal: np.ndarray,
    expression: np.ndarray,
    label: np.ndarray,
    split: np.ndarray,
    window: Window,
    coverage: Mapping[str, np.ndarray] | None = None,
    reason: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    assembly: str = "",
    orientation: str = "genome",
    signal_unit: str = "",
    label_rule: str = "",
    label_threshold: float = np.nan,
    missing: str = "nan",
    sources: Sequence[Mapping[str, str]] = (),
    simulated: bool = False,
    seed: int | None = None,
    **attrs: str | float,
) -> xr.Dataset:
    """Put arrays together as a dataset, stamp its provenance, and check it.

    Parameters
    ----------
    cell
        EID or the cell type's own name.
    genes
        One row a gene: columns ``gene`` (id), ``symbol``, ``chrom``, ``tss`` (0-based), ``strand``.
    marks
        Names of the input marks.
    signal
        float32 (gene, mark, bin), NaN where the source has no data.
    expression
        (gene,), NaN where unknown.
    label
        (gene,), 1 ON, 0 OFF, -1 unknown.
    split
        (gene,), each one of ``train``, ``valid``, ``test``, ``none``.
    window
        Flank and bin width.
    coverage
        Reference tracks by name, each (gene, bin); never inputs of a model.
    reason
        (gene,), why models leave the gene out; found from the signal and label if not given.
    truth
        Simulated data only: int8 (gene, mark, bin), the sign of a bin's effect on expression.
    assembly, orientation, signal_unit, label_rule, label_threshold, missing, sources, simulated
        See the attributes of the format; `sources` is a list of records with role, name, path
        and sha256.
    seed
        Seed of whatever was drawn (the split, or the simulation).
    **attrs
        More attributes.

    Returns
    -------
    xarray.Dataset
        A dataset that passes :func:`check_dataset`.

    Raises
    ------
    SchemaError
        If the result breaks a rule of the format.
    """
    coverage = coverage or {}
    signal = np.asarray(signal, dtype=np.float32)
    label = np.asarray(label, dtype=np.int8)
    if reason is None:
        reason = reasons(signal, marks, label)
    tracks = list(coverage)
    stacked = np.empty((len(tracks), len(genes), window.n_bins), dtype=np.float32)
    for row, name in enumerate(tracks):
        stacked[row] = coverage[name]
    data: dict[str, Any] = {
        "signal": (("gene", "mark", "bin"), signal),
        "coverage": (("track", "gene", "bin"), stacked),
        "expression": (("gene",), np.asarray(expression, dtype=np.float32)),
        "label": (("gene",), label),
        "split": (("gene",), np.asarray(split, dtype=object)),
        "reason": (("gene",), np.asarray(reason, dtype=object)),
    }
    if truth is not None:
        data["truth"] = (("gene", "mark", "bin"), np.asarray(truth, dtype=np.int8))
    coords: dict[str, Any] = {
        name: (("gene",), np.asarray(genes[name], dtype=object))
        for name in ("gene", "symbol", "chrom", "strand")
    }
    coords["tss"] = (("gene",), np.asarray(genes["tss"], dtype=np.int64))
    coords["mark"] = (("mark",), np.asarray(marks, dtype=object))
    coords["track"] = (("track",), np.asarray(tracks, dtype=object))
    coords["bin_start"] = (("bin",), window.bin_start)
    dataset = xr.Dataset(
        data,
        coords,
        {
            "schema": DATASET,
            "schema_version": SCHEMA_VERSION,
            "cell": cell,
            "assembly": assembly,
            "bin_width": window.bin_width,
            "orientation": orientation,
            "signal_unit": signal_unit,
            "label_rule": label_rule,
            "label_threshold": float(label_threshold),
            "missing": missing,
            "sources": json.dumps([dict(source) for source in sources]),
            "simulated": int(simulated),
            **provenance.stamp(seed),
            **attrs,
        },
    )
    check_dataset(dataset)
    return dataset


def reasons(signal: np.ndarray, marks: Sequence[str], label: np.ndarray) -> np.ndarray:
    """Return why models leave each gene out (gene,), empty for the genes they use.

    Parameters
    ----------
    signal
        (gene, mark, bin).
    marks
        Names of the marks.
    label
        (gene,), -1 where unknown.
    """
    found = np.full(len(signal), "", dtype=object)
    found[label < 0] = "expression unknown"
    gaps = np.isnan(signal).any(axis=2)
    for column, mark in reversed(list(enumerate(marks))):
        found[gaps[:, column]] = f"no complete signal of {mark}"
    found[gaps.sum(axis=1) > 1] = "no complete signal of several marks"
    return found


def check_dataset(dataset: xr.Dataset) -> None:
    """Check a dataset against the format.

    Raises
    ------
    SchemaError
        Naming the first broken rule and, where rows break it, how many and which.
    """
    _check_header(dataset, DATASET, _DATASET_ATTRS)
    _check_variables(dataset, {**_DATASET_VARIABLES, **_DATASET_COORDS}, "dataset")
    for name in ("gene", "mark", "track"):
        _check_unique(dataset, name)
    _check_numbers(dataset)
    _check_members(dataset, "label", (1, 0, -1))
    _check_members(dataset, "split", SPLITS)
    _check_members(dataset, "strand", ("+", "-", "."))
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
    broken = used & (
        np.isnan(dataset["signal"].values).any(axis=(1, 2)) | (dataset["label"].values < 0)
    )
    _refuse_rows(dataset, broken, "a gene without a reason has complete signal and a label")
    _refuse_rows(
        dataset,
        ~used & (dataset["split"].values != "none"),
        "a gene that models leave out is in no split",
    )
    if "truth" in dataset:
        if not dataset.attrs["simulated"]:
            raise SchemaError("rule 'only simulated data has a truth': simulated is 0")
        _check_variables(dataset, {"truth": ("gene", "mark", "bin")}, "dataset")


def is_dataset(dataset: xr.Dataset) -> bool:
    """Return whether a dataset follows the format; :func:`check_dataset` says what is wrong."""
    try:
        check_dataset(dataset)
    except SchemaError:
        return False
    return True


def dataset_hash(dataset: xr.Dataset) -> str:
    """Return the SHA-256 of what a result can depend on: values, names and reading rules.

    Times, paths and versions do not enter, so the same data prepared twice has the same hash.
    """
    names = [name for name in (*_DATASET_COORDS, *_HASHED) if name in dataset.variables]
    content = provenance.hash_arrays({str(name): dataset[name].values for name in names})
    attrs = {name: _plain(dataset.attrs[name]) for name in _HASHED_ATTRS}
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


def find_gene(dataset: xr.Dataset, name: str) -> int:
    """Return the position of a gene by id (with or without version suffix) or symbol.

    Raises
    ------
    UnknownNameError
        If no gene goes by that name; the nearest names are offered.
    ChromvizError
        If a symbol belongs to several genes; their ids are listed.
    """
    wanted = name.strip().lower()
    if not wanted:
        raise ChromvizError("no gene named; give a symbol or an id")
    ids = [str(gene).lower() for gene in dataset["gene"].values]
    bare = [gene.split(".")[0] for gene in ids]
    # A gene that several names share keeps them all in its symbol, joined by "/".
    symbols = [str(symbol).lower().split("/") for symbol in dataset["symbol"].values]
    for hits in (
        [row for row, gene in enumerate(ids) if gene == wanted],
        [row for row, gene in enumerate(bare) if gene == wanted.split(".")[0]],
        [row for row, names in enumerate(symbols) if wanted in names],
    ):
        if len(hits) == 1:
            return hits[0]
        if hits:
            found = ", ".join(str(dataset["gene"].values[row]) for row in hits[:10])
            raise ChromvizError(f"{name!r} is the name of {len(hits)} genes; name one id: {found}")
    known = [str(symbol) for symbol in dataset["symbol"].values if symbol]
    known += [str(gene) for gene in dataset["gene"].values]
    raise UnknownNameError("gene", name, known, f"Looked in {dataset.attrs['cell']}.")


def save_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Check a dataset and write it as NetCDF-4, whole or not at all."""
    check_dataset(dataset)
    compressed = {"zlib": True, "complevel": 1, "shuffle": True}
    names = [name for name in ("signal", "coverage", "truth", "decoy") if name in dataset]
    _write(dataset, path, {name: compressed for name in names if dataset[name].size})


def load_dataset(path: Path) -> xr.Dataset:
    """Read a dataset and check it.

    Raises
    ------
    ChromvizError
        If the file is missing or is not NetCDF-4.
    SchemaError
        If it breaks a rule of the format.
    """
    dataset = _read(path)
    try:
        check_dataset(dataset)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from None
    return dataset


def build_attribution(
    weight: np.ndarray,
    dims: tuple[str, ...],
    dataset: xr.Dataset,
    *,
    method: str,
    parameters: Mapping[str, Any],
    signed: bool,
    genes: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    delta: np.ndarray | None = None,
    model: str = "",
    model_hash: str = "",
    seed: int = 0,
    device: str = "cpu",
) -> xr.Dataset:
    """Label weights with the genes, marks and bins of their dataset, and check the result.

    Parameters
    ----------
    weight
        The method's weights, with one axis for each of `dims`.
    dims
        One of :data:`WEIGHT_DIMS`.
    dataset
        What was explained.
    method, parameters, signed
        The method's name, its settings, and whether the sign of a weight has a meaning.
    genes
        Positions in `dataset` of the genes explained; None for a class's weights.
    probability
        (gene,) of ON, as the model gave it.
    delta
        (gene,), the method's completeness error, in logits.
    model, model_hash, seed, device
        Name and hash of the model explained (empty for a control), seed and device of the run.

    Raises
    ------
    SchemaError
        If the weights do not fit the dimensions.
    """
    weight = np.asarray(weight, dtype=np.float32)
    data: dict[str, Any] = {"weight": (dims, weight)}
    coords: dict[str, Any] = {}
    if "gene" in dims:
        rows = np.arange(dataset.sizes["gene"]) if genes is None else np.asarray(genes)
        for name in ("gene", "symbol"):
            coords[name] = (("gene",), dataset[name].values[rows])
        if probability is not None:
            data["probability"] = (("gene",), np.asarray(probability, dtype=np.float32))
        if delta is not None:
            data["delta"] = (("gene",), np.asarray(delta, dtype=np.float32))
    if "mark" in dims:
        coords["mark"] = (("mark",), dataset["mark"].values)
    if "bin" in dims:
        coords["bin_start"] = (("bin",), dataset["bin_start"].values)
    attrs = {
        "schema": ATTRIBUTION,
        "schema_version": SCHEMA_VERSION,
        "method": method,
        "parameters": json.dumps(dict(parameters), sort_keys=True),
        "signed": int(signed),
        "cell": dataset.attrs["cell"],
        "model": model,
        "model_hash": model_hash,
        "dataset_hash": dataset_hash(dataset),
        "device": device,
        "simulated": dataset.attrs["simulated"],
        **provenance.stamp(seed),
    }
    try:
        attribution = xr.Dataset(data, coords, attrs)
    except ValueError as error:
        raise SchemaError(
            f"rule 'weights fit their dimensions': {weight.shape} for {dims} ({error})"
        ) from None
    check_attribution(attribution)
    return attribution


def check_attribution(attribution: xr.Dataset) -> None:
    """Check an attribution against the format.

    Raises
    ------
    SchemaError
        Naming the first broken rule.
    """
    _check_header(attribution, ATTRIBUTION, _ATTRIBUTION_ATTRS)
    if "weight" not in attribution:
        raise SchemaError("rule 'an attribution has a weight': it is missing")
    weight = attribution["weight"]
    if weight.dims not in WEIGHT_DIMS:
        known = ", ".join(map(str, WEIGHT_DIMS))
        raise SchemaError(f"rule 'weight has known dimensions': {weight.dims}; known: {known}")
    needed = {"gene": ("gene",), "mark": ("mark",), "bin": ("bin_start",)}
    for dim in weight.dims:
        for name in needed[str(dim)]:
            if name not in attribution.coords:
                raise SchemaError(f"rule '{dim} is labelled': the coordinate {name} is missing")
    if not np.isfinite(weight.values).all():
        count = int((~np.isfinite(weight.values)).sum())
        raise SchemaError(f"rule 'weights are finite': {count} of {weight.size} are not")
    if "probability" in attribution:
        probability = attribution["probability"].values
        outside = ~((probability >= 0) & (probability <= 1))
        _refuse_rows(attribution, outside, "probability lies between 0 and 1")


def save_attribution(attribution: xr.Dataset, path: Path) -> None:
    """Check an attribution and write it as NetCDF-4, whole or not at all."""
    check_attribution(attribution)
    compressed = {"zlib": True, "complevel": 1, "shuffle": True}
    _write(attribution, path, {"weight": compressed})


def load_attribution(path: Path) -> xr.Dataset:
    """Read an attribution and check it.

    Raises
    ------
    ChromvizError
        If the file is missing or is not NetCDF-4.
    SchemaError
        If it breaks a rule of the format.
    """
    attribution = _read(path)
    try:
        check_attribution(attribution)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from None
    return attribution


def _write(dataset: xr.Dataset, path: Path, encoding: Mapping[str, Any]) -> None:
    with provenance.atomic_path(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def _read(path: Path) -> xr.Dataset:
    if not path.is_file():
        raise ChromvizError(f"no file {path}")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as handle:
            dataset = handle.load()
    # h5py raises OSError, KeyError, RuntimeError or ValueError, as the damage has it.
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise ChromvizError(
            f"{path} is not a whole NetCDF-4 file ({first_line(error)}); make it again"
        ) from None
    # Text of length 0 comes back as numbers, and would change the dataset's hash.
    empty = {name: dataset[name].astype(object) for name in ("track",) if name in dataset.coords}
    return dataset.assign_coords(empty)


def _check_header(dataset: xr.Dataset, schema: str, attrs: Sequence[str]) -> None:
    found = dataset.attrs.get("schema")
    if found != schema:
        raise SchemaError(f"rule 'schema is {schema}': it is {found!r}")
    version = dataset.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SchemaError(
            f"rule 'schema_version is {SCHEMA_VERSION}': it is {version!r}; "
            "make the file again with this version of chromviz"
        )
    lacking = [name for name in attrs if name not in dataset.attrs]
    if lacking:
        raise SchemaError(f"rule 'attributes are complete': missing {', '.join(lacking)}")


def _check_variables(
    dataset: xr.Dataset, variables: Mapping[str, tuple[str, ...]], what: str
) -> None:
    for name, dims in variables.items():
        if name not in dataset.variables:
            raise SchemaError(f"rule 'a {what} has {name}': it is missing")
        if dataset[name].dims != dims:
            raise SchemaError(f"rule '{name} has dimensions {dims}': it has {dataset[name].dims}")


def _check_numbers(dataset: xr.Dataset) -> None:
    for name, kinds in _KINDS.items():
        if dataset[name].dtype.kind not in kinds:
            raise SchemaError(f"rule '{name} holds numbers': it is {dataset[name].dtype}")
    for name in ("signal", "coverage"):
        if dataset[name].dtype != np.float32:
            raise SchemaError(
                f"rule '{name} is float32': it is {dataset[name].dtype}; convert it first"
            )
        if np.isinf(dataset[name].values).any():
            raise SchemaError(f"rule '{name} is finite or NaN': it holds infinite values")
    if np.isinf(dataset["expression"].values).any():
        raise SchemaError("rule 'expression is finite or NaN': it holds infinite values")


def _check_unique(dataset: xr.Dataset, name: str) -> None:
    index = pd.Index(dataset[name].values)
    repeated = index[index.duplicated()].unique()
    if len(repeated):
        raise SchemaError(
            f"rule '{name} names are unique': {len(repeated)} repeated, first {repeated[0]!r}"
        )


def _check_members(dataset: xr.Dataset, name: str, allowed: Sequence[Any]) -> None:
    values = pd.Series(dataset[name].values)
    outside = values[~values.isin(allowed)]
    if len(outside):
        raise SchemaError(
            f"rule '{name} is one of {', '.join(map(str, allowed))}': {len(outside)} are not, "
            f"first {outside.iloc[0]!r}"
        )


def _refuse_rows(dataset: xr.Dataset, broken: np.ndarray, rule: str) -> None:
    if broken.any():
        first = dataset["gene"].values[np.flatnonzero(broken)[0]]
        raise SchemaError(f"rule '{rule}': {int(broken.sum())} genes break it, first {first}")


def _plain(value: Any) -> Any:
    """Return a NumPy scalar, as NetCDF gives attributes back, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value

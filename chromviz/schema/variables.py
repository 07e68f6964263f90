"""The variables of both formats, and the rules that they share; an error names the broken rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import SchemaError

SCHEMA_VERSION = 1


class Variable(NamedTuple):
    """A variable with its ``long_name`` and ``units``, as in the CF conventions.

    Units that vary are in the attribute ``{name}_unit`` of the dataset.
    """

    dims: tuple[str, ...]
    dtype: type
    long_name: str
    units: str = ""


_GENE, _EVERY_BIN = ("gene",), ("gene", "mark", "bin")
COORDINATES = {
    "gene": Variable(_GENE, object, "gene id"),
    "symbol": Variable(_GENE, object, "gene symbol"),
    "chrom": Variable(_GENE, object, "chromosome"),
    "tss": Variable(_GENE, np.int64, "transcription start site, 0-based", "bp"),
    "strand": Variable(_GENE, object, "strand of the gene"),
    "mark": Variable(("mark",), object, "histone mark that models read"),
    "track": Variable(("track",), object, "reference track that no model reads"),
    "bin_start": Variable(
        ("bin",), np.int64, "first base of the bin, counted from the TSS along the {along}", "bp"
    ),
}
IN_DATASETS = COORDINATES | {
    "signal": Variable(
        _EVERY_BIN, np.float32, "signal of histone marks, NaN where there is no data"
    ),
    "coverage": Variable(
        ("track", "gene", "bin"),
        np.float32,
        "coverage of reference tracks, NaN where there is no data",
    ),
    "expression": Variable(_GENE, np.float32, "gene expression, NaN where unknown"),
    "label": Variable(_GENE, np.int8, "expression state: 1 ON, 0 OFF, -1 unknown"),
    "split": Variable(_GENE, object, "part of the data: train, valid, test or none"),
    "reason": Variable(
        _GENE, object, "why models leave the gene out, empty for the genes they use"
    ),
}
OF_SIMULATED_DATA = {
    "truth": Variable(_EVERY_BIN, np.int8, "planted truth: sign of the bin's effect on expression"),
    "decoy": Variable(
        _EVERY_BIN, np.int8, "planted decoy: 1 where the bin carries signal without an effect"
    ),
}
#: Variables of genes in attributions.
OF_EXPLAINED_GENES = {
    "probability": Variable(_GENE, np.float32, "probability of ON that the model predicts"),
    "delta": Variable(_GENE, np.float32, "completeness error of the weights", "logit"),
    "difference": Variable(
        _GENE, np.float32, "difference in logit that the weights should add up to", "logit"
    ),
    "flagged": Variable(_GENE, np.int8, "1 where the completeness error is over the threshold"),
}
_WEIGHT = {"weight": Variable((), np.float32, "weight of the method")}  # its dimensions vary
VARIABLES = IN_DATASETS | OF_SIMULATED_DATA | OF_EXPLAINED_GENES | _WEIGHT


def labelled(name: str, values: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the dimensions of a variable, and its values in its type, which can be written to."""
    dims, dtype, *_ = VARIABLES[name]
    return dims, np.require(values, dtype, ["W"])


def name_variables(dataset: xr.Dataset, orientation: str) -> None:
    """Give variables a ``long_name``, and ``units``, if they have none; no hash changes.

    `orientation` is the direction of the bins: ``genome`` or ``strand``.
    """
    along = {"genome": "chromosome", "strand": "gene"}[orientation]
    for name, variable in dataset.variables.items():
        if known := VARIABLES.get(str(name)):
            variable.attrs.setdefault("long_name", known.long_name.format(along=along))
            if unit := known.units or dataset.attrs.get(f"{name}_unit"):
                variable.attrs.setdefault("units", str(unit))


def check_header(dataset: xr.Dataset, schema: str, attrs: Sequence[str]) -> None:
    """Check a dataset's kind, version and attributes."""
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


def check_variables(dataset: xr.Dataset, names: Iterable[str]) -> None:
    """Check that a dataset has variables with their dimensions."""
    for name in names:
        dims = VARIABLES[name].dims
        if name not in dataset.variables:
            raise SchemaError(f"rule 'a dataset has {name}': it is missing")
        if dataset[name].dims != dims:
            raise SchemaError(f"rule '{name} has dimensions {dims}': it has {dataset[name].dims}")


def check_unique(dataset: xr.Dataset, name: str) -> None:
    """Check that the names of a coordinate are unique."""
    index = pd.Index(dataset[name].values)
    repeated = index[index.duplicated()].unique()
    if len(repeated):
        raise SchemaError(
            f"rule '{name} names are unique': {len(repeated)} repeated, first {repeated[0]!r}"
        )


def check_members(dataset: xr.Dataset, name: str, allowed: Sequence[Any]) -> None:
    """Check that a variable has only allowed values."""
    values = pd.Series(dataset[name].values)
    outside = values[~values.isin(allowed)]
    if len(outside):
        raise SchemaError(
            f"rule '{name} is one of {', '.join(map(str, allowed))}': {len(outside)} are not, "
            f"first {outside.iloc[0]!r}"
        )


def refuse_rows(dataset: xr.Dataset, broken: np.ndarray, rule: str) -> None:
    """Refuse genes that break a rule; say how many and which."""
    if broken.any():
        first = dataset["gene"].values[np.flatnonzero(broken)[0]]
        raise SchemaError(f"rule '{rule}': {int(broken.sum())} genes break it, first {first}")

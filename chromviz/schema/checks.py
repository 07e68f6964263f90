"""Rules that both formats share; an error names the broken rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import SchemaError
from chromviz.schema.variables import VARIABLES

SCHEMA_VERSION = 1


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

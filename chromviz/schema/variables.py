"""The variables of both formats: dimensions, type, ``long_name`` and ``units`` (CF conventions)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr


class Variable(NamedTuple):
    """A variable of a format; the attribute ``{name}_unit`` of a file has units that vary."""

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
    """Give variables and coordinates a ``long_name``, and ``units``, if they have none.

    No value, no attribute of the dataset itself and no hash changes. `orientation` is the direction
    of the bins: ``genome`` or ``strand``.
    """
    along = {"genome": "chromosome", "strand": "gene"}[orientation]
    for name, variable in dataset.variables.items():
        if known := VARIABLES.get(str(name)):
            variable.attrs.setdefault("long_name", known.long_name.format(along=along))
            if unit := known.units or dataset.attrs.get(f"{name}_unit"):
                variable.attrs.setdefault("units", str(unit))

"""The ``long_name`` and ``units`` of variables, as in the CF conventions."""

from __future__ import annotations

import xarray as xr

_BIN_START = {
    "genome": "first base of the bin, counted from the TSS along the chromosome",
    "strand": "first base of the bin, counted from the TSS along the gene",
}
_LONG_NAMES = {
    "gene": "gene id",
    "symbol": "gene symbol",
    "chrom": "chromosome",
    "tss": "transcription start site, 0-based",
    "strand": "strand of the gene",
    "mark": "histone mark that models read",
    "track": "reference track that no model reads",
    "signal": "signal of histone marks, NaN where there is no data",
    "coverage": "coverage of reference tracks, NaN where there is no data",
    "expression": "gene expression, NaN where unknown",
    "label": "expression state: 1 ON, 0 OFF, -1 unknown",
    "split": "part of the data: train, valid, test or none",
    "reason": "why models leave the gene out, empty for the genes they use",
    "truth": "planted truth: sign of the bin's effect on expression",
    "decoy": "planted decoy: 1 where the bin carries signal without an effect",
    "weight": "weight of the method",
    "probability": "probability of ON that the model predicts",
    "delta": "completeness error of the weights",
    "difference": "difference in logit that the weights should add up to",
    "flagged": "1 where the completeness error is over the threshold",
}
_UNITS = {"tss": "bp", "bin_start": "bp", "delta": "logit", "difference": "logit"}
# The attribute of a dataset with the unit of a variable.
_UNIT_ATTRS = {
    "signal": "signal_unit",
    "coverage": "coverage_unit",
    "expression": "expression_unit",
}


def name_variables(dataset: xr.Dataset, orientation: str) -> None:
    """Give variables and coordinates a ``long_name``, and ``units``, if they have none.

    No value, no attribute of the dataset itself and no hash changes. `orientation` is the direction
    of the bins: ``genome`` or ``strand``.
    """
    long_names = {**_LONG_NAMES, "bin_start": _BIN_START[orientation]}
    units = _UNITS | {
        name: unit for name, attr in _UNIT_ATTRS.items() if (unit := dataset.attrs.get(attr))
    }
    for name, variable in dataset.variables.items():
        if name in long_names:
            variable.attrs.setdefault("long_name", long_names[str(name)])
        if name in units:
            variable.attrs.setdefault("units", str(units[str(name)]))

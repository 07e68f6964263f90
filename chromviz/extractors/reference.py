"""References: the inputs that attributions are relative to.

Models can only be compared from the same reference, so it is recorded with its hash.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chromviz import provenance
from chromviz.errors import CannotServeError, ChromvizError, UnknownNameError
from chromviz.schema import usable

#: References by name; any other text is the path of a ``.npy`` file.
REFERENCES = ("zero", "mean", "low_expression")

#: Share of the training genes, by expression, that count as lowly expressed.
_LOW = 0.1
#: Maximum number of these genes in a method that takes several references.
_SEVERAL = 20


def references(dataset: xr.Dataset, wanted: Any, *, several: bool = False) -> np.ndarray:
    """Return the references of attributions, float32 (reference, mark, bin).

    `wanted` is ``zero``, no signal; ``mean``, the mean of the training genes; ``low_expression``,
    the tenth of the training genes with the lowest expression (at least one); the path of a
    ``.npy`` file, or an array: (mark, bin), or (reference, mark, bin). If the method takes
    `several`, these are up to 20 genes with low expression or all of the user's; if not, their
    mean.
    """
    found = _named(dataset, wanted) if isinstance(wanted, str | os.PathLike) else wanted
    found = np.asarray(found)
    shape = (dataset.sizes["mark"], dataset.sizes["bin"])
    if found.shape == shape:
        found = found[None]
    if found.ndim != 3 or found.shape[1:] != shape or not len(found):
        raise ChromvizError(
            f"the reference has the shape {found.shape}; it must be {shape} (marks, bins), or "
            "several of them, as the dataset has"
        )
    if found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise ChromvizError("the reference holds values that are not finite numbers; replace them")
    found = found.astype(np.float32)
    return found if several else found.mean(axis=0, keepdims=True, dtype=np.float64).astype("f4")


def reference_hash(reference: np.ndarray) -> str:
    """Return the SHA-256 of a reference, which shows whether attributions share it."""
    return provenance.hash_arrays({"reference": np.ascontiguousarray(reference)})


def _named(dataset: xr.Dataset, wanted: str | os.PathLike[str]) -> np.ndarray:
    if isinstance(wanted, os.PathLike) or str(wanted).endswith(".npy"):
        return _from_file(Path(wanted))
    name = str(wanted).strip().lower().replace("-", "_")
    if name not in REFERENCES:
        raise UnknownNameError("reference", str(wanted), REFERENCES, "Or a .npy file.")
    if name == "zero":
        return np.zeros((dataset.sizes["mark"], dataset.sizes["bin"]), np.float32)
    rows = np.flatnonzero((dataset["split"].values == "train") & usable(dataset))
    cell = dataset.attrs["cell"]
    if not len(rows):
        raise CannotServeError(f"{cell} has no training genes to take the reference {name} from")
    signal = dataset["signal"].values
    if name == "mean":
        mean: np.ndarray = signal[rows].mean(axis=0, dtype=np.float64)
        return mean
    expression = dataset["expression"].values[rows]
    if not np.isfinite(expression).any():
        raise CannotServeError(
            f"{cell} has no expression values, which the reference low_expression needs; use "
            "--reference zero or mean"
        )
    order = np.argsort(expression, kind="stable")  # NaN comes last
    order = order[: max(int(len(rows) * _LOW), 1)]
    # Evenly spaced over the tenth, to represent it.
    chosen = order[np.unique(np.linspace(0, len(order) - 1, _SEVERAL).round().astype(int))]
    low: np.ndarray = signal[rows[chosen]]
    return low


def _from_file(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ChromvizError(
            f"the reference {path} cannot be read ({error}); write an array of numbers with "
            "numpy.save"
        ) from None
    if not isinstance(found, np.ndarray):
        raise ChromvizError(f"the reference {path} holds several arrays; write one as .npy")
    return found

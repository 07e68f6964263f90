"""NetCDF-4 files of either format: written whole or not at all, read with one clear error.

Numbers are stored as they are and text as characters: a dataset of 19,800 genes opens in a tenth of
a second, of which compressed signal and strings of varying length would each take several.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from chromviz import provenance
from chromviz.errors import ChromvizError, SchemaError, first_line

_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True, "_FillValue": None}
_TEXT = {"dtype": "S1", "_FillValue": None}
_PLAIN = {"_FillValue": None}
# How NetCDF packs numbers. Our files do not; others' may, and xarray knows how to unpack them.
_PACKED = {"scale_factor", "add_offset", "missing_value", "_Unsigned"}


def save(
    dataset: xr.Dataset, path: Path, check: Callable[[xr.Dataset], None], *compressed: str
) -> None:
    """Check and write, the variables named compressed if they are there."""
    check(dataset)
    # How an earlier file stored them is nothing to go by.
    bare = dataset.drop_encoding()
    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in bare.variables.items():
        if variable.dtype.kind in "OUST":
            encoding[name] = _TEXT if variable.size else {}
        else:
            encoding[name] = _COMPRESSED if name in compressed and variable.size else _PLAIN
    with provenance.atomic_path(path) as temporary:
        bare.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


def load(path: Path, check: Callable[[xr.Dataset], None]) -> xr.Dataset:
    """Read and check.

    Raises
    ------
    ChromvizError
        If the file is missing or is not NetCDF-4.
    SchemaError
        If it breaks a rule of the format; the message names the file.
    """
    dataset = _read(path)
    try:
        check(dataset)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from None
    return dataset


def _read(path: Path) -> xr.Dataset:
    if not path.is_file():
        raise ChromvizError(f"no file {path}")
    try:
        with xr.open_dataset(path, engine="h5netcdf", decode_cf=False) as handle:
            return _decode(handle.load())
    # h5py raises OSError, KeyError, RuntimeError or ValueError, as the damage has it; TypeError
    # and IndexError come from dimensions that no longer fit.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ChromvizError(
            f"{path} is not a whole NetCDF-4 file ({first_line(error)}); make it again"
        ) from None


def _decode(raw: xr.Dataset) -> xr.Dataset:
    """Return a file's content with its text as text.

    xarray's own decoding gives the same, one string at a time: half of the time of opening.
    """
    if any(_PACKED & variable.attrs.keys() for variable in raw.variables.values()):
        return xr.decode_cf(raw, decode_times=False)
    named = raw.attrs.pop("coordinates", "").split()
    variables = {}
    for name, variable in raw.variables.items():
        named += variable.attrs.pop("coordinates", "").split()
        text = variable.dtype == "S1" and variable.ndim and variable.attrs.pop("_Encoding", "")
        values = _join(variable.values) if text else variable.values
        dims = variable.dims[:-1] if text else variable.dims
        # Names, of which there are none, come back as numbers, and would change a dataset's hash.
        if name in dims and not values.size:
            values = values.astype(object)
        attrs = {key: item for key, item in variable.attrs.items() if key != "_FillValue"}
        variables[name] = xr.Variable(dims, values, attrs)
    decoded = xr.Dataset(variables, attrs=raw.attrs)
    return decoded.set_coords([name for name in dict.fromkeys(named) if name in variables])


def _join(characters: np.ndarray) -> np.ndarray:
    """Return text (…,) from its UTF-8 bytes (…, width)."""
    width = characters.shape[-1]
    whole = np.ascontiguousarray(characters).view(f"S{width}")[..., 0]
    try:
        return whole.astype(f"U{width}")  # takes ASCII alone, and is 30 times as fast
    except UnicodeDecodeError:
        return np.char.decode(whole, "utf-8")

"""NetCDF-4 files of both formats: written whole or not at all, read with one clear error.

Numbers are stored uncompressed and text as characters of fixed length, which opens much faster.
HDF5 keeps a checksum of every block of data (Fletcher-32) and, in its newer layout, of its own
records, so that a damaged file is an error and never gives wrong numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from chromviz import provenance
from chromviz.errors import ChromvizError, SchemaError, first_line

_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True}
# Bytes in a block, which is read, checked and perhaps compressed as a whole.
_BLOCK = 1 << 20
# The first layout of HDF5 whose own records have checksums; NetCDF has read it since 2018.
_LAYOUT = "v110"


def save(
    dataset: xr.Dataset, path: Path, check: Callable[[xr.Dataset], None], *compressed: str
) -> None:
    """Check and write a dataset; `compressed` names the variables to compress."""
    check(dataset)
    # The encoding of the file that the variables come from must not decide this one's.
    bare = dataset.drop_encoding().copy()
    bare.attrs = _fixed(bare.attrs)
    encoding = {}
    for name, variable in bare.variables.items():
        encoding[str(name)] = _encoding(variable, name in compressed)
        variable.attrs = _fixed(variable.attrs)
    with (
        provenance.atomic_path(path) as temporary,
        _File(temporary, "w", libver=_LAYOUT, track_order=True) as handle,
        h5netcdf.File(handle, "a") as file,
    ):
        bare.dump_to_store(H5NetCDFStore(file), encoding=encoding)


def _fixed(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return attributes with text of fixed length: text of varying length has no checksum."""
    texts = {name: value.encode() for name, value in attrs.items() if isinstance(value, str)}
    return dict(attrs) | {
        name: np.array(text, dtype=h5py.string_dtype("utf-8", max(1, len(text))))
        for name, text in texts.items()
    }


def _encoding(variable: xr.Variable, compressed: bool) -> dict[str, Any]:
    """Return how a variable is stored: in blocks along its longest dimension, with checksums."""
    if not variable.size:
        return {}
    shape = list(variable.shape)
    kind: dict[str, Any] = {"_FillValue": None, "fletcher32": True}
    width = variable.dtype.itemsize
    if variable.dtype.kind in "OUST":
        width = max(len(str(text).encode()) for text in variable.values.ravel()) or 1
        kind["dtype"] = "S1"
    elif compressed:
        kind |= _COMPRESSED
    longest = int(np.argmax(shape)) if shape else 0
    if shape:
        across = width * variable.size // shape[longest]
        shape[longest] = min(shape[longest], max(1, _BLOCK // across))
        kind["chunksizes"] = (*shape, width) if "dtype" in kind else tuple(shape)
    return kind


class _File(h5py.File):  # type: ignore[misc]
    """A file that looks up each variable once: h5netcdf does so some fifty times, also to write."""

    def __init__(self, path: Path, mode: str = "r", **options: Any) -> None:
        super().__init__(path, mode, **options)
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):
            return super().__getitem__(name)
        if name not in self._found or h5py.h5i.get_name(self._found[name].id) is None:
            self._found[name] = super().__getitem__(name)
        return self._found[name]


def load(path: Path, check: Callable[[xr.Dataset], None]) -> xr.Dataset:
    """Read and check a file, also of an earlier version, which ends in another checksum."""
    if not path.is_file():
        raise ChromvizError(f"there is no file {path}")
    try:
        # A damaged file must not stay open, or it would be found again when it has been replaced.
        with _File(path) as handle:
            dict(handle.attrs)  # h5netcdf leaves a traceback where these cannot be read
            with h5netcdf.File(handle, decode_vlen_strings=True) as file:
                raw = xr.open_dataset(H5NetCDFStore(file)).load()
    # h5py raises OSError, KeyError, RuntimeError or ValueError, depending on the damage; TypeError,
    # AttributeError and IndexError come from names and dimensions that no longer fit.
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ChromvizError(
            f"{path} is not a whole NetCDF-4 file ({first_line(error)}); make it again"
        ) from None
    # An empty list of names comes back as numbers, which would change a dataset's hash.
    empty = {name: raw[name].astype(object) for name in ("track",) if not raw.sizes.get(name, 1)}
    dataset = raw.assign_coords(empty)
    try:
        check(dataset)
    except SchemaError as error:
        raise SchemaError(f"{path}: {error}") from None
    return dataset

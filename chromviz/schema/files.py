"""NetCDF-4 files of either format: written whole or not at all, read with one clear error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import xarray as xr

from chromviz import provenance
from chromviz.errors import ChromvizError, SchemaError, first_line

_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True}


def save(
    dataset: xr.Dataset, path: Path, check: Callable[[xr.Dataset], None], *compressed: str
) -> None:
    """Check and write, the variables named compressed if they are there."""
    check(dataset)
    encoding = {name: _COMPRESSED for name in compressed if name in dataset and dataset[name].size}
    with provenance.atomic_path(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", encoding=encoding)


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

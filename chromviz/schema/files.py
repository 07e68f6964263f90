"""NetCDF-4 files of either format: written whole or not at all, read with one clear error.

Numbers are stored as they are and text as characters: a dataset of 19,800 genes opens in a tenth of
a second, of which compressed signal and strings of varying length would each take several.

Behind the end of the HDF5 data, where other programs do not look, stands a checksum of it: a
damaged file could otherwise show other numbers, or keep the HDF5 library busy for ever.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import xarray as xr

from chromviz import provenance
from chromviz.errors import ChromvizError, SchemaError, first_line

_COMPRESSED = {"zlib": True, "complevel": 1, "shuffle": True, "_FillValue": None}
_TEXT = {"dtype": "S1", "_FillValue": None}
_PLAIN = {"_FillValue": None}
# How NetCDF packs numbers. Our files do not; others' may, and xarray knows how to unpack them.
_FOREIGN = {"scale_factor", "add_offset", "missing_value", "_FillValue", "_Unsigned"}
# What NetCDF-4 keeps of its own in HDF5.
_NETCDF = {
    *("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Encoding", "coordinates"),
    *("_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties", "_nc3_strict"),
}
# The mark of a checksum, the length of what it is of, and its CRC-32.
_SEAL, _SEALED = b"chromviz", struct.Struct("<8sQI")
_BLOCK = 1 << 20
_NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"


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
        _seal(temporary)


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
    _check_seal(path)
    try:
        # h5netcdf takes most of the time of opening to find out what dimensions variables have.
        with h5py.File(path) as handle:
            raw = _read_ours(handle)
        if raw is None:
            with xr.open_dataset(path, engine="h5netcdf") as opened:
                raw = opened.load()
    # h5py raises OSError, KeyError, RuntimeError or ValueError, as the damage has it; TypeError
    # and IndexError come from dimensions that no longer fit.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ChromvizError(
            f"{path} is not a whole NetCDF-4 file ({first_line(error)}); make it again"
        ) from None
    # Names, of which there are none, come back as numbers, and would change a dataset's hash.
    empty = {name: raw[name].astype(object) for name in ("track",) if not raw.sizes.get(name, 1)}
    return raw.assign_coords(empty)


def _read_ours(handle: h5py.File) -> xr.Dataset | None:
    """Return the content of a file as :func:`save` writes it, None if something else wrote it.

    xarray gives the same, in three times the time.
    """
    # h5py gives None for what a damaged file names and does not hold.
    if any(item is None for item in handle.values()):
        raise ValueError("a variable is named and not there")
    items = {name: (item, dict(item.attrs)) for name, item in handle.items()}
    plain = all(isinstance(item, h5py.Dataset) for item, _ in items.values())
    if not plain or any(_FOREIGN & attrs.keys() for _, attrs in items.values()):
        return None
    names = {
        int(attrs["_Netcdf4Dimid"]): name for name, (_, attrs) in items.items() if "CLASS" in attrs
    }
    variables, coordinates = {}, set()
    for name, (item, attrs) in items.items():
        if bytes(attrs.get("NAME", b"")).startswith(_NO_VARIABLE):
            continue
        # The NetCDF library itself leaves these out of most variables.
        ids = [int(number) for number in attrs.get("_Netcdf4Coordinates", ())]
        if len(ids) != item.ndim or not set(ids) <= names.keys():
            return None
        dims, values = tuple(names[number] for number in ids), item[...]
        if "_Encoding" in attrs:
            dims, values = dims[:-1], _join(values)
        elif values.dtype.kind not in "fiu":
            return None
        coordinates |= {*str(attrs.get("coordinates", "")).split(), *({name} & set(dims))}
        own = {key: _plain(item) for key, item in attrs.items() if key not in _NETCDF}
        variables[name] = xr.Variable(dims, values, own)
    attrs = {
        key: _plain(item)
        for key, item in handle.attrs.items()
        if key not in _NETCDF - {"coordinates"}
    }
    coordinates |= set(str(attrs.pop("coordinates", "")).split())
    return xr.Dataset(variables, attrs=attrs).set_coords(coordinates & variables.keys())


def _plain(value: Any) -> Any:
    """Return an attribute as NetCDF means it: text, a number, or an array of several."""
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, bytes):
        return value.decode()
    return value[0] if isinstance(value, np.ndarray) and value.shape == (1,) else value


def _join(characters: np.ndarray) -> np.ndarray:
    """Return text (…,) from its UTF-8 bytes (…, width)."""
    width = characters.shape[-1]
    whole = np.ascontiguousarray(characters).view(f"S{width}")[..., 0]
    try:
        return whole.astype(f"U{width}")  # takes ASCII alone, and is 30 times as fast
    except UnicodeDecodeError:
        return np.char.decode(whole, "utf-8")


def _seal(path: Path) -> None:
    """Write a checksum of a file behind its end."""
    length = path.stat().st_size
    with path.open("r+b") as handle:
        checksum = _checksum(handle, length)
        handle.seek(length)
        handle.write(_SEALED.pack(_SEAL, length, checksum))


def _check_seal(path: Path) -> None:
    """Refuse a file that is not what its checksum says; one without is as another program left it.

    Raises
    ------
    ChromvizError
        If it was changed or damaged, or cannot be read.
    """
    try:
        with path.open("rb") as handle:
            length = handle.seek(0, os.SEEK_END) - _SEALED.size
            if length < 0:
                return
            handle.seek(length)
            mark, sealed, checksum = _SEALED.unpack(handle.read(_SEALED.size))
            if mark != _SEAL:
                return
            whole = sealed == length and _checksum(handle, length) == checksum
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    if not whole:
        raise ChromvizError(
            f"{path} was damaged, or changed in place, since it was written; make it again, or "
            "write what you change to a new file with xarray"
        )


def _checksum(handle: IO[bytes], length: int) -> int:
    """Return the CRC-32 of the first bytes of a file."""
    handle.seek(0)
    checksum, left = 0, length
    while left and (block := handle.read(min(left, _BLOCK))):
        checksum, left = zlib.crc32(block, checksum), left - len(block)
    return checksum

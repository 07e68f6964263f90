"""The origin of a result (hashes, versions, command), and writing files completely or not at all.

A file appears under its name only when it is complete, so an interrupted run leaves no partial one.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from chromviz.errors import ChromvizError

#: Packages whose versions can change a number in a result.
RECORDED_PACKAGES = ("chromviz", "torch", "captum", "numpy", "scipy", "pandas", "xarray")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can change a result."""
    python = {"python": platform.python_version()}
    return python | {package: _version(package) for package in RECORDED_PACKAGES}


@cache
def _version(package: str) -> str:
    """Return a package's version; a lookup takes milliseconds, and each file records eight."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def command() -> str:
    """Return the command that is running, as a person would type it."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return " ".join(["chromviz" if program == "__main__.py" else program, *sys.argv[1:]])


def now() -> str:
    """Return the current time, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def stamp(seed: int | None = None) -> dict[str, str | int]:
    """Return the attributes of every file: time, command, versions and seed."""
    record: dict[str, str | int] = {
        "created": now(),
        "command": command(),
        "chromviz_version": versions()["chromviz"],
        "versions": json.dumps(versions()),
    }
    if seed is not None:
        record["seed"] = seed
    return record


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return a SHA-256 over named arrays: their names, types, shapes and values, by name order.

    It is the same on every platform and does not depend on how a file stores them.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        if array.dtype.kind in "OUST":
            payload = "\0".join(map(str, array.ravel())).encode()
            kind = "text"
        else:
            array = np.ascontiguousarray(array)
            if array.dtype.kind == "f" and (missing := np.isnan(array)).any():
                # NaN has many bit patterns, and libraries differ in the one that they use.
                array = np.where(missing, array.dtype.type(np.nan), array)
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            payload = array.tobytes()
            kind = array.dtype.str
        digest.update(f"{name}|{kind}|{array.shape}|".encode())
        digest.update(payload)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON (sorted keys)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the suffix of `path`; it is renamed on success, else removed."""
    ensure_folder(path.parent)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}.", suffix=f".part{path.suffix}"
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ChromvizError(
            f"cannot write {path} ({error.strerror or error}); make room, or choose another place"
        ) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that a killed process left while it wrote `path`."""
    for leftover in path.parent.glob(f".{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}"):
        leftover.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's umask (mkstemp makes files that only their owner can read)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def ensure_folder(folder: Path, remedy: str = "choose another with --out") -> None:
    """Create a folder that can be written to; `remedy` tells the user what to do if it cannot."""
    if folder.is_file():
        raise ChromvizError(f"cannot write to the folder {folder}: it is a file; {remedy}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Asking the file system is the only test that holds for every user and mount.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ChromvizError(
            f"cannot write to the folder {folder} ({error.strerror or error}); "
            f"{remedy}, or change its permissions"
        ) from None


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Create a folder for results; if the work fails, remove it if it is new and empty."""
    new = not folder.exists()
    ensure_folder(folder)
    try:
        yield
    except BaseException:
        if new and not any(folder.iterdir()):
            folder.rmdir()
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

"""The folder that downloads go to: free space, locks between processes, recorded checksums."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromviz import provenance
from chromviz.errors import ChromvizError

MB = 1_000_000
#: Below the user's folder: SHA-256 of each file when it was first downloaded, and its address.
CHECKSUMS = "raw/checksums.json"
#: Bytes that must stay free on the disk.
_RESERVE = 64 * MB


def check_space(path: Path, needed: int) -> None:
    """Raise if `needed` more bytes of a file would not fit on the disk."""
    usable = max(shutil.disk_usage(path.parent).free - _RESERVE, 0)
    if needed > usable:
        raise ChromvizError(
            f"not enough disk space for {path}: {needed / MB:,.0f} MB needed, "
            f"{usable / MB:,.0f} MB usable; free some space, or choose another folder with --out"
        )


@contextmanager
def exclusive(path: Path, task: str, say: Callable[[str], None]) -> Iterator[None]:
    """Prevent other processes from doing the same task until the end of the block.

    The lock is ``.{name}.lock`` beside `path`. `say` is told if this process has to wait for
    another one that is doing the `task`.
    """
    # Imported here: only work that other processes may do at the same time needs it.
    from filelock import FileLock, Timeout

    # The file is kept, empty: if it were removed, two processes could hold two locks of one name.
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waiting for another process that is {task}")
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise ChromvizError(
            f"cannot lock {path} ({error}); choose another folder with --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


class ChecksumRecord:
    """The recorded SHA-256 of each file: ``raw/checksums.json``, by path from the user's folder.

    It is read again before each change, under a lock, so that processes may share a folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / CHECKSUMS

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return the record of a file, empty if there is none."""
        return self._read().get(name, {})

    def holds(self, name: str) -> bool:
        """Return whether a file exists and has the recorded SHA-256."""
        path, known = self.out / name, self[name].get("sha256")
        return bool(known) and path.is_file() and provenance.hash_file(path) == known

    def add(self, entries: dict[str, dict[str, Any]]) -> None:
        """Record files with their ``sha256``, ``url`` and other facts."""
        since = {"since": provenance.now()}
        with exclusive(self.path, "recording checksums", lambda line: None):
            record = self._read() | {name: since | entry for name, entry in entries.items()}
            provenance.write_json(self.path, dict(sorted(record.items())))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            record = json.loads(self.path.read_text("utf-8"))
            return {name: {**item, "sha256": str(item["sha256"])} for name, item in record.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ChromvizError(
                f"{self.path} was not written by chromviz; delete it, and the files beside it are "
                "used as they are"
            ) from None

"""One file from the network: resumed where it stopped, checked, in place only when complete.

Bytes received so far are in ``.{name}.part``; the version of the file that they belong to, without
which the rest is not requested, is in ``.{name}.part.json``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chromviz import provenance
from chromviz.data.archives import http
from chromviz.data.archives.http import ChecksumError, without_credentials
from chromviz.errors import ChromvizError, first_line
from chromviz.progress import SILENT, Reporter

if TYPE_CHECKING:
    import requests

MB = 1_000_000
#: Bytes that must stay free on the disk.
_RESERVE = 64 * MB


def download(
    url: str,
    path: Path,
    *,
    checksum: str = "",
    size: int | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    reporter: Reporter = SILENT,
) -> bool:
    """Download a file, and return True, unless it is there already.

    `checksum` is ``md5:…`` or ``sha256:…`` in hex; without it, an existing file is used as it is. A
    file on the server that does not have the expected `size`, in bytes, is not transferred. An
    interrupted transfer is resumed, in this run or the next, if the server still has the same file.
    Up to `attempts` consecutive retries may deliver nothing new; the `pause` before the first, in
    seconds, is doubled for each further one up to a minute. Of two processes that want the same
    file, one waits for the other.

    Raises
    ------
    ChromvizError
        ``ChecksumError`` if the server's file does not have the expected size or checksum,
        ``MissingFileError`` if the server does not have the file; or if the server cannot be
        reached, refuses, or sends a web page, or the file cannot be written.
    """
    path = Path(path)
    provenance.ensure_folder(path.parent)
    if path.exists() and not path.is_file():
        raise ChromvizError(f"cannot write {path}: it is not a file; move it away")
    downloader = ResumingDownloader(path, size, bool(checksum), attempts, pause, reporter)
    with exclusive(path, f"downloading {path.name}", reporter.say):
        there = path.is_file()
        try:
            mismatch = _retrieve(url, path, checksum, downloader)
            if mismatch and downloader.resumed:
                reporter.say(f"{path.name}: {mismatch}; the pieces do not fit, starting again")
                mismatch = _retrieve(url, path, checksum, downloader)
        except OSError as error:
            raise ChromvizError(
                f"cannot write {path} ({error.strerror or error}); free some space, or choose "
                "another folder, then run the same command again: what was received is kept"
            ) from None
    if mismatch:
        raise ChecksumError(
            f"{without_credentials(url)}: {mismatch}; the file was damaged during the transfer or "
            "has changed; run the same command again, and if that does not help, use a mirror with "
            "--base-url"
        )
    if downloader.called and there:
        reporter.say(f"{path} did not have the expected checksum and was downloaded again")
    if downloader.called and not checksum and downloader.total is None:
        reporter.say(
            f"{path.name}: the server did not state the size, so an incomplete file cannot be "
            "detected"
        )
    return downloader.called


def _retrieve(url: str, path: Path, checksum: str, downloader: ResumingDownloader) -> str:
    """Retrieve a file with pooch; return how its checksum differs, empty if it does not."""
    # Imported here: only downloads need it.
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    # Its messages would interrupt the progress that is shown on standard error.
    logger.setLevel(logging.WARNING)
    try:
        pooch.retrieve(url, checksum or None, path.name, path.parent, downloader=downloader)
    except ChromvizError:
        raise
    except ValueError as error:  # raised by pooch for a wrong checksum
        return first_line(error).partition(". ")[0]
    finally:
        logger.setLevel(level)
    return ""


@dataclass
class ResumingDownloader:
    """Download one file over as many connections as needed, for :func:`pooch.retrieve`.

    `checked` says that a checksum will detect pieces of different versions. Retries are not left to
    pooch, which would repeat them for a wrong checksum and for a file that does not exist.
    """

    path: Path
    size: int | None
    checked: bool
    attempts: int
    pause: float
    reporter: Reporter
    #: Whether pooch called, a server responded, the file came in several pieces; its full size.
    called: bool = field(default=False, init=False)
    answered: bool = field(default=False, init=False)
    resumed: bool = field(default=False, init=False)
    total: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.part = self.path.with_name(f".{self.path.name}.part")
        self.note = self.path.with_name(f".{self.path.name}.part.json")

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Write the file at `url` to `output_file`; `pooch` is not used."""
        self.called = True
        furthest, failures = self._held(), 0
        with http.session(self.attempts, min(self.pause, 0.5)) as live:
            while problem := self._receive(live, url):
                # Only new bytes are progress: a server may send the same part for ever.
                failures = 1 if self._held() > furthest else failures + 1
                furthest = max(furthest, self._held())
                # The session has already retried a server that never responded.
                if failures > self.attempts or not self.answered:
                    raise self._give_up(url, problem)
                time.sleep(min(http.LONGEST_PAUSE, self.pause * 2 ** (failures - 1)))
        self.part.replace(output_file)
        self.note.unlink(missing_ok=True)

    def _held(self) -> int:
        """Return how many bytes have been received."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def _receive(self, live: requests.Session, url: str) -> str:
        """Append to the part what one connection delivers; return why it is not yet complete."""
        self.resumed = self._held() > 0
        held, version, total = self._known(url)
        if held and held == total:
            return ""
        headers = {"Range": f"bytes={held}-", "If-Range": version or None} if held else {}
        try:
            with live.get(url, headers=headers, stream=True, timeout=http.TIMEOUT) as response:
                self.answered = True
                http.check_response(url, response)
                if response.status_code != 200 and not _continues(response, held, version):
                    self.part.unlink(missing_ok=True)
                    return "the file has changed on the server"
                self._append(url, response, held)
        except http.failures() as error:
            return http.describe_failure(error)
        received = self._held()
        return f"it ended after {received:,} bytes" if received < (self.total or 0) else ""

    def _known(self, url: str) -> tuple[int, str, int | None]:
        """Return how many bytes can be kept, and the version and size of the file they are of."""
        try:
            known = json.loads(self.note.read_text("utf-8"))
            # Without a version given by the server, only a checksum can detect a change.
            if known["url"] == without_credentials(url) and (known["version"] or self.checked):
                return self._held(), known["version"], known["size"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0, "", None

    def _append(self, url: str, response: requests.Response, held: int) -> None:
        """Write the body to the part as it arrives, and report every MB."""
        length = response.headers.get("Content-Length", "")
        self.total = int(length) if length.isdecimal() else self.size
        start = held if response.status_code == 206 else 0
        if start:
            self.total = int(response.headers["Content-Range"].rpartition("/")[2])
        elif held:
            self.reporter.say(f"{self.path.name}: the server restarts from the beginning")
        if self.size and self.total != self.size:
            raise ChecksumError(
                f"{without_credentials(url)}: the file has {self.total:,} bytes on the server "
                f"instead of {self.size:,}; it has changed, or the mirror's copy is incomplete"
            )
        check_space(self.path, (self.total or 0) - start)
        if not start:
            # In this order, a part is never beside the note of another version.
            self.part.open("wb").close()
            note = {"url": without_credentials(url), "version": _version(response)}
            provenance.write_json(self.note, note | {"size": self.total})
        began, done, reported = time.monotonic(), start, -1
        with self.part.open("ab", buffering=0) as handle:
            # Not decoded: some servers declare a .gz file as gzip in transit.
            for piece in response.raw.stream(1 << 16, decode_content=False):
                handle.write(piece)
                done += len(piece)
                if -(-done // MB) > reported:
                    reported = -(-done // MB)
                    speed = (done - start) / MB / max(time.monotonic() - began, 1e-3)
                    whole = max(-(-(self.total or 0) // MB), reported)
                    what = f"downloading {self.path.name}"
                    self.reporter.progress(what, reported, whole, f"MB, {speed:,.1f} MB/s")
            os.fsync(handle.fileno())

    def _give_up(self, url: str, problem: str) -> ChromvizError:
        """Return the error for a server that does not deliver the rest of the file."""
        shown, received = without_credentials(url), self._known(url)[0]
        kept = f"{received / MB:,.1f} MB are kept for the next run; " if received else ""
        return ChromvizError(
            f"cannot download {self.path.name}: {urlsplit(shown).netloc} does not respond "
            f"({problem}); {kept}check the network and run the same command again, use a mirror "
            f"with --base-url, or download {shown} elsewhere and copy it to {self.path}"
        )


def _continues(response: requests.Response, held: int, version: str) -> bool:
    """Return whether a partial response begins where the part ends, in the same version."""
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    return bool(held and span and int(span[1]) == held) and _version(response) in ("", version)


def _version(response: requests.Response) -> str:
    """Return what identifies the file's version on the server; a weak tag does not."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


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
    """Prevent other processes from doing the same task meanwhile; `say` is told of a wait."""
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

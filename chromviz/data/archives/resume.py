"""A downloader for pooch that resumes where an earlier connection or run stopped.

Bytes received so far are in ``.{name}.part``; the version of the file that they belong to, without
which the rest is not requested, is in ``.{name}.part.json``.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromviz import provenance
from chromviz.data.archives import http
from chromviz.data.archives.disk import MB, check_space
from chromviz.data.archives.http import without_credentials
from chromviz.progress import SILENT, Reporter

if TYPE_CHECKING:
    import requests


@dataclass
class ResumingDownloader:
    """Download one file over as many connections as needed, for :func:`pooch.retrieve`.

    Parameters
    ----------
    path, size
        The file to write, and its size in bytes if that is known.
    checked
        Whether a checksum will detect pieces that belong to different versions.
    attempts, pause, reporter
        As for :func:`chromviz.data.archives.download.download`.
    """

    path: Path
    size: int | None = None
    checked: bool = False
    attempts: int = 5
    pause: float = 1.0
    reporter: Reporter = SILENT

    def __post_init__(self) -> None:
        self.part = self.path.with_name(f".{self.path.name}.part")
        self.note = self.path.with_name(f".{self.path.name}.part.json")
        # Whether pooch called, a server responded, the file came in several pieces; its full size.
        self.called = self.answered = self.resumed = False
        self.total: int | None = None

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Write the file at `url` to `output_file`; `pooch` is not used."""
        self.called = True
        furthest, failures = self.held(), 0
        with http.session(self.attempts, min(self.pause, 0.5)) as live:
            while True:
                self.resumed = self.held() > 0
                try:
                    self._receive(live, url)
                    break
                except http.ConnectionLostError as lost:
                    # Only new bytes are progress: a server may send the same part for ever.
                    failures = 1 if self.held() > furthest else failures + 1
                    furthest = max(furthest, self.held())
                    if failures > self.attempts:
                        raise http.refuse_download(url, str(lost), self.path, furthest) from None
                    time.sleep(min(http.LONGEST_PAUSE, self.pause * 2 ** (failures - 1)))
        self.part.replace(output_file)
        self.note.unlink(missing_ok=True)

    def held(self) -> int:
        """Return how many bytes have been received."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def _receive(self, live: requests.Session, url: str) -> None:
        """Append to the part what one connection delivers; return when it is complete."""
        held, known = self._known(url)
        if held and held == known["size"]:
            return
        headers = {"Range": f"bytes={held}-", "If-Range": known["version"] or None} if held else {}
        try:
            with live.get(url, headers=headers, stream=True, timeout=http.TIMEOUT) as response:
                self.answered = True
                http.check_response(url, response)
                start, self.total = self._range(url, response, held, known)
                check_space(self.path, (self.total or 0) - start)
                if not start:
                    # In this order, a part is never beside the note of another version.
                    self.part.open("wb").close()
                    note = {"url": without_credentials(url), "version": http.version(response)}
                    provenance.write_json(self.note, note | {"size": self.total})
                self._append(response, start)
        except http.failures() as error:
            problem = http.describe_failure(error)
            if not self.answered:  # and the session has retried already
                raise http.refuse_download(url, problem, self.path, held) from None
            raise http.ConnectionLostError(problem) from None
        if self.held() < (self.total or 0):
            raise http.ConnectionLostError(f"it ended after {self.held():,} bytes")

    def _known(self, url: str) -> tuple[int, dict[str, Any]]:
        """Return how many bytes can be kept, and which file and version they belong to."""
        try:
            known = json.loads(self.note.read_text("utf-8"))
            # Without a version given by the server, only a checksum can detect a change.
            if known["url"] == without_credentials(url) and (known["version"] or self.checked):
                return self.held(), {"size": known["size"], "version": known["version"]}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0, {}

    def _range(
        self, url: str, response: requests.Response, held: int, known: dict[str, Any]
    ) -> tuple[int, int | None]:
        """Return the offset of the response's first byte, and the file's size if it is stated."""
        length = response.headers.get("Content-Length", "")
        start, total = 0, int(length) if length.isdecimal() else self.size
        if response.status_code != 200:
            stated = response.headers.get("Content-Range", "")
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", stated)
            same = http.version(response) in ("", known.get("version"))
            if not (held and span and int(span[1]) == held and same):
                self.part.unlink(missing_ok=True)
                raise http.ConnectionLostError("the file has changed on the server")
            start, total = held, int(span[2])
        elif held:
            self.reporter.say(f"{self.path.name}: the server restarts from the beginning")
        if self.size and total != self.size:
            raise http.refuse_size(url, total, self.size)
        return start, total

    def _append(self, response: requests.Response, start: int) -> None:
        """Write the body to the part as it arrives, and report every MB."""
        what, began = f"downloading {self.path.name}", time.monotonic()
        done, reported = start, -1
        with self.part.open("ab", buffering=0) as handle:
            # Not decoded: some servers declare a .gz file as gzip in transit.
            for piece in response.raw.stream(1 << 16, decode_content=False):
                handle.write(piece)
                done += len(piece)
                if -(-done // MB) > reported:
                    reported = -(-done // MB)
                    speed = (done - start) / MB / max(time.monotonic() - began, 1e-3)
                    whole = max(-(-(self.total or 0) // MB), reported)
                    self.reporter.progress(what, reported, whole, f"MB, {speed:,.1f} MB/s")
            os.fsync(handle.fileno())

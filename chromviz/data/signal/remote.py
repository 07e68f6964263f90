"""Bytes of a file on disk or at an address, of which only the parts asked for are transferred."""

from __future__ import annotations

import bisect
import os
import re
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

import numpy as np

from chromviz.data.archives import http
from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    import requests

#: Bytes of the first request to a server; formats begin with a header that is shorter.
HEAD_SIZE = 512

# As many connections as a browser opens to one server, and a few: ranges are small and many, so
# that the time goes by in waiting for each answer.
_CONNECTIONS = 8
# Bytes fetched between two ranges, as a share of those asked for, to save a request.
_WASTE = 0.03
# Bytes in one request: a broken connection costs no more than this.
_SPAN = 4_000_000
_PIECE = 65536
# Seconds before each further attempt at a range whose answer broke off.
_PAUSES = (0.2, 1.0, 3.0)


class Source(Protocol):
    """A file that can be read anywhere."""

    name: str
    size: int
    #: Bytes worth announcing at a time.
    at_once: int

    def expect(self, offsets: np.ndarray, sizes: np.ndarray) -> None:
        """Take note of what will be read until the next call, int64 (part,) each."""

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only where the file ends; in any thread."""


@contextmanager
def open_source(location: Path | str) -> Iterator[Source]:
    """Open a file on disk or at an http(s) address for reading in parts.

    Parameters
    ----------
    location
        A path, or an address.

    Raises
    ------
    ChromvizError
        If it is missing or cannot be read, and for an address also if the server sends no
        parts of files, cannot be reached, or the file changes in the meantime.
    """
    with ExitStack() as stack:
        if http.is_address(location):
            yield RemoteFile(stack.enter_context(http.session()), str(location))
            return
        path = Path(location)
        try:
            # Opening a pipe would wait for its other end.
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                raise ChromvizError(f"cannot read {path} (it is not a file); check the path")
            handle = stack.enter_context(path.open("rb"))
        except FileNotFoundError:
            raise ChromvizError(f"no file {path}; check the path") from None
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or error
            raise ChromvizError(f"cannot read {path} ({problem})") from None
        yield LocalFile(handle.fileno(), str(path))


def short_name(location: Path | str) -> str:
    """Return the last part of a path or an address, for people."""
    if http.is_address(location):
        address = urlsplit(str(location))
        return unquote(address.path.rstrip("/").rsplit("/", 1)[-1]) or address.netloc
    return Path(location).name


class LocalFile:
    """A file on disk, see :class:`Source`."""

    at_once = 1 << 62

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor

    def expect(self, offsets: np.ndarray, sizes: np.ndarray) -> None:
        """Do nothing: any part is at hand."""

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only where the file ends; in any thread."""
        try:
            return os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise ChromvizError(f"cannot read {self.name} ({error.strerror or error})") from None


class RemoteFile:
    """A file at an address, see :class:`Source`.

    What was announced is fetched over several connections and kept until the next announcement;
    what was not is fetched when it is read.
    """

    at_once = 8_000_000

    def __init__(self, session: requests.Session, url: str) -> None:
        self.name = url
        self.size = -1
        self._session = session
        self._tag: str | None = None
        self._stop = threading.Event()
        self._head = self._fetch(0, HEAD_SIZE)
        self._starts, self._parts = [0], [self._head]

    def expect(self, offsets: np.ndarray, sizes: np.ndarray) -> None:
        """Fetch these parts, neighbours together."""
        self._starts, self._parts = [0], [self._head]
        stops = np.minimum(offsets + sizes, self.size)
        offsets = np.maximum(offsets, len(self._head))
        asked = stops > offsets
        spans = merge_spans(offsets[asked], stops[asked])
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            try:
                found = {
                    pool.submit(self._fetch, start, stop - start): start for start, stop in spans
                }
                kept = {found[future]: future.result() for future in as_completed(found)}
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        for start in sorted(kept):
            self._starts.append(start)
            self._parts.append(kept[start])

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only where the file ends; in any thread."""
        stop = min(offset + size, self.size)
        pieces = []
        while offset < stop:
            which = bisect.bisect_right(self._starts, offset) - 1
            within = offset - self._starts[which]
            piece = self._parts[which][within : within + stop - offset]
            if not piece:
                later = self._starts[which + 1 : which + 2]
                piece = self._fetch(offset, min([stop, *later]) - offset)
            pieces.append(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fetch(self, offset: int, size: int) -> bytes:
        """Return a range, going on where an answer broke off."""
        # Imported here: only work over the network needs it.
        import requests

        content = bytearray()
        for pause in (*_PAUSES, None):
            try:
                first, wanted = offset + len(content), size - len(content)
                response = self._session.get(
                    self.name,
                    headers={"Range": f"bytes={first}-{first + wanted - 1}"},
                    stream=True,
                    timeout=http.TIMEOUT,
                )
            except requests.RequestException as error:
                raise http.refuse_failure(self.name, error) from None
            problem: Exception | None = None
            with response:
                total = self._check(response, first)
                size = min(size, max(total - offset, 0))
                try:
                    for piece in response.iter_content(_PIECE) if len(content) < size else ():
                        content += piece
                        if self._stop.is_set() or len(content) > size:
                            break
                except requests.RequestException as error:
                    problem = error
            if len(content) > size:
                raise ChromvizError(
                    f"{self.name}: the server sends more than it was asked for; {_GET}"
                )
            if len(content) == size:
                return bytes(content)
            if pause is None or self._stop.wait(pause):
                break
        broken = problem or requests.exceptions.ChunkedEncodingError()
        raise http.refuse_failure(self.name, broken) from None

    def _check(self, response: requests.Response, first: int) -> int:
        """Return the size of the whole file that an answer gives, or refuse the answer."""
        status = response.status_code
        span = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", span.strip())
        if status == 200:
            raise self._refuse_whole(response)
        if status not in (206, 416):
            raise http.refuse_status(self.name, status, response.reason or "")
        if match is None or (status == 206 and match[1] != str(first)):
            raise ChromvizError(
                f"{self.name}: the server does not say which part of the file it sends; {_GET}"
            )
        total, tag = int(match[2]), response.headers.get("ETag")
        if self.size < 0:
            self.size, self._tag = total, tag
        # A server that refuses a range may leave the tag out.
        if total != self.size or (status == 206 and tag != self._tag):
            raise ChromvizError(
                f"{self.name} has changed on the server while it was read; run the same command "
                "again"
            )
        return total

    def _refuse_whole(self, response: requests.Response) -> ChromvizError:
        """Return the error for a server that sends everything when asked for a part."""
        kind = response.headers.get("Content-Type", "").lower()
        if kind.startswith("text/html"):
            return ChromvizError(
                f"{self.name}: the server answers with a web page, not a file; check the address"
            )
        return ChromvizError(f"{self.name}: the server does not send parts of files; {_GET}")


_GET = "download the file and give its path"


def merge_spans(
    starts: np.ndarray, stops: np.ndarray, waste: float = _WASTE, limit: int = _SPAN
) -> list[tuple[int, int]]:
    """Return the ranges to ask a server for, so that these parts are in them.

    Parts that touch or overlap are asked for together, and so are neighbours across the shortest
    gaps, as long as all gaps together stay below a share of what was asked for.

    Parameters
    ----------
    starts, stops
        int64 (part,): first byte of each part and the byte after its last.
    waste
        Bytes fetched in vain, as a share of those asked for.
    limit
        Bytes after which a range ends at the next part's end.

    Returns
    -------
    list of tuple of int
        First byte of each range and the byte after its last, in order; no part is in two.
    """
    if not len(starts):
        return []
    order = np.lexsort((stops, starts))
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    gaps = np.maximum(starts[1:] - stops[:-1], 0)
    needed = int(stops[-1] - starts[0] - gaps.sum())
    cheapest = np.argsort(gaps, kind="stable")
    joined = np.empty(len(gaps), dtype=bool)
    joined[cheapest] = np.cumsum(gaps[cheapest]) <= waste * needed
    spans = [(int(starts[0]), int(stops[0]))]
    for start, stop, join in zip(starts[1:].tolist(), stops[1:].tolist(), joined, strict=True):
        first, last = spans[-1]
        if start < last or (join and last - first < limit):
            spans[-1] = (first, stop)
        else:
            spans.append((start, stop))
    return spans

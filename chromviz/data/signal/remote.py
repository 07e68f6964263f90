"""A file at an http(s) address, of which only the parts that are read are transferred, by fsspec.

Parts that are announced are fetched over several connections at once, neighbours together, and
every answer is checked.
"""

from __future__ import annotations

import bisect
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import numpy as np

from chromviz.data.archives import http
from chromviz.errors import ChromvizError

# Ranges are small and many, so that most of the time is spent waiting for answers.
_CONNECTIONS = 8
# Bytes fetched at the start of a file (the header and most lists of chromosomes), and at least
# with every read that was not announced.
_HEAD = 4096
# Gaps up to this number of bytes are fetched to save a request, which covers at most _SPAN bytes.
_GAP, _SPAN = 512, 4_000_000
# Seconds before each further attempt at a range whose answer broke off.
PAUSES = (0.2, 1.0, 3.0)
_GET = "download the file and give its path"
_T = TypeVar("_T")


def short_name(location: Path | str) -> str:
    """Return the last part of a path or an address, for messages."""
    if http.is_address(location):
        address = urlsplit(str(location))
        return unquote(address.path.rstrip("/").rsplit("/", 1)[-1]) or (address.hostname or "")
    return Path(location).name


@contextmanager
def open_remote(url: str) -> Iterator[RemoteFile]:
    """Open a file at an http(s) address.

    It is an error if fsspec or aiohttp is missing, if the server cannot be reached, has no such
    file or does not send parts of files, or if the file changes while it is read.
    """
    name = http.without_credentials(url)
    try:
        import aiohttp
        from fsspec.implementations.http import HTTPFileSystem
    except ImportError:
        raise ChromvizError(
            f"reading {name} needs fsspec and aiohttp; install them with "
            "pip install 'chromviz[http]', or download the file and give its path"
        ) from None
    connect, read = http.TIMEOUT
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read)
    files = HTTPFileSystem(
        # Quoted as the user gave it, so that signed addresses stay valid.
        encoded="%" in url,
        client_kwargs={"timeout": timeout, "trust_env": True},
        skip_instance_cache=True,
    )
    try:
        remote = RemoteFile(files, url)
        yield remote
        remote.check_unchanged()
    finally:
        if files._session is not None:
            HTTPFileSystem.close_session(files.loop, files._session)


class RemoteFile(io.RawIOBase):
    """A file at an address that can be read from any offset.

    ``failure`` is the error that ended reading, for callers that cannot pass exceptions on.
    """

    def __init__(self, files: Any, url: str) -> None:
        self.name: str = http.without_credentials(url)
        self.failure: BaseException | None = None
        self._files, self._url, self._at = files, url, 0
        self._version = self._info()
        size = self._version["size"]
        if str(self._version.get("mimetype", "")).lower() == "text/html":
            raise ChromvizError(
                f"{self.name}: the server answers with a web page, not a file; check the address"
            )
        if size is None or not self._version.get("partial", True):
            raise self._refuse_whole()
        self.size: int = size
        self._kept: dict[int, bytes] = {}
        self._parts: dict[int, bytes] = {}
        self._starts: list[int] = []
        self._file = files.open(url, size=size, block_size=_HEAD, cache_type="none")
        # The end first: only a part that does not begin the file shows whether parts are sent.
        for start in (max(size - 4, 0), 0):
            stop = min(start + _HEAD, size)
            self._keep({start: self._fetch((start, stop))} if stop > start else {}, True)

    def check_unchanged(self) -> None:
        """Raise if the file is no longer the one that was opened."""
        told = ("size", "ETag", "Last-Modified")
        now = self._info()
        if any(now.get(key) != self._version.get(key) for key in told):
            raise ChromvizError(
                f"{self.name} has changed on the server while it was read; run the same command "
                "again"
            )

    def prefetch(self, start: np.ndarray, stop: np.ndarray, keep: bool = False) -> None:
        """Fetch these parts, int64 (part,) each, and forget those fetched before unless kept."""
        from fsspec.utils import merge_offset_ranges

        stop = np.minimum(stop, self.size)
        start = np.maximum(start, min(_HEAD, self.size))
        asked = stop > start
        _, starts, stops = merge_offset_ranges(
            [""] * int(asked.sum()),
            start[asked].tolist(),
            stop[asked].tolist(),
            max_gap=_GAP,
            max_block=_SPAN,
        )
        spans = list(zip(starts, stops, strict=True))
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            try:
                contents = list(pool.map(self._fetch, spans))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self._keep(dict(zip(starts, contents, strict=True)), keep)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset`, fewer only at the end of the file."""
        stop = min(offset + size, self.size)
        pieces = []
        while offset < stop:
            which = bisect.bisect_right(self._starts, offset) - 1
            piece = b""
            if which >= 0:
                start = self._starts[which]
                held = self._kept.get(start) or self._parts[start]
                piece = held[offset - start : stop - start]
            if not piece:
                end = min(max(stop, offset + _HEAD), self.size)
                self._keep({offset: self._fetch((offset, end))}, True)
                continue
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    @property
    def handle(self) -> io.RawIOBase:
        """The file itself."""
        return self

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the offset of the next read."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer and return the number of bytes; a failure is kept, see the class."""
        try:
            content = self.read_at(self._at, len(buffer))
        except BaseException as error:
            self.failure = error
            raise
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def _keep(self, pieces: dict[int, bytes], keep: bool) -> None:
        """Hold pieces by their offset, for good or until the next ones come."""
        if keep:
            self._kept |= pieces
        else:
            self._parts = pieces
        self._starts = sorted({*self._kept, *self._parts})

    def _info(self) -> dict[str, Any]:
        """Ask the server about the file."""
        return self._ask(lambda: dict(self._files.info(self._url)))

    def _fetch(self, span: tuple[int, int]) -> bytes:
        """Return a range of bytes."""
        start, stop = span

        def fetch() -> bytes:
            try:
                content = bytes(self._file._fetch_range(start, stop))
            except ValueError:  # fsspec's answer to a server that sends the whole file
                raise self._refuse_whole() from None
            if len(content) != stop - start:
                raise EOFError(f"{len(content):,} bytes instead of {stop - start:,}")
            return content

        return self._ask(fetch)

    def _ask(self, request: Callable[[], _T]) -> _T:
        """Return the server's answer to a request, which is repeated where that may help."""
        pauses = iter(PAUSES)
        while True:
            try:
                return request()
            except ChromvizError:
                raise
            except Exception as error:  # noqa: BLE001 - of many kinds, told apart below
                # fsspec says "not found" whatever happened, and keeps the reason as the cause.
                missing = isinstance(error, FileNotFoundError)
                cause = (error.__cause__ if missing else None) or error
                pause = next(pauses, None)
                if pause is None or not _may_pass(cause):
                    raise self._refuse(cause) from None
            time.sleep(pause)

    def _refuse_whole(self) -> ChromvizError:
        return ChromvizError(f"{self.name}: the server does not send parts of files; {_GET}")

    def _refuse(self, error: BaseException) -> ChromvizError:
        """Return one line about a request that failed."""
        import aiohttp

        if isinstance(error, aiohttp.ClientResponseError):
            return http.refuse_status(self.name, error.status, error.message)
        if isinstance(error, FileNotFoundError):
            return http.refuse_status(self.name, 404)
        if isinstance(error, EOFError):
            return ChromvizError(f"{self.name}: the server sent {error}; try again, or {_GET}")
        meanings: tuple[tuple[type[BaseException], str], ...] = (
            (TimeoutError, "timed out"),
            (aiohttp.TooManyRedirects, "too many redirects"),
            (aiohttp.InvalidURL, "not a valid address"),
            (aiohttp.ClientConnectorDNSError, "no network, or unknown host name"),
            (aiohttp.ClientSSLError, "its certificate is not trusted"),
            (aiohttp.ClientConnectorError, "no connection"),
            (aiohttp.ClientError, "connection lost"),
        )
        words = next((words for kind, words in meanings if isinstance(error, kind)), "")
        return ChromvizError(
            f"cannot reach {self.name} ({words or type(error).__name__}); check the network and "
            "the address, then run the same command again"
        )


def _may_pass(error: BaseException) -> bool:
    """Return whether a later attempt may succeed."""
    import aiohttp

    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in http.RETRIED
    lost = aiohttp.ClientPayloadError | aiohttp.ClientConnectionError
    return isinstance(error, EOFError | TimeoutError | lost)

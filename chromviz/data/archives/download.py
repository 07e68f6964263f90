"""One file from the network: gone on with where it broke off, checked, in place only when whole.

What has come so far lies beside the file as ``.{name}.part``, and in ``.{name}.part.json`` what
the server said of it, so that a later run asks for the rest only if the file is still the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chromviz import provenance
from chromviz.data.archives.http import TIMEOUT, describe_failure, refuse_status, session
from chromviz.errors import ChromvizError
from chromviz.progress import SILENT, Reporter

if TYPE_CHECKING:
    import requests

_MB = 1_000_000
_PIECE = 1 << 16
#: Bytes that must stay free on the disk.
_MARGIN = 64 * _MB
_LONGEST_PAUSE = 60.0
_DIGESTS = {"md5": "MD5", "sha256": "SHA-256"}


class ChecksumError(ChromvizError):
    """What came is whole, and is not the file that was expected.

    Parameters
    ----------
    message
        The whole line.
    problem
        In what it differs.
    """

    def __init__(self, message: str, problem: str = "") -> None:
        super().__init__(message)
        self.problem = problem


class _BrokenError(Exception):
    """The connection ended before the file did; what came is kept."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True)
class _Target:
    """What to fetch, to where, and what is known of it."""

    url: str
    path: Path
    checksum: str
    size: int | None

    @property
    def part(self) -> Path:
        """Where the bytes are until they are all there."""
        return self.path.with_name(f".{self.path.name}.part")

    @property
    def note(self) -> Path:
        """What the server said of the file that the part belongs to."""
        return self.path.with_name(f".{self.path.name}.part.json")

    def held(self) -> int:
        """Return how many bytes are there."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def discard(self) -> None:
        """Forget what came so far."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def download(
    url: str,
    path: Path,
    *,
    checksum: str = "",
    size: int | None = None,
    opened: requests.Session | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    reporter: Reporter = SILENT,
) -> bool:
    """Fetch a file unless it is there and whole.

    A connection that breaks is taken up again where it broke, now or by the next run, if the
    server can and its file is still the same (``Range``, ``If-Range``). The file appears under
    its name only when its length and checksum are as they should be; one that is there already
    and is not the expected one is replaced then. Two processes that want the same file take
    turns, and the second finds it done.

    Parameters
    ----------
    url
        The file's address.
    path
        Where to put it.
    checksum
        ``md5:…`` or ``sha256:…`` in hex, where it is known.
    size
        Bytes, where they are known.
    opened
        From :func:`chromviz.data.archives.http.session`; a new one if not given.
    attempts
        Further attempts in a row that may fail to bring anything new.
    pause
        Seconds before the first of them; each later pause is twice as long, to a minute.
    reporter
        Told of MB that came, of waiting, and of beginning again.

    Returns
    -------
    bool
        True if it was fetched, False if it was there and whole.

    Raises
    ------
    ChecksumError
        If what came is not what the checksum says.
    chromviz.data.archives.http.MissingFileError
        If the server has no such file.
    ChromvizError
        If the server cannot be reached, refuses, or sends a web page or nothing; if the disk has
        no room; or if the file cannot be written.
    """
    path = Path(path)
    target = _Target(url, path, checksum, size)
    provenance.ensure_folder(path.parent)
    with exclusive(path, f"fetches {path.name}", reporter.say), ExitStack() as stack:
        if path.is_file():
            problem = difference(path, checksum, size)
            if not problem:
                return False
            reporter.say(f"{path} is not the expected file ({problem}); fetching it again")
        live = opened or stack.enter_context(session(attempts, min(pause, 0.5)))
        try:
            _fetch(target, live, reporter, attempts, pause)
            with target.part.open("rb+") as handle:
                os.fsync(handle.fileno())
            target.part.replace(path)
            target.note.unlink(missing_ok=True)
        except OSError as error:
            raise ChromvizError(
                f"cannot write {path} ({error.strerror or error}); make room, or choose another "
                "place, then run the same command again: what came is kept"
            ) from None
    return True


@contextmanager
def exclusive(path: Path, doing: str, say: Callable[[str], None]) -> Iterator[None]:
    """Keep other processes from the same work until the end of the block.

    Parameters
    ----------
    path
        What the work makes; the lock is ``.{name}.lock`` beside it. It stays there, empty: to
        remove it would let two processes hold two locks of one name.
    doing
        What the other process does, for the line that says it is waited for.
    say
        Given that line.

    Raises
    ------
    ChromvizError
        If the file system refuses a lock.
    """
    # Imported here: only work that others may do at the same time needs it.
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waiting for another process that {doing}")
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise ChromvizError(
            f"cannot lock {path} ({error}); choose another place with --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def difference(path: Path, checksum: str = "", size: int | None = None) -> str:
    """Return in what a file is not the expected one; empty if it is.

    Parameters
    ----------
    path
        The file.
    checksum
        ``md5:…`` or ``sha256:…``; empty if unknown.
    size
        Bytes; None if unknown.

    Raises
    ------
    ChromvizError
        If it cannot be read.
    """
    try:
        found = path.stat().st_size
        if size is not None and found != size:
            return f"it has {found:,} bytes, not {size:,}"
        if not checksum:
            return ""
        algorithm, _, expected = checksum.partition(":")
        with path.open("rb") as handle:
            # MD5 is what archives publish: it finds damage, and is not meant to find malice.
            digest = hashlib.file_digest(
                handle, lambda: hashlib.new(algorithm, usedforsecurity=False)
            ).hexdigest()
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    return "" if digest == expected else f"its {_DIGESTS[algorithm]} is {digest}, not {expected}"


def _fetch(
    target: _Target, live: requests.Session, reporter: Reporter, attempts: int, pause: float
) -> None:
    """Bring the part to its whole length, over as many connections as that takes, and check it."""
    furthest, failures, again = target.held(), 0, False
    came = False
    while True:
        resumed = target.held() > 0
        try:
            _receive(target, live, reporter, patient=came)
        except _BrokenError as broken:
            held = target.held()
            came = came or held > furthest
            # Only bytes that were never there before count as getting on: a server that sends
            # the same beginning for ever is given up.
            failures = 1 if held > furthest else failures + 1
            furthest = max(furthest, held)
            if failures > attempts:
                raise _unreachable(target, broken.problem) from None
            time.sleep(min(_LONGEST_PAUSE, pause * 2 ** (failures - 1)))
            continue
        problem = difference(target.part, target.checksum, target.size)
        if not problem:
            return
        target.discard()
        if not resumed or again:
            raise ChecksumError(
                f"{target.url}: what came is not the expected file ({problem}); it was damaged on "
                "the way, or has changed. Run the same command again; if that does not help, "
                "give --base-url for a mirror",
                problem,
            )
        again = True
        reporter.say(f"{target.path.name}: the pieces do not fit ({problem}); fetching it whole")


def _receive(target: _Target, live: requests.Session, reporter: Reporter, patient: bool) -> None:
    """Add to the part what one connection brings; return when it is whole."""
    # Imported here: only work over the network needs them.
    import requests
    import urllib3

    held, known = _continued(target)
    if held and held == known.get("size"):
        return
    headers = {}
    if held:
        headers["Range"] = f"bytes={held}-"
        if known.get("validator"):
            headers["If-Range"] = known["validator"]
    answered = False
    try:
        with live.get(target.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            answered = True
            start, total = _accept(target, response, held, known)
            if held and not start:
                reporter.say(f"{target.path.name}: the server begins again from the start")
            if not start:
                # In this order a part is never beside the note of another file.
                target.part.open("wb").close()
                note = {"url": target.url, "validator": _validator(response), "size": total}
                provenance.write_json(target.note, note)
            _pour(target, response, start, total, reporter)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        problem = describe_failure(error)
        # Before the first byte the session has tried often enough.
        if answered or patient:
            raise _BrokenError(problem) from None
        raise _unreachable(target, problem) from None
    if total is None and target.size is None and not target.checksum:
        reporter.say(
            f"{target.path.name}: the server does not tell its length, so nothing shows that it is "
            "whole"
        )
    if total is not None and target.held() < total:
        raise _BrokenError(f"it ended after {target.held():,} of {total:,} bytes")


def _continued(target: _Target) -> tuple[int, dict[str, Any]]:
    """Return how many bytes can be gone on from, and what is known of the file they are of."""
    held = target.held()
    if held:
        try:
            known = json.loads(target.note.read_text("utf-8"))
            # Without a word of the server on which version it is, only a checksum can tell.
            if known["url"] == target.url and (known["validator"] or target.checksum):
                return held, known
        except (OSError, ValueError, KeyError, TypeError):
            pass
    return 0, {}


def _accept(
    target: _Target, response: requests.Response, held: int, known: dict[str, Any]
) -> tuple[int, int | None]:
    """Return where the answer's bytes begin and the file's whole length, or refuse the answer."""
    status, headers = response.status_code, response.headers
    if status == 416 and held:
        target.discard()
        raise _BrokenError("what came before does not fit")
    if status not in (200, 206):
        raise refuse_status(target.url, status, response.reason)
    if headers.get("Content-Type", "").lower().startswith("text/html"):
        raise ChromvizError(
            f"{target.url}: a web page came instead of the file; the network may ask for a log-in, "
            "or the archive be closed: open the address in a browser"
        )
    text = headers.get("Content-Length", "")
    start, total = 0, int(text) if text.isascii() and text.isdecimal() else None
    if status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        validator = _validator(response)
        same = not validator or validator == known.get("validator")
        if not (held and span and int(span[1]) == held and same):
            target.discard()
            raise _BrokenError("the file has changed meanwhile")
        start, total = held, int(span[2])
    if total == 0:
        raise ChromvizError(f"{target.url}: the server sent an empty file; try again later")
    if target.size is not None and total is not None and total != target.size:
        target.discard()
        raise ChecksumError(
            f"{target.url}: the server has {total:,} bytes where {target.size:,} are expected; "
            "the file has changed, or the mirror's copy is not whole"
        )
    check_space(target.path, (total or target.size or 0) - start)
    return start, total


def _validator(response: requests.Response) -> str:
    """Return what tells this version of the file from another; a weak tag does not."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified", "")


def check_space(path: Path, needed: int) -> None:
    """Refuse a file of so many bytes that would not fit on the disk.

    Raises
    ------
    ChromvizError
        If it would not.
    """
    free = shutil.disk_usage(path.parent).free
    if needed + _MARGIN > free:
        raise ChromvizError(
            f"no room for {path}: {needed / _MB:,.0f} MB are to come, and "
            f"{max(free - _MARGIN, 0) / _MB:,.0f} MB can be used; make room, or choose another "
            "place with --out"
        )


def _pour(
    target: _Target,
    response: requests.Response,
    start: int,
    total: int | None,
    reporter: Reporter,
) -> None:
    """Write the answer's bytes to the part, as they are sent, and report every MB."""
    what, done, last = f"fetching {target.path.name}", start, -1
    began = time.monotonic()
    # Unbuffered: what came is on the disk, however the process ends.
    with target.part.open("ab", buffering=0) as handle:
        # Not decoded: some servers call a .gz file gzip in transit, which would unpack it.
        for piece in response.raw.stream(_PIECE, decode_content=False):
            handle.write(piece)
            done += len(piece)
            if done // _MB > last:
                last = done // _MB
                speed = (done - start) / _MB / max(time.monotonic() - began, 1e-3)
                whole = max(-(-(total or target.size or done + _MB) // _MB), last)
                reporter.progress(what, last, whole, f"MB, {speed:,.1f} MB/s")
    whole = max(-(-done // _MB), 1)
    if total is None or done >= total:
        reporter.progress(what, whole, whole, "MB")


def _unreachable(target: _Target, problem: str) -> ChromvizError:
    kept = target.held()
    return ChromvizError(
        f"cannot fetch {target.path.name}: {urlsplit(target.url).netloc} does not answer "
        f"({problem}); "
        + (f"{kept / _MB:,.1f} MB are kept for the next run; " if kept else "")
        + "check the network and run the same command again, give --base-url for a mirror, or "
        f"fetch {target.url} elsewhere and copy it to {target.path}"
    )

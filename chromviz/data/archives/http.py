"""HTTP: addresses, a session that retries, and one clear line for each kind of failure."""

from __future__ import annotations

from http.client import responses
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    import requests

#: Seconds to wait for a connection, and for the next bytes.
TIMEOUT = (10.0, 60.0)
LONGEST_PAUSE = 60
#: Status codes that may change when the request is repeated.
RETRIED = (429, 500, 502, 503, 504)


class MissingFileError(ChromvizError):
    """The server responds, but does not have the file."""


class ChecksumError(ChromvizError):
    """The server's file is not the expected one."""


def is_address(location: object) -> bool:
    """Return whether a location is an http(s) address rather than a path."""
    return str(location).lower().startswith(("http://", "https://"))


def without_credentials(url: str) -> str:
    """Return an address without user name, password, query and fragment, for messages and files."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def session(attempts: int, pause: float) -> requests.Session:
    """Return a session that repeats a request while the server is busy or cannot be reached.

    The pause, in seconds, is doubled for each retry; ``Retry-After`` is respected up to a minute.
    """
    # Imported here, as everywhere below: only work over the network needs it.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=attempts,
        connect=min(attempts, 3),  # without a network, a command should fail within seconds
        backoff_factor=pause,
        retry_after_max=LONGEST_PAUSE,
        status_forcelist=RETRIED,
        raise_on_status=False,
    )
    opened = requests.Session()
    for scheme in ("http://", "https://"):
        opened.mount(scheme, HTTPAdapter(max_retries=retry))
    # With compression, lengths and ranges would refer to the compressed body.
    opened.headers["Accept-Encoding"] = "identity"
    return opened


def check_response(url: str, response: requests.Response) -> None:
    """Raise if a response is neither a file nor a part of one."""
    shown, headers = without_credentials(url), response.headers
    if response.status_code not in (200, 206, 416):
        raise refuse_status(url, response.status_code, response.reason)
    if headers.get("Content-Type", "").lower().startswith("text/html"):
        raise ChromvizError(
            f"{shown}: received a web page instead of the file; the network may require a log-in, "
            "or the archive may be closed; open the address in a browser"
        )
    if response.status_code == 200 and headers.get("Content-Length") == "0":
        raise ChromvizError(f"{shown}: the server sent an empty file; try again later")


def refuse_status(url: str, status: int, reason: str = "") -> ChromvizError:
    """Return the error for an HTTP status; a :class:`MissingFileError` if there is no such file."""
    what = responses.get(status, reason or "unexpected response")
    remedy = "try again later" if status in RETRIED else "check the address"
    kind = MissingFileError if status in (404, 410) else ChromvizError
    return kind(f"{without_credentials(url)}: the server responded {status} ({what}); {remedy}")


def failures() -> tuple[type[Exception], ...]:
    """Return the exceptions with which ``requests`` and ``urllib3`` report a failed transfer."""
    import requests
    import urllib3

    return requests.RequestException, urllib3.exceptions.HTTPError


def describe_failure(error: BaseException) -> str:
    """Return what an exception of ``requests`` or ``urllib3`` means, in a few words."""
    import urllib3
    from requests import exceptions

    # requests wraps the cause in an exception.
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if type(cause).__name__ == "NameResolutionError":
        return "no network, or unknown host name"
    for kind, meaning in (
        (exceptions.SSLError, "its certificate is not trusted"),
        (exceptions.ProxyError, "the proxy refused the connection"),
        (exceptions.Timeout | urllib3.exceptions.TimeoutError, "timed out"),
        (exceptions.ChunkedEncodingError | urllib3.exceptions.ProtocolError, "connection lost"),
        (exceptions.InvalidURL | exceptions.InvalidSchema, "not a valid address"),
        (exceptions.TooManyRedirects, "too many redirects"),
        (exceptions.ConnectionError, "no connection"),
    ):
        if isinstance(error, kind):
            return meaning
    return type(error).__name__

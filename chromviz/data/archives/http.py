"""HTTP as archives need it: retries with growing pauses, and one line when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    import requests

#: Seconds to wait for a connection, and for the next bytes.
TIMEOUT = (10.0, 60.0)

#: Answers that a later attempt may better.
RETRIED = (429, 500, 502, 503, 504)

#: Further attempts to connect: a machine without a network should say so within seconds.
_CONNECTS = 3

_LONGEST_PAUSE = 60.0
_MEANINGS = {
    401: "it asks for a password",
    403: "access is refused",
    404: "there is no such file",
    410: "the file is gone",
    429: "it asks for fewer requests",
    500: "it has a fault",
    502: "it is out of order",
    503: "it is busy or out of order",
    504: "it is out of order",
}


class MissingFileError(ChromvizError):
    """The server answers, and has no such file."""


def is_address(location: object) -> bool:
    """Return whether a location is an http(s) address rather than a path."""
    return str(location).lower().startswith(("http://", "https://"))


@contextmanager
def session(attempts: int = 5, pause: float = 0.5) -> Iterator[requests.Session]:
    """Give a session whose requests are tried again when the server is busy or away.

    Parameters
    ----------
    attempts
        Further attempts after the first; at most three of them for want of a connection.
    pause
        Seconds that the pauses begin at; each is twice as long as the one before. A server that
        names a time (``Retry-After``) is believed, up to a minute.
    """
    # Imported here: only work over the network needs it.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    class Patient(Retry):
        def get_retry_after(self, response: Any) -> float | None:
            named = super().get_retry_after(response)
            return None if named is None else min(named, _LONGEST_PAUSE)

    retry = Patient(
        total=attempts,
        connect=min(attempts, _CONNECTS),
        backoff_factor=pause,
        status_forcelist=RETRIED,
        allowed_methods=("GET", "HEAD"),
        raise_on_status=False,
    )
    with requests.Session() as opened:
        for scheme in ("http://", "https://"):
            opened.mount(scheme, HTTPAdapter(max_retries=retry))
        # Packed in transit, a body's length and ranges would be those of something else.
        opened.headers["Accept-Encoding"] = "identity"
        yield opened


def refuse_status(url: str, status: int, reason: str = "") -> ChromvizError:
    """Return the error for an answer that is not the file.

    It is a :class:`MissingFileError` if the server says that there is no such file.
    """
    what = _MEANINGS.get(status, reason or "an unexpected answer")
    remedy = "try again later" if status in RETRIED else "check the address"
    kind = MissingFileError if status in (404, 410) else ChromvizError
    return kind(f"{url}: the server answered {status} ({what}); {remedy}")


def refuse_failure(url: str, error: BaseException) -> ChromvizError:
    """Return the error for a server that could not be reached or stopped answering.

    Parameters
    ----------
    url
        The address.
    error
        What ``requests`` or ``urllib3`` raised.
    """
    return ChromvizError(
        f"cannot reach {url} ({describe_failure(error)}); check the network and the address, then "
        "run the same command again"
    )


def describe_failure(error: BaseException) -> str:
    """Return in a few words what ``requests`` or ``urllib3`` met with."""
    import requests
    import urllib3

    # requests wraps what happened in its own kinds, often with the cause inside.
    cause = getattr(error.args[0], "reason", None) if error.args else None
    meanings: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
        (requests.exceptions.SSLError, "its certificate is not trusted"),
        (requests.exceptions.ProxyError, "the proxy does not let it through"),
        (
            (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError),
            "no answer in time",
        ),
        (
            (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError),
            "the connection broke off",
        ),
        (
            (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema),
            "this is not an address",
        ),
        (requests.exceptions.TooManyRedirects, "it sends one in circles"),
    )
    for kinds, words in meanings:
        if isinstance(error, kinds):
            return words
    if type(cause).__name__ == "NameResolutionError":
        return "no network, or nothing goes by that name"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection"
    return type(error).__name__

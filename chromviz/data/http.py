"""HTTP as archives need it: retries with growing pauses, and one line when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    import requests

#: Seconds to wait for a connection, and for the next bytes.
TIMEOUT = (10.0, 60.0)

#: Answers that a later attempt may better.
RETRIED = (429, 500, 502, 503, 504)

_MEANINGS = {
    401: "it asks for a password",
    403: "access is refused",
    404: "there is no such file",
    410: "the file is gone",
    429: "it asks for fewer requests; try again later",
}


def is_address(location: object) -> bool:
    """Return whether a location is an http(s) address rather than a path."""
    return str(location).lower().startswith(("http://", "https://"))


@contextmanager
def session(attempts: int = 5, pause: float = 0.5) -> Iterator[requests.Session]:
    """Give a session whose requests are tried again when the server is busy or away.

    Parameters
    ----------
    attempts
        Further attempts after the first.
    pause
        Seconds before the first of them; each later pause is twice as long. A server that names
        a time (``Retry-After``) is believed.
    """
    # Imported here: only work over the network needs it.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=attempts,
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
    """Return the error for an answer that is not the file."""
    what = _MEANINGS.get(status, reason or "an unexpected answer")
    return ChromvizError(f"{url}: the server answered {status} ({what}); check the address")


def refuse_failure(url: str, error: Exception) -> ChromvizError:
    """Return the error for a server that could not be reached or stopped answering.

    Parameters
    ----------
    url
        The address.
    error
        What ``requests`` raised.
    """
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        problem = "its certificate is not trusted"
    elif isinstance(error, requests.exceptions.Timeout):
        problem = "no answer in time"
    elif isinstance(error, requests.exceptions.ChunkedEncodingError):
        problem = "the connection broke off"
    elif isinstance(error, requests.exceptions.ConnectionError):
        problem = "no connection"
    else:
        problem = f"{type(error).__name__}"
    return ChromvizError(
        f"cannot reach {url} ({problem}); check the network and the address, then run the same "
        "command again"
    )

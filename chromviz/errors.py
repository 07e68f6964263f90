"""The errors that chromviz raises on bad input."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ChromvizError(ValueError):
    """Bad input or usage.

    The message is one line that says what is wrong, where, and what to do. The command line
    prints it and exits with code 2; any other exception is a fault of chromviz and exits with 1.
    """


class SchemaError(ChromvizError):
    """A dataset or an attribution breaks a rule of its format; the message names the rule."""


class CannotServeError(ChromvizError):
    """A method cannot explain this model or these data; other methods may."""


def first_line(error: BaseException) -> str:
    """Return the first line of another library's error, or its kind if it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def require_text(value: object, what: str) -> None:
    """Refuse a value that is not a text where a name is needed."""
    if not isinstance(value, str):
        raise ChromvizError(f"{what} is named by a text; this is a {type(value).__name__}")


class UnknownNameError(ChromvizError):
    """A name that chromviz does not know.

    Parameters
    ----------
    kind
        What the name should have been, for instance ``"cell type"``.
    name
        The name as given.
    known
        The accepted names; the nearest are offered.
    hint
        What to do, added to the message.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = list(known)
        by_lower = {item.lower(): item for item in known}
        close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
        if close:
            offer = f"; did you mean {' or '.join(by_lower[item] for item in close)}?"
        elif len(known) <= 12:
            offer = f"; known: {', '.join(known) or 'none'}."
        else:
            offer = "."
        super().__init__(f"unknown {kind} {name!r}{offer}{' ' + hint if hint else ''}")

    def __reduce__(self) -> tuple[type[ChromvizError], tuple[object, ...]]:
        """Travel between processes as the message alone."""
        return ChromvizError, self.args

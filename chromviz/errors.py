"""The errors that chromviz raises on bad input."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class ChromvizError(ValueError):
    """Bad input or usage, in one line: what is wrong, where, and what to do.

    The command line prints it and exits with code 2; any other exception is a fault of chromviz.
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
    """A name that is not among those known for its kind; the nearest are offered, with a hint."""

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


def known_names(kind: str, names: Iterable[str], known: Collection[str]) -> list[str]:
    """Return names in lower case, each once; one that is not known is an error."""
    wanted = list(dict.fromkeys(name.strip().lower() for name in names))
    for name in wanted:
        if name not in known:
            raise UnknownNameError(kind, name, known)
    return wanted

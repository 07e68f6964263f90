"""How long work reports itself, without knowing whether anyone looks."""

from __future__ import annotations

from collections.abc import Callable

#: Called as ``progress(what, done, total)`` while work goes on; `total` steps make it whole.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""

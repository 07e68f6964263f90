"""How long tasks report their progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a task."""

    def __call__(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Record that `done` of `total` steps of `what` are done."""


def silent(what: str, done: int, total: int, detail: str = "") -> None:
    """Report nothing."""


def _say_nothing(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Reporter:
    """Receives the reports of long tasks: `progress` the steps, `say` lines of text."""

    progress: Progress = silent
    say: Callable[[str], None] = _say_nothing


#: Reports nothing.
SILENT = Reporter()

"""How long work reports itself, without knowing whether anyone looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Progress(Protocol):
    """Told of steps as they are done."""

    def __call__(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Take note that `done` of `total` steps of `what` are done."""


def silent(what: str, done: int, total: int, detail: str = "") -> None:
    """Report nothing."""


def _say_nothing(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Reporter:
    """Where long work reports: `progress` receives steps, `say` a line for people."""

    progress: Progress = silent
    say: Callable[[str], None] = _say_nothing


#: Reports nothing.
SILENT = Reporter()

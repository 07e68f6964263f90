"""What all commands share: the application, progress, printing."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from chromviz import __version__
from chromviz.errors import ChromvizError
from chromviz.progress import Reporter

app = typer.Typer(
    name="chromviz",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Live:
    """Progress on standard error: bars on a terminal, plain lines elsewhere."""

    #: Seconds between two plain lines.
    PAUSE = 15.0

    def __init__(self, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.bars = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}"),
                console=self.console,
                transient=True,
            )
            if self.console.is_terminal and not quiet
            else None
        )
        self.tasks: dict[str, Any] = {}
        self.last = time.monotonic()

    def __enter__(self) -> Self:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bars:
            self.bars.stop()
        if kind is KeyboardInterrupt:
            typer.echo("chromviz: interrupted; run the same command again to continue", err=True)
            sys.exit(130)

    @property
    def reporter(self) -> Reporter:
        """Where recipes report."""
        return Reporter(self.progress, self.say)

    def say(self, line: str) -> None:
        """Show a line that stays."""
        self.console.print(Text(line), soft_wrap=True)

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Show how far work has come."""
        if self.bars:
            if what not in self.tasks:
                self.tasks[what] = self.bars.add_task(what, total=total, detail="")
            self.bars.update(self.tasks[what], completed=done, total=total, detail=detail)
            if done >= total:
                self.bars.remove_task(self.tasks.pop(what))
        elif time.monotonic() - self.last > self.PAUSE:
            self.last = time.monotonic()
            self.say(f"{what}: {done:,} of {total:,}{', ' + detail if detail else ''}")


def names(value: str) -> list[str]:
    """Split a comma-separated list."""
    return [item for item in (part.strip() for part in value.split(",")) if item]


def pairs(texts: list[str]) -> dict[str, Any]:
    """Return NAME=VALUE texts as a dictionary; a value is a number, true, false or a text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise ChromvizError(
                f"{text!r} is not a setting; write NAME=VALUE, as in reference=mean"
            )
        try:
            found[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            found[name.strip()] = value
    return found


def show(page: Any, record: Any, as_json: bool) -> None:
    """Print a result for a person, or as JSON for a program."""
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        console = Console()
        # A table keeps its columns in a file or a pipe; only a terminal's width is a limit.
        console = console if console.is_terminal else Console(width=160)
        # Lines of text are not wrapped, so that grep finds them whole.
        console.print(page, soft_wrap=isinstance(page, Text))


def records(table: Any) -> list[dict[str, Any]]:
    """Return a table's rows as JSON takes them, NaN as null."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chromviz {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Explain models of gene expression from chromatin, and judge the explanations."""

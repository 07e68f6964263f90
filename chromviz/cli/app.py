"""What all commands share: the application, progress on standard error, and printing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from chromviz import __version__
from chromviz.progress import Reporter

#: Seconds between two lines of progress that are not on a terminal.
PAUSE = 15.0

app = typer.Typer(
    name="chromviz",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: chromviz compare --cell K562. 'chromviz COMMAND --help' has examples.",
)


@contextmanager
def live(quiet: bool) -> Iterator[Reporter]:
    """Show progress on standard error: bars on a terminal, plain lines elsewhere."""
    console = Console(stderr=True, quiet=quiet)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}"),
        console=console,
        transient=True,
    )
    on_terminal = console.is_terminal and not quiet
    tasks: dict[str, TaskID] = {}
    last = time.monotonic()

    def say(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    def progress(what: str, done: int, total: int, detail: str = "") -> None:
        nonlocal last
        if on_terminal:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, detail="")
            bars.update(tasks[what], completed=done, total=total, detail=detail)
            if done >= total:
                bars.remove_task(tasks.pop(what))
        elif time.monotonic() - last > PAUSE:
            last = time.monotonic()
            say(f"{what}: {done:,} of {total:,}{', ' + detail if detail else ''}")

    try:
        with bars if on_terminal else nullcontext():
            yield Reporter(progress, say)
    except KeyboardInterrupt:
        typer.echo("chromviz: interrupted; run the same command again to continue", err=True)
        sys.exit(130)


def refuse(program: str, message: str) -> int:
    """Print in one line what is wrong, and return the exit code of bad input."""
    typer.echo(f"{program}: {' '.join(message.split())}", err=True)
    return 2


def names(value: str) -> list[str]:
    """Split a comma-separated list."""
    return [item for item in (part.strip() for part in value.split(",")) if item]


def show(as_json: bool, record: Any, *parts: Any) -> None:
    """Print a result: its parts for a person (tables and lines of text), or the record as JSON.

    In JSON a table is a list of its rows, with NaN as null, and a path is a text.
    """
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False, default=_plain))
        return
    console = Console()
    # A table keeps its columns in a file or a pipe; only a terminal's width is a limit.
    console = console if console.is_terminal else Console(width=160)
    for part in parts:
        # Lines of text are not wrapped, so that grep finds them whole.
        is_text = isinstance(part, str)
        console.print(Text(part) if is_text else part, soft_wrap=is_text)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return json.loads(value.to_json(orient="records", double_precision=15))


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

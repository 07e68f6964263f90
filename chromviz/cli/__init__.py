"""The command line: a thin face on the recipes; heavy libraries are imported where used."""

from __future__ import annotations

import signal
import sys

import typer

from chromviz.cli import datasets, modelling, results
from chromviz.cli.app import app
from chromviz.errors import ChromvizError

__all__ = ["app", "datasets", "main", "modelling", "results"]


def main() -> None:
    """Run the command line: exit 0 done, 2 bad input or usage, 1 our fault, 130 interrupted."""
    # As for Ctrl-C, leave by the way that takes workers along and half-written files away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except ChromvizError as error:
        typer.echo(f"chromviz: {' '.join(str(error).split())}", err=True)
        sys.exit(2)

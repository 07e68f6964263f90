"""The command line, a thin layer over the recipes; heavy libraries are imported where used."""

from __future__ import annotations

import signal
import sys
from typing import Any, NoReturn

import typer

from chromviz.cli import datasets, modelling, results
from chromviz.cli.app import app
from chromviz.errors import ChromvizError

# The class of usage errors, which typer does not export.
_USAGE: Any = typer.BadParameter.__mro__[2]

__all__ = ["app", "datasets", "main", "modelling", "results"]


def main() -> None:
    """Run the command line.

    Exit codes: 0 done; 1 internal error, please report; 2 bad input or usage; 130 interrupted.
    """
    # As for Ctrl-C: an exception ends worker processes and removes half-written files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if code := app(standalone_mode=False):
            sys.exit(code)
    except ChromvizError as error:
        _refuse(str(error))
    except typer.Abort:
        sys.exit(130)
    except _USAGE as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # chromviz alone shows its help
            sys.exit(2)
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "chromviz"
        _refuse(f"{error.format_message()} See '{command} --help'.")


def _refuse(message: str) -> NoReturn:
    """Print what is wrong in one line, and exit with code 2."""
    typer.echo(f"chromviz: {' '.join(message.split())}", err=True)
    sys.exit(2)

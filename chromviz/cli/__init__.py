"""The command line, a thin layer over the recipes; heavy libraries are imported where used."""

from __future__ import annotations

import signal
import sys
from typing import Any

import typer

from chromviz.cli import datasets, modelling, results
from chromviz.cli.app import app, refuse
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
        sys.exit(refuse("chromviz", str(error)))
    except typer.Abort:
        sys.exit(130)
    except _USAGE as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # chromviz alone shows its help
            sys.exit(2)
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "chromviz"
        what = error.format_message().rstrip(".")
        sys.exit(refuse("chromviz", f"{what}. See '{command} --help'."))

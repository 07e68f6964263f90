"""What the scripts in ``figures/`` run: one figure or table of the paper, from result folders."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import typer

from chromviz.errors import ChromvizError


def rebuild(name: str, arguments: Sequence[str] | None = None) -> int:
    """Make a figure or table from the folders that the command line names.

    Parameters
    ----------
    name
        One of :data:`chromviz.recipes.paper.ITEMS`.
    arguments
        The command line; the program's own if None.

    Returns
    -------
    int
        The exit code: 0 done, 2 bad input, with one line on standard error.
    """
    from chromviz.recipes.paper import ITEMS
    from chromviz.recipes.paper import rebuild as run

    item = ITEMS[name]
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=item.what)
    if item.command:
        parser.add_argument(
            "results",
            nargs="+" if item.several else 1,
            type=Path,
            metavar="RESULTS",
            help=f"result folder of 'chromviz {item.command}'",
        )
    parser.add_argument(
        "--out", type=Path, default=Path("results/figures"), help="folder to write to"
    )
    options = parser.parse_args(arguments)
    try:
        written = run(name, getattr(options, "results", []), options.out)
    except ChromvizError as error:
        typer.echo(f"{name}.py: {' '.join(str(error).split())}", err=True)
        return 2
    typer.echo(f"{item.what}\nwrote {', '.join(str(path) for path in written)}")
    return 0

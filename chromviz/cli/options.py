"""Options that several commands share, and the groups in which help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

INPUT, METHOD, RUN, OUTPUT = "Input", "Method", "Computation", "Output"


def option(group: str, text: str, *names: str, **more: Any) -> Any:
    """Return an option with its help and its group."""
    return typer.Option(*names, help=text, rich_help_panel=group, **more)


_CELL = "Cell type: EID or common name, in any case."
_MODELS = "Models, comma-separated: names, package.module:factory or model files."
_METHODS = "Methods, comma-separated. Default: all that can explain each model."
_DATA = "Folder of datasets or of DeepChrome CSV. Default: the embedded, simulated data."

Cell = Annotated[str, option(INPUT, _CELL, "--cell")]
Data = Annotated[Path | None, option(INPUT, _DATA, "--data")]
Models = Annotated[str, option(METHOD, _MODELS, "--models", "--model")]
Methods = Annotated[str, option(METHOD, _METHODS, "--methods")]
Seed = Annotated[int, option(RUN, "Random seed.", "--seed", min=0, max=2**32 - 1)]
Seeds = Annotated[int, option(RUN, "Number of seeds, starting at --seed.", "--seeds", min=1)]
Bootstrap = Annotated[int, option(RUN, "Number of resamples of genes.", "--bootstrap", min=0)]
Device = Annotated[str, option(RUN, "Where to compute: cpu, cuda, cuda:1.", "--device")]
Out = Annotated[Path | None, option(OUTPUT, "Result folder.", "--out")]
Quiet = Annotated[bool, option(OUTPUT, "Do not show progress.", "--quiet", "-q")]
Json = Annotated[bool, option(OUTPUT, "Print the result as JSON.", "--json")]

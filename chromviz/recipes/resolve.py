"""The cell types, models and genes that a recipe was given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from chromviz.data.cells import available_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.models.choice import Choice, choose_models
from chromviz.recipes.run import Run
from chromviz.schema import require_alike
from chromviz.vocabulary import cell_label, resolve_cell


def resolve_cells(cells: Sequence[str], data: str | Path | None) -> list[str]:
    """Return the available cell types that names mean, each once."""
    available, where = available_cells(data), str(data or "the embedded dataset")
    return list(dict.fromkeys(resolve_cell(cell, available, where) for cell in cells))


def open_cells(names: Sequence[str], data: str | Path | None) -> list[xr.Dataset]:
    """Open cell types, and refuse those whose marks or windows differ."""
    opened = [open_cell(name, data) for name in names]
    require_alike(opened)
    return opened


def require_models(names: Sequence[str], dataset: xr.Dataset, purpose: str) -> list[Choice]:
    """Return the models that names mean, at least one; `purpose` is for the message."""
    chosen = choose_models(names, dataset)
    if not chosen:
        raise ChromvizError(f"no model to {purpose}; name one with --models")
    return chosen


def genes_to_explain(dataset: xr.Dataset) -> np.ndarray:
    """Return the positions of the test genes, at least one."""
    test = np.flatnonzero(dataset["split"].values == "test")
    if not len(test):
        raise ChromvizError(
            f"{cell_label(str(dataset.attrs['cell']))} has no test gene to explain; prepare it "
            "with more genes"
        )
    return test


def say_notes(chosen: Sequence[Choice], run: Run) -> None:
    """Say what users should know about the models, each note once."""
    for note in dict.fromkeys(one.note for one in chosen if one.note):
        run.reporter.say(note)

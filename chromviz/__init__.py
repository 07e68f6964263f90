"""Explain models of gene expression from chromatin, and judge the explanations.

``import chromviz as cv`` imports nothing else; each verb is imported when it is first used.
Models and datasets are given as objects or by name.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromviz import plot as plot
    from chromviz.catalog import list_methods as list_methods
    from chromviz.catalog import list_models as list_models
    from chromviz.data.archives.published import fetch as fetch
    from chromviz.data.archives.published import list_cells as list_cells
    from chromviz.data.cells import open_cell as open_cell
    from chromviz.data.prepare import prepare as prepare
    from chromviz.data.simulate import simulate as simulate
    from chromviz.models.checkpoint import load_model as load_model
    from chromviz.models.store import train as train
    from chromviz.recipes.audit import audit as audit
    from chromviz.recipes.compare import compare as compare
    from chromviz.recipes.export import export as export
    from chromviz.recipes.extract import extract as extract
    from chromviz.recipes.suite import suite as suite
    from chromviz.recipes.validate import validate as validate
    from chromviz.reporting.results_page import report as report
    from chromviz.validation.agreement import table3 as table3

try:
    __version__ = version("chromviz")
except PackageNotFoundError:  # a source tree on sys.path, not installed
    __version__ = "0.0.0"

#: Where each verb is defined.
_VERBS = {
    "open_cell": "chromviz.data.cells",
    "prepare": "chromviz.data.prepare",
    "fetch": "chromviz.data.archives.published",
    "simulate": "chromviz.data.simulate",
    "train": "chromviz.models.store",
    "load_model": "chromviz.models.checkpoint",
    "extract": "chromviz.recipes.extract",
    "table3": "chromviz.validation.agreement",
    "validate": "chromviz.recipes.validate",
    "compare": "chromviz.recipes.compare",
    "audit": "chromviz.recipes.audit",
    "suite": "chromviz.recipes.suite",
    "export": "chromviz.recipes.export",
    "report": "chromviz.reporting.results_page",
    "list_cells": "chromviz.data.archives.published",
    "list_models": "chromviz.catalog",
    "list_methods": "chromviz.catalog",
}

__all__ = [
    *("audit", "compare", "export", "extract", "fetch", "list_cells", "list_methods"),
    *("list_models", "load_model", "open_cell", "plot", "prepare", "report", "simulate"),
    *("suite", "table3", "train", "validate"),
]


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used, so that importing chromviz loads nothing heavy."""
    if name == "plot":
        return import_module("chromviz.plot")
    if name not in _VERBS:
        raise AttributeError(f"module 'chromviz' has no attribute {name!r}")
    verb = getattr(import_module(_VERBS[name]), name)
    globals()[name] = verb
    return verb


def __dir__() -> list[str]:
    """Return the public names, which is what completion offers."""
    return sorted(__all__)

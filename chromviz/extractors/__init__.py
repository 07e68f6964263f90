"""Explanations of a model, all behind :func:`extract` and in one format.

A package adds a method through the entry point group ``chromviz.methods``, which names a
:class:`~chromviz.catalog.Method`.
"""

from typing import TYPE_CHECKING, Any

from chromviz.catalog import Method, find_method, methods

if TYPE_CHECKING:
    from chromviz.extractors.explain import extract, serves

__all__ = ["Method", "extract", "find_method", "methods", "serves"]


def __getattr__(name: str) -> Any:
    """Import torch only when something is extracted, not to list the methods."""
    if name in ("extract", "serves"):
        from chromviz.extractors import explain

        return getattr(explain, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Names that other packages add through entry points, beside the built-in ones."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

from chromviz.errors import ChromvizError


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """Its name in commands and files."""


Item = TypeVar("Item", bound=Named)


def with_plugins(built_in: Iterable[Item], group: str) -> dict[str, Item]:
    """Return the built-in items by name, then those of an entry point group."""
    known = {item.name: item for item in built_in}
    for point in entry_points(group=group):
        item: Item = point.load()
        if item.name in known:
            raise ChromvizError(
                f"the plug-in {point.value} ({group}) takes the name {item.name!r}, which exists "
                "already; rename it or uninstall the package"
            )
        known[item.name] = item
    return known

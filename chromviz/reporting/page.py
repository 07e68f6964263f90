"""The self-contained page: results and every gene in one file that needs no network.

Pictures of genes are drawn in the browser by plotly.js, which comes with the package ``plotly``;
the page is filled in by Jinja, which escapes what it is given. The page forbids itself the network
(Content-Security-Policy), so that it cannot send what it shows.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from chromviz.errors import ChromvizError
from chromviz.provenance import versions, write_text
from chromviz.reporting.explorer import Explorer
from chromviz.reporting.grid import Grid
from chromviz.reporting.terminal import SIMULATED

#: Maximum bytes of a page, and the part reserved for everything but arrays of genes.
MOST = 15_000_000
_OTHER = 2_600_000
_SCRIPTS = ("layers.js", "genes.js", "plot.js", "page.js")


@dataclass(frozen=True)
class Picture:
    """A figure of the page: caption, where the folder has it and its numbers, and the PNG."""

    caption: str
    files: str
    content: bytes

    @property
    def png(self) -> str:
        """The PNG as base64."""
        return base64.b64encode(self.content).decode("ascii")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = struct.unpack(">II", self.content[16:24])
        return width, height


@dataclass(frozen=True)
class Page:
    """The content of a page: a title with lines below it (`lead`), and its sections.

    `sentences` are conclusions from the results, `grids` their tables; `settings` are tables of
    models and methods, `provenance` names and values, `files` names and hashes; `explorer` shows
    the genes, None for a page without.
    """

    title: str
    lead: Sequence[str]
    simulated: bool
    sentences: Sequence[str]
    grids: Sequence[Grid]
    figures: Sequence[Picture]
    settings: Sequence[Grid]
    provenance: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, str]]
    explorer: Explorer | None = None


def room(figures: Sequence[Picture]) -> int:
    """Return the number of bytes left for arrays of genes next to the figures."""
    return max(0, MOST - _OTHER - sum(len(figure.png) for figure in figures))


def render(page: Page) -> str:
    """Return the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read), autoescape=True, undefined=jinja2.StrictUndefined
    )
    library, version = _plotly() if page.explorer else ("", "")
    # Our own style and scripts are not escaped; everything else is.
    return environment.get_template("page.html").render(
        page=page,
        version=versions()["chromviz"],
        several=page.explorer is not None and len(page.explorer.record["cells"]) > 1,
        style=Markup(_read("page.css")),  # noqa: S704
        script=Markup("\n".join(map(_read, _SCRIPTS))),  # noqa: S704
        plotly=library,
        plotly_version=version,
        simulated=SIMULATED,
    )


def write_page(path: Path, page: Page) -> None:
    """Write the page, whole or not at all; one larger than :data:`MOST` is an error."""
    text = render(page)
    size = len(text.encode("utf-8"))
    if size > MOST:
        raise ChromvizError(
            f"the page would have {size / 1e6:.1f} MB, and mail takes {MOST / 1e6:.0f}; "
            "make it of fewer methods with --methods"
        )
    write_text(path, text)


def _read(name: str) -> str:
    return (resources.files("chromviz.reporting") / "templates" / name).read_text("utf-8")


@cache
def _plotly() -> tuple[str, str]:
    """Return the plotting library, deflated, as base64, and its version."""
    file = resources.files("plotly") / "package_data" / "plotly.min.js"
    try:
        source = file.read_bytes()
    except OSError:
        raise ChromvizError(
            "the package plotly lacks its plotly.min.js; install it again: pip install plotly"
        ) from None
    found = re.search(rb"plotly\.js v([\d.]+)", source[:400])
    squeeze = zlib.compressobj(6, wbits=-15)
    packed = squeeze.compress(source) + squeeze.flush()
    return base64.b64encode(packed).decode("ascii"), found.group(1).decode() if found else ""

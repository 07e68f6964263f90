"""How figures look: sizes, colours, style sheet, and reproducible files.

No function here touches matplotlib's global state: the style holds inside :func:`figure_style`,
and figures are made without pyplot, so none stays registered after it was saved.
"""

from __future__ import annotations

import io
import textwrap
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib import metadata as package_metadata
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from chromviz.catalog import is_control, method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.provenance import atomic_path

_MM = 1 / 25.4
#: Widths that journals print, in inches: one column (85 mm), between (120 mm), two (180 mm).
ONE_COLUMN = 85 * _MM
MIDDLE_WIDTH = 120 * _MM
TWO_COLUMNS = 180 * _MM

#: Okabe and Ito's colour-blind safe palette (2008), assigned close to the colours that genome
#: browsers use for these marks: red promoter, orange enhancer, green gene body.
MARK_COLOURS: dict[str, str] = {
    "H3K27me3": "#CC79A7",
    "H3K36me3": "#009E73",
    "H3K4me1": "#E69F00",
    "H3K4me3": "#D55E00",
    "H3K9me3": "#56B4E9",
    "H3K27ac": "#0072B2",
}
# For other marks: Paul Tol's colour-blind safe "muted" scheme, without colours that are similar
# to those above.
_OTHER_COLOURS = ("#332288", "#117733", "#882255", "#999933", "#AA4499", "#000000", "#CC6677")

_DIVERGING = LinearSegmentedColormap.from_list("diverging", ["#D55E00", "white", "#0072B2"])
#: From negative to positive, light enough for black print.
PALE_DIVERGING = LinearSegmentedColormap.from_list("pale", _DIVERGING(np.linspace(0.1, 0.9, 256)))

_MINUS = "\N{MINUS SIGN}"

#: Colour of baselines, rules and notes.
GREY = "#777777"
#: The note on every figure of simulated data.
SIMULATED_NOTE = "Simulated data"
#: Words for a gene's label and for its part in the training.
STATES: dict[float, str] = {1: "labelled ON", 0: "labelled OFF"}
SPLITS = {
    "train": "training gene",
    "valid": "validation gene",
    "test": "test gene",
    "none": "in no split",
}
# The keys that the PDF standard knows; anything else is written among its keywords.
_PDF_KEYS = ("Title", "Author", "Subject", "Keywords", "Creator")
# Resolution of pictures in notebooks.
_SCREEN_DPI = 150


class ShownFigure(Figure):
    """A figure that a notebook displays at the end of a cell, without being known to pyplot."""

    def _repr_png_(self) -> bytes:
        """Return the picture as files have it, at half their resolution."""
        buffer = io.BytesIO()
        with figure_style():
            self.savefig(buffer, format="png", dpi=_SCREEN_DPI, metadata={"Software": None})
        return buffer.getvalue()


class ShownAxes(Axes):
    """Axes that a notebook displays, as their figure, at the end of a cell."""

    def _repr_png_(self) -> bytes | None:
        """Return the figure's picture, None if they are in another kind of figure."""
        figure = self.get_figure(root=True)
        return figure._repr_png_() if isinstance(figure, ShownFigure) else None


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply chromviz's style within the context, and restore the caller's afterwards.

    Matplotlib reads some settings only when it draws (tick sizes, font embedding), so save figures
    with :func:`save_figure` or :func:`render_figure`, or inside this context.
    """
    with (
        resources.as_file(resources.files("chromviz.plot") / "chromviz.mplstyle") as sheet,
        mpl.rc_context(fname=sheet),
    ):
        yield


@contextmanager
def axes_for(
    ax: Axes | None, width: float, height: float, table: pd.DataFrame | None = None
) -> Iterator[Axes]:
    """Give the caller's Axes in the caller's style, or new Axes (inches) in chromviz's.

    If the table rests on simulated data, the Axes say so.
    """
    with nullcontext() if ax is not None else figure_style():
        if ax is None:
            figure = ShownFigure(figsize=(width, height))
            ax = figure.subplots(subplot_kw={"axes_class": ShownAxes})
        yield ax
        if table is not None and is_simulated(table):
            mark_simulated(ax)


@contextmanager
def new_figure(
    width: float, height: float, heading: Iterable[str], *tables: pd.DataFrame
) -> Iterator[Figure]:
    """Give a new figure (inches) in chromviz's style, headed as :func:`head_figure` does."""
    with figure_style():
        fig = ShownFigure(figsize=(width, height))
        yield fig
        head_figure(fig, heading, *tables)


def colour_cycle() -> list[str]:
    """Return the colours of lines, in order."""
    return list(mpl.rcParams["axes.prop_cycle"].by_key()["color"])


def mark_colour(mark: str) -> str:
    """Return the colour of a mark as hex; always the same for the same name."""
    if mark in MARK_COLOURS:
        return MARK_COLOURS[mark]
    # Not hash(): it differs from one Python process to the next.
    return _OTHER_COLOURS[zlib.crc32(mark.encode()) % len(_OTHER_COLOURS)]


def mark_colours(marks: Iterable[str]) -> dict[str, str]:
    """Return a colour for each mark of one plot, all different while colours last."""
    colours: dict[str, str] = {}
    for mark in marks:
        colour = mark_colour(mark)
        if mark not in MARK_COLOURS and colour in colours.values():
            free = [other for other in _OTHER_COLOURS if other not in colours.values()]
            colour = free[0] if free else colour
        colours[mark] = colour
    return colours


def require_columns(table: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Check that a table has the columns that a plot needs; the error names the missing ones."""
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        raise ChromvizError(
            f"{what} needs the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}; "
            f"the table has {', '.join(map(str, table.columns)) or 'none'}"
        )


def require_rows(
    table: pd.DataFrame, columns: Iterable[str], what: str, key: Sequence[str] = ()
) -> None:
    """Check that a table has the columns, at least one row, and each value of `key` only once."""
    require_columns(table, columns, what)
    if table.empty:
        raise ChromvizError(f"{what} needs at least one row; its table is empty")
    twice = table.duplicated(list(key)) if key else None
    if twice is not None and twice.any():
        values = ", ".join(str(value) for value in table.loc[twice, list(key)].iloc[0])
        raise ChromvizError(
            f"{what} needs one row per {', '.join(key)}; its table has several of {values}: "
            "select one cell type, model, method and state first"
        )


def only_value(table: pd.DataFrame, column: str, what: str) -> Any:
    """Return the one value of a column; none or several, which a plot would mix up, is an error."""
    values = table[column].dropna().unique()
    if len(values) != 1:
        found = ", ".join(map(str, values)) or "none"
        raise ChromvizError(f"{what} needs one {column} in its table; found {found}")
    return values[0]


def only_text(table: pd.DataFrame, column: str, what: str) -> str:
    """Return :func:`only_value` as text."""
    return str(only_value(table, column, what))


def count_range(counts: pd.Series) -> str:
    """Return ``1,200``, or ``1,100 to 1,200`` where numbers of genes differ."""
    found = sorted({int(count) for count in counts.dropna()})
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


def explanation_label(method: str, model: str = "", variant: str = "") -> str:
    """Return the label of a row: the method and its model, or the control."""
    if model:
        return f"{method_label(method)}, {model_label(model, variant)}"
    return f"{'control: ' if is_control(method) else ''}{method_label(method)}"


def is_simulated(table: pd.DataFrame) -> bool:
    """Return whether any row of a table rests on simulated data (column ``simulated``)."""
    return "simulated" in table.columns and bool((table["simulated"] == 1).any())


def is_zero_filled(table: pd.DataFrame) -> bool:
    """Return whether any row rests on data whose gaps were set to zero (column ``missing``)."""
    return "missing" in table.columns and bool((table["missing"] == "zero").any())


def mark_simulated(ax: Axes) -> None:
    """Say above the Axes, at the right, that the data are simulated."""
    ax.set_title(SIMULATED_NOTE, loc="right", fontweight="bold", color=MARK_COLOURS["H3K4me3"])


def head_figure(fig: Figure, lines: Iterable[str], *tables: pd.DataFrame) -> None:
    """Head a figure with lines at the left, and the note at the right if a table is simulated."""
    # The layout leaves room for a suptitle, not for other text: the note shares its first line,
    # which the layout puts at its padding from the top (so no y is given).
    columns = fig.get_figwidth() / ONE_COLUMN
    widths = (int(28 * columns), int(44 * columns))
    text = "\n".join(textwrap.fill(line, widths[row > 0]) for row, line in enumerate(lines))
    fig.suptitle(text, x=0.01, ha="left", fontweight="bold", parse_math=False)
    if any(map(is_simulated, tables)):
        top = 1 - mpl.rcParams["figure.constrained_layout.h_pad"] / fig.get_figheight()
        fig.text(
            0.99,
            top,
            SIMULATED_NOTE,
            ha="right",
            va="top",
            fontweight="bold",
            fontsize=mpl.rcParams["figure.titlesize"],
            color=MARK_COLOURS["H3K4me3"],
        )


def named_lines(panels: Iterable[Axes]) -> dict[str, Artist]:
    """Return what the legends of all panels show, by label, each once."""
    named: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(str(label), handle)
    return named


def legend_below(fig: Figure, named: Mapping[str, Artist], columns: int = 2) -> Legend | None:
    """Add one legend below all panels, if there is anything to name."""
    if not named:
        return None
    return fig.legend(list(named.values()), list(named), loc="outside lower center", ncols=columns)


def draw_interval(
    axes: Axes, place: float, row: pd.Series, colour: str, value: str = "estimate", **point: Any
) -> None:
    """Draw a value and its interval (``ci_low, ci_high``), unless NaN, at a height.

    `point` is how the point looks; the interval has its ``linewidth``.
    """
    width = point.pop("linewidth", 1)
    if pd.notna(row["ci_low"]) and pd.notna(row["ci_high"]):
        ends = [row["ci_low"], row["ci_high"]]
        axes.plot(ends, [place, place], color=colour, linewidth=width, gid="interval")
    if pd.notna(row[value]):
        look = {"marker": "o", "linestyle": "none", "color": colour, "gid": "estimate", **point}
        axes.plot(row[value], place, **look)


def draw_matrix(axes: Axes, values: np.ndarray, norm: Normalize, form: str) -> None:
    """Draw numbers as a heatmap with each number (`form`) in its cell; NaN is grey."""
    colours = PALE_DIVERGING.with_extremes(bad="#eeeeee")
    shown = np.ma.masked_invalid(values)
    axes.imshow(shown, cmap=colours, norm=norm, aspect="auto", interpolation="nearest")
    for (down, across), value in np.ndenumerate(values):
        if not np.isnan(value):
            words = f"{value:{form}}".replace("-", _MINUS)
            axes.text(across, down, words, ha="center", va="center", fontsize="small")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def colour_bar(fig: Figure, norm: Normalize, panels: Any, label: str, **where: Any) -> Colorbar:
    """Add the scale of :func:`draw_matrix`."""
    bar = fig.colorbar(ScalarMappable(norm, PALE_DIVERGING), ax=panels, pad=0.02, **where)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def panels_of(
    fig: Figure, table: pd.DataFrame, wide: int, **shared: Any
) -> Iterator[tuple[Axes, str, pd.DataFrame]]:
    """Yield Axes, the name and the rows of each model of a table, `wide` panels in a line."""
    models = list(dict.fromkeys(table["model"]))
    panels = fig.subplots(-(-len(models) // wide), wide, squeeze=False, **shared)
    for axes in panels.flat[len(models) :]:
        axes.set_visible(False)
    for axes, model in zip(panels.flat, models, strict=False):
        yield axes, str(model), table[table["model"] == model]


def say_empty(ax: Axes, text: str) -> None:
    """Say in the middle of Axes why nothing is drawn in them."""
    # On white, so that the line at the TSS does not cross the words.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    centre = {"ha": "center", "va": "center"}
    ax.text(0.5, 0.5, text, centre, transform=ax.transAxes, color=GREY, bbox=box)


def says_simulated(fig: Figure) -> bool:
    """Return whether a figure says that its data are simulated."""
    words = [text.get_text() for text in fig.texts]
    words += [ax.get_title(loc="right") for ax in fig.axes]
    return SIMULATED_NOTE in words


def render_figure(fig: Figure, kind: str, metadata: Mapping[str, str]) -> bytes:
    """Draw a figure as the bytes of a ``pdf`` or ``png`` (300 dpi), always the same bytes.

    A figure that says "Simulated data" also says so in the metadata. PNG keeps every key of
    `metadata`; PDF has few (``Title``, ``Keywords``, ``Creator`` ...) and lists the rest among
    the keywords.
    """
    record: dict[str, Any] = {
        "Creator": f"chromviz {package_metadata.version('chromviz')}",
        **metadata,
    }
    if says_simulated(fig):
        record["Data"] = SIMULATED_NOTE
    if kind == "pdf":
        own = {key: record[key] for key in _PDF_KEYS if key in record}
        rest = [f"{key}: {value}" for key, value in record.items() if key not in own]
        words = [own["Keywords"]] if "Keywords" in own else []
        record = {**own, "Keywords": "; ".join(words + rest), "CreationDate": None}
    buffer = io.BytesIO()
    with figure_style():
        fig.savefig(buffer, format=kind, metadata=record)
    return buffer.getvalue()


def save_figure(fig: Figure, stem: Path, *, metadata: Mapping[str, str]) -> list[Path]:
    """Write a figure as ``stem.pdf`` and ``stem.png``, each whole or not at all; return the paths.

    The same figure and metadata give the same bytes: no file holds the time of writing.
    """
    written = []
    for kind in ("pdf", "png"):
        # Not with_suffix: it would cut "figure2a.v1" short.
        path = stem.with_name(f"{stem.name}.{kind}")
        content = render_figure(fig, kind, metadata)
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
        written.append(path)
    return written


def format_number(value: float, decimals: int) -> str:
    """Return a number with a true minus sign, and none before a zero."""
    # "-0.000" would claim a sign that the digits do not show.
    text = f"{value:.{decimals}f}"
    return text.replace("-", "" if float(text) == 0 else _MINUS)


def format_interval(row: pd.Series) -> str:
    """Return ``0.853 [0.812, 0.886]``: a value with its interval, or ``undefined``."""
    if pd.isna(row["estimate"]):
        return "undefined"
    text, low, high = (format_number(row[name], 3) for name in ("estimate", "ci_low", "ci_high"))
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return text
    return f"{text} [{low}, {high}]"

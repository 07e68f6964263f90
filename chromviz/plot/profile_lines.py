"""Profiles over the window around a TSS, and Figure 2 of the paper, which has them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from chromviz.catalog import method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.plot.heatmap import BETA_COLUMNS, plot_beta
from chromviz.vocabulary import PROMOTER_MARK, cell_label, mark_label

PROFILE_COLUMNS = ("mark", "bin_start", "bin_width", "mean", "ci_low", "ci_high")
_SOURCE_COLUMNS = ("n_genes", "cell", "model", "method", "simulated")
FIGURE2A_COLUMNS = (*PROFILE_COLUMNS, "state", *_SOURCE_COLUMNS)
FIGURE2B_COLUMNS = (*PROFILE_COLUMNS, "role", "unit", *_SOURCE_COLUMNS)
_STATES = ("ON", "OFF")
#: The columns of a figure, that which tells its panels apart, and the values of that.
_PANELS = {
    "Figure 2a": (FIGURE2A_COLUMNS, "state", _STATES),
    "Figure 2b": (FIGURE2B_COLUMNS, "role", ("coverage", "weight")),
}
# The headers of Figure 2c need space: with more than three columns it is drawn alone.
_MOST_CELLS = 3


def plot_profiles(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    ylabel: str,
    baseline: float | None = None,
    legend: bool = True,
    emphasise: str | None = None,
) -> Axes:
    """Draw one line per mark over the bins, in kb from the TSS, with its interval shaded.

    `table` has one row per mark and bin: ``mark``; ``bin_start`` and ``bin_width`` in bp (start
    from the TSS); ``mean, ci_low, ci_high`` in the unit that `ylabel` names (NaN leaves a gap).
    `baseline` is drawn as a dashed, labelled line, for instance 1/100, uniform attention; the line
    of the mark `emphasise` is thick and on top.
    """
    style.require_rows(table, PROFILE_COLUMNS, "a profile plot", key=("mark", "bin_start"))
    with style.axes_for(ax, style.ONE_COLUMN, 2.2, table) as axes:
        draw_window(axes, table)
        if baseline is not None:
            _draw_baseline(axes, baseline)
        colours = style.mark_colours(table["mark"].unique())
        for mark, rows in table.groupby("mark", sort=False):
            strong = mark == emphasise or emphasise not in colours
            _draw_line(axes, str(mark), rows, colours[str(mark)], strong=strong)
        # Weights and coverage are amounts: an axis that starts elsewhere would exaggerate.
        # An interval may extend below zero although the amount cannot be negative.
        if table["mean"].min() >= 0:
            axes.set_ylim(bottom=0)
        axes.set_ylabel(ylabel, parse_math=False)
        if legend:
            axes.legend(loc="best")
        return axes


def draw_figure2a(table: pd.DataFrame) -> Figure:
    """Draw Figure 2a: mean weights of each mark, genes predicted ON above genes predicted OFF.

    `table` is as for :func:`plot_profiles`, with ``state`` (as predicted), ``n_genes``, ``cell``,
    ``model``, ``method`` and ``simulated``. A state without genes gets an empty panel that says so.
    """
    with style.new_figure(style.ONE_COLUMN, 3.7, _heading(table, "Figure 2a"), table) as fig:
        top, bottom = fig.subplots(2, 1, sharex=True, sharey=True)
        _fill_figure2a(top, bottom, table)
        fig.supylabel(weight_label(table))
        _legend(fig, (top, bottom))
    return fig


def _fill_figure2a(top: Axes, bottom: Axes, table: pd.DataFrame) -> None:
    """Draw the panels of Figure 2a, ON and OFF, on Axes that share both their axes."""
    for axes, state in zip((top, bottom), _STATES, strict=True):
        rows = table[(table["state"] == state) & (table["n_genes"] > 0)]
        words = f"no gene predicted {state}"
        look = {"ylabel": "", "baseline": _baseline(table)}
        _fill(axes, table, rows, f"predicted {state}", words, **look)
    top.set_xlabel("")


def draw_figure2b(table: pd.DataFrame) -> Figure:
    """Draw Figure 2b: coverage of the reference track above the mean weights of each mark.

    `table` is as for :func:`plot_profiles`, with ``role`` (``coverage``, over genes labelled ON, or
    ``weight``, over genes predicted ON), ``unit`` (of the coverage), ``n_genes``, ``cell``,
    ``model``, ``method`` and ``simulated``. A role without genes gets an empty panel that says so.
    H3K4me3, the mark that Table 3 compares with the track, is emphasised.
    """
    with style.new_figure(style.ONE_COLUMN, 3.7, _heading(table, "Figure 2b"), table) as fig:
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(1, 1.25))
        _fill_figure2b(top, bottom, table)
        fig.align_ylabels([top, bottom])
        _legend(fig, (bottom,))
    return fig


def _fill_figure2b(top: Axes, bottom: Axes, table: pd.DataFrame) -> None:
    """Draw the panels of Figure 2b, coverage and weights, on Axes that share the x axis."""
    shown = table[table["n_genes"] > 0]
    coverage, weight = shown[shown["role"] == "coverage"], shown[shown["role"] == "weight"]
    title, label = "labelled ON", ""
    if len(coverage):
        what = "the coverage of Figure 2b"
        title = f"{mark_label(style.only_text(coverage, 'mark', what))}, labelled ON"
        unit = style.only_text(coverage, "unit", what)
        # A long unit is wrapped to fit its panel.
        label = textwrap.fill(f"Mean coverage, {unit}" if unit else "Mean coverage", 24)
    _fill(top, table, coverage, title, "no gene labelled ON with coverage", ylabel=label)
    look: dict[str, Any] = {"ylabel": ""}
    if len(weight):
        look = {"ylabel": weight_label(weight), "baseline": _baseline(weight)}
    title, words = "Weights, predicted ON", "no gene predicted ON"
    _fill(bottom, table, weight, title, words, emphasise=PROMOTER_MARK, **look)
    top.set_xlabel("")


def _fill(
    axes: Axes, table: pd.DataFrame, rows: pd.DataFrame, title: str, empty: str, **look: Any
) -> None:
    """Draw a panel of the window of a table, with the words `empty` if it has no rows."""
    draw_window(axes, table)
    count = int(style.only_value(rows, "n_genes", f"the panel '{title}'")) if len(rows) else 0
    axes.set_title(f"{title} (n = {count:,})")
    if rows.empty:
        style.say_empty(axes, empty)
    else:
        plot_profiles(rows.drop(columns="simulated"), axes, legend=False, **look)


def draw_window(axes: Axes, table: pd.DataFrame) -> None:
    """Set the x axis to the window of the table's bins, in kb, with the TSS named."""
    low = float(table["bin_start"].min()) / 1000
    high = float((table["bin_start"] + table["bin_width"]).max()) / 1000
    axes.set_xlim(low, high)
    axes.set_xlabel("Distance from the TSS (kb)")
    if low < 0 < high:
        axes.set_xticks([low, low / 2, 0, high / 2, high])
        if not any(line.get_gid() == "tss" for line in axes.lines):
            axes.axvline(0, color=style.GREY, linewidth=0.5, zorder=1, gid="tss")
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: "TSS" if x == 0 else f"{x:g}".replace("-", "\N{MINUS SIGN}"))
    )
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))


def _draw_line(axes: Axes, mark: str, rows: pd.DataFrame, colour: str, *, strong: bool) -> None:
    rows = rows.sort_values("bin_start")
    centre = (rows["bin_start"] + rows["bin_width"] / 2) / 1000
    low, high = rows["ci_low"], rows["ci_high"]
    axes.fill_between(centre, low, high, color=colour, alpha=0.25, linewidth=0, zorder=2)
    (line,) = axes.plot(centre, rows["mean"], color=colour, label=mark_label(mark), gid=mark)
    line.set(linewidth=1.0 if strong else 0.6, zorder=4 if strong else 3)


def _draw_baseline(axes: Axes, value: float) -> None:
    axes.axhline(
        value, color=style.GREY, linewidth=0.5, linestyle=(0, (4, 2)), zorder=1, gid="baseline"
    )
    text = f"{value:g}" if value else ""  # the axis names zero already
    if value > 0 and abs(1 / value - round(1 / value)) < 1e-6:
        text = f"uniform\n(1/{round(1 / value)})"
    # To the right of the Axes, where no data can cross it.
    axes.annotate(
        text,
        (1, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(2, 0),
        textcoords="offset points",
        va="center",
        fontsize="small",
        color=style.GREY,
        annotation_clip=False,
    )


def _heading(table: pd.DataFrame, what: str) -> list[str]:
    """Check the table of Figure 2a or 2b; return its cell type, and its model and method."""
    columns, column, members = _PANELS[what]
    style.require_columns(table, columns, what)
    unknown = sorted(set(table[column].astype(str)) - set(members))
    if unknown:
        raise ChromvizError(
            f"{what} needs {' or '.join(members)} as {column}; its table has {unknown[0]!r}"
        )
    lines = [cell_label(style.only_text(table, "cell", what))]
    # Coverage has no model: only the rows of weights say what was explained.
    explained = table[table[column] != "coverage"]
    if len(explained):
        model = model_label(style.only_text(explained, "model", what))
        method = method_label(style.only_text(explained, "method", what))
        lines.append(", ".join(filter(None, (model, method))))
    return lines


def _legend(fig: Figure, panels: Iterable[Axes], columns: int = 2) -> None:
    """Add one legend of the marks of all panels, and explain the shading."""
    named = style.named_lines(panels)
    if named:
        named["95% interval"] = Patch(color=style.GREY, alpha=0.35, linewidth=0)
    style.legend_below(fig, named, columns)


def weight_label(table: pd.DataFrame) -> str:
    """Return the label of the axis of mean weights."""
    method = style.only_text(table, "method", "a profile plot")
    if method == "alpha":
        return "Mean attention weight α"
    return f"Mean weight, {method_label(method)}"


def _baseline(table: pd.DataFrame) -> float:
    """Return the value of a uniform explanation: 1/bins for attention, else 0."""
    method = style.only_text(table, "method", "a profile plot")
    shares = {"alpha": 1, "alpha_beta": table["mark"].nunique()}
    return 1 / (table["bin_start"].nunique() * shares[method]) if method in shares else 0.0


def draw_figure2(states: pd.DataFrame, coverage: pd.DataFrame, beta: pd.DataFrame) -> Figure:
    """Draw Figure 2 as one figure: a, mean α by mark; b, H3K27ac above α; c, β of one gene.

    The tables are those of :func:`draw_figure2a`, :func:`draw_figure2b` and
    :func:`~chromviz.plot.heatmap.plot_beta`, the last with at most three cell types.
    """
    heading, other = _heading(states, "Figure 2a"), _heading(coverage, "Figure 2b")
    if heading[: len(other)] != other:
        raise ChromvizError(
            f"panels a and b of Figure 2 must show the same; a is of {', '.join(heading)}, b of "
            f"{', '.join(other)}"
        )
    style.require_columns(beta, BETA_COLUMNS, "Figure 2c")
    cells = beta["cell"].nunique()
    if cells > _MOST_CELLS:
        raise ChromvizError(
            f"Figure 2 has room for {_MOST_CELLS} cell types in panel c, not {cells}; choose some, "
            "or draw Figure 2c alone"
        )
    with style.new_figure(style.TWO_COLUMNS, 3.9, heading, states, coverage, beta) as fig:
        # Laid out apart: the long headers of panel c would push a and b down.
        left, right = np.asarray(fig.subfigures(1, 2, width_ratios=(1.6, 1)), dtype=object)
        grid = left.add_gridspec(2, 2)
        on = left.add_subplot(grid[0, 0])
        off = left.add_subplot(grid[1, 0], sharex=on, sharey=on)
        track = left.add_subplot(grid[0, 1])
        weight = left.add_subplot(grid[1, 1], sharex=track)
        gene = right.add_subplot()
        _fill_figure2a(on, off, states)
        for axes in (on, off):
            axes.set_ylabel(weight_label(states))
        _fill_figure2b(track, weight, coverage)
        on.set_title(f"Weights by mark\n{on.get_title(loc='left')}")
        # The axis says that these are weights; there is no room for more next to panel c.
        weight.set_title(weight.get_title(loc="left").removeprefix("Weights, "))
        for upper in (on, track):
            upper.tick_params(labelbottom=False)
        left.align_ylabels([on, off])
        left.align_ylabels([track, weight])
        plot_beta(beta.assign(simulated=0), gene)
        # The paper's name below the mark's: the columns then have room for their headers.
        names = [label.get_text().replace(" (", "\n(") for label in gene.get_yticklabels()]
        gene.set_yticks(gene.get_yticks(), names)
        for axes, letter in ((on, "a"), (track, "b"), (gene, "c")):
            _letter(axes, letter)
        _legend(fig, (on, off, weight), columns=6)
    return fig


def _letter(axes: Axes, letter: str) -> None:
    """Put a panel's letter beside the first line of its title, bold, as journals print it."""
    weight = "bold" if letter == "c" else "normal"
    # A column is narrower here than where the panels stand alone.
    words = axes.get_title(loc="left").replace(", labelled", "\nlabelled")
    title = axes.set_title(words, fontweight=weight, parse_math=False)
    axes.annotate(
        letter,
        (0, 1),
        xycoords=title,
        xytext=(-24, 1),
        textcoords="offset points",
        va="top",
        fontsize=9,
        fontweight="bold",
        annotation_clip=False,
    )

"""Profiles over the window around a TSS: Figure 2a and 2b of the paper.

Every function draws the numbers of its table and computes none.
"""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from chromviz.catalog import method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import PROMOTER_MARK, cell_label, mark_label

PROFILE_COLUMNS = ("mark", "bin_start", "bin_width", "mean", "ci_low", "ci_high")
_SOURCE_COLUMNS = ("n_genes", "cell", "model", "method", "simulated")
FIGURE2A_COLUMNS = (*PROFILE_COLUMNS, "state", *_SOURCE_COLUMNS)
FIGURE2B_COLUMNS = (*PROFILE_COLUMNS, "role", "unit", *_SOURCE_COLUMNS)
_STATES = ("ON", "OFF")


def plot_profiles(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    ylabel: str,
    baseline: float | None = None,
    legend: bool = True,
    emphasise: str | None = None,
) -> Axes:
    """Draw one line per mark over the bins, with its interval shaded.

    Parameters
    ----------
    table
        One row per mark and bin: ``mark``; ``bin_start`` and ``bin_width`` in bp (start from the
        TSS); ``mean, ci_low, ci_high`` in the unit that `ylabel` names. NaN leaves a gap.
    ax
        Where to draw; new Axes of one column's width if None.
    ylabel
        What the values are, with their unit.
    baseline
        A value drawn as a dashed, labelled line, for instance 1/100, uniform attention.
    legend
        Whether to name the marks inside the Axes.
    emphasise
        A mark whose line is drawn thick and on top.

    Returns
    -------
    Axes
        x in kb from the TSS; lines at the centres of bins, labelled with the mark.
    """
    style.require_columns(table, PROFILE_COLUMNS, "a profile plot")
    if table.empty:
        raise ChromvizError("a profile plot needs at least one row; its table is empty")
    twice = table.duplicated(["mark", "bin_start"])
    if twice.any():
        row = table[twice].iloc[0]
        raise ChromvizError(
            f"a profile plot needs each bin of a mark once; {row['mark']} has the bin at "
            f"{row['bin_start']} bp more than once: select one state, role or cell first"
        )
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
    heading = figure2a_heading(table)
    with style.figure_style():
        fig = style.ShownFigure(figsize=(style.ONE_COLUMN, 3.7))
        top, bottom = fig.subplots(2, 1, sharex=True, sharey=True)
        fill_figure2a(top, bottom, table)
        style.head_figure(fig, heading, table)
        fig.supylabel(weight_label(table))
        style.legend_below(fig, (top, bottom))
        return fig


def figure2a_heading(table: pd.DataFrame) -> list[str]:
    """Check the table of Figure 2a, and return its cell type, and its model and method."""
    style.require_columns(table, FIGURE2A_COLUMNS, "Figure 2a")
    _check_members(table, "state", _STATES, "Figure 2a")
    return _heading(table, "Figure 2a")


def fill_figure2a(top: Axes, bottom: Axes, table: pd.DataFrame) -> None:
    """Draw the panels of Figure 2a, ON and OFF, on Axes that share both their axes."""
    for axes, state in zip((top, bottom), _STATES, strict=True):
        draw_window(axes, table)
        rows = table[(table["state"] == state) & (table["n_genes"] > 0)]
        axes.set_title(_count_title(f"predicted {state}", rows))
        if rows.empty:
            style.say_empty(axes, f"no gene predicted {state}")
            continue
        plot_profiles(
            rows.drop(columns="simulated"),
            axes,
            ylabel="",
            baseline=_baseline(rows),
            legend=False,
        )
    top.set_xlabel("")


def draw_figure2b(table: pd.DataFrame) -> Figure:
    """Draw Figure 2b: coverage of the reference track above the mean weights of each mark.

    `table` is as for :func:`plot_profiles`, with ``role`` (``coverage``, over genes labelled ON, or
    ``weight``, over genes predicted ON), ``unit`` (of the coverage), ``n_genes``, ``cell``,
    ``model``, ``method`` and ``simulated``. A role without genes gets an empty panel that says so.
    H3K4me3, the mark that Table 3 compares with the track, is emphasised.
    """
    heading = figure2b_heading(table)
    with style.figure_style():
        fig = style.ShownFigure(figsize=(style.ONE_COLUMN, 3.7))
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(1, 1.25))
        fill_figure2b(top, bottom, table)
        fig.align_ylabels([top, bottom])
        style.head_figure(fig, heading, table)
        style.legend_below(fig, (bottom,))
        return fig


def figure2b_heading(table: pd.DataFrame) -> list[str]:
    """Check the table of Figure 2b, and return its cell type, and its model and method."""
    style.require_columns(table, FIGURE2B_COLUMNS, "Figure 2b")
    _check_members(table, "role", ("coverage", "weight"), "Figure 2b")
    return _heading(table, "Figure 2b")


def fill_figure2b(top: Axes, bottom: Axes, table: pd.DataFrame) -> None:
    """Draw the panels of Figure 2b, coverage and weights, on Axes that share the x axis."""
    coverage = table[(table["role"] == "coverage") & (table["n_genes"] > 0)]
    weight = table[(table["role"] == "weight") & (table["n_genes"] > 0)]
    draw_window(top, table)
    draw_window(bottom, table)
    if coverage.empty:
        top.set_title(_count_title("labelled ON", coverage))
        style.say_empty(top, "no gene labelled ON with coverage")
    else:
        track = mark_label(style.only_text(coverage, "mark", "the coverage of Figure 2b"))
        unit = style.only_text(coverage, "unit", "the coverage of Figure 2b")
        # A long unit is wrapped to fit its panel.
        label = "\n".join(textwrap.wrap(f"Mean coverage, {unit}" if unit else "Mean coverage", 24))
        plot_profiles(coverage.drop(columns="simulated"), top, ylabel=label, legend=False)
        top.set_title(_count_title(f"{track}, labelled ON", coverage))
    bottom.set_title(_count_title("Weights, predicted ON", weight))
    if weight.empty:
        style.say_empty(bottom, "no gene predicted ON")
    else:
        plot_profiles(
            weight.drop(columns="simulated"),
            bottom,
            ylabel=weight_label(weight),
            baseline=_baseline(weight),
            legend=False,
            emphasise=PROMOTER_MARK,
        )
    top.set_xlabel("")


def _check_members(table: pd.DataFrame, column: str, known: tuple[str, str], what: str) -> None:
    unknown = sorted(set(table[column].astype(str)) - set(known))
    if unknown:
        raise ChromvizError(
            f"{what} needs {' or '.join(known)} as {column}; its table has {unknown[0]!r}"
        )


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


def _count_title(what: str, rows: pd.DataFrame) -> str:
    count = int(style.only_value(rows, "n_genes", f"the panel '{what}'")) if len(rows) else 0
    return f"{what} (n = {count:,})"


def _heading(table: pd.DataFrame, what: str) -> list[str]:
    """Return the cell type, and what was explained and how, as lines."""
    lines = [cell_label(style.only_text(table, "cell", what))]
    # Coverage has no model: only the rows of weights say what was explained.
    explained = table[table["role"] == "weight"] if "role" in table.columns else table
    if len(explained):
        model = model_label(style.only_text(explained, "model", what))
        method = method_label(style.only_text(explained, "method", what))
        lines.append(", ".join(filter(None, (model, method))))
    return lines


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

"""Genes that change state between cell types: how much β changes, and on which marks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chromviz.catalog import model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import COMMON_NAMES, mark_label

CHANGE_COLUMNS = ("gene", "symbol", "on_cell", "off_cell", "shift", "ci_low", "ci_high")
#: Maximum number of changes that :func:`draw_changes` shows.
MOST_SHOWN = 20

_BETA = "beta_"
_AS_EXPECTED, _OTHERWISE = style.MARK_COLOURS["H3K27ac"], style.MARK_COLOURS["H3K4me3"]
# Inches per row.
_ROW = 0.165


def plot_shifts(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw by gene how much more of β lies on non-repressive marks where the gene is ON.

    `table` has one row per gene and pair of cell types, drawn from the top: ``gene, symbol,
    on_cell, off_cell, shift`` (ON minus OFF) and ``ci_low, ci_high`` (NaN: a point only). Above 0,
    β changes as the paper expects.
    """
    _check(table, "the plot of genes that change state")
    with style.axes_for(ax, style.MIDDLE_WIDTH, 0.9 + _ROW * len(table), table) as axes:
        for place, (_, row) in enumerate(table.iterrows()):
            colour = _AS_EXPECTED if row["shift"] > 0 else _OTHERWISE
            if pd.notna(row["ci_low"]) and pd.notna(row["ci_high"]):
                ends = [row["ci_low"], row["ci_high"]]
                axes.plot(ends, [place, place], color=colour, linewidth=1, gid="interval")
            axes.plot(row["shift"], place, "o", color=colour, gid="shift")
        axes.axvline(0, color=style.GREY, linewidth=0.5, zorder=0, gid="zero")
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.set_yticks(range(len(table)), [_row_label(row) for _, row in table.iterrows()])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("Shift of β to non-repressive marks")
        return axes


def plot_beta_changes(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the change of β on each mark, ON minus OFF, as a heatmap: changes by marks.

    `table` is as for :func:`plot_shifts`, with a column ``beta_{mark}`` per mark. The colour scale
    is symmetric about 0.
    """
    what = "the heatmap of changes in β"
    _check(table, what)
    marks = _marks(table, what)
    values = table[[_BETA + mark for mark in marks]].to_numpy(float)
    with style.axes_for(ax, style.ONE_COLUMN, 0.9 + _ROW * len(table), table) as axes:
        axes.imshow(
            values,
            cmap=style.PALE_DIVERGING,
            norm=_scale(values),
            aspect="auto",
            interpolation="nearest",
        )
        for (down, across), value in np.ndenumerate(values):
            words = f"{value:+z.2f}".replace("-", "\N{MINUS SIGN}")
            axes.text(across, down, words, ha="center", va="center", fontsize="small")
        axes.set_xticks(range(len(marks)), [mark_label(mark).replace(" ", "\n") for mark in marks])
        axes.set_yticks(range(len(table)), [_row_label(row) for _, row in table.iterrows()])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return axes


def draw_changes(table: pd.DataFrame) -> Figure:
    """Draw the genes with the largest absolute Δβ: intervals, and Δβ of each mark (180 mm).

    `table` is as for :func:`plot_beta_changes`, with ``model``, ``seeds`` and ``simulated``; its
    first :data:`MOST_SHOWN` rows are drawn.
    """
    what = "the figure of genes that change state"
    _check(table, what)
    style.require_columns(table, ("model", "seeds", "simulated"), what)
    seeds = int(style.only_value(table, "seeds", what))
    shown = table.head(MOST_SHOWN).drop(columns="simulated")
    what_is_shown = f"{len(table)} change{'s' if len(table) > 1 else ''}"
    if len(shown) < len(table):
        what_is_shown = f"{len(shown)} of {len(table):,} changes, largest absolute Δβ"
    model = model_label(style.only_text(table, "model", what))
    over = f"Means and 95% intervals over {seeds} trainings" if seeds > 1 else "One training"
    heading = [
        "Genes that change state",
        f"{model}; {what_is_shown}; ON in the cell type named first. {over}",
    ]
    with style.figure_style():
        fig = style.ShownFigure(figsize=(style.TWO_COLUMNS, 1.6 + _ROW * len(shown)))
        left, right = fig.subplots(1, 2, width_ratios=(2, 3))
        plot_shifts(shown, left)
        plot_beta_changes(shown, right)
        right.set_yticks([])
        right.set_ylim(left.get_ylim())
        values = shown[[_BETA + mark for mark in _marks(table, what)]].to_numpy(float)
        scale = ScalarMappable(_scale(values), style.PALE_DIVERGING)
        bar = fig.colorbar(scale, ax=right, location="bottom", shrink=0.6, aspect=30, pad=0.02)
        bar.set_label("Δβ (ON − OFF)")
        bar.outline.set_visible(False)
        named = (("as the paper expects", _AS_EXPECTED), ("the opposite", _OTHERWISE))
        handles = [
            Line2D([], [], color=colour, marker="o", linewidth=1, label=label)
            for label, colour in named
        ]
        fig.legend(handles=handles, loc="outside lower left", ncols=2)
        style.head_figure(fig, heading, table)
        return fig


def _check(table: pd.DataFrame, what: str) -> None:
    style.require_columns(table, CHANGE_COLUMNS, what)
    if table.empty:
        raise ChromvizError(f"{what} has nothing to draw: no gene changes state")


def _marks(table: pd.DataFrame, what: str) -> list[str]:
    marks = [str(name).removeprefix(_BETA) for name in table if str(name).startswith(_BETA)]
    if not marks:
        raise ChromvizError(f"{what} needs a column {_BETA}MARK for each mark")
    return marks


def _scale(values: np.ndarray) -> Normalize:
    most = float(np.nanmax(np.abs(values), initial=0)) or 1.0
    return Normalize(-most, most)


def _row_label(row: pd.Series) -> str:
    on, off = (COMMON_NAMES.get(row[name], row[name]) for name in ("on_cell", "off_cell"))
    name = row["symbol"] if isinstance(row["symbol"], str) and row["symbol"] else row["gene"]
    return f"{name}: {on}, not {off}"

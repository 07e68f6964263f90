"""Agreement with a reference track: the numbers of Table 3 as a forest plot."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chromviz.catalog import is_control, method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, cell_label

_METHOD_COLOUR = style.MARK_COLOURS[REFERENCE_TRACK]
_CONTROL_COLOUR = "#333333"
# Rows are one apart; the paper's value is this far below ours, so that neither hides the other.
_PAPER_OFFSET = 0.28
# The heading of the controls has its own row.
_GAP = 1.0


TABLE3_COLUMNS = (
    "cell",
    "model",
    "method",
    "mark",
    "track",
    "estimate",
    "ci_low",
    "ci_high",
    "n_genes",
    "n_reference_genes",
    "paper",
    "simulated",
    "gene_set",
    "note",
)


def plot_table3(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw r of each method with its interval, controls below, and the paper's values.

    `table` has the rows of ``table3.csv`` of one cell type, mark and track. A row whose
    ``estimate`` is NaN is written "undefined"; one whose interval is NaN is a point only. The raw
    signal's r and interval are drawn as a line and band: what following the input alone gives.
    """
    what = "the plot of Table 3"
    check_table3(table, what)
    cell, mark, track = (style.only_text(table, name, what) for name in ("cell", "mark", "track"))
    control = table["method"].map(is_control)
    rows = table.iloc[np.argsort(control.to_numpy(), kind="stable")]
    places = [
        float(place) + (_GAP if is_control(row["method"]) and (~control).any() else 0.0)
        for place, (_, row) in enumerate(rows.iterrows())
    ]
    line = 0.27 if _has_gene_sets(table) else 0.19  # inches per row, of two lines or one
    with style.axes_for(ax, style.MIDDLE_WIDTH, 1.2 + line * len(rows), table) as axes:
        handles = _draw_reference(axes, rows)
        for place, (_, row) in zip(places, rows.iterrows(), strict=True):
            _draw_row(axes, place, row)
        if control.any() and (~control).any():
            boundary = int((~control).sum()) - 0.5
            axes.axhline(boundary, color=style.GREY, linewidth=0.5, gid="rule")
            _beside(
                axes, boundary + 0.5, "Controls", left=True, fontweight="bold", fontsize="small"
            )
        axes.axvline(0, color=style.GREY, linewidth=0.5, zorder=0, gid="zero")
        axes.set_xlim(_left_limit(rows), 1)
        axes.set_ylim(places[-1] + 0.6, -0.6)
        axes.set_yticks(places, [_row_label(row, table) for _, row in rows.iterrows()])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"Pearson's r\n(mean {mark} weights, mean {track} coverage)")
        axes.set_title(cell_label(cell), loc="left", fontweight="bold")
        handles = [
            Line2D([], [], color=style.GREY, marker="o", linewidth=1, label="r, 95% interval"),
            *_paper_handle(rows),
            *handles,
        ]
        # Below the label of the x axis, at a distance in lines and not in heights of the Axes.
        axes.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            borderaxespad=5.7,
            ncols=3,
        )
        return axes


def draw_table3(table: pd.DataFrame) -> Figure:
    """Draw :func:`plot_table3` as a figure, 120 mm wide."""
    figure = plot_table3(table).get_figure(root=True)
    assert isinstance(figure, Figure)  # noqa: S101 - for the type checker: one was just made
    return figure


def _draw_row(axes: Axes, place: float, row: pd.Series) -> None:
    colour = _CONTROL_COLOUR if is_control(row["method"]) else _METHOD_COLOUR
    if pd.notna(row["ci_low"]) and pd.notna(row["ci_high"]):
        interval = [row["ci_low"], row["ci_high"]]
        axes.plot(interval, [place, place], color=colour, linewidth=1, gid="interval")
    if pd.notna(row["estimate"]):
        axes.plot(row["estimate"], place, "o", color=colour, gid="estimate", clip_on=False)
    if pd.notna(row["paper"]):
        axes.plot(
            row["paper"],
            place + _PAPER_OFFSET,
            "D",
            markerfacecolor="white",
            markeredgecolor=_CONTROL_COLOUR,
            markeredgewidth=0.6,
            markersize=3,
            gid="paper",
            clip_on=False,
        )
    colour = style.GREY if pd.isna(row["estimate"]) else "black"
    _beside(axes, place, format_r(row), fontsize="small", color=colour)


def _beside(axes: Axes, place: float, text: str, *, left: bool = False, **style: Any) -> None:
    """Write beside the Axes, in line with a row."""
    axes.annotate(
        text,
        (0 if left else 1, place),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-2, 0) if left else (8, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center_baseline",
        annotation_clip=False,
        **style,
    )


def _left_limit(rows: pd.DataFrame) -> float:
    """Return the left end of the x axis: 0, or the next half below the smallest value."""
    least = min(0.0, float(rows[["estimate", "ci_low", "paper"]].min().min()))
    return max(-1.0, math.floor(least * 2) / 2)


def _draw_reference(axes: Axes, rows: pd.DataFrame) -> list[Line2D]:
    """Draw the raw signal's r as a line and its interval as a band, for each such row."""
    colour = style.MARK_COLOURS[PROMOTER_MARK]
    lines = []
    for _, row in rows[(rows["method"] == "raw_signal") & rows["estimate"].notna()].iterrows():
        line = axes.axvline(row["estimate"], color=colour, linewidth=0.7, linestyle=(0, (4, 2)))
        line.set(zorder=1, label="raw signal (line and band)", gid="raw signal")
        lines.append(line)
        if pd.notna(row["ci_low"]) and pd.notna(row["ci_high"]):
            band = axes.axvspan(row["ci_low"], row["ci_high"], color=colour, alpha=0.15)
            band.set(linewidth=0, zorder=0, gid="raw signal interval")
    return lines[:1]  # one entry of the legend is enough


def _paper_handle(rows: pd.DataFrame) -> list[Line2D]:
    if rows["paper"].isna().all():
        return []
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            marker="D",
            markerfacecolor="white",
            markeredgecolor=_CONTROL_COLOUR,
            markeredgewidth=0.6,
            markersize=3,
            label="paper",
        )
    ]


def _row_label(row: pd.Series, table: pd.DataFrame) -> str:
    model = row["model"] if isinstance(row["model"], str) else ""
    parts = [method_label(str(row["method"])), model_label(model)]
    label = ", ".join(filter(None, parts))
    return f"{label}\n{row['gene_set']}" if _has_gene_sets(table) else label


def _has_gene_sets(table: pd.DataFrame) -> bool:
    return table["gene_set"].nunique() > 1


def check_table3(table: pd.DataFrame, what: str) -> None:
    """Check that a table has the columns of Table 3 and at least one row."""
    style.require_columns(table, TABLE3_COLUMNS, what)
    if table.empty:
        raise ChromvizError(f"{what} needs at least one row; its table is empty")


def is_zero_filled(table: pd.DataFrame) -> bool:
    """Return whether any row rests on data whose gaps were set to zero (column ``missing``)."""
    return "missing" in table.columns and bool((table["missing"] == "zero").any())


def format_r(row: pd.Series) -> str:
    """Return ``0.853 [0.812, 0.886]``: r with its interval, or ``undefined``."""
    if pd.isna(row["estimate"]):
        return "undefined"
    names = ("estimate", "ci_low", "ci_high")
    text, low, high = (style.format_number(row[name], 3) for name in names)
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return text
    return f"{text} [{low}, {high}]"

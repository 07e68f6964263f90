"""A validation: the verdict for each explanation, and its gain over the raw signal."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chromviz.catalog import is_control
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, cell_label, mark_label

#: Questions that a verdict answers, by column.
ANSWERS = {
    "predicts": "model predicts",
    "agrees": "agrees",
    "beyond_signal": "beyond signal",
    "finds_causes": "finds causes",
    "faithful": "faithful",
    "depends_on_model": "depends on model",
    "passes": "passes",
}
#: The words for an answer.
WORDS = {1: "yes", 0: "no"}


def plot_gain(table: pd.DataFrame, statistic: str = "gain", ax: Axes | None = None) -> Axes:
    """Draw a statistic of each model and method with its interval over genes.

    `table` has tidy rows; `statistic` is ``gain`` (a line at 0) or ``pearson`` (a line at the raw
    signal's).
    """
    needed = ("model", "variant", "method", "statistic", "estimate", "ci_low", "ci_high")
    style.require_columns(table, needed, "the figure of a validation")
    part = table[table["statistic"] == statistic].reset_index(drop=True)
    if part.empty:
        raise ChromvizError(f"the figure of a validation needs rows of {statistic}; there is none")
    with style.axes_for(ax, style.TWO_COLUMNS / 2, 0.8 + 0.15 * len(part), table) as axes:
        for place, (_, row) in enumerate(part.iterrows()):
            control = is_control(row["method"])
            colour = "#333333" if control else style.MARK_COLOURS[REFERENCE_TRACK]
            if pd.notna(row["ci_low"]):
                axes.plot([row["ci_low"], row["ci_high"]], [place, place], color=colour, lw=1)
            if pd.notna(row["estimate"]):
                axes.plot(row["estimate"], place, "o", color=colour, markersize=3)
            else:
                axes.text(
                    *(0.02, place, "undefined"),
                    transform=axes.get_yaxis_transform(),
                    va="center",
                    color=style.GREY,
                    fontsize="x-small",
                )
        raw = part.loc[part["method"] == "raw_signal", "estimate"]
        line = 0.0 if statistic == "gain" else (raw.iloc[0] if len(raw) else np.nan)
        if np.isfinite(line):
            axes.axvline(line, color=style.GREY, linewidth=0.7, linestyle="--", zorder=0)
        axes.set_yticks(range(len(part)), [_label(row) for _, row in part.iterrows()])
        axes.set_ylim(len(part) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=style.GREY, alpha=0.2, linewidth=0.5)
        what = {"gain": "Gain in r over the raw signal", "pearson": "Pearson's r"}
        axes.set_xlabel(what.get(statistic, statistic))
    return axes


def draw_validation(table: pd.DataFrame) -> Figure:
    """Draw r and the gain over the raw signal side by side; parameters as for :func:`plot_gain`."""
    rows = int((table["statistic"] == "gain").sum())
    bare = table.drop(columns="simulated")
    with style.figure_style():
        fig = style.ShownFigure(
            figsize=(style.TWO_COLUMNS, 1.1 + 0.14 * rows), layout="constrained"
        )
        left, right = fig.subplots(1, 2, sharey=True)
        plot_gain(bare, "pearson", left)
        plot_gain(bare, "gain", right)
        right.tick_params(labelleft=False)
        cell = cell_label(str(table["cell"].iloc[0]))
        titles = [
            f"{cell}: mean weights on {mark_label(PROMOTER_MARK)} against "
            f"{mark_label(REFERENCE_TRACK)}; dashed: the raw signal"
        ]
        style.head_figure(fig, titles, table)
        return fig


def plot_verdicts(verdicts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the verdict for each model and method: a filled circle for yes, a cross for no.

    The table is that of :func:`chromviz.validation.verdict.verdicts`; one column per question.
    """
    style.require_columns(
        verdicts, ("model", "variant", "method", *ANSWERS), "the figure of verdicts"
    )
    with style.axes_for(ax, style.TWO_COLUMNS, 0.9 + 0.15 * len(verdicts), verdicts) as axes:
        for value, marker, colour in ((1, "o", "#0072B2"), (0, "x", "#D55E00")):
            places = [
                (column, row)
                for row, (_, answers) in enumerate(verdicts.iterrows())
                for column, name in enumerate(ANSWERS)
                if pd.notna(answers[name]) and int(answers[name]) == value
            ]
            axes.scatter(
                [column for column, _ in places],
                [row for _, row in places],
                marker=marker,
                color=colour,
                s=14,
                linewidths=1,
                label=WORDS[value],
            )
        axes.set_xticks(range(len(ANSWERS)), list(ANSWERS.values()))
        axes.set_yticks(range(len(verdicts)), [_label(row) for _, row in verdicts.iterrows()])
        axes.set_xlim(-0.5, len(ANSWERS) - 0.5)
        axes.set_ylim(len(verdicts) - 0.5, -0.5)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.grid(axis="y", color=style.GREY, alpha=0.2, linewidth=0.5)
        axes.axvline(len(ANSWERS) - 1.5, color=style.GREY, linewidth=0.5)
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=2, frameon=False)
    return axes


def draw_verdicts(verdicts: pd.DataFrame) -> Figure:
    """Draw the verdicts as a figure; parameters as for :func:`plot_verdicts`."""
    with style.figure_style():
        fig = style.ShownFigure(
            figsize=(style.TWO_COLUMNS, 1.2 + 0.14 * len(verdicts)), layout="constrained"
        )
        plot_verdicts(verdicts.drop(columns="simulated"), fig.subplots())
        cell = cell_label(str(verdicts["cell"].iloc[0]))
        titles = [f"{cell}: verdict for each explanation"]
        style.head_figure(fig, titles, verdicts)
        return fig


def _label(row: pd.Series) -> str:
    return style.explanation_label(*(str(row[name]) for name in ("method", "model", "variant")))

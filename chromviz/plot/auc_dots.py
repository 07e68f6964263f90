"""Figures of a suite: test AUC of each model, and calibration."""

from __future__ import annotations

import textwrap

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chromviz.catalog import model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import cell_label


def plot_suite(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the test AUC of each model: one point per cell type and seed.

    `table` has one row per trained model: ``model, cell, seed, auc``; models are drawn from the
    top, with one colour per cell type.
    """
    style.require_columns(table, ("model", "cell", "seed", "auc"), "the figure of a suite")
    if table.empty:
        raise ChromvizError("the figure of a suite needs at least one model; its table is empty")
    models = list(dict.fromkeys(table["model"]))
    cells = list(dict.fromkeys(table["cell"]))
    with style.axes_for(ax, style.ONE_COLUMN, 0.6 + 0.24 * len(models), table) as axes:
        colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        for place, cell in enumerate(cells):
            part = table[table["cell"] == cell]
            # Cell types are shifted slightly, so that equal points do not hide each other.
            shift = 0.0 if len(cells) == 1 else 0.36 * (place / (len(cells) - 1) - 0.5)
            axes.plot(
                part["auc"],
                [models.index(model) + shift for model in part["model"]],
                "o",
                markersize=3.5,
                alpha=0.8,
                color=colours[place % len(colours)] if len(cells) <= len(colours) else style.GREY,
                label=cell_label(str(cell)) if len(cells) <= len(colours) else None,
            )
        axes.set_yticks(range(len(models)), [model_label(str(model)) for model in models])
        axes.set_ylim(len(models) - 0.5, -0.5)
        axes.set_xlabel("Test AUC")
        axes.grid(axis="x", color=style.GREY, alpha=0.25, linewidth=0.5)
    return axes


def draw_suite(table: pd.DataFrame) -> Figure:
    """Draw the figure of a suite, with its legend below; parameters as for :func:`plot_suite`."""
    models, cells = table["model"].nunique(), table["cell"].nunique()
    with style.figure_style():
        named = len(mpl.rcParams["axes.prop_cycle"])
        below = 0.22 * -(-cells // 2) if cells <= named else 0
        fig = style.ShownFigure(figsize=(style.ONE_COLUMN, 1.3 + 0.22 * models + below))
        axes = fig.subplots()
        plot_suite(table.drop(columns="simulated"), axes)
        style.head_figure(fig, ["Test AUC by model"], table)
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            fig.legend(handles, labels, loc="outside lower center", ncols=2)
        return fig


def plot_calibration(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one model's reliability: the share of ON genes by predicted probability.

    `table` is that of :func:`chromviz.validation.classification.reliability`. The diagonal is
    perfect calibration.
    """
    columns = ("probability", "share_on", "ci_low", "ci_high", "n")
    style.require_columns(table, columns, "a calibration plot")
    with style.axes_for(ax, style.ONE_COLUMN, style.ONE_COLUMN, table) as axes:
        axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.7, linestyle="--")
        axes.errorbar(
            table["probability"],
            table["share_on"],
            yerr=[table["share_on"] - table["ci_low"], table["ci_high"] - table["share_on"]],
            fmt="o",
            markersize=2.5,
            linewidth=0.8,
        )
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    return axes


def draw_calibration(table: pd.DataFrame) -> Figure:
    """Draw the reliability of each model (column ``model``) in its own panel."""
    style.require_columns(table, ("model", "simulated"), "a calibration figure")
    models = list(dict.fromkeys(table["model"]))
    wide = min(3, len(models))
    deep = -(-len(models) // wide)
    with style.figure_style():
        fig = style.ShownFigure(figsize=(style.ONE_COLUMN, 0.9 + 1.15 * deep))
        panels = fig.subplots(deep, wide, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(panels.flat):
            if place >= len(models):
                axes.set_visible(False)
                continue
            part = table[table["model"] == models[place]].drop(columns="simulated")
            plot_calibration(part, axes)
            axes.set_title(textwrap.fill(model_label(str(models[place])), 16), fontsize="small")
            if place + wide >= len(models):  # the lowest of its column
                axes.xaxis.set_tick_params(labelbottom=True)
        fig.supxlabel("Probability of ON")
        fig.supylabel("Share of ON genes")
        style.head_figure(fig, ["Calibration on test genes"], table)
        return fig

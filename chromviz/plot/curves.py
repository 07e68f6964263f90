"""Curves: loss and validation AUC by epoch."""

from __future__ import annotations

import textwrap

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from chromviz.catalog import model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import cell_label

CURVE_COLUMNS = ("seed", "epoch", "train_loss", "valid_loss", "valid_auc", "kept")
#: What a curve can show: its columns, and the label of the axis.
_SHOWN = {
    "loss": ({"train_loss": "training", "valid_loss": "validation"}, "Loss"),
    "auc": ({"valid_auc": "validation"}, "Validation AUC"),
}


def plot_learning_curve(table: pd.DataFrame, ax: Axes | None = None, *, what: str = "loss") -> Axes:
    """Draw the loss or the validation AUC (`what`: ``loss`` or ``auc``) by epoch.

    `table` has one row per seed and epoch: ``seed, epoch`` (from 1), ``train_loss``, ``valid_loss``
    (binary cross-entropy in nats, weighted if the training was), ``valid_auc`` and ``kept`` (1 for
    the epoch whose weights were kept). Training is dashed, validation solid.
    """
    style.require_columns(table, CURVE_COLUMNS, "a learning curve")
    if table.empty:
        raise ChromvizError("a learning curve needs at least one epoch; its table is empty")
    if what not in _SHOWN:
        raise ChromvizError(f"a learning curve shows loss or auc, not {what!r}")
    columns, label = _SHOWN[what]
    with style.axes_for(ax, style.ONE_COLUMN, 2.2, table) as axes:
        colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
        for place, (_, part) in enumerate(table.groupby("seed", sort=True)):
            colour = colours[place % len(colours)]
            for column, name in columns.items():
                axes.plot(
                    part["epoch"],
                    part[column],
                    linestyle="--" if name == "training" else "-",
                    color=colour,
                    label=name if place == 0 else None,
                )
            kept = part[part["kept"] == 1]
            column = list(columns)[-1]
            axes.plot(
                kept["epoch"],
                kept[column],
                "o",
                color=colour,
                markersize=4,
                label="kept epoch" if place == 0 else None,
            )
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return axes


def draw_learning_curve(table: pd.DataFrame) -> Figure:
    """Draw the losses of one model and cell type above its validation AUC (85 mm)."""
    style.require_columns(table, ("model", "cell", "simulated"), "a learning curve")
    model = model_label(style.only_text(table, "model", "a learning curve"))
    cell = cell_label(style.only_text(table, "cell", "a learning curve"))
    seeds = table["seed"].nunique()
    heading = ["Learning curve", f"{model}, {cell}"]
    if seeds > 1:
        heading.append(f"{seeds} seeds, one colour each")
    with style.figure_style():
        fig = style.ShownFigure(figsize=(style.ONE_COLUMN, 3.4))
        top, bottom = fig.subplots(2, 1, sharex=True)
        panels = table.drop(columns="simulated")
        plot_learning_curve(panels, top, what="loss")
        plot_learning_curve(panels, bottom, what="auc")
        top.set_xlabel("")
        fig.align_ylabels([top, bottom])
        style.head_figure(fig, heading, table)
        legend_of_curves(fig, top)
        return fig


def draw_learning_curves(table: pd.DataFrame) -> Figure:
    """Draw the losses above the validation AUC, one column per model of one cell type."""
    what = "the figure of learning curves"
    style.require_columns(table, ("model", "cell", "simulated"), what)
    cell = cell_label(style.only_text(table, "cell", what))
    models = list(dict.fromkeys(table["model"]))
    width = style.panels_width(len(models))
    bare = table.drop(columns="simulated")
    with style.figure_style():
        fig = style.ShownFigure(figsize=(width, 3.4))
        panels = fig.subplots(2, len(models), sharex=True, sharey="row", squeeze=False)
        for (top, bottom), model in zip(panels.T, models, strict=True):
            part = bare[bare["model"] == model]
            plot_learning_curve(part, top, what="loss")
            plot_learning_curve(part, bottom, what="auc")
            top.set(xlabel="", title=textwrap.fill(model_label(str(model)), 24))
            if model != models[0]:
                top.set_ylabel("")
                bottom.set_ylabel("")
        fig.align_ylabels(panels[:, 0])
        style.head_figure(fig, ["Learning curves", cell], table)
        legend_of_curves(fig, panels[0, 0])
        return fig


def legend_of_curves(fig: Figure, axes: Axes) -> None:
    """Name the kinds of lines below a figure, in grey: colours distinguish seeds."""
    legend = fig.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for handle in legend.legend_handles:
        if isinstance(handle, Line2D):
            handle.set_color(style.GREY)

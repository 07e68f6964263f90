"""Curves: losses and AUC by epoch, and predictions while top bins are deleted or inserted."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from chromviz import catalog
from chromviz.catalog import is_control, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import cell_label

LEARNING_COLUMNS = ("seed", "epoch", "train_loss", "valid_loss", "valid_auc", "kept")
DELETION_COLUMNS = ("model", "method", "way", "share", "mean", "ci_low", "ci_high", "n")
#: What a learning curve can show: its columns, and the label of the axis.
_SHOWN = {
    "loss": ({"train_loss": "training", "valid_loss": "validation"}, "Loss"),
    "auc": ({"valid_auc": "validation"}, "Validation AUC"),
}
_WAYS = {"deletion": "deleted", "insertion": "inserted"}
_DASHES = {"raw_signal": "-", "tss_distance": (0, (5, 1.5)), "uniform": (0, (1, 1))}


def plot_learning_curve(table: pd.DataFrame, ax: Axes | None = None, *, what: str = "loss") -> Axes:
    """Draw the loss or the validation AUC (`what`: ``loss`` or ``auc``) by epoch.

    `table` has one row per seed and epoch: ``seed, epoch`` (from 1), ``train_loss``, ``valid_loss``
    (binary cross-entropy in nats, weighted if the training was), ``valid_auc`` and ``kept`` (1 for
    the epoch whose weights were kept). Training is dashed, validation solid.
    """
    style.require_rows(table, LEARNING_COLUMNS, "a learning curve")
    if what not in _SHOWN:
        raise ChromvizError(f"a learning curve shows loss or auc, not {what!r}")
    columns, label = _SHOWN[what]
    with style.axes_for(ax, style.ONE_COLUMN, 2.2, table) as axes:
        colours = style.colour_cycle()
        for place, (_, part) in enumerate(table.groupby("seed", sort=True)):
            colour = colours[place % len(colours)]
            kept = part[part["kept"] == 1]
            for column, name in columns.items():
                dashes = "--" if name == "training" else "-"
                axes.plot(part["epoch"], part[column], linestyle=dashes, color=colour, label=name)
            point: dict[str, Any] = {"color": colour, "markersize": 4, "label": "kept epoch"}
            axes.plot(kept["epoch"], kept[column], "o", **point)
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return axes


def draw_learning_curve(table: pd.DataFrame) -> Figure:
    """Draw the losses of one model and cell type above its validation AUC (85 mm)."""
    style.require_columns(table, ("model", "cell", "simulated"), "a learning curve")
    model = model_label(style.only_text(table, "model", "a learning curve"))
    cell = cell_label(style.only_text(table, "cell", "a learning curve"))
    seeds = table["seed"].nunique()
    several = [f"{seeds} seeds, one colour each"] if seeds > 1 else []
    return _draw_learning(table, ["Learning curve", f"{model}, {cell}", *several], titles=False)


def draw_learning_curves(table: pd.DataFrame) -> Figure:
    """Draw the losses above the validation AUC, one column per model of one cell type."""
    what = "the figure of learning curves"
    style.require_columns(table, ("model", "cell", "simulated"), what)
    cell = cell_label(style.only_text(table, "cell", what))
    return _draw_learning(table, ["Learning curves", cell], titles=True)


def _draw_learning(table: pd.DataFrame, heading: list[str], *, titles: bool) -> Figure:
    def draw(part: pd.DataFrame, top: Axes, bottom: Axes) -> None:
        plot_learning_curve(part, top, what="loss")
        plot_learning_curve(part, bottom, what="auc")
        top.set_xlabel("")

    with style.new_figure(_width(table), 3.4, heading, table) as fig:
        panels = _draw_models(fig, table, draw, sharey="row", titles=titles)
        legend = style.legend_below(fig, style.named_lines([panels[0, 0]]), columns=3)
        # Grey, because colours distinguish seeds.
        for handle in legend.legend_handles if legend else ():
            if isinstance(handle, Line2D):
                handle.set_color(style.GREY)
    return fig


def plot_deletion(
    table: pd.DataFrame,
    way: str = "deletion",
    ax: Axes | None = None,
    *,
    methods: Iterable[str] | None = None,
) -> Axes:
    """Draw the mean probability of the predicted state over the share of bins changed.

    `table` has one row per method, way and share, of one model: ``model, method, way``
    (``deletion`` of the top bins, or ``insertion`` into the reference), ``share`` (0 to 1),
    ``mean`` over genes with its 95 % interval ``ci_low, ci_high``, and ``n`` genes. `methods` are
    all methods of a figure with several panels, in which each keeps its colour.
    """
    style.require_columns(table, DELETION_COLUMNS, "a deletion curve")
    style.only_value(table, "model", "a deletion curve")
    part = table[table["way"] == way]
    if part.empty:
        found = ", ".join(dict.fromkeys(table["way"]))
        raise ChromvizError(f"a deletion curve needs rows of {way!r}; its table has {found}")
    with style.axes_for(ax, style.ONE_COLUMN, 2.4, table) as axes:
        looks = _looks(table["method"] if methods is None else methods)
        for method, rows in part.groupby("method", sort=False):
            ordered = rows.sort_values("share")
            colour, dashes, order = looks[str(method)]
            percent = 100 * ordered["share"]
            band = axes.fill_between(percent, ordered["ci_low"], ordered["ci_high"], color=colour)
            band.set(alpha=0.12, linewidth=0, zorder=order - 1)
            (line,) = axes.plot(percent, ordered["mean"], color=colour, linestyle=dashes)
            line.set(label=style.explanation_label(str(method)), gid=str(method), zorder=order)
        axes.set_xscale("symlog", linthresh=1, linscale=0.4)
        ticks = [0, 1, 5, 20, 100]
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(0, 100)
        axes.set(xlabel=f"Bins {_WAYS.get(way, way)} (%)", ylabel="Probability of predicted state")
        return axes


def draw_deletion(table: pd.DataFrame) -> Figure:
    """Draw deletion above insertion, one column per model of one cell type (180 mm at most)."""
    what = "the figure of deletion"
    style.require_columns(table, (*DELETION_COLUMNS, "cell", "simulated"), what)
    heading = [
        cell_label(style.only_text(table, "cell", what)),
        f"Deletion and insertion of top bins; means over {style.count_range(table['n'])} test "
        "genes, 95% intervals",
    ]

    def draw(part: pd.DataFrame, top: Axes, bottom: Axes) -> None:
        for axes, way in zip((top, bottom), _WAYS, strict=True):
            plot_deletion(part, way, axes, methods=table["method"])

    width = _width(table)
    with style.new_figure(width, 4.4, heading, table) as fig:
        panels = _draw_models(fig, table, draw, sharey=True)
        named = style.named_lines(panels.flat)
        labels = [style.explanation_label(method) for method in _looks(table["method"])]
        columns = 4 if width > style.ONE_COLUMN * 1.5 else 2
        style.legend_below(fig, {label: named[label] for label in labels}, columns)
    return fig


def _width(table: pd.DataFrame) -> float:
    """Return the width of a figure with one column per model, three of them on two columns."""
    models = table["model"].nunique()
    return min(style.TWO_COLUMNS, max(style.ONE_COLUMN, style.TWO_COLUMNS * models / 3))


def _draw_models(
    fig: Figure,
    table: pd.DataFrame,
    draw: Callable[[pd.DataFrame, Axes, Axes], None],
    *,
    sharey: Any,
    titles: bool = True,
) -> np.ndarray:
    """Draw two panels for each model of a table, and return all Axes (2, model)."""
    models = list(dict.fromkeys(table["model"]))
    bare = table.drop(columns="simulated")
    panels: np.ndarray = fig.subplots(2, len(models), sharex=True, sharey=sharey, squeeze=False)
    for (top, bottom), model in zip(panels.T, models, strict=True):
        draw(bare[bare["model"] == model], top, bottom)
        if titles:
            top.set_title(textwrap.fill(model_label(str(model)), 24))
        if model != models[0]:
            top.set_ylabel("")
            bottom.set_ylabel("")
    fig.align_ylabels(panels[:, 0])
    return panels


def _looks(methods: Iterable[str]) -> dict[str, tuple[str, Any, int]]:
    """Return each method's colour, dashes and z-order, whatever the order of rows."""
    known = list(catalog.methods())
    names = sorted(
        set(methods), key=lambda name: (known.index(name) if name in known else len(known), name)
    )
    colours = style.colour_cycle()
    looks: dict[str, tuple[str, Any, int]] = {}
    for name in names:
        if is_control(name):
            colour = "black" if name == "random" else style.GREY
            looks[name] = (colour, _DASHES.get(name, (0, (3, 1, 1, 1))), 3)
            continue
        place = sum(order == 4 for _, _, order in looks.values())
        # When colours repeat, dashes distinguish the methods.
        dashes = ("-", (0, (4, 1)), (0, (1, 1)))[place // len(colours) % 3]
        looks[name] = (colours[place % len(colours)], dashes, 4)
    return looks

"""Deletion and insertion curves: predictions while top bins are deleted or inserted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chromviz import catalog
from chromviz.catalog import is_control, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import cell_label

CURVE_COLUMNS = ("model", "method", "way", "share", "mean", "ci_low", "ci_high", "n")
_WAYS = {"deletion": "deleted", "insertion": "inserted"}
_DASHES = {"raw_signal": "-", "tss_distance": (0, (5, 1.5)), "uniform": (0, (1, 1))}


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
    style.require_columns(table, CURVE_COLUMNS, "a deletion curve")
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
            axes.fill_between(
                100 * ordered["share"], ordered["ci_low"], ordered["ci_high"],
                color=colour, alpha=0.12, linewidth=0, zorder=order - 1,
            )  # fmt: skip
            axes.plot(
                100 * ordered["share"],
                ordered["mean"],
                color=colour,
                linestyle=dashes,
                label=style.explanation_label(str(method)),
                gid=str(method),
                zorder=order,
            )
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
    style.require_columns(table, (*CURVE_COLUMNS, "cell", "simulated"), what)
    cell = cell_label(style.only_text(table, "cell", what))
    models = list(dict.fromkeys(table["model"]))
    width = style.panels_width(len(models))
    genes = sorted({int(count) for count in table["n"]})
    counted = f"{genes[0]:,}" if len(genes) == 1 else f"{genes[0]:,} to {genes[-1]:,}"
    heading = [
        cell,
        f"Deletion and insertion of top bins; means over {counted} test genes, 95% intervals",
    ]
    bare = table.drop(columns="simulated")
    with style.figure_style():
        fig = style.ShownFigure(figsize=(width, 4.4))
        panels = fig.subplots(2, len(models), sharex=True, sharey=True, squeeze=False)
        for row, way in zip(panels, _WAYS, strict=True):
            for axes, model in zip(row, models, strict=True):
                part = bare[bare["model"] == model]
                plot_deletion(part, way, axes, methods=table["method"])
                if way == next(iter(_WAYS)):
                    axes.set_title(model_label(str(model)))
                if model != models[0]:
                    axes.set_ylabel("")
        named: dict[str, Artist] = {}
        for axes in panels.flat:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                named.setdefault(str(label), handle)
        order = {
            style.explanation_label(method): place
            for place, method in enumerate(_looks(table["method"]))
        }
        labels = sorted(named, key=lambda label: order[label])
        columns = 4 if width > style.ONE_COLUMN * 1.5 else 2
        fig.legend(
            [named[label] for label in labels], labels, loc="outside lower center", ncols=columns
        )
        style.head_figure(fig, heading, table)
        return fig


def _looks(methods: Iterable[str]) -> dict[str, tuple[str, Any, int]]:
    """Return each method's colour, dashes and z-order, whatever the order of rows."""
    known = list(catalog.methods())
    names = sorted(
        set(methods), key=lambda name: (known.index(name) if name in known else len(known), name)
    )
    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
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

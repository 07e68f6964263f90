"""Genes sorted by expression: signal, weights and coverage of each as heatmaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chromviz.catalog import method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.plot.profile_lines import draw_window
from chromviz.vocabulary import cell_label, mark_label

GENES_COLUMNS = (
    *("cell", "model", "method", "layer", "name", "unit", "row", "n_genes", "n_known"),
    *("expression", "threshold", "expression_unit", "n_unsorted", "bin_width", "simulated"),
)
_LAYERS = ("signal", "weight", "coverage")
#: Percentile at which colours end: a few bins of very strong signal would leave the rest pale.
_TOP = 99
_NO_DATA = "#dddddd"


def plot_genes(table: pd.DataFrame, layer: str, ax: Axes | None = None) -> Axes:
    """Draw one layer (``signal``, ``weight`` or ``coverage``) of genes sorted by expression.

    `table` is that of :func:`chromviz.validation.profiles.genes_by_expression`. Colours end at
    the 99th percentile, a row without data is grey, and a line marks the threshold of ON.
    """
    style.require_columns(table, GENES_COLUMNS, "a heatmap of genes")
    part = table[table["layer"] == layer].sort_values("row")
    if part.empty:
        found = ", ".join(dict.fromkeys(table["layer"]))
        raise ChromvizError(f"a heatmap of genes has no layer {layer!r}; its table has {found}")
    bins = _bins(part)
    values = part[[str(start) for start in bins]].to_numpy(np.float64)
    name = style.only_text(part, "name", "a heatmap of genes")
    with style.axes_for(ax, style.ONE_COLUMN, 3.2, table) as axes:
        width = float(style.only_value(part, "bin_width", "a heatmap of genes"))
        draw_window(axes, pd.DataFrame({"bin_start": bins, "bin_width": width}))
        low, high = axes.get_xlim()
        norm, colours, extend = _scale(values, name)
        image = axes.imshow(
            np.ma.masked_invalid(values),
            aspect="auto",
            interpolation="nearest",
            extent=(low, high, len(values), 0),
            cmap=colours,
            norm=norm,
        )
        axes.set_ylim(len(values), 0)
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        _draw_threshold(axes, part)
        unit = str(part["unit"].iloc[0])
        detail = method_label(str(part["method"].iloc[0])) if layer == "weight" else unit
        bar = axes.figure.colorbar(
            image, ax=axes, location="bottom", aspect=25, pad=0.03, extend=extend
        )
        words = ", ".join(filter(None, (layer.capitalize(), detail)))
        words = words.replace(", -", ", \N{MINUS SIGN}")
        bar.set_label(words, parse_math=False)
        bar.locator = MaxNLocator(4)
        bar.outline.set_visible(False)
        if np.isnan(values).all():
            bar.set_label("")
            bar.set_ticks([])
            bar.ax.set_visible(False)  # hidden, not removed: the panels keep the same height
            style.say_empty(axes, f"none of these genes\nhas {name} in every bin")
        words = {"signal": ", signal", "weight": ", weights"}.get(layer, "")
        axes.set_title(f"{mark_label(name)}{words}")
        return axes


def plot_expression(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the mean expression of each row of genes, log scale, linear below 1."""
    style.require_columns(table, GENES_COLUMNS, "a heatmap of genes")
    part = table.drop_duplicates("row").sort_values("row")
    with style.axes_for(ax, style.ONE_COLUMN, 3.2) as axes:
        rows = part["row"].to_numpy() + 0.5
        axes.fill_betweenx(rows, 0, part["expression"], color=style.GREY, alpha=0.5, linewidth=0)
        axes.set_xscale("symlog", linthresh=1)
        top = max(float(part["expression"].max()), 1.0)
        axes.set_xlim(0, top * 1.1)
        decades = 10.0 ** np.arange(1, 12, 2)
        axes.set_xticks([0, *decades[decades <= top]])
        axes.xaxis.set_major_formatter(lambda value, _: _power(value))
        axes.minorticks_off()
        axes.set_ylim(len(part), 0)
        axes.set_yticks([])
        unit = str(part["expression_unit"].iloc[0])
        axes.set_xlabel(f"Expression{f' ({unit})' if unit else ''}\nlog scale,\nlinear below 1")
        threshold = float(part["threshold"].iloc[0])
        if np.isfinite(threshold):
            axes.axvline(threshold, color="black", linewidth=0.5, linestyle=(0, (4, 2)))
        _draw_threshold(axes, part)
        axes.set_ylabel("Genes, the highest expression on top")
        return axes


def draw_genes(table: pd.DataFrame) -> Figure:
    """Draw genes sorted by expression: their expression, signal, weights and coverage (180 mm)."""
    what = "the figure of genes"
    style.require_columns(table, GENES_COLUMNS, what)
    cell, method, model = (
        style.only_text(table, name, what) for name in ("cell", "method", "model")
    )
    explained = ", ".join(filter(None, (model_label(model), method_label(method))))
    rows = table.drop_duplicates("row")
    genes = int(rows["n_genes"].sum())
    per_row = sorted({int(rows["n_genes"].min()), int(rows["n_genes"].max())})
    means = f"; each row averages {'-'.join(map(str, per_row))} genes" if per_row[-1] > 1 else ""
    left_out = int(rows["n_unsorted"].iloc[0])
    unknown = f"; {left_out:,} of unknown expression left out" if left_out else ""
    heading = [
        cell_label(cell),
        f"{explained}; {genes:,} test genes{means}"
        f"{unknown}{'; genes above the line are ON' if rows['threshold'].notna().all() else ''}",
    ]
    bare = table.assign(simulated=0)
    with style.new_figure(style.TWO_COLUMNS, 3.9, heading, table) as fig:
        panels = fig.subplots(1, 4, width_ratios=(0.4, 1, 1, 1))
        plot_expression(bare, panels[0])
        for axes, layer in zip(panels[1:], _LAYERS, strict=True):
            plot_genes(bare, layer, axes)
            part = table[table["layer"] == layer]
            known = int(part["n_known"].sum())
            if known < genes:
                axes.set_title(f"{axes.get_title(loc='left')}, n = {known:,}")
    return fig


def _bins(table: pd.DataFrame) -> list[int]:
    """Return the starts of the bins, which are the columns that are whole numbers."""
    return sorted(int(name) for name in table.columns if str(name).lstrip("-").isdigit())


def _scale(values: np.ndarray, name: str) -> tuple[Normalize, Colormap, str]:
    """Return the norm, the colours, and on which side values exceed the scale."""
    known = values[~np.isnan(values)]
    top = float(np.percentile(np.abs(known), _TOP)) if len(known) else 1.0
    top = top if top > 0 else float(np.abs(known).max(initial=0)) or 1.0
    beyond = len(known) > 0 and float(np.abs(known).max()) > top
    if len(known) and known.min() < 0:
        signed = LinearSegmentedColormap.from_list("signed", ["#0072B2", "white", "#D55E00"])
        colours = signed.with_extremes(bad=_NO_DATA)
        return TwoSlopeNorm(0, -top, top), colours, "both" if beyond else "neither"
    colour = style.mark_colour(name)
    amount = LinearSegmentedColormap.from_list("amount", ["white", colour, "black"])
    amount = LinearSegmentedColormap.from_list("amount", amount(np.linspace(0, 0.8, 256)))
    colours = amount.with_extremes(bad=_NO_DATA)
    return Normalize(0, top), colours, "max" if beyond else "neither"


def _power(value: float) -> str:
    """Return the label of a tick: 0, 10, or a power of ten."""
    digits = "⁰¹²³⁴⁵⁶⁷⁸⁹"
    if value < 100:
        return f"{value:g}"
    return "10" + "".join(digits[int(digit)] for digit in f"{np.log10(value):.0f}")


def _draw_threshold(axes: Axes, part: pd.DataFrame) -> None:
    """Draw a line below the last row whose expression is above the threshold of ON."""
    above = int((part["expression"] > part["threshold"]).sum())
    if 0 < above < len(part):
        axes.axhline(above, color="black", linewidth=0.5, gid="threshold")

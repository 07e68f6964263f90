"""Agreement between methods on the same genes: a matrix of all pairs, for each model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from chromviz.catalog import method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import cell_label

CONSENSUS_COLUMNS = ("model", "one", "other", "statistic", "estimate")
#: The statistics below and above the diagonal.
_BELOW, _ABOVE = "spearman", "top_overlap"
_NORM = Normalize(-1, 1)


def plot_consensus(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how similarly every two methods of one model rank the bins of a gene.

    `table` has one row per pair and statistic: ``model, one, other, statistic`` (``spearman`` or
    ``top_overlap``, the share of the top 5 % of bins that both have) and ``estimate`` (mean over
    genes; NaN is grey). Spearman's correlation is below the diagonal, the overlap above it.
    """
    style.require_columns(table, CONSENSUS_COLUMNS, "the matrix of methods")
    style.only_value(table, "model", "the matrix of methods")
    twice = table.duplicated(["one", "other", "statistic"])
    if twice.any():
        row = table[twice].iloc[0]
        raise ChromvizError(
            f"the matrix of methods needs each pair once; {row['one']} and {row['other']} come "
            f"more than once with {row['statistic']}: select one cell type first"
        )
    methods = list(dict.fromkeys([*table["one"], *table["other"]]))
    size = len(methods)
    values = np.full((size, size), np.nan)
    for _, row in table.iterrows():
        first, second = sorted((methods.index(row["one"]), methods.index(row["other"])))
        if row["statistic"] == _BELOW:
            values[second, first] = row["estimate"]
        elif row["statistic"] == _ABOVE:
            values[first, second] = row["estimate"]
    with style.axes_for(ax, style.ONE_COLUMN, style.ONE_COLUMN, table) as axes:
        colours = style.PALE_DIVERGING.with_extremes(bad="#eeeeee")
        shown = np.ma.masked_invalid(values)
        axes.imshow(shown, cmap=colours, norm=_NORM, aspect="auto", interpolation="nearest")
        for (down, across), value in np.ndenumerate(values):
            if not np.isnan(value):
                words = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
                axes.text(across, down, words, ha="center", va="center", fontsize="small")
        names = [method_label(method) for method in methods]
        axes.set_xticks(range(size), names, rotation=90)
        axes.set_yticks(range(size), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(size - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(size - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
        axes.tick_params(which="minor", length=0)
        return axes


def draw_consensus(table: pd.DataFrame) -> Figure:
    """Draw the matrix of each model in its own panel; all rows are of one cell type."""
    what = "the figure of methods"
    style.require_columns(table, (*CONSENSUS_COLUMNS, "cell", "n", "simulated"), what)
    cell = cell_label(style.only_text(table, "cell", what))
    models = list(dict.fromkeys(table["model"]))
    wide = min(2, len(models))
    deep = -(-len(models) // wide)
    genes = sorted({int(count) for count in table["n"].dropna()})
    counted = f"{genes[0]:,}" if len(genes) == 1 else f"{genes[0]:,} to {genes[-1]:,}"
    heading = [
        f"{cell}: agreement between methods" if wide > 1 else cell,
        f"Absolute weights, averages over {counted} test genes. Below the diagonal: "
        "Spearman's ρ; above: overlap of the top 5% of bins",
    ]
    bare = table.drop(columns="simulated")
    with style.figure_style():
        width = style.TWO_COLUMNS if wide > 1 else style.ONE_COLUMN
        fig = style.ShownFigure(figsize=(width, 0.7 + 2.75 * deep))
        panels = fig.subplots(deep, wide, squeeze=False)
        for place, axes in enumerate(panels.flat):
            if place >= len(models):
                axes.set_axis_off()
                continue
            plot_consensus(bare[bare["model"] == models[place]], axes)
            axes.set_title(model_label(str(models[place])))
        scale = ScalarMappable(_NORM, style.PALE_DIVERGING)
        bar = fig.colorbar(scale, ax=panels, location="right", shrink=0.5, aspect=25, pad=0.02)
        bar.set_label("Agreement", color=style.GREY)
        bar.outline.set_visible(False)
        bar.set_ticks([-1, -0.5, 0, 0.5, 1])
        style.head_figure(fig, heading, table)
        return fig

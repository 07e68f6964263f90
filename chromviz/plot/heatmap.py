"""Heatmaps of small tables: β of one gene, changes of β, and agreement between methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chromviz.catalog import method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import COMMON_NAMES, cell_label, mark_label

BETA_COLUMNS = (
    *("gene", "symbol", "cell", "mark", "weight", "probability", "label", "expression"),
    *("simulated", "split"),
)
CHANGE_COLUMNS = ("gene", "symbol", "on_cell", "off_cell", "shift", "ci_low", "ci_high")
CONSENSUS_COLUMNS = ("model", "one", "other", "statistic", "estimate")
#: Maximum number of changes that :func:`draw_changes` shows.
MOST_SHOWN = 20

_BETA_HEIGHT = 2.5
# Inches that each cell type beyond the third adds, so that its header fits.
_BETA_COLUMN = 0.76
_BETA = "beta_"
_AS_EXPECTED, _OTHERWISE = style.MARK_COLOURS["H3K27ac"], style.MARK_COLOURS["H3K4me3"]
# Inches per row of the figure of changes.
_ROW = 0.165
_AGREEMENT = Normalize(-1, 1)


def plot_beta(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one gene's β as a heatmap: marks by cell types, in the table's order.

    `table` has one row per cell type and mark of one gene: ``gene, symbol, cell, mark, weight``
    (β, which sums to 1 over marks; NaN is empty), ``probability`` (of ON, or NaN), ``label`` (1 ON,
    0 OFF, -1 unknown), ``expression`` (not drawn), ``simulated`` and ``split`` (a weight on a
    training gene says less).
    """
    # Imported here because seaborn takes half a second to import.
    import seaborn as sns

    style.require_rows(table, BETA_COLUMNS, "the β heatmap", key=("gene", "cell", "mark"))
    gene = style.only_text(table, "gene", "the β heatmap")
    cells, marks = list(table["cell"].unique()), list(table["mark"].unique())
    weights = table.pivot(index="mark", columns="cell", values="weight")
    weights = weights.reindex(index=marks, columns=cells)
    first = table.drop_duplicates("cell").set_index("cell")
    greatest = float(weights.max().max())
    with style.axes_for(ax, _beta_width(table), _BETA_HEIGHT, table) as axes:
        sns.heatmap(
            weights,
            ax=axes,
            vmin=0,
            vmax=greatest if greatest > 0 else 1.0,
            # No darker than black print can be read on.
            cmap=sns.light_palette("#4292c6", as_cmap=True),
            annot=True,
            annot_kws={"color": "black"},
            fmt=".2f",
            linewidths=0.5,
            linecolor="white",
            xticklabels=[_column_header(cell, first.loc[cell]) for cell in cells],
            yticklabels=[mark_label(mark) for mark in marks],
            cbar_kws={
                "label": "β (sums to 1 over marks)",
                "orientation": "horizontal",
                "location": "bottom",
                "aspect": 30,
                "shrink": 1.0,
                "pad": 0.04,
            },
        )
        axes.set(xlabel="", ylabel="")
        axes.xaxis.tick_top()
        axes.tick_params(length=0, labelrotation=0)
        symbol = first["symbol"].iloc[0]
        named = isinstance(symbol, str) and symbol not in ("", gene)
        title = f"{symbol}\n{gene}" if named else gene
        axes.set_title(title, loc="left", fontweight="bold", parse_math=False)
        return axes


def draw_figure2c(table: pd.DataFrame) -> Figure:
    """Draw Figure 2c: :func:`plot_beta` as a figure, 85 mm wide for up to three cell types."""
    style.require_columns(table, BETA_COLUMNS, "Figure 2c")
    with style.figure_style():
        fig = style.ShownFigure(figsize=(_beta_width(table), _BETA_HEIGHT))
        plot_beta(table, fig.subplots())
        return fig


def _beta_width(table: pd.DataFrame) -> float:
    return style.ONE_COLUMN + _BETA_COLUMN * max(0, table["cell"].nunique() - 3)


def _column_header(cell: str, row: pd.Series) -> str:
    state = style.STATES.get(row["label"], "label unknown")
    probability = "–" if pd.isna(row["probability"]) else f"{row['probability']:.2f}"
    split = style.SPLITS.get(row["split"], style.SPLITS["none"])
    return f"{COMMON_NAMES.get(cell, cell)}\n{state}\np(ON) {probability}\n{split}"


def plot_consensus(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how similarly every two methods of one model rank the bins of a gene.

    `table` has one row per pair and statistic: ``model, one, other, statistic`` (``spearman`` or
    ``top_overlap``, the share of the top 5 % of bins that both have) and ``estimate`` (mean over
    genes; NaN is grey). Spearman's correlation is below the diagonal, the overlap above it.
    """
    what = "the matrix of methods"
    style.require_rows(table, CONSENSUS_COLUMNS, what, key=("model", "one", "other", "statistic"))
    style.only_value(table, "model", what)
    methods = list(dict.fromkeys([*table["one"], *table["other"]]))
    size = len(methods)
    values = np.full((size, size), np.nan)
    for _, row in table.iterrows():
        first, second = sorted((methods.index(row["one"]), methods.index(row["other"])))
        if row["statistic"] == "spearman":
            values[second, first] = row["estimate"]
        elif row["statistic"] == "top_overlap":
            values[first, second] = row["estimate"]
    with style.axes_for(ax, style.ONE_COLUMN, style.ONE_COLUMN, table) as axes:
        style.draw_matrix(axes, values, _AGREEMENT, ".2f")
        names = [method_label(method) for method in methods]
        axes.set_xticks(range(size), names, rotation=90)
        axes.set_yticks(range(size), names)
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
    models = table["model"].nunique()
    several = models > 1
    heading = [
        f"{cell}: agreement between methods" if several else cell,
        f"Absolute weights, averages over {style.count_range(table['n'])} test genes. Below the "
        "diagonal: Spearman's ρ; above: overlap of the top 5% of bins",
    ]
    width = style.TWO_COLUMNS if several else style.ONE_COLUMN
    deep = -(-models // 2)
    with style.new_figure(width, 0.7 + 2.75 * deep, heading, table) as fig:
        for axes, model, part in style.panels_of(fig, table, 2 if several else 1):
            plot_consensus(part.drop(columns="simulated"), axes)
            axes.set_title(model_label(model))
        where: dict[str, Any] = {"location": "right", "shrink": 0.5, "aspect": 25}
        bar = style.colour_bar(fig, _AGREEMENT, fig.axes, "Agreement", **where)
        bar.ax.yaxis.label.set_color(style.GREY)
        bar.set_ticks([-1, -0.5, 0, 0.5, 1])
    return fig


def plot_shifts(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw by gene how much more of β lies on non-repressive marks where the gene is ON.

    `table` has one row per gene and pair of cell types, drawn from the top: ``gene, symbol,
    on_cell, off_cell, shift`` (ON minus OFF) and ``ci_low, ci_high`` (NaN: a point only). Above 0,
    β changes as the paper expects.
    """
    _check_changes(table, "the plot of genes that change state")
    with style.axes_for(ax, style.MIDDLE_WIDTH, 0.9 + _ROW * len(table), table) as axes:
        for place, (_, row) in enumerate(table.iterrows()):
            colour = _AS_EXPECTED if row["shift"] > 0 else _OTHERWISE
            style.draw_interval(axes, place, row, colour, "shift")
        axes.axvline(0, color=style.GREY, linewidth=0.5, zorder=0, gid="zero")
        axes.set_ylim(len(table) - 0.4, -0.6)
        axes.set_yticks(range(len(table)), [_change_label(row) for _, row in table.iterrows()])
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
    _check_changes(table, what)
    columns = [str(name) for name in table if str(name).startswith(_BETA)]
    if not columns:
        raise ChromvizError(f"{what} needs a column {_BETA}MARK for each mark")
    values = table[columns].to_numpy(float)
    most = float(np.nanmax(np.abs(values), initial=0)) or 1.0
    with style.axes_for(ax, style.ONE_COLUMN, 0.9 + _ROW * len(table), table) as axes:
        style.draw_matrix(axes, values, Normalize(-most, most), "+.2f")
        names = [mark_label(name.removeprefix(_BETA)).replace(" ", "\n") for name in columns]
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(table)), [_change_label(row) for _, row in table.iterrows()])
        return axes


def draw_changes(table: pd.DataFrame) -> Figure:
    """Draw the genes with the largest absolute Δβ: intervals, and Δβ of each mark (180 mm).

    `table` is as for :func:`plot_beta_changes`, with ``model``, ``seeds`` and ``simulated``; its
    first :data:`MOST_SHOWN` rows are drawn.
    """
    what = "the figure of genes that change state"
    _check_changes(table, what)
    style.require_columns(table, ("model", "seeds", "simulated"), what)
    seeds = int(style.only_value(table, "seeds", what))
    shown = table.head(MOST_SHOWN).drop(columns="simulated")
    count = f"{len(table)} change{'s' if len(table) > 1 else ''}"
    if len(shown) < len(table):
        count = f"{len(shown)} of {len(table):,} changes, largest absolute Δβ"
    model = model_label(style.only_text(table, "model", what))
    over = f"Means and 95% intervals over {seeds} trainings" if seeds > 1 else "One training"
    heading = [
        "Genes that change state",
        f"{model}; {count}; ON in the cell type named first. {over}",
    ]
    with style.new_figure(style.TWO_COLUMNS, 1.6 + _ROW * len(shown), heading, table) as fig:
        left, right = fig.subplots(1, 2, width_ratios=(2, 3))
        plot_shifts(shown, left)
        plot_beta_changes(shown, right)
        right.set_yticks([])
        right.set_ylim(left.get_ylim())
        where: dict[str, Any] = {"location": "bottom", "shrink": 0.6, "aspect": 30}
        style.colour_bar(fig, right.images[0].norm, right, "Δβ (ON − OFF)", **where)
        handles = [
            Line2D([], [], color=colour, marker="o", linewidth=1, label=label)
            for label, colour in (
                ("as the paper expects", _AS_EXPECTED),
                ("the opposite", _OTHERWISE),
            )
        ]
        fig.legend(handles=handles, loc="outside lower left", ncols=2)
    return fig


def _check_changes(table: pd.DataFrame, what: str) -> None:
    style.require_columns(table, CHANGE_COLUMNS, what)
    if table.empty:
        raise ChromvizError(f"{what} has nothing to draw: no gene changes state")


def _change_label(row: pd.Series) -> str:
    on, off = (COMMON_NAMES.get(row[name], row[name]) for name in ("on_cell", "off_cell"))
    name = row["symbol"] if isinstance(row["symbol"], str) and row["symbol"] else row["gene"]
    return f"{name}: {on}, not {off}"

"""The weights of the marks for one gene across cell types: Figure 2c of the paper."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import COMMON_NAMES, mark_label

BETA_COLUMNS = (
    "gene",
    "symbol",
    "cell",
    "mark",
    "weight",
    "probability",
    "label",
    "expression",
    "simulated",
    "split",
)
_STATES = {1: "labelled ON", 0: "labelled OFF"}
_SPLITS = {"train": "training gene", "valid": "validation gene", "test": "test gene"}
_HEIGHT = 2.5
# Inches that each cell type beyond the third adds, so that its header fits.
_COLUMN = 0.76


def plot_beta(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one gene's β as a heatmap: marks by cell types, in the table's order.

    `table` has one row per cell type and mark of one gene: ``gene, symbol, cell, mark, weight``
    (β, which sums to 1 over marks; NaN is empty), ``probability`` (of ON, or NaN), ``label`` (1 ON,
    0 OFF, -1 unknown), ``expression`` (not drawn), ``simulated`` and ``split`` (a weight on a
    training gene says less).
    """
    # Imported here because seaborn takes half a second to import.
    import seaborn as sns

    style.require_columns(table, BETA_COLUMNS, "the β heatmap")
    gene = style.only_text(table, "gene", "the β heatmap")
    twice = table.duplicated(["cell", "mark"])
    if twice.any():
        row = table[twice].iloc[0]
        raise ChromvizError(
            f"the β heatmap needs each mark of a cell type once; {row['cell']} has {row['mark']} "
            "more than once"
        )
    cells, marks = list(table["cell"].unique()), list(table["mark"].unique())
    weights = table.pivot(index="mark", columns="cell", values="weight")
    weights = weights.reindex(index=marks, columns=cells)
    first = table.drop_duplicates("cell").set_index("cell")
    with style.axes_for(ax, _width(table), _HEIGHT, table) as axes:
        sns.heatmap(
            weights,
            ax=axes,
            vmin=0,
            vmax=_upper(weights),
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
        fig = style.ShownFigure(figsize=(_width(table), _HEIGHT))
        plot_beta(table, fig.subplots())
        return fig


def _width(table: pd.DataFrame) -> float:
    return style.ONE_COLUMN + _COLUMN * max(0, table["cell"].nunique() - 3)


def _upper(weights: pd.DataFrame) -> float:
    """Return the top of the colour scale: the largest weight, or 1 if there is none."""
    greatest = float(weights.max().max())
    return greatest if greatest > 0 else 1.0


def _column_header(cell: str, row: pd.Series) -> str:
    state = _STATES.get(row["label"], "label unknown")
    probability = "–" if pd.isna(row["probability"]) else f"{row['probability']:.2f}"
    split = _SPLITS.get(row["split"], "in no split")
    return f"{COMMON_NAMES.get(cell, cell)}\n{state}\np(ON) {probability}\n{split}"

"""Figure 2 of the paper as a whole: attention, H3K27ac, and β of one gene."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.plot.heatmap import BETA_COLUMNS, plot_beta
from chromviz.plot.profile_lines import (
    figure2a_heading,
    figure2b_heading,
    fill_figure2a,
    fill_figure2b,
    weight_label,
)

_HEIGHT = 3.9
# The headers of Figure 2c need space: with more than three columns it is drawn alone.
_MOST_CELLS = 3


def draw_figure2(states: pd.DataFrame, coverage: pd.DataFrame, beta: pd.DataFrame) -> Figure:
    """Draw Figure 2 as one figure: a, mean α by mark; b, H3K27ac above α; c, β of one gene.

    The tables are those of :func:`~chromviz.plot.profile_lines.draw_figure2a`,
    :func:`~chromviz.plot.profile_lines.draw_figure2b` and
    :func:`~chromviz.plot.heatmap.plot_beta`, the last with at most three cell types.
    """
    heading = figure2a_heading(states)
    other = figure2b_heading(coverage)
    if heading[: len(other)] != other:
        raise ChromvizError(
            f"panels a and b of Figure 2 must show the same; a is of {', '.join(heading)}, b of "
            f"{', '.join(other)}"
        )
    style.require_columns(beta, BETA_COLUMNS, "Figure 2c")
    cells = beta["cell"].nunique()
    if cells > _MOST_CELLS:
        raise ChromvizError(
            f"Figure 2 has room for {_MOST_CELLS} cell types in panel c, not {cells}; choose some, "
            "or draw Figure 2c alone"
        )
    tables = (states, coverage, beta)
    with style.figure_style():
        fig = style.ShownFigure(figsize=(style.TWO_COLUMNS, _HEIGHT))
        # Laid out apart: the long headers of panel c would push a and b down.
        left, right = np.asarray(fig.subfigures(1, 2, width_ratios=(1.6, 1)), dtype=object)
        grid = left.add_gridspec(2, 2)
        on = left.add_subplot(grid[0, 0])
        off = left.add_subplot(grid[1, 0], sharex=on, sharey=on)
        track = left.add_subplot(grid[0, 1])
        weight = left.add_subplot(grid[1, 1], sharex=track)
        gene = right.add_subplot()
        fill_figure2a(on, off, states)
        for axes in (on, off):
            axes.set_ylabel(weight_label(states))
        fill_figure2b(track, weight, coverage)
        on.set_title(f"Weights by mark\n{on.get_title(loc='left')}")
        # The axis says that these are weights; there is no room for more next to panel c.
        weight.set_title(weight.get_title(loc="left").removeprefix("Weights, "))
        for upper in (on, track):
            upper.tick_params(labelbottom=False)
        left.align_ylabels([on, off])
        left.align_ylabels([track, weight])
        plot_beta(beta.assign(simulated=0), gene)
        # The paper's name below the mark's: the columns then have room for their headers.
        names = [label.get_text().replace(" (", "\n(") for label in gene.get_yticklabels()]
        gene.set_yticks(gene.get_yticks(), names)
        for axes, letter in ((on, "a"), (track, "b"), (gene, "c")):
            _letter(axes, letter)
        style.head_figure(fig, heading, *tables)
        style.legend_below(fig, (on, off, weight), columns=6)
        return fig


def _letter(axes: Axes, letter: str) -> None:
    """Put a panel's letter beside the first line of its title, bold, as journals print it."""
    weight = "bold" if letter == "c" else "normal"
    # A column is narrower here than where the panels stand alone.
    words = axes.get_title(loc="left").replace(", labelled", "\nlabelled")
    title = axes.set_title(words, fontweight=weight, parse_math=False)
    axes.annotate(
        letter,
        (0, 1),
        xycoords=title,
        xytext=(-24, 1),
        textcoords="offset points",
        va="top",
        fontsize=9,
        fontweight="bold",
        annotation_clip=False,
    )

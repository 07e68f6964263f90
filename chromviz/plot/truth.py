"""Planted truth: how well explanations find causes, next to untrained networks."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, cell_label

TRUTH_COLUMNS = ("model", "variant", "method", "statistic", "estimate", "ci_low", "ci_high")
_STATISTICS = {
    "auprc": "Average precision\nof causes",
    "causal_mass": "Share of weight\non causes",
    "pointing": "Genes with largest\nweight on a cause",
    "causes_over_decoys": "Cause outweighs\nbin without cause",
}
#: The marker of each variant of a network: shape, face, edge, name.
_DONE = {
    "": ("o", style.MARK_COLOURS[REFERENCE_TRACK], style.MARK_COLOURS[REFERENCE_TRACK], "trained"),
    "untrained": ("s", "white", style.GREY, "untrained"),
    "permuted labels": ("^", "white", "#333333", "trained on permuted labels"),
}
_SHIFT = {"": -0.22, "untrained": 0.03, "permuted labels": 0.28}


def plot_truth(table: pd.DataFrame, statistic: str = "auprc", ax: Axes | None = None) -> Axes:
    """Draw how well each explanation finds planted causes, with its interval over genes.

    `table` has the rows of the tidy test ``planted truth``; the method ``prevalence`` is a random
    ranking. `statistic` is ``auprc``, ``causal_mass``, ``pointing`` or ``causes_over_decoys``. Each
    row shows the trained network and, hollow, those that learned nothing. The raw signal is a
    solid line, chance a dotted one.
    """
    style.require_columns(table, TRUTH_COLUMNS, "the figure of planted truth")
    part = table[table["statistic"] == statistic]
    if part.empty:
        raise ChromvizError(f"the figure of planted truth needs rows of {statistic}; there is none")
    rows = _rows(table)
    with style.axes_for(ax, style.ONE_COLUMN, 0.8 + 0.2 * len(rows), table) as axes:
        for _, one in part[part["method"] != "prevalence"].iterrows():
            model, done = str(one["model"]), str(one["variant"])
            place = rows.index((model, str(one["method"]))) + (_SHIFT.get(done, 0) if model else 0)
            marker, face, edge, _ = _DONE.get(done, _DONE[""])
            if not model:
                face = edge = "#333333"
            if pd.notna(one["ci_low"]):
                axes.plot([one["ci_low"], one["ci_high"]], [place, place], color=edge, lw=0.8)
            axes.plot(
                one["estimate"], place, marker,
                markerfacecolor=face, markeredgecolor=edge, markeredgewidth=0.7,
                markersize=3.2, gid="estimate",
            )  # fmt: skip
        raw = part.loc[part["method"] == "raw_signal", "estimate"]
        if len(raw):
            colour = style.MARK_COLOURS[PROMOTER_MARK]
            axes.axvline(raw.iloc[0], color=colour, lw=0.7, ls=(0, (4, 2)), zorder=0, gid="raw")
        chance = part.loc[part["method"] == "prevalence", "estimate"]
        level = 0.5 if statistic == "causes_over_decoys" else next(iter(chance), None)
        if level is not None:
            axes.axvline(level, color=style.GREY, lw=0.7, ls=(0, (1, 1)), zorder=0, gid="chance")
        axes.set_yticks(
            range(len(rows)), [style.explanation_label(method, model) for model, method in rows]
        )
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=style.GREY, alpha=0.2, linewidth=0.5)
        explained = sum(bool(model) for model, _ in rows)
        if 0 < explained < len(rows):
            axes.axhline(explained - 0.5, color=style.GREY, linewidth=0.5)
        axes.set_xlabel(_STATISTICS.get(statistic, statistic))
        return axes


def draw_truth(table: pd.DataFrame) -> Figure:
    """Draw the four scores side by side, of one cell type (180 mm)."""
    what = "the figure of planted truth"
    style.require_columns(table, (*TRUTH_COLUMNS, "cell", "n", "simulated"), what)
    cell = cell_label(style.only_text(table, "cell", what))
    rows = _rows(table)
    bare = table.drop(columns="simulated")
    done = set(table["variant"])
    with style.figure_style():
        fig = style.ShownFigure(figsize=(style.TWO_COLUMNS, 1.4 + 0.17 * len(rows)))
        panels = fig.subplots(1, len(_STATISTICS), sharey=True)
        for axes, statistic in zip(panels, _STATISTICS, strict=True):
            plot_truth(bare, statistic, axes)
            counts = table.loc[table["statistic"] == statistic, "n"].dropna()
            axes.set_title(f"n = {int(counts.max()):,}" if len(counts) else "")
            axes.tick_params(labelleft=axes is panels[0])
        handles = [
            Line2D([], [], linestyle="none", marker=marker, markerfacecolor=face,
                   markeredgecolor=edge, markersize=3.2, label=label)
            for name, (marker, face, edge, label) in _DONE.items() if name in done
        ]  # fmt: skip
        colour = style.MARK_COLOURS[PROMOTER_MARK]
        handles += [
            Line2D([], [], color=colour, lw=0.7, ls=(0, (4, 2)), label="raw signal"),
            Line2D([], [], color=style.GREY, lw=0.7, ls=(0, (1, 1)), label="a random ranking"),
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=5)
        heading = [f"{cell}: recovery of planted causes", "Means over n test genes, 95% intervals"]
        style.head_figure(fig, heading, table)
        return fig


def _rows(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the rows in the table's order, controls last."""
    known = table[table["method"] != "prevalence"]
    pairs = zip(known["model"], known["method"], strict=True)
    rows = dict.fromkeys((str(model), str(method)) for model, method in pairs)
    return sorted(rows, key=lambda row: not row[0])

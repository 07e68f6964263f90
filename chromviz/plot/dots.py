"""Points with intervals, one row per explanation or model, and verdicts in such rows."""

from __future__ import annotations

import math
import textwrap
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chromviz.catalog import is_control, method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, cell_label, mark_label

TABLE3_COLUMNS = (
    *("cell", "model", "method", "mark", "track", "estimate", "ci_low", "ci_high", "n_genes"),
    *("n_reference_genes", "paper", "simulated", "gene_set", "note"),
)
TIDY_COLUMNS = ("model", "variant", "method", "statistic", "estimate", "ci_low", "ci_high")
#: Questions that a verdict answers, by column.
ANSWERS = {
    "predicts": "model predicts",
    "agrees": "agrees",
    "beyond_signal": "beyond signal",
    "finds_causes": "finds causes",
    "faithful": "faithful",
    "depends_on_model": "depends on model",
    "passes": "passes",
}
#: The words for an answer.
WORDS = {1: "yes", 0: "no"}

_METHOD_COLOUR = style.MARK_COLOURS[REFERENCE_TRACK]
_CONTROL_COLOUR = "#333333"
_SIGNAL_COLOUR = style.MARK_COLOURS[PROMOTER_MARK]
_DASHED, _DOTTED = (0, (4, 2)), (0, (1, 1))
_PAPER: dict[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markerfacecolor": "white",
    "markeredgecolor": _CONTROL_COLOUR,
    "markeredgewidth": 0.6,
    "markersize": 3,
}
# Rows are one apart; the paper's value is this far below ours, so that neither hides the other.
_PAPER_OFFSET = 0.28
_TRUTH = {
    "auprc": "Average precision\nof causes",
    "causal_mass": "Share of weight\non causes",
    "pointing": "Genes with largest\nweight on a cause",
    "causes_over_decoys": "Cause outweighs\nbin without cause",
}
#: How each variant of a network is drawn: marker, face, edge, name, and its shift in its row.
_VARIANTS = {
    "": ("o", _METHOD_COLOUR, _METHOD_COLOUR, "trained", -0.22),
    "untrained": ("s", "white", style.GREY, "untrained", 0.03),
    "permuted labels": ("^", "white", _CONTROL_COLOUR, "trained on permuted labels", 0.28),
}


def plot_table3(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw r of each method with its interval, controls below, and the paper's values.

    `table` has the rows of ``table3.csv`` of one cell type, mark and track. A row whose
    ``estimate`` is NaN is written "undefined"; one whose interval is NaN is a point only. The raw
    signal's r and interval are drawn as a line and band: what following the input alone gives.
    """
    what = "the plot of Table 3"
    style.require_rows(table, TABLE3_COLUMNS, what)
    cell, mark, track = (style.only_text(table, name, what) for name in ("cell", "mark", "track"))
    control = table["method"].map(is_control)
    rows = table.iloc[np.argsort(control.to_numpy(), kind="stable")]
    methods = int((~control).sum())
    both = 0 < methods < len(rows)
    # The heading of the controls has its own row.
    places = [place + 1.0 * (both and place >= methods) for place in range(len(rows))]
    several = table["gene_set"].nunique() > 1
    line = 0.27 if several else 0.19  # inches per row, of two lines or one
    with style.axes_for(ax, style.MIDDLE_WIDTH, 1.2 + line * len(rows), table) as axes:
        reference = _draw_reference(axes, rows)
        for place, (_, row) in zip(places, rows.iterrows(), strict=True):
            _draw_row(axes, place, row)
        if both:
            axes.axhline(methods - 0.5, color=style.GREY, linewidth=0.5, gid="rule")
            _beside(axes, methods, "Controls", left=True, fontweight="bold", fontsize="small")
        axes.axvline(0, color=style.GREY, linewidth=0.5, zorder=0, gid="zero")
        least = min(0.0, float(rows[["estimate", "ci_low", "paper"]].min().min()))
        axes.set_xlim(max(-1.0, math.floor(least * 2) / 2), 1)
        axes.set_ylim(places[-1] + 0.6, -0.6)
        axes.set_yticks(places, [_row_label(row, several=several) for _, row in rows.iterrows()])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"Pearson's r\n(mean {mark} weights, mean {track} coverage)")
        axes.set_title(cell_label(cell), loc="left", fontweight="bold")
        handles = [Line2D([], [], color=style.GREY, marker="o", linewidth=1)]
        handles[0].set_label("r, 95% interval")
        if rows["paper"].notna().any():
            handles.append(Line2D([], [], label="paper", **_PAPER))
        # Below the label of the x axis, at a distance in lines and not in heights of the Axes.
        axes.legend(
            handles=[*handles, *reference],
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            borderaxespad=5.7,
            ncols=3,
        )
        return axes


def draw_table3(table: pd.DataFrame) -> Figure:
    """Draw :func:`plot_table3` as a figure, 120 mm wide."""
    return cast("Figure", plot_table3(table).get_figure(root=True))


def _draw_row(axes: Axes, place: float, row: pd.Series) -> None:
    colour = _CONTROL_COLOUR if is_control(row["method"]) else _METHOD_COLOUR
    style.draw_interval(axes, place, row, colour, clip_on=False)
    if pd.notna(row["paper"]):
        axes.plot(row["paper"], place + _PAPER_OFFSET, gid="paper", clip_on=False, **_PAPER)
    colour = style.GREY if pd.isna(row["estimate"]) else "black"
    _beside(axes, place, style.format_interval(row), fontsize="small", color=colour)


def _beside(axes: Axes, place: float, text: str, *, left: bool = False, **look: Any) -> None:
    """Write beside the Axes, in line with a row."""
    axes.annotate(
        text,
        (0 if left else 1, place),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-2, 0) if left else (8, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center_baseline",
        annotation_clip=False,
        **look,
    )


def _draw_reference(axes: Axes, rows: pd.DataFrame) -> list[Line2D]:
    """Draw the raw signal's r as a line and its interval as a band, for each such row."""
    lines = []
    for _, row in rows[(rows["method"] == "raw_signal") & rows["estimate"].notna()].iterrows():
        line = axes.axvline(row["estimate"], color=_SIGNAL_COLOUR, linewidth=0.7, linestyle=_DASHED)
        line.set(zorder=1, label="raw signal (line and band)", gid="raw signal")
        lines.append(line)
        if pd.notna(row["ci_low"]) and pd.notna(row["ci_high"]):
            band = axes.axvspan(row["ci_low"], row["ci_high"], color=_SIGNAL_COLOUR, alpha=0.15)
            band.set(linewidth=0, zorder=0, gid="raw signal interval")
    return lines[:1]  # one entry of the legend is enough


def _row_label(row: pd.Series, *, several: bool) -> str:
    model = row["model"] if isinstance(row["model"], str) else ""
    label = ", ".join(filter(None, (method_label(str(row["method"])), model_label(model))))
    return f"{label}\n{row['gene_set']}" if several else label


def plot_suite(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the test AUC of each model: one point per cell type and seed.

    `table` has one row per trained model: ``model, cell, seed, auc``; models are drawn from the
    top, with one colour per cell type.
    """
    style.require_rows(table, ("model", "cell", "seed", "auc"), "the figure of a suite")
    models = list(dict.fromkeys(table["model"]))
    cells = list(dict.fromkeys(table["cell"]))
    with style.axes_for(ax, style.ONE_COLUMN, 0.6 + 0.24 * len(models), table) as axes:
        colours = style.colour_cycle()
        named = len(cells) <= len(colours)
        for place, cell in enumerate(cells):
            part = table[table["cell"] == cell]
            # Cell types are shifted slightly, so that equal points do not hide each other.
            shift = 0.0 if len(cells) == 1 else 0.36 * (place / (len(cells) - 1) - 0.5)
            heights = [models.index(model) + shift for model in part["model"]]
            (points,) = axes.plot(part["auc"], heights, "o", markersize=3.5, alpha=0.8)
            points.set_color(colours[place] if named else style.GREY)
            points.set_label(cell_label(str(cell)) if named else "")
        axes.set_yticks(range(len(models)), [model_label(str(model)) for model in models])
        axes.set_ylim(len(models) - 0.5, -0.5)
        axes.set_xlabel("Test AUC")
        axes.grid(axis="x", color=style.GREY, alpha=0.25, linewidth=0.5)
    return axes


def draw_suite(table: pd.DataFrame) -> Figure:
    """Draw the figure of a suite, with its legend below; parameters as for :func:`plot_suite`."""
    models, cells = table["model"].nunique(), table["cell"].nunique()
    with style.figure_style():
        below = 0.22 * -(-cells // 2) if cells <= len(style.colour_cycle()) else 0
    height = 1.3 + 0.22 * models + below
    with style.new_figure(style.ONE_COLUMN, height, ["Test AUC by model"], table) as fig:
        axes = plot_suite(table.drop(columns="simulated"), fig.subplots())
        style.legend_below(fig, style.named_lines([axes]))
    return fig


def plot_calibration(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw one model's reliability: the share of ON genes by predicted probability.

    `table` is that of :func:`chromviz.validation.performance.reliability`. The diagonal is
    perfect calibration.
    """
    columns = ("probability", "share_on", "ci_low", "ci_high", "n")
    style.require_columns(table, columns, "a calibration plot")
    with style.axes_for(ax, style.ONE_COLUMN, style.ONE_COLUMN, table) as axes:
        axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.7, linestyle="--")
        share = table["share_on"]
        ends = [share - table["ci_low"], table["ci_high"] - share]
        axes.errorbar(
            table["probability"], share, yerr=ends, fmt="o", markersize=2.5, linewidth=0.8
        )
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    return axes


def draw_calibration(table: pd.DataFrame) -> Figure:
    """Draw the reliability of each model (column ``model``) in its own panel."""
    style.require_columns(table, ("model", "simulated"), "a calibration figure")
    models = table["model"].nunique()
    wide = min(3, models)
    height, heading = 0.9 + 1.15 * -(-models // wide), ["Calibration on test genes"]
    with style.new_figure(style.ONE_COLUMN, height, heading, table) as fig:
        panels = style.panels_of(fig, table, wide, sharex=True, sharey=True)
        for place, (axes, model, part) in enumerate(panels):
            plot_calibration(part.drop(columns="simulated"), axes)
            axes.set_title(textwrap.fill(model_label(model), 16), fontsize="small")
            if place + wide >= models:  # the lowest of its column
                axes.xaxis.set_tick_params(labelbottom=True)
        fig.supxlabel("Probability of ON")
        fig.supylabel("Share of ON genes")
    return fig


def plot_gain(table: pd.DataFrame, statistic: str = "gain", ax: Axes | None = None) -> Axes:
    """Draw a statistic of each model and method with its interval over genes.

    `table` has tidy rows; `statistic` is ``gain`` (a line at 0) or ``pearson`` (a line at the raw
    signal's).
    """
    part = _rows_of(table, statistic, "the figure of a validation").reset_index(drop=True)
    with style.axes_for(ax, style.TWO_COLUMNS / 2, 0.8 + 0.15 * len(part), table) as axes:
        for place, (_, row) in enumerate(part.iterrows()):
            colour = _CONTROL_COLOUR if is_control(row["method"]) else _METHOD_COLOUR
            style.draw_interval(axes, place, row, colour, markersize=3)
            if pd.isna(row["estimate"]):
                text = axes.text(0.02, place, "undefined", transform=axes.get_yaxis_transform())
                text.set(va="center", color=style.GREY, fontsize="x-small")
        raw = part.loc[part["method"] == "raw_signal", "estimate"]
        line = 0.0 if statistic == "gain" else next(iter(raw), np.nan)
        if np.isfinite(line):
            axes.axvline(line, color=style.GREY, linewidth=0.7, linestyle="--", zorder=0)
        _label_rows(axes, [_explained(row) for _, row in part.iterrows()])
        axes.grid(axis="x", color=style.GREY, alpha=0.2, linewidth=0.5)
        what = {"gain": "Gain in r over the raw signal", "pearson": "Pearson's r"}
        axes.set_xlabel(what.get(statistic, statistic))
    return axes


def draw_validation(table: pd.DataFrame) -> Figure:
    """Draw r and the gain over the raw signal side by side; parameters as for :func:`plot_gain`."""
    height = 1.1 + 0.14 * int((table["statistic"] == "gain").sum())
    bare = table.drop(columns="simulated")
    heading = [
        f"{cell_label(str(table['cell'].iloc[0]))}: mean weights on {mark_label(PROMOTER_MARK)} "
        f"against {mark_label(REFERENCE_TRACK)}; dashed: the raw signal"
    ]
    with style.new_figure(style.TWO_COLUMNS, height, heading, table) as fig:
        left, right = fig.subplots(1, 2, sharey=True)
        plot_gain(bare, "pearson", left)
        plot_gain(bare, "gain", right)
        right.tick_params(labelleft=False)
    return fig


def plot_truth(table: pd.DataFrame, statistic: str = "auprc", ax: Axes | None = None) -> Axes:
    """Draw how well each explanation finds planted causes, with its interval over genes.

    `table` has the rows of the tidy test ``planted truth``; the method ``prevalence`` is a random
    ranking. `statistic` is ``auprc``, ``causal_mass``, ``pointing`` or ``causes_over_decoys``. Each
    row shows the trained network and, hollow, those that learned nothing. The raw signal is a
    dashed line, chance a dotted one.
    """
    part = _rows_of(table, statistic, "the figure of planted truth")
    rows = _truth_rows(table)
    with style.axes_for(ax, style.ONE_COLUMN, 0.8 + 0.2 * len(rows), table) as axes:
        for _, one in part[part["method"] != "prevalence"].iterrows():
            model, place = str(one["model"]), float(rows.index((one["model"], one["method"])))
            marker, face, edge, _, shift = _VARIANTS.get(str(one["variant"]), _VARIANTS[""])
            if model:
                place += shift
            else:
                face = edge = _CONTROL_COLOUR
            look: dict[str, Any] = {"marker": marker, "markerfacecolor": face, "markersize": 3.2}
            style.draw_interval(axes, place, one, edge, linewidth=0.8, markeredgewidth=0.7, **look)
        raw = part.loc[part["method"] == "raw_signal", "estimate"]
        chance = part.loc[part["method"] == "prevalence", "estimate"]
        level = 0.5 if statistic == "causes_over_decoys" else next(iter(chance), None)
        thin: dict[str, Any] = {"linewidth": 0.7, "zorder": 0}
        if len(raw):
            axes.axvline(raw.iloc[0], color=_SIGNAL_COLOUR, linestyle=_DASHED, gid="raw", **thin)
        if level is not None:
            axes.axvline(level, color=style.GREY, linestyle=_DOTTED, gid="chance", **thin)
        _label_rows(axes, [style.explanation_label(method, model) for model, method in rows])
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.grid(axis="x", color=style.GREY, alpha=0.2, linewidth=0.5)
        explained = sum(bool(model) for model, _ in rows)
        if 0 < explained < len(rows):
            axes.axhline(explained - 0.5, color=style.GREY, linewidth=0.5)
        axes.set_xlabel(_TRUTH.get(statistic, statistic))
        return axes


def draw_truth(table: pd.DataFrame) -> Figure:
    """Draw the four scores side by side, of one cell type (180 mm)."""
    what = "the figure of planted truth"
    style.require_columns(table, (*TIDY_COLUMNS, "cell", "n", "simulated"), what)
    cell = cell_label(style.only_text(table, "cell", what))
    heading = [f"{cell}: recovery of planted causes", "Means over n test genes, 95% intervals"]
    height = 1.4 + 0.17 * len(_truth_rows(table))
    bare = table.drop(columns="simulated")
    with style.new_figure(style.TWO_COLUMNS, height, heading, table) as fig:
        panels = fig.subplots(1, len(_TRUTH), sharey=True)
        for axes, statistic in zip(panels, _TRUTH, strict=True):
            plot_truth(bare, statistic, axes)
            counts = table.loc[table["statistic"] == statistic, "n"].dropna()
            axes.set_title(f"n = {int(counts.max()):,}" if len(counts) else "")
            axes.tick_params(labelleft=axes is panels[0])
        handles = []
        for name, (marker, face, edge, label, _) in _VARIANTS.items():
            if name in set(table["variant"]):
                handle = Line2D([], [], linestyle="none", marker=marker, markersize=3.2)
                handle.set(markerfacecolor=face, markeredgecolor=edge, label=label)
                handles.append(handle)
        for colour, dashes, label in (
            (_SIGNAL_COLOUR, _DASHED, "raw signal"),
            (style.GREY, _DOTTED, "a random ranking"),
        ):
            handles.append(Line2D([], [], color=colour, lw=0.7, ls=dashes, label=label))
        fig.legend(handles=handles, loc="outside lower center", ncols=5)
    return fig


def plot_verdicts(verdicts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the verdict for each model and method: a filled circle for yes, a cross for no.

    The table is that of :func:`chromviz.validation.verdict.verdicts`; one column per question.
    """
    needed = ("model", "variant", "method", *ANSWERS)
    style.require_columns(verdicts, needed, "the figure of verdicts")
    with style.axes_for(ax, style.TWO_COLUMNS, 0.9 + 0.15 * len(verdicts), verdicts) as axes:
        answers = verdicts[list(ANSWERS)].astype(float).to_numpy()
        for value, marker, colour in ((1, "o", "#0072B2"), (0, "x", "#D55E00")):
            rows, columns = np.nonzero(answers == value)
            look: dict[str, Any] = {"marker": marker, "color": colour, "label": WORDS[value]}
            axes.scatter(columns, rows, s=14, linewidths=1, **look)
        _label_rows(axes, [_explained(row) for _, row in verdicts.iterrows()])
        axes.set_xticks(range(len(ANSWERS)), list(ANSWERS.values()))
        axes.set_xlim(-0.5, len(ANSWERS) - 0.5)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.grid(axis="y", color=style.GREY, alpha=0.2, linewidth=0.5)
        axes.axvline(len(ANSWERS) - 1.5, color=style.GREY, linewidth=0.5)
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=2, frameon=False)
    return axes


def draw_verdicts(verdicts: pd.DataFrame) -> Figure:
    """Draw the verdicts as a figure; parameters as for :func:`plot_verdicts`."""
    heading = [f"{cell_label(str(verdicts['cell'].iloc[0]))}: verdict for each explanation"]
    height = 1.2 + 0.14 * len(verdicts)
    with style.new_figure(style.TWO_COLUMNS, height, heading, verdicts) as fig:
        plot_verdicts(verdicts.drop(columns="simulated"), fig.subplots())
    return fig


def _rows_of(table: pd.DataFrame, statistic: str, what: str) -> pd.DataFrame:
    style.require_columns(table, TIDY_COLUMNS, what)
    part = table[table["statistic"] == statistic]
    if part.empty:
        raise ChromvizError(f"{what} needs rows of {statistic}; its table has none")
    return part


def _truth_rows(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Return model and method of each row in the table's order, controls last."""
    known = table[table["method"] != "prevalence"]
    rows = dict.fromkeys(zip(known["model"], known["method"], strict=True))
    return sorted(rows, key=lambda row: not row[0])


def _label_rows(axes: Axes, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _explained(row: pd.Series) -> str:
    return style.explanation_label(*(str(row[name]) for name in ("method", "model", "variant")))

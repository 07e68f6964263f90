"""One gene in detail: its signal and the weights of every method, by cell type."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure

from chromviz.catalog import method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot import style
from chromviz.vocabulary import cell_label

AUDIT_COLUMNS = (
    *("gene", "symbol", "cell", "kind", "name", "model", "method", "signed"),
    *("bin_start", "value", "simulated"),
)
# Inches: the track's row, one mark, and everything above and below the rows.
_TRACK, _MARK, _AROUND = 0.5, 0.078, 1.35


def plot_gene_map(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    norm: Normalize | None = None,
    cmap: Colormap | str | None = None,
) -> Axes:
    """Draw one gene's values as a heatmap: marks by bins.

    `table` has one row per mark and bin of one gene, cell type and source: ``name`` (the mark, or
    empty for weights over bins alone), ``bin_start`` (bp from the TSS), ``value`` (NaN is grey),
    ``signed`` (1 if the sign has a meaning) and ``simulated``. By default, unsigned values are
    white to blue from 0, and signed ones red to blue, symmetric about 0.
    """
    columns, key = ("name", "bin_start", "value", "signed"), ("name", "bin_start")
    style.require_rows(table, columns, "the map of a gene", key=key)
    names = list(dict.fromkeys(table["name"]))
    grid = table.pivot(index="name", columns="bin_start", values="value").reindex(index=names)
    starts = grid.columns.to_numpy(float)
    width = float(starts[1] - starts[0]) if len(starts) > 1 else 100.0
    edges = np.append(starts, starts[-1] + width) / 1000
    signed = bool((table["signed"] == 1).any())
    with style.axes_for(ax, style.ONE_COLUMN, 0.9) as axes:
        axes.set_facecolor("#dddddd")
        axes.pcolormesh(
            edges,
            np.arange(len(names) + 1),
            grid.to_numpy(float),
            norm=norm or map_norm(table["value"].to_numpy(float), signed=signed),
            cmap=cmap or map_colours(signed=signed),
            rasterized=True,
        )
        axes.axvline(0, color="black", linewidth=0.5, linestyle=(0, (2, 2)))
        axes.set(xlim=(edges[0], edges[-1]), ylim=(len(names), 0))
        axes.set_yticks(np.arange(len(names)) + 0.5, [name or "all marks" for name in names])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("Distance from the TSS (kb)")
        for spine in axes.spines.values():
            spine.set_visible(True)
        if ax is None and "simulated" in table.columns and style.is_simulated(table):
            style.mark_simulated(axes)
        return axes


def map_norm(values: np.ndarray, *, signed: bool) -> Normalize:
    """Return how values become colours: from 0 up, or symmetric about 0."""
    known = values[np.isfinite(values)]
    most = float(np.abs(known).max()) if len(known) else 0.0
    # All values are zero: any maximum shows them as white.
    most = most or 1.0
    return TwoSlopeNorm(0, -most, most) if signed else Normalize(0, most)


def map_colours(*, signed: bool) -> Colormap:
    """Return the colours of values: colour-blind safe, white at 0."""
    return mpl.colormaps["RdBu_r" if signed else "Blues"]


def draw_audit(table: pd.DataFrame, model: str) -> Figure:
    """Draw one gene across cell types: coverage, signal, and the weights of every method (180 mm).

    `table` has one row per number (``value``), of ``kind`` ``label`` (1 ON, 0 OFF, NaN unknown),
    ``expression``, ``threshold``, ``split`` (in ``name``), ``neighbour`` (a TSS at ``bin_start``
    bp), ``signal`` and ``coverage`` (``name`` is the mark or track), ``probability``,
    ``completeness_error`` and ``weight`` (of a ``model`` and ``method``; without ``bin_start`` for
    weights over marks alone). There is one column per cell type, and one row per method, each with
    one colour scale, of the weights of `model`.
    """
    style.require_columns(table, AUDIT_COLUMNS, "the audit of a gene")
    genes = table["gene"].unique()
    if len(genes) != 1:
        raise ChromvizError(f"the audit of a gene needs one gene in its table; found {len(genes)}")
    cells = list(dict.fromkeys(table["cell"]))
    weights = table[(table["kind"] == "weight") & (table["model"] == model)]
    over_bins = list(dict.fromkeys(weights.loc[weights["bin_start"].notna(), "method"]))
    over_marks = list(dict.fromkeys(weights.loc[weights["bin_start"].isna(), "method"]))
    marks = max(1, table.loc[table["kind"] == "signal", "name"].nunique())
    row = max(_MARK * marks, 0.3)
    heights = [_TRACK, *[row] * (1 + len(over_bins)), *[row * 1.15] * len(over_marks)]
    first = table.iloc[0]
    symbol, gene = str(first["symbol"] or ""), str(first["gene"])
    named = f"{symbol} ({gene})" if symbol and symbol != gene else gene
    heading = [f"{named}, explained by {model_label(model)}"]
    height = sum(heights) * 1.16 + _AROUND
    with style.new_figure(style.TWO_COLUMNS, height, heading, table) as fig:
        grid = fig.subplots(
            len(heights),
            len(cells) + 1,
            squeeze=False,
            gridspec_kw={"height_ratios": heights, "width_ratios": [1] * len(cells) + [0.035]},
        )
        for column, cell in enumerate(cells):
            part = table[table["cell"] == cell]
            _draw_track(grid[0, column], part, model, top=_top(table, "coverage"))
            if column:
                grid[0, column].set_ylabel("")
                grid[0, column].tick_params(labelleft=False)
        grid[0, -1].axis("off")
        maps = [table[table["kind"] == "signal"]]
        maps += [weights[weights["method"] == method] for method in over_bins]
        for axes, rows in zip(grid[1:], maps, strict=False):
            _draw_maps(axes, rows, table, cells)
        for axes, method in zip(grid[1 + len(maps) :], over_marks, strict=True):
            _draw_bars(axes, weights[weights["method"] == method], cells)
        for axes in grid[: len(maps), :-1].flat:
            axes.tick_params(labelbottom=False)
            axes.set_xlabel("")
    return fig


def _top(table: pd.DataFrame, kind: str) -> float:
    values = table.loc[table["kind"] == kind, "value"].dropna()
    return float(values.max()) if len(values) else 1.0


def _number(part: pd.DataFrame, kind: str) -> float:
    """Return the one number of a kind, NaN if there is none."""
    found = part.loc[part["kind"] == kind, "value"]
    return float(found.iloc[0]) if len(found) else np.nan


def _draw_track(axes: Axes, part: pd.DataFrame, model: str, top: float) -> None:
    """Draw the coverage of the reference tracks, and above it the facts about the gene."""
    coverage = part[part["kind"] == "coverage"]
    drawn = coverage.dropna(subset=["value"])
    for name, rows in drawn.groupby("name", sort=False):
        width = float(np.diff(rows["bin_start"].to_numpy(float)).min()) if len(rows) > 1 else 100
        centres = (rows["bin_start"].to_numpy(float) + width / 2) / 1000
        axes.fill_between(
            centres, rows["value"].to_numpy(float), color=style.mark_colour(str(name)), linewidth=0
        )
    if drawn.empty:
        style.say_empty(axes, "no coverage here")
        axes.set_yticks([])
    axes.axvline(0, color="black", linewidth=0.5, linestyle=(0, (2, 2)))
    signal = part.loc[part["kind"] == "signal", "bin_start"]
    axes.set_xlim(
        signal.min() / 1000, (signal.max() + signal.drop_duplicates().diff().min()) / 1000
    )
    axes.set_ylim(0, top * 1.05 or 1)
    for _, near in part[part["kind"] == "neighbour"].iterrows():
        axes.axvline(near["bin_start"] / 1000, color=style.MARK_COLOURS["H3K4me3"], linewidth=0.7)
    names = " ".join(dict.fromkeys(coverage["name"]))
    axes.set_ylabel(names, rotation=0, ha="right", va="center", parse_math=False)
    axes.set_title("\n".join(_facts(part, model)), fontsize=6, parse_math=False, linespacing=1.25)


def _facts(part: pd.DataFrame, model: str) -> list[str]:
    """Return the header of a cell type's column."""
    label, expression = _number(part, "label"), _number(part, "expression")
    p = _number(part[part["model"] == model], "probability")
    amount = "" if np.isnan(expression) else f", expression {expression:.3g}"
    wrong = not (np.isnan(p) or np.isnan(label)) and (p > 0.5) != (label == 1)
    read = "models cannot read it" if np.isnan(p) else f"p(ON) {p:.2f}"
    split = str(part.loc[part["kind"] == "split", "name"].iloc[0])
    near = part.loc[part["kind"] == "neighbour", "name"]
    lines = [
        cell_label(str(part["cell"].iloc[0])),
        f"{style.STATES.get(label, 'label unknown')}{amount}",
        f"{read}{' (wrong)' if wrong else ''}, {style.SPLITS.get(split, split)}",
    ]
    if len(near):
        others = f" and {len(near) - 2} more" if len(near) > 2 else ""
        lines.append(f"also TSS of {', '.join(near.iloc[:2])}{others}")
    return lines


def _cells_of(
    row: np.ndarray, rows: pd.DataFrame, cells: list[str]
) -> Iterator[tuple[Axes, pd.DataFrame]]:
    """Yield Axes and numbers of each cell type that has some; the others say "not read"."""
    for axes, cell in zip(row, cells, strict=False):
        part = rows[rows["cell"] == cell]
        if part.empty:
            style.say_empty(axes, "not read")
            axes.set(xticks=[], yticks=[])
            continue
        yield axes, part
        axes.tick_params(axis="y", labelsize=4.5, pad=1)
        if axes is not row[0]:
            axes.tick_params(labelleft=False)


def _name_row(axes: Axes, method: str) -> None:
    words = method_label(method).replace("backpropagation", "backprop.") if method else "signal"
    text = textwrap.fill(words, 12)
    axes.set_ylabel(text, rotation=0, ha="right", va="center", parse_math=False)


def _draw_maps(row: np.ndarray, rows: pd.DataFrame, table: pd.DataFrame, cells: list[str]) -> None:
    """Draw the signal, or one method's weights, in every cell type, with one scale."""
    rows = rows[rows["bin_start"].notna()]
    first = rows.iloc[0] if len(rows) else {"method": "", "model": ""}
    signed = bool((rows["signed"] == 1).any())
    norm, colours = (
        map_norm(rows["value"].to_numpy(float), signed=signed),
        map_colours(signed=signed),
    )
    errors = table[(table["method"] == first["method"]) & (table["model"] == first["model"])]
    for axes, part in _cells_of(row, rows, cells):
        plot_gene_map(part, axes, norm=norm, cmap=colours)
        error = _number(errors[errors["cell"] == part["cell"].iloc[0]], "completeness_error")
        if not np.isnan(error):
            text = f"completeness error {_short(error)}"
            axes.set_title(text, loc="right", fontsize=4.5, pad=1.5)
    _name_row(row[0], str(first["method"]))
    bar = row[0].figure.colorbar(mpl.cm.ScalarMappable(norm, colours), cax=row[-1])
    low, high = float(norm.vmin or 0), float(norm.vmax or 1)
    ticks = [low, high] if low < 0 else [0, high]
    bar.set_ticks(ticks, labels=[_short(value) for value in ticks])
    bar.ax.tick_params(labelsize=4.5, length=1.5, pad=1)
    bar.outline.set_linewidth(0.4)


def _short(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _draw_bars(row: np.ndarray, rows: pd.DataFrame, cells: list[str]) -> None:
    """Draw one method's weights over marks alone as bars with their values."""
    top, low = max(float(rows["value"].max()), 0.0), min(float(rows["value"].min()), 0.0)
    span = (top - low) or 1.0
    for axes, part in _cells_of(row, rows, cells):
        names = [str(name) for name in part["name"]]
        values = part["value"].to_numpy(float)
        places = range(len(names))
        axes.barh(places, values, color=[style.mark_colour(name) for name in names], height=0.7)
        for place, value in zip(places, values, strict=True):
            beside = max(value, 0) + span * 0.015
            axes.text(beside, place, style.format_number(value, 2), va="center", fontsize=4.5)
        axes.axvline(0, color="black", linewidth=0.5)
        axes.spines["left"].set_visible(False)
        axes.set(xlim=(low, top + span * 0.12), ylim=(len(names) - 0.5, -0.5), xticks=[])
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", length=0)
    _name_row(row[0], str(rows["method"].iloc[0]))
    row[-1].axis("off")

"""Results as tables and text on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chromviz.catalog import is_control, method_label, model_label
from chromviz.plot.style import is_zero_filled
from chromviz.reporting.tables import (
    audit_grid,
    audit_notes,
    suite_grid,
    verdict_grid,
    verdict_sentences,
)
from chromviz.schema import gene_counts
from chromviz.vocabulary import ZERO_FILLED, cell_label, mark_label

#: Shown with all simulated data.
SIMULATED = "SIMULATED DATA: made by chromviz's simulator, with planted causes; not a measurement."

# The columns of a table: how a row is written under each name.
_Columns = dict[str, Callable[[pd.Series], str]]


def plain_table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    """Return a table of text; columns whose every entry is a number align right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        numeric = all(_is_number(row[place]) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(entry) for entry in row))
    return table


def table3_page(table: pd.DataFrame) -> RenderableType:
    """Return Table 3 with its subject, and what the raw signal's row means for the others."""
    first = table.iloc[0]
    title = (
        f"Table 3, {cell_label(first['cell'])}: Pearson's r of the weights on "
        f"{mark_label(first['mark'])} with {mark_label(first['track'])} coverage over "
        f"{first['n_reference_genes']} ON genes"
    )
    columns: _Columns = {
        "method": lambda row: (
            f"{'control: ' if is_control(row['method']) else ''}{method_label(row['method'])}"
        ),
        "model": lambda row: model_label(row["model"]),
        "r": lambda row: _number(row["estimate"], ".3f", "undefined"),
        "95 % interval": _interval,
        "test genes": lambda row: (
            "" if pd.isna(row["n_genes"]) else f"{row['n_genes']} {row['gene_set']}"
        ),
        "paper": lambda row: _number(row["paper"], ".4f"),
    }
    notes = list(dict.fromkeys(table.loc[table["note"] != "", "note"]))
    raw = table.loc[table["method"] == "raw_signal", "estimate"]
    if len(raw) and pd.notna(raw.iloc[0]):
        notes.append(
            f"The signal itself, with no model, reaches r = {raw.iloc[0]:.3f}. A method that "
            "does not exceed it may only be following its input."
        )
    if is_zero_filled(table):
        notes.append(ZERO_FILLED)
    if first["simulated"]:
        notes.append("The paper's values are of real data, and no target for simulated data.")
    return _page(first["simulated"], _table(title, columns, table), *notes)


def verdict_page(verdicts: pd.DataFrame, table: pd.DataFrame) -> RenderableType:
    """Return the verdicts of a validation: one table per model, one sentence per method."""
    simulated = int(table["simulated"].max())
    grid = verdict_grid(verdicts.assign(simulated=simulated), table)
    tables = [plain_table(title, grid.header, rows) for title, rows in grid.groups]
    return _page(simulated, *tables, grid.caption, *verdict_sentences(verdicts))


def counts_line(dataset: Any) -> str:
    """Return how many genes a dataset has, models use and leave out, and why, in one line."""
    counts = gene_counts(dataset)
    annotated, used = counts.pop("annotated"), counts.pop("used")
    line = f"{cell_label(dataset.attrs['cell'])}: models use {used:,} of {annotated:,} genes"
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in counts.items())
    line = f"{line}; left out: {left_out}" if left_out else line
    return f"{line}. {ZERO_FILLED}" if dataset.attrs["missing"] == "zero" else line


def audit_page(record: Mapping[str, Any]) -> RenderableType:
    """Return what the data and models of each cell type say about one gene."""
    grid = audit_grid(record)
    table = plain_table(grid.title, grid.header, grid.rows)
    return _page(record["simulated"], table, *audit_notes(record))


def differential_page(
    table: pd.DataFrame, recovery: pd.DataFrame, most: int = 20
) -> RenderableType:
    """Return the changing genes with the largest change of β, and how well changes are found.

    PAX5 is always shown.
    """
    columns: _Columns = {
        "rank": lambda row: f"{row['rank']}",
        "gene": lambda row: row["symbol"] or row["gene"],
        "ON in": lambda row: cell_label(str(row["on_cell"])),
        "OFF in": lambda row: cell_label(str(row["off_cell"])),
        "p where ON": lambda row: f"{row['probability_on']:.2f}",
        "p where OFF": lambda row: f"{row['probability_off']:.2f}",
        "Δβ": lambda row: f"{row['shift']:+.3f}",
        "95 %": lambda row: _interval(row, "+.3f"),
    }
    shown = table[(table["rank"] <= most) | (table["symbol"] == "PAX5")]
    notes = [
        "Δβ: share of β on non-repressive marks where the gene is ON, minus that where it is OFF; "
        "the paper expects it above 0. Interval: Student's, over "
        f"{int(recovery['seeds'].iloc[0])} trainings."
    ]
    if len(table):
        notes.append(
            f"of {len(table)} changes {int(table['as_expected'].sum())} move as expected, "
            f"{int(table['sure'].sum())} with an interval above 0; the models call both sides of "
            f"{int(table['called'].sum())}"
        )
    for _, row in recovery.iterrows():
        notes.append(
            f"changes found by the difference in {row['score']}: AUPRC {row['auprc']:.3f} "
            f"({_interval(row) or 'no interval'}), at random {row['prevalence']:.3f}, of "
            f"{int(row['n'])} genes"
        )
    changes = _table("Genes that change state, by Δβ", columns, shown)
    return _page(recovery["simulated"].any(), changes, *notes)


def left_out_page(table: pd.DataFrame) -> RenderableType:
    """Return how well each cell type is predicted by models of the others."""
    columns: _Columns = {
        "cell type": lambda row: cell_label(str(row["cell"])),
        "AUC, left out": lambda row: _number(row["auc_left_out"], ".3f", "undefined"),
        "AUC, own": lambda row: _number(row["auc_own"], ".3f", "undefined"),
        "test genes": lambda row: f"{row['n_test']}",
        "trained on": lambda row: f"{row['n_train']}",
        "taken out": lambda row: f"{row['removed_genes']}",
    }
    title = f"Each cell type predicted by {model_label(str(table['model'].iloc[0]))} of the others"
    return _page(
        table["simulated"].any(),
        _table(title, columns, table),
        "left out: the model has seen neither the cell type nor, in the others, the tested genes "
        "(taken out)",
    )


def suite_page(tables: Mapping[str, pd.DataFrame]) -> RenderableType:
    """Return the paper's tables of performance, with the paper's numbers beside ours."""
    parts: list[RenderableType] = []
    for name, table in tables.items():
        grid = suite_grid(name, table)
        parts += [plain_table(grid.title, grid.header, grid.rows), grid.caption, Text()]
    return _page(any(table["simulated"].any() for table in tables.values()), *parts)


def paired_page(table: pd.DataFrame) -> RenderableType:
    """Return the paired comparison over cell types, from ``paired.csv`` of a suite."""
    over = table[table["level"] == "cell types"]
    if over.empty:
        return Text()
    columns: _Columns = {
        "model": lambda row: model_label(str(row["model"])),
        "mean": lambda row: f"{row['difference']:+.4f}",
        "95 % interval (Student)": lambda row: _interval(row, "+.4f"),
        "cell types": lambda row: f"{int(row['n'])}",
    }
    title = f"ΔAUC against {model_label(str(over['reference'].iloc[0]))}, over cell types"
    notes = [note for note in dict.fromkeys(over["note"]) if note]
    more = "paired.csv has each cell type and seed, over genes"
    return _page(False, _table(title, columns, over), *notes, more)


def _table(title: str, columns: _Columns, table: pd.DataFrame) -> Table:
    """Return the rows of a table as text."""
    rows = [[write(row) for write in columns.values()] for _, row in table.iterrows()]
    return plain_table(title, list(columns), rows)


def _page(simulated: Any, *parts: RenderableType) -> Group:
    """Return tables and notes below each other, with a line above them for simulated data."""
    shown = [Text(f"  {part}") if isinstance(part, str) else part for part in parts]
    return Group(*([Text(SIMULATED, style="bold")] if simulated else []), *shown)


def _number(value: float, form: str, missing: str = "") -> str:
    return missing if pd.isna(value) else f"{value:{form}}"


def _interval(row: pd.Series, form: str = ".3f") -> str:
    """Return ``0.812 to 0.886``, or nothing for an undefined interval."""
    low, high = row["ci_low"], row["ci_high"]
    return "" if pd.isna(low) else f"{low:{form}} to {high:{form}}"


def _is_number(entry: str) -> bool:
    return entry == "" or entry.lstrip("-").replace(".", "", 1).isdigit()

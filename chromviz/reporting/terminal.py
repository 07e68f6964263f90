"""Results as tables and text on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chromviz.catalog import is_control, method_label, model_label
from chromviz.plot.style import is_zero_filled
from chromviz.reporting.gene_table import audit_grid, audit_notes
from chromviz.reporting.suite_tables import suite_grid
from chromviz.reporting.verdicts import verdict_grid, verdict_sentences
from chromviz.schema import gene_counts
from chromviz.vocabulary import ZERO_FILLED, cell_label, mark_label

#: Shown with all simulated data.
SIMULATED = "SIMULATED DATA: made by chromviz's simulator, with planted causes; not a measurement."


def plain_table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    """Return a table of text; columns whose every entry is a number align right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        numeric = all(_is_number(row[place]) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(entry) for entry in row))
    return table


def table3_page(table: pd.DataFrame, dataset_attrs: dict[str, Any]) -> RenderableType:
    """Return Table 3 with its subject, and what the raw signal's row means for the others."""
    first = table.iloc[0]
    title = (
        f"Table 3, {cell_label(first['cell'])}: Pearson's r of the weights on "
        f"{mark_label(first['mark'])} with {mark_label(first['track'])} coverage over "
        f"{first['n_reference_genes']} ON genes"
    )
    rows = []
    for _, row in table.iterrows():
        interval = "" if pd.isna(row["ci_low"]) else f"{row['ci_low']:.3f} to {row['ci_high']:.3f}"
        control = is_control(row["method"])
        rows.append(
            [
                ("control: " if control else "") + method_label(row["method"]),
                model_label(row["model"]),
                "undefined" if pd.isna(row["estimate"]) else f"{row['estimate']:.3f}",
                interval,
                "" if pd.isna(row["n_genes"]) else f"{row['n_genes']} {row['gene_set']}",
                "" if pd.isna(row["paper"]) else f"{row['paper']:.4f}",
            ]
        )
    columns = ["method", "model", "r", "95 % interval", "test genes", "paper"]
    parts: list[RenderableType] = [plain_table(title, columns, rows)]
    notes = dict.fromkeys(table.loc[table["note"] != "", "note"])
    parts += [Text(f"  {note}") for note in notes]
    raw = table.loc[table["method"] == "raw_signal", "estimate"]
    if len(raw) and pd.notna(raw.iloc[0]):
        parts.append(
            Text(
                f"  The signal itself, with no model, reaches r = {raw.iloc[0]:.3f}. A method that "
                "does not exceed it may only be following its input."
            )
        )
    if is_zero_filled(table):
        parts.append(Text(f"  {ZERO_FILLED}"))
    if first["simulated"]:
        parts.insert(0, Text(SIMULATED, style="bold"))
        parts.append(Text("  The paper's values are of real data; they are no target here."))
    return Group(*parts)


def verdict_page(verdicts: pd.DataFrame, table: pd.DataFrame) -> RenderableType:
    """Return the verdicts of a validation: one table per model, one sentence per method."""
    simulated = int(table["simulated"].max())
    grid = verdict_grid(verdicts.assign(simulated=simulated), table)
    parts: list[RenderableType] = [
        plain_table(title, grid.header, rows) for title, rows in grid.groups
    ]
    parts.append(Text(f"  {grid.caption}"))
    parts += [Text(f"  {sentence}") for sentence in verdict_sentences(verdicts)]
    if simulated:
        parts.insert(0, Text(SIMULATED, style="bold"))
    return Group(*parts)


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
    page: list[RenderableType] = [
        plain_table(grid.title, grid.header, [row for _, rows in grid.groups for row in rows])
    ]
    page += [Text(f"  {note}") for note in audit_notes(record)]
    if record["simulated"]:
        page.insert(0, Text(SIMULATED, style="bold"))
    return Group(*page)


def differential_page(
    table: pd.DataFrame, recovery: pd.DataFrame, most: int = 20
) -> RenderableType:
    """Return the changing genes with the largest change of β, and how well changes are found.

    PAX5 is always shown.
    """
    shown = table[(table["rank"] <= most) | (table["symbol"] == "PAX5")]
    rows = [
        [
            f"{row['rank']}",
            row["symbol"] or row["gene"],
            cell_label(str(row["on_cell"])),
            cell_label(str(row["off_cell"])),
            f"{row['probability_on']:.2f}",
            f"{row['probability_off']:.2f}",
            f"{row['shift']:+.3f}",
            "" if pd.isna(row["ci_low"]) else f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}",
        ]
        for _, row in shown.iterrows()
    ]
    columns = ["rank", "gene", "ON in", "OFF in", "p where ON", "p where OFF", "Δβ", "95 %"]
    page: list[RenderableType] = [
        plain_table("Genes that change state, by Δβ", columns, rows),
        Text(
            "  Δβ: share of β on non-repressive marks where the gene is ON, minus that where "
            "it is OFF; the paper expects it above 0. Interval: Student's, over "
            f"{int(recovery['seeds'].iloc[0])} trainings."
        ),
    ]
    if len(table):
        page.append(
            Text(
                f"  of {len(table)} changes {int(table['as_expected'].sum())} move as expected, "
                f"{int(table['sure'].sum())} with an interval above 0; the models call both sides "
                f"of {int(table['called'].sum())}"
            )
        )
    for _, row in recovery.iterrows():
        page.append(
            Text(
                f"  changes found by the difference in {row['score']}: AUPRC {row['auprc']:.3f} "
                f"({row['ci_low']:.3f} to {row['ci_high']:.3f}), at random "
                f"{row['prevalence']:.3f}, of {int(row['n'])} genes"
            )
        )
    if recovery["simulated"].any():
        page.insert(0, Text(SIMULATED, style="bold"))
    return Group(*page)


def left_out_page(table: pd.DataFrame) -> RenderableType:
    """Return how well each cell type is predicted by models of the others."""

    def number(value: float) -> str:
        return "undefined" if pd.isna(value) else f"{value:.3f}"

    rows = [
        [
            cell_label(str(row["cell"])),
            number(row["auc_left_out"]),
            number(row["auc_own"]),
            f"{row['n_test']}",
            f"{row['n_train']}",
            f"{row['removed_genes']}",
        ]
        for _, row in table.iterrows()
    ]
    columns = ["cell type", "AUC, left out", "AUC, own", "test genes", "trained on", "taken out"]
    title = f"Each cell type predicted by {model_label(str(table['model'].iloc[0]))} of the others"
    page = Group(
        plain_table(title, columns, rows),
        Text(
            "  left out: the model has seen neither the cell type nor, in the others, the tested "
            "genes (taken out)"
        ),
    )
    return Group(Text(SIMULATED, style="bold"), page) if table["simulated"].any() else page


def suite_page(tables: Mapping[str, pd.DataFrame]) -> RenderableType:
    """Return the paper's tables of performance, with the paper's numbers beside ours."""
    parts: list[RenderableType] = []
    for name, table in tables.items():
        grid = suite_grid(name, table)
        rows = [row for _, group in grid.groups for row in group]
        parts += [plain_table(grid.title, grid.header, rows), Text(f"  {grid.caption}"), Text()]
    if any(table["simulated"].any() for table in tables.values()):
        parts.insert(0, Text(SIMULATED, style="bold"))
    return Group(*parts)


def paired_page(table: pd.DataFrame) -> RenderableType:
    """Return the paired comparison over cell types, from ``paired.csv`` of a suite."""
    over = table[table["level"] == "cell types"]
    if over.empty:
        return Text()
    rows = [
        [
            model_label(str(row["model"])),
            f"{row['difference']:+.4f}",
            "" if pd.isna(row["ci_low"]) else f"{row['ci_low']:+.4f} to {row['ci_high']:+.4f}",
            f"{int(row['n'])}",
        ]
        for _, row in over.iterrows()
    ]
    title = f"ΔAUC against {model_label(str(over['reference'].iloc[0]))}, over cell types"
    page = plain_table(title, ["model", "mean", "95 % interval (Student)", "cell types"], rows)
    notes = [Text(f"  {note}") for note in dict.fromkeys(over["note"]) if note]
    return Group(page, *notes, Text("  paired.csv has each cell type and seed, over genes"))


def _is_number(entry: str) -> bool:
    return entry == "" or entry.lstrip("-").replace(".", "", 1).isdigit()

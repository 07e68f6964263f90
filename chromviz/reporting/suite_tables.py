"""The paper's tables of performance, as text."""

from __future__ import annotations

import pandas as pd

from chromviz.catalog import model_label
from chromviz.errors import ChromvizError
from chromviz.plot.style import format_number, is_simulated
from chromviz.reporting.grid import Grid, to_latex, to_markdown
from chromviz.vocabulary import ZERO_FILLED, cell_label, mark_label

#: The tables, by the names that commands and files give them.
TABLES = ("2", "s1", "s2", "s3")


_TITLES = {"2": "Table 2", "s1": "Table S1", "s2": "Table S2", "s3": "Table S3"}


_WHAT = {
    "2": "Test AUC of each model over cell types",
    "s1": "Test AUC of AttentiveChrome (LSTM-α,β) on one mark at a time",
    "s2": "F1 (genes called ON above a probability of 0.5) over cell types",
    "s3": "Test AUC of older models beside networks over cell types",
}


_STATISTICS = ("mean", "median", "max", "min")


def markdown(name: str, table: pd.DataFrame) -> str:
    """Write one of :data:`TABLES` as Markdown."""
    return to_markdown(suite_grid(name, table))


def latex(name: str, table: pd.DataFrame) -> str:
    """Write one of the paper's tables as LaTeX; parameters as for :func:`markdown`."""
    return to_latex(suite_grid(name, table))


def suite_grid(name: str, table: pd.DataFrame) -> Grid:
    """Return one of the paper's tables, with the paper's numbers; an error if it has no rows."""
    if table.empty:
        raise ChromvizError(f"{_TITLES[name]} is empty: none of its models was trained")
    header, rows = _one_mark(table) if name == "s1" else _over_cells(name, table)
    words = 2 if name == "s1" else 1
    return Grid(
        title=_TITLES[name],
        caption=_caption(name, table),
        label=f"table-{name}",
        header=header,
        groups=[("", rows)],
        numbers=range(words, len(header)),
        simulated=is_simulated(table),
    )


def _over_cells(name: str, table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    columns = [*_STATISTICS, *(["better"] if name == "2" else [])]
    titles = {"better": "above DeepChrome"}
    header = ["Model"]
    for column in columns:
        header += [titles.get(column, column), "paper"]
    rows = []
    for _, row in table.iterrows():
        cells = [model_label(str(row["model"]))]
        for column in columns:
            decimals = 0 if column == "better" else 3
            cells.append(_cell(row[column], decimals))
            cells.append(_cell(row[f"paper_{column}"], 0 if column == "better" else 4))
        rows.append(cells)
    return header, rows


def _one_mark(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    rows = [
        [
            cell_label(str(row["cell"])),
            "all marks" if row["marks"] == "all" else mark_label(str(row["marks"])),
            _cell(row["auc"], 3),
            _cell(row["paper"], 4),
        ]
        for _, row in table.iterrows()
    ]
    return ["Cell type", "Input", "AUC", "paper"], rows


def _cell(value: float, decimals: int) -> str:
    return "–" if pd.isna(value) else format_number(value, decimals)


def _caption(name: str, table: pd.DataFrame) -> str:
    first = table.iloc[0]
    cells = str(first["cells"]).split(",")
    shown = ", ".join(cell_label(cell) for cell in cells) if len(cells) < 7 else f"{len(cells)}"
    seeds = int(first["n_seeds"])
    trained = f"{seeds} seeds averaged within each" if seeds > 1 else "one seed"
    paper = "GM12878 only" if name == "s1" else "56 cell types"
    counted = ""
    if name != "s1" and int(first["n_cells"]) < len(cells):
        counted = f" Undefined, and left out, in {len(cells) - int(first['n_cells'])} of them."
    zero = f" {ZERO_FILLED}" if first["missing"] == "zero" else ""
    return (
        f"{_WHAT[name]}: {shown}; {trained}.{counted} The paper's numbers are of its own data, "
        f"{paper}.{zero}"
    )

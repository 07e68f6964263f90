"""Table 3 as Markdown and LaTeX, from the rows of ``table3.csv``."""

from __future__ import annotations

import pandas as pd

from chromviz.catalog import is_control, method_label, model_label
from chromviz.plot.dots import TABLE3_COLUMNS
from chromviz.plot.style import (
    format_interval,
    format_number,
    is_simulated,
    is_zero_filled,
    require_rows,
)
from chromviz.reporting.grid import Grid, mark_note, to_latex, to_markdown
from chromviz.vocabulary import ZERO_FILLED, cell_label, mark_label

# Columns that are constant in the paper's table: named in the caption if they are constant here
# too, otherwise shown as columns.
_VARYING = {
    "cell": "Cell type",
    "mark": "Mark",
    "track": "Reference",
    "gene_set": "Genes",
    "n_reference_genes": "n reference",
}


def table3_markdown(table: pd.DataFrame) -> str:
    """Write Table 3 as Markdown: caption, table and notes.

    `table` has the rows of ``table3.csv``. Methods come first, then the controls, each in the
    table's order. A cell type, mark, track or gene set that varies has its own column.
    """
    return to_markdown(table3_grid(table))


def table3_latex(table: pd.DataFrame) -> str:
    r"""Write Table 3 as a LaTeX ``table`` environment that needs only ``\usepackage{booktabs}``."""
    return to_latex(table3_grid(table))


def table3_grid(table: pd.DataFrame) -> Grid:
    """Return Table 3 as a table of text; `table` and errors as for :func:`table3_markdown`."""
    require_rows(table, TABLE3_COLUMNS, "Table 3")
    varying = [name for name in _VARYING if table[name].nunique(dropna=False) > 1]
    header = [
        *(_VARYING[name] for name in varying),
        "Method",
        "Model",
        "Pearson's r [95% interval]",
        "Paper's r",
        "n",
    ]
    letters: dict[str, str] = {}
    groups: list[tuple[str, list[list[str]]]] = [("Methods", []), ("Controls", [])]
    for _, row in table.iterrows():
        r = format_interval(row)
        if note := _text(row["note"]):
            r += mark_note(letters, note)
        cells = [
            *(_value(name, row[name]) for name in varying),
            method_label(_text(row["method"])),
            model_label(_text(row["model"])) or "–",
            r,
            "–" if pd.isna(row["paper"]) else format_number(row["paper"], 4),
            _value("n_genes", row["n_genes"]),
        ]
        groups[is_control(row["method"])][1].append(cells)
    named = "-".join(map(str, pd.unique(table["cell"])))
    return Grid(
        title="Table 3",
        label=f"table3-{named}",
        caption=_caption(table, varying),
        header=header,
        numbers=_number_columns(header),
        groups=[(title, rows) for title, rows in groups if rows],
        letters=letters,
        simulated=is_simulated(table),
    )


def _caption(table: pd.DataFrame, varying: list[str]) -> str:
    def name(column: str, many: str) -> str:
        return many if column in varying else _value(column, table[column].iloc[0])

    count = name("n_reference_genes", "the")
    gene_set = name("gene_set", "")
    return (
        f"{name('cell', 'Several cell types')}. Pearson's r between each method's mean weights on "
        f"{name('mark', 'a mark')} and the mean coverage of {name('track', 'a reference track')} "
        f"over {'' if count == '–' else count + ' '}genes labelled ON. Brackets: 95% interval. "
        f"n: genes whose weights are averaged{f' ({gene_set})' if gene_set else ''}."
        f"{' ' + ZERO_FILLED if is_zero_filled(table) else ''}"
    )


def _value(column: str, value: object) -> str:
    """Return a value of a column as text."""
    if column in ("n_genes", "n_reference_genes"):
        return "–" if pd.isna(value) else f"{int(value):,}"  # type: ignore[call-overload]
    text = _text(value)
    return {"cell": cell_label, "mark": mark_label, "track": mark_label}.get(column, str)(text)


def _text(value: object) -> str:
    return "" if value is None or value != value else " ".join(str(value).split())


def _number_columns(header: list[str]) -> set[int]:
    # r, the paper's r and n, always the last three; and the size of the reference.
    return {len(header) - 3, len(header) - 2, len(header) - 1} | {
        column for column, name in enumerate(header) if name.startswith("n ")
    }

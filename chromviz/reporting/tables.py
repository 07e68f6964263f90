"""The paper's tables, verdicts, and one gene across cell types, as grids of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from chromviz.catalog import is_control, method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot.dots import ANSWERS, TABLE3_COLUMNS, WORDS
from chromviz.plot.style import (
    format_interval,
    format_number,
    is_simulated,
    is_zero_filled,
    require_columns,
    require_rows,
)
from chromviz.reporting.grid import Grid, mark_note, to_markdown
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, ZERO_FILLED, cell_label, mark_label

_ABLE = {
    "unified": "one piece",
    "non_linear": "non-linear",
    "neighbouring_bins": "neighbouring bins",
    "whole_region": "whole region",
    "prediction": "predicts",
    "interactions": "marks interact",
    "interpretable": "interpretable",
}
TABLE1_COLUMNS = ("model", "study", "bins", *_ABLE, "own", "gradient", "n_methods")
_TABLE1 = (
    "What the models of earlier studies can do, as the paper judges their published forms: whether "
    "the model is one piece from signal to prediction, sees what is not linear, how it takes in "
    "bins, represents neighbouring bins and the whole region, predicts, lets marks interact, and "
    "can be interpreted. The last three columns are of the models as chromviz builds them, all of "
    "which predict: the explanation that comes with the model, whether its output has a gradient, "
    "and how many methods of explanation can serve it."
)
#: The paper's tables of performance, by the names that commands and files give them: title, and
#: what they show.
_SUITE = {
    "2": ("Table 2", "Test AUC of each model over cell types"),
    "s1": ("Table S1", "Test AUC of AttentiveChrome (LSTM-α,β) on one mark at a time"),
    "s2": ("Table S2", "F1 (genes called ON above a probability of 0.5) over cell types"),
    "s3": ("Table S3", "Test AUC of older models beside networks over cell types"),
}
TABLES = tuple(_SUITE)
# Columns that are constant in the paper's Table 3: named in the caption if they are constant here
# too, otherwise shown as columns.
_VARYING = {
    "cell": "Cell type",
    "mark": "Mark",
    "track": "Reference",
    "gene_set": "Genes",
    "n_reference_genes": "n reference",
}
_MOST_NEAR = 5


def table1_grid(table: pd.DataFrame) -> Grid:
    """Return Table 1; `table` has one row per model and the columns :data:`TABLE1_COLUMNS`."""
    require_columns(table, TABLE1_COLUMNS, "Table 1")
    letters = {"alpha": "α", "beta": "β"}
    rows = [
        [
            model_label(str(row["model"])),
            str(row["study"]),
            str(row["bins"]),
            *("yes" if row[name] else "no" for name in _ABLE),
            ", ".join(letters.get(name, name) for name in str(row["own"] or "").split(",")) or "–",
            "yes" if row["gradient"] else "no",
            str(row["n_methods"]),
        ]
        for _, row in table.iterrows()
    ]
    header = ["Model", "Study", "bins", *_ABLE.values()]
    header += ["explains itself by", "has a gradient", "methods"]
    numbers = [len(header) - 1]
    return Grid("Table 1", _TABLE1, "table-1", header, [("", rows)], numbers, simulated=False)


def table3_grid(table: pd.DataFrame) -> Grid:
    """Return Table 3 from the rows of ``table3.csv``: methods, then controls, in their order.

    A cell type, mark, track or gene set that varies has its own column.
    """
    require_rows(table, TABLE3_COLUMNS, "Table 3")
    varying = [name for name in _VARYING if table[name].nunique(dropna=False) > 1]
    header = [*(_VARYING[name] for name in varying), "Method", "Model"]
    header += ["Pearson's r [95% interval]", "Paper's r", "n"]
    letters: dict[str, str] = {}
    groups: list[tuple[str, list[list[str]]]] = [("Methods", []), ("Controls", [])]
    for _, row in table.iterrows():
        note = _text(row["note"])
        cells = [
            *(_value(name, row[name]) for name in varying),
            method_label(_text(row["method"])),
            model_label(_text(row["model"])) or "–",
            format_interval(row) + (mark_note(letters, note) if note else ""),
            _number(row["paper"], 4),
            _value("n_genes", row["n_genes"]),
        ]
        groups[is_control(row["method"])][1].append(cells)
    width = len(header)
    counts = [column for column, name in enumerate(header) if name.startswith("n ")]
    return Grid(
        title="Table 3",
        label=f"table3-{'-'.join(map(str, pd.unique(table['cell'])))}",
        caption=_table3_caption(table, varying),
        header=header,
        numbers=[*counts, width - 3, width - 2, width - 1],
        groups=[(title, rows) for title, rows in groups if rows],
        letters=letters,
        simulated=is_simulated(table),
    )


def _table3_caption(table: pd.DataFrame, varying: list[str]) -> str:
    def name(column: str, many: str) -> str:
        return many if column in varying else _value(column, table[column].iloc[0])

    count = name("n_reference_genes", "the")
    gene_set = name("gene_set", "")
    return (
        f"{name('cell', 'Several cell types')}. Pearson's r between each method's mean weights on "
        f"{name('mark', 'a mark')} and the mean coverage of {name('track', 'a reference track')} "
        f"over {'' if count == '–' else count + ' '}genes labelled ON. Brackets: 95% interval. "
        f"n: genes whose weights are averaged{f' ({gene_set})' if gene_set else ''}."
        f"{_zero_filled(table)}"
    )


def _value(column: str, value: Any) -> str:
    """Return a value of a column of Table 3 as text."""
    if column in ("n_genes", "n_reference_genes"):
        return "–" if pd.isna(value) else f"{int(value):,}"
    text = _text(value)
    return {"cell": cell_label, "mark": mark_label, "track": mark_label}.get(column, str)(text)


def _text(value: object) -> str:
    return "" if value is None or value != value else " ".join(str(value).split())


def _number(value: float, decimals: int) -> str:
    return "–" if pd.isna(value) else format_number(value, decimals)


def _zero_filled(table: pd.DataFrame) -> str:
    return f" {ZERO_FILLED}" if is_zero_filled(table) else ""


def suite_grid(name: str, table: pd.DataFrame) -> Grid:
    """Return one of :data:`TABLES`, with the paper's numbers; an error if it has no rows."""
    title, what = _SUITE[name]
    if table.empty:
        raise ChromvizError(f"{title} is empty: none of its models was trained")
    if name == "s1":
        header = ["Cell type", "Input", "AUC", "paper"]
        rows = [
            [
                cell_label(str(row["cell"])),
                "all marks" if row["marks"] == "all" else mark_label(str(row["marks"])),
                _number(row["auc"], 3),
                _number(row["paper"], 4),
            ]
            for _, row in table.iterrows()
        ]
    else:
        decimals = dict.fromkeys(("mean", "median", "max", "min"), (3, 4))
        if name == "2":
            decimals["better"] = (0, 0)
        header = ["Model"]
        for column in decimals:
            header += ["above DeepChrome" if column == "better" else column, "paper"]
        rows = []
        for _, row in table.iterrows():
            cells = [model_label(str(row["model"]))]
            for column, (ours, theirs) in decimals.items():
                cells += [_number(row[column], ours), _number(row[f"paper_{column}"], theirs)]
            rows.append(cells)
    return Grid(
        title=title,
        caption=f"{what}: {_suite_caption(name, table)}",
        label=f"table-{name}",
        header=header,
        groups=[("", rows)],
        numbers=range(2 if name == "s1" else 1, len(header)),
        simulated=is_simulated(table),
    )


def _suite_caption(name: str, table: pd.DataFrame) -> str:
    first = table.iloc[0]
    cells = str(first["cells"]).split(",")
    shown = ", ".join(cell_label(cell) for cell in cells) if len(cells) < 7 else f"{len(cells)}"
    seeds = int(first["n_seeds"])
    trained = f"{seeds} seeds averaged within each" if seeds > 1 else "one seed"
    paper = "GM12878 only" if name == "s1" else "56 cell types"
    counted = ""
    if name != "s1" and int(first["n_cells"]) < len(cells):
        counted = f" Undefined, and left out, in {len(cells) - int(first['n_cells'])} of them."
    return (
        f"{shown}; {trained}.{counted} The paper's numbers are of its own data, {paper}."
        f"{_zero_filled(table.head(1))}"
    )


def verdict_grid(verdicts: pd.DataFrame, table: pd.DataFrame) -> Grid:
    """Return the verdict for each model and method; `table` has their numbers."""
    profile = table[(table["test"] == "profile") & (table["mark"] == PROMOTER_MARK)]
    by = profile.set_index(["cell", "model", "variant", "method", "statistic"]).sort_index()
    groups: list[tuple[str, list[list[str]]]] = []
    for keys, part in verdicts.groupby(["cell", "model", "variant"], sort=False):
        cell, model, variant = map(str, keys)
        rows = []
        for _, row in part.iterrows():
            method = str(row["method"])
            found = [(cell, model, variant, method, name) for name in ("pearson", "gain")]
            numbers = [
                format_interval(by.loc[[key]].iloc[0]) if key in by.index else "–" for key in found
            ]
            answers = [WORDS.get(row[name], "–") for name in ANSWERS]
            rows.append([method_label(method), *numbers, *answers])
        where = f"{cell_label(cell)}: " if verdicts["cell"].nunique() > 1 else ""
        groups.append((where + model_label(model, variant), rows))
    cells = ", ".join(cell_label(str(cell)) for cell in dict.fromkeys(table["cell"]))
    return Grid(
        title="Validation",
        caption=(
            f"{cells}: r of the mean weights on {mark_label(PROMOTER_MARK)} with "
            f"{mark_label(REFERENCE_TRACK)}, its gain over the raw signal of the same genes, 95 % "
            "intervals over genes, and the verdict. A dash: not tested, or undefined."
            f"{_zero_filled(table)}"
        ),
        label="validation",
        header=["Method", "r", "gain over signal", *ANSWERS.values()],
        groups=groups,
        numbers=range(1, 3),
        simulated=is_simulated(verdicts),
    )


def verdict_sentences(verdicts: pd.DataFrame) -> list[str]:
    """Return the conclusion about each explanation, with the labels of models and methods."""
    return [
        f"{method_label(method)} of {model_label(model)}"
        + sentence.removeprefix(f"{method} of {model}")
        for method, model, sentence in zip(
            verdicts["method"], verdicts["model"], verdicts["sentence"], strict=True
        )
    ]


def verdict_markdown(verdicts: pd.DataFrame, table: pd.DataFrame) -> str:
    """Write the verdicts as Markdown: the table, and a sentence for each method."""
    text = to_markdown(verdict_grid(verdicts, table))
    return text + "\n" + "".join(f"- {sentence}\n" for sentence in verdict_sentences(verdicts))


def audit_grid(record: Mapping[str, Any]) -> Grid:
    """Return one row per cell type and model of a gene: label, expression, prediction, β."""

    def text(value: float | None, missing: str = "") -> str:
        return missing if value is None else f"{value:.3f}"

    marks = list(dict.fromkeys(mark for cell in record["cells"] for mark in cell["signal"]))
    rows = []
    for cell in record["cells"]:
        known = [cell["label"], cell["state"], text(cell["expression"], "unknown")]
        for model in cell["models"]:
            beta = next((one for one in model["methods"] if one["method"] == "beta"), None)
            weights = [text(beta["weight"].get(mark, [None])[0]) for mark in marks] if beta else []
            p = text(model["probability"])
            rows.append([*known, model_label(model["model"]), p, cell["split"], *weights])
        if not cell["models"]:
            rows.append([*known, "", cell["unreadable"], cell["split"]])
    header = ["cell type", "label", "expression", "model", "p(ON)", "split"]
    if any(len(row) > len(header) for row in rows):
        header += [f"β {mark}" for mark in marks]
    symbol, gene = record["symbol"], record["gene"]
    return Grid(
        title=f"{symbol} ({gene})" if symbol and symbol != gene else gene,
        caption="label: ON or OFF by expression; p(ON): the model's probability; split: what the "
        "gene was to the model's training; β sums to 1 over marks.",
        label=f"audit-{gene}",
        header=header,
        numbers=[2, 4, *range(6, len(header))],
        groups=[("", [row + [""] * (len(header) - len(row)) for row in rows])],
        simulated=bool(record["simulated"]),
    )


def audit_notes(record: Mapping[str, Any]) -> list[str]:
    """Return the warnings as lines, each with the cell type and model that it is about."""
    notes: list[str] = []
    for cell in record["cells"]:
        for model in cell["models"]:
            where = f"{cell['label']}, {model_label(model['model'])}"
            flagged = [one["method"] for one in model["methods"] if one.get("flagged")]
            named = {"incomplete": [method_label(method) for method in flagged]}
            notes += _warnings(where, model["warnings"], named)
        near = [
            f"{one['symbol'] or one['gene']} at {one['offset']:+,} bp" for one in cell["neighbours"]
        ]
        if len(near) > _MOST_NEAR:
            near = [*near[: _MOST_NEAR - 1], f"{near[_MOST_NEAR - 1]} …"]
        notes += _warnings(cell["label"], cell["warnings"], {"neighbour": near})
    if any(cell["missing_policy"] == "zero" for cell in record["cells"]):
        notes.append(ZERO_FILLED)
    return notes


def _warnings(
    where: str, items: Iterable[Mapping[str, str]], named: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return warnings as lines; `named` are the methods or genes that a kind of warning is of."""
    lines = []
    for item in items:
        names = f" ({', '.join(named[item['code']])})" if item["code"] in named else ""
        lines.append(f"{where}: {item['text']}{names}")
    return lines

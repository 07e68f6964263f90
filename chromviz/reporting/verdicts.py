"""Verdicts on explanations as tables and sentences."""

from __future__ import annotations

import pandas as pd

from chromviz.catalog import method_label, model_label
from chromviz.plot.dots import ANSWERS, WORDS
from chromviz.plot.style import format_interval, is_simulated, is_zero_filled
from chromviz.reporting.grid import Grid, to_latex, to_markdown
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, ZERO_FILLED, cell_label, mark_label


def verdict_grid(verdicts: pd.DataFrame, table: pd.DataFrame) -> Grid:
    """Return the verdict for each model and method as a table; `table` holds their numbers."""
    header = ["Method", "r", "gain over signal", *ANSWERS.values()]
    groups: list[tuple[str, list[list[str]]]] = []
    profile = table[(table["test"] == "profile") & (table["mark"] == PROMOTER_MARK)]
    by = profile.set_index(["cell", "model", "variant", "method", "statistic"]).sort_index()
    several = verdicts["cell"].nunique() > 1
    for (cell, model, variant), part in verdicts.groupby(["cell", "model", "variant"], sort=False):
        rows = []
        for _, row in part.iterrows():
            key = (str(cell), str(model), str(variant), str(row["method"]))
            rows.append(
                [
                    method_label(str(row["method"])),
                    _number(by, (*key, "pearson")),
                    _number(by, (*key, "gain")),
                    *(WORDS.get(row[name], "–") for name in ANSWERS),
                ]
            )
        where = f"{cell_label(str(cell))}: " if several else ""
        groups.append((where + model_label(str(model), str(variant)), rows))
    cells = ", ".join(cell_label(str(cell)) for cell in dict.fromkeys(table["cell"]))
    zero = f" {ZERO_FILLED}" if is_zero_filled(table) else ""
    return Grid(
        title="Validation",
        caption=(
            f"{cells}: r of the mean weights on {mark_label(PROMOTER_MARK)} with "
            f"{mark_label(REFERENCE_TRACK)}, its gain over the raw signal of the same genes, 95 % "
            "intervals over genes, and the verdict. A dash: not tested, or undefined."
            f"{zero}"
        ),
        label="validation",
        header=header,
        groups=groups,
        numbers=range(1, 3),
        simulated=is_simulated(verdicts),
    )


def verdict_sentences(verdicts: pd.DataFrame) -> list[str]:
    """Return what follows for each explanation, models and methods named as people name them."""
    return [
        f"{method_label(method)} of {model_label(model)}"
        + sentence.removeprefix(f"{method} of {model}")
        for method, model, sentence in zip(
            verdicts["method"], verdicts["model"], verdicts["sentence"], strict=True
        )
    ]


def verdict_markdown(verdicts: pd.DataFrame, table: pd.DataFrame) -> str:
    """Write what follows as Markdown: the table, and a sentence a method."""
    text = to_markdown(verdict_grid(verdicts, table))
    return text + "\n" + "".join(f"- {sentence}\n" for sentence in verdict_sentences(verdicts))


def verdict_latex(verdicts: pd.DataFrame, table: pd.DataFrame) -> str:
    """Write what follows as LaTeX."""
    return to_latex(verdict_grid(verdicts, table))


def _number(by: pd.DataFrame, key: tuple[str, ...]) -> str:
    return format_interval(by.loc[[key]].iloc[0]) if key in by.index else "–"

"""Table 3 for people: as Markdown and as LaTeX, from the rows of ``table3.csv``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from chromviz.errors import ChromvizError
from chromviz.plot.labels import CONTROLS, method_label, model_label
from chromviz.plot.latex import escape_latex
from chromviz.plot.style import SIMULATED_NOTE, is_simulated, require_columns
from chromviz.vocabulary import ZERO_FILLED, cell_label, mark_label

TABLE3_COLUMNS = (
    "cell",
    "model",
    "method",
    "mark",
    "track",
    "estimate",
    "ci_low",
    "ci_high",
    "n_genes",
    "n_reference_genes",
    "paper",
    "simulated",
    "gene_set",
    "note",
)
# Columns that are the same in every row of the paper's table: named in the caption where they
# are here too, shown as columns where they are not.
_VARYING = {
    "cell": "Cell type",
    "mark": "Mark",
    "track": "Reference",
    "gene_set": "Genes",
    "n_reference_genes": "n reference",
}
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class _Content:
    """What a table says, before it is written as Markdown or LaTeX."""

    caption: str
    header: list[str]
    #: Title of the group, and its rows; the r of a row may carry a letter that names a note.
    groups: list[tuple[str, list[list[str]]]]
    letters: dict[str, str]
    simulated: bool


def check_table3(table: pd.DataFrame, what: str) -> None:
    """Check that a table has the columns of Table 3 and at least one row.

    Raises
    ------
    ChromvizError
        Naming the columns that are missing.
    """
    require_columns(table, TABLE3_COLUMNS, what)
    if table.empty:
        raise ChromvizError(f"{what} needs at least one row; its table is empty")


def is_zero_filled(table: pd.DataFrame) -> bool:
    """Return whether any row rests on data whose gaps were set to zero (column ``missing``)."""
    return "missing" in table.columns and bool((table["missing"] == "zero").any())


def format_r(row: pd.Series) -> str:
    """Return ``0.853 [0.812, 0.886]``: r with its interval, or ``undefined``."""
    if pd.isna(row["estimate"]):
        return "undefined"
    text = _number(row["estimate"], 3)
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return text
    return f"{text} [{_number(row['ci_low'], 3)}, {_number(row['ci_high'], 3)}]"


def table3_markdown(table: pd.DataFrame) -> str:
    """Write Table 3 as Markdown.

    Parameters
    ----------
    table
        The rows of ``table3.csv``: ``cell``, ``model`` (empty for controls), ``method``,
        ``mark``, ``track``; ``estimate``, ``ci_low``, ``ci_high`` and ``paper`` (Pearson's r, no
        unit; NaN where undefined or not in the paper); ``n_genes`` and ``n_reference_genes``
        (genes averaged); ``gene_set`` (which genes they are), ``simulated`` (0 or 1) and
        ``note`` (printed below, for instance why r is undefined).

    Returns
    -------
    str
        Caption, table and notes. Methods come first, then the controls, each in the table's
        order. A cell type, mark, track or gene set that varies has a column of its own.

    Raises
    ------
    ChromvizError
        If a column is missing or the table is empty.
    """
    content = _content(table)

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    width = len(content.header)
    numbers = _number_columns(content.header)
    lines = [f"**Table 3.** {_markdown(content.caption)}", ""]
    if content.simulated:
        lines += [f"**{SIMULATED_NOTE}**", ""]
    lines.append(line([_markdown(name) for name in content.header]))
    lines.append(line(["---:" if column in numbers else "---" for column in range(width)]))
    for title, rows in content.groups:
        lines.append(line([f"**{title}**", *[""] * (width - 1)]))
        lines += [line(_noted(row, _markdown, "<sup>{}</sup>")) for row in rows]
    for note, letter in content.letters.items():
        lines += ["", f"<sup>{letter}</sup> {_markdown(note)}"]
    return "\n".join(lines) + "\n"


def table3_latex(table: pd.DataFrame) -> str:
    r"""Write Table 3 as a LaTeX ``table`` environment.

    Parameters
    ----------
    table
        As for :func:`table3_markdown`.

    Returns
    -------
    str
        The environment, whole; the document needs ``\usepackage{booktabs}`` and nothing else.

    Raises
    ------
    ChromvizError
        If a column is missing or the table is empty.
    """
    content = _content(table)

    def line(cells: list[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    width = len(content.header)
    numbers = _number_columns(content.header)
    cells = "-".join(map(str, pd.unique(table["cell"])))
    caption = escape_latex(content.caption)
    if content.simulated:
        caption = rf"\textbf{{{SIMULATED_NOTE}.}} {caption}"
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}[tbp]",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:table3-{re.sub(r'[^A-Za-z0-9-]', '-', cells)}}}",
        rf"\begin{{tabular}}{{{''.join('r' if n in numbers else 'l' for n in range(width))}}}",
        r"\toprule",
        line([escape_latex(name) for name in content.header]),
    ]
    for title, rows in content.groups:
        lines += [r"\midrule", line([rf"\multicolumn{{{width}}}{{l}}{{\emph{{{title}}}}}"])]
        lines += [line(_noted(row, escape_latex, r"\textsuperscript{{{}}}")) for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if content.letters:
        lines += ["", r"\smallskip", r"\footnotesize\raggedright"]
        lines += [
            rf"\textsuperscript{{{letter}}}~{escape_latex(note)}\par"
            for note, letter in content.letters.items()
        ]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _content(table: pd.DataFrame) -> _Content:
    check_table3(table, "Table 3")
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
        r = format_r(row)
        if note := _text(row["note"]):
            letters.setdefault(note, _letter(len(letters)))
            r += f"\0{letters[note]}"
        cells = [
            *(_value(name, row[name]) for name in varying),
            method_label(_text(row["method"])),
            model_label(_text(row["model"])) or "–",
            r,
            "–" if pd.isna(row["paper"]) else _number(row["paper"], 4),
            _value("n_genes", row["n_genes"]),
        ]
        groups[row["method"] in CONTROLS][1].append(cells)
    return _Content(
        _caption(table, varying),
        header,
        [(title, rows) for title, rows in groups if rows],
        letters,
        is_simulated(table),
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
    """Return one value of a column as people read it."""
    if column in ("n_genes", "n_reference_genes"):
        return "–" if pd.isna(value) else f"{int(value):,}"  # type: ignore[call-overload]
    text = _text(value)
    return {"cell": cell_label, "mark": mark_label, "track": mark_label}.get(column, str)(text)


def _number(value: float, decimals: int) -> str:
    # "-0.000" would claim a sign that the digits do not show.
    text = f"{value:.{decimals}f}"
    return text.replace("-", "" if float(text) == 0 else _MINUS)


def _text(value: object) -> str:
    return "" if value is None or value != value else " ".join(str(value).split())


def _letter(position: int) -> str:
    return chr(ord("a") + position) if position < 26 else f"a{position}"


def _number_columns(header: list[str]) -> set[int]:
    # r, the paper's r and n, always the last three; and the size of the reference.
    return {len(header) - 3, len(header) - 2, len(header) - 1} | {
        column for column, name in enumerate(header) if name.startswith("n ")
    }


def _noted(row: list[str], escape: Callable[[str], str], superscript: str) -> list[str]:
    """Escape a row's cells; what follows a NUL is the letter of a note."""
    cells = []
    for cell in row:
        text, _, letter = cell.partition("\0")
        cells.append(escape(text) + (superscript.format(letter) if letter else ""))
    return cells


def _markdown(text: str) -> str:
    text = re.sub(r"([\\|*`])", r"\\\1", text).replace("<", "&lt;")
    # An underscore inside a word (H_prom) is no emphasis and reads better bare.
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)

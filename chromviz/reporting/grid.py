"""Tables of text, as Markdown and as LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from chromviz.plot.style import SIMULATED_NOTE

# Letters and signs that LaTeX has as commands of mathematics. The Greek letters that are missing
# here look like Latin ones, and LaTeX has no command for them.
_COMMANDS = dict(zip("αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩµ×·±≤≥≈→", (
    "alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "varphi",
    "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon",
    "Phi", "Psi", "Omega", "mu", "times", "cdot", "pm", "leq", "geq", "approx", "rightarrow",
), strict=True))  # fmt: skip
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"$\\{name}$" for character, name in _COMMANDS.items()},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{MINUS SIGN}": "$-$",
    "²": "$^2$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\N{NO-BREAK SPACE}": "~",
}


@dataclass(frozen=True)
class Grid:
    """The content of a table, before it is written as Markdown, LaTeX or HTML.

    `title` is for instance ``Table 3``, `caption` what it shows, and `label` is for LaTeX (after
    ``tab:``). `groups` are the title of each group of rows (or empty) and its rows; a cell may end
    in what :func:`mark_note` gives. `numbers` are the positions of columns that align right, and
    `letters` notes printed below, with the letters that cells carry.
    """

    title: str
    caption: str
    label: str
    header: list[str]
    groups: list[tuple[str, list[list[str]]]]
    numbers: Collection[int]
    simulated: bool
    letters: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[list[str]]:
        """The rows of all groups."""
        return [row for _, rows in self.groups for row in rows]


def in_three_forms(stem: str, csv: str, grid: Grid) -> dict[str, str]:
    """Return the texts of a table by file name: its numbers as `csv`, Markdown and LaTeX."""
    return {f"{stem}.csv": csv, f"{stem}.md": to_markdown(grid), f"{stem}.tex": to_latex(grid)}


def mark_note(letters: dict[str, str], note: str) -> str:
    """Return the suffix of a cell that carries a note; a new note gets the next letter."""
    place = len(letters)
    letters.setdefault(note, chr(ord("a") + place) if place < 26 else f"a{place}")
    return f"\0{letters[note]}"


def to_markdown(grid: Grid) -> str:
    """Write a table as Markdown: caption, table and notes."""

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    width = len(grid.header)
    lines = [f"**{grid.title}.** {_markdown(grid.caption)}", ""]
    if grid.simulated:
        lines += [f"**{SIMULATED_NOTE}**", ""]
    lines.append(line([_markdown(name) for name in grid.header]))
    lines.append(line(["---:" if column in grid.numbers else "---" for column in range(width)]))
    for title, rows in grid.groups:
        if title:
            lines.append(line([f"**{title}**", *[""] * (width - 1)]))
        lines += [line(_noted(row, _markdown, "<sup>{}</sup>")) for row in rows]
    for note, letter in grid.letters.items():
        lines += ["", f"<sup>{letter}</sup> {_markdown(note)}"]
    return "\n".join(lines) + "\n"


def to_latex(grid: Grid) -> str:
    r"""Write a table as a LaTeX ``table`` environment; it needs ``\usepackage{booktabs}``."""

    def line(cells: list[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    width = len(grid.header)
    caption = escape_latex(grid.caption)
    if grid.simulated:
        caption = rf"\textbf{{{SIMULATED_NOTE}.}} {caption}"
    columns = "".join("r" if column in grid.numbers else "l" for column in range(width))
    lines = [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}[tbp]",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]', '-', grid.label)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        line([escape_latex(name) for name in grid.header]),
    ]
    for title, rows in grid.groups:
        lines.append(r"\midrule")
        if title:
            lines.append(line([rf"\multicolumn{{{width}}}{{l}}{{\emph{{{title}}}}}"]))
        lines += [line(_noted(row, escape_latex, r"\textsuperscript{{{}}}")) for row in rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if grid.letters:
        lines += ["", r"\smallskip", r"\footnotesize\raggedright"]
        lines += [
            rf"\textsuperscript{{{letter}}}~{escape_latex(note)}\par"
            for note, letter in grid.letters.items()
        ]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _noted(row: list[str], escape: Callable[[str], str], superscript: str) -> list[str]:
    """Escape a row's cells; what follows a NUL is the letter of a note."""
    cells = []
    for cell in row:
        text, _, letter = cell.partition("\0")
        cells.append(escape(text) + (superscript.format(letter) if letter else ""))
    return cells


def _markdown(text: str) -> str:
    text = re.sub(r"([\\|*`])", r"\\\1", text).replace("<", "&lt;")
    # An underscore inside a word (H_prom) is not emphasis, and reads better without a backslash.
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)


def escape_latex(text: str) -> str:
    r"""Return plain text as LaTeX that prints the same, in pdflatex without further packages.

    ``α`` becomes ``$\alpha$`` and ``_`` becomes ``\_``. A character that pdflatex does not know is
    printed as its plain letter, else by its code.
    """
    return "".join(_LATEX.get(character) or _letter(character) for character in text)


def _letter(character: str) -> str:
    if ord(character) < 0x180:  # the letters of pdflatex's default input encoding
        return character
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or rf"\texttt{{U+{ord(character):04X}}}"

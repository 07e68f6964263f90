"""Text as LaTeX, without additional packages."""

from __future__ import annotations

import unicodedata

# Letters and signs that LaTeX has as commands of mathematics. The Greek letters that are missing
# here look like Latin ones, and LaTeX has no command for them.
_GREEK_SMALL = dict(zip("αβγδεζηθικλμνξπρςστυφχψω", (
    "alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "varphi",
    "chi", "psi", "omega",
), strict=True))  # fmt: skip
_GREEK_CAPITAL = dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", (
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
), strict=True))  # fmt: skip
_SIGNS = dict(zip("µ×·±≤≥≈→", (
    "mu", "times", "cdot", "pm", "leq", "geq", "approx", "rightarrow",
), strict=True))  # fmt: skip
_MINUS = "\N{MINUS SIGN}"
_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{
        character: f"$\\{name}$"
        for character, name in (_GREEK_SMALL | _GREEK_CAPITAL | _SIGNS).items()
    },
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    _MINUS: "$-$",
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

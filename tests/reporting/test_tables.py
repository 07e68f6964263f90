from __future__ import annotations

import re
import shutil
import subprocess

import pandas as pd
import pytest

from chromviz.catalog import method_label, model_label
from chromviz.errors import ChromvizError
from chromviz.plot.dots import TABLE3_COLUMNS
from chromviz.reporting.grid import escape_latex, to_latex, to_markdown
from chromviz.reporting.tables import table3_grid


def table3_markdown(table):
    return to_markdown(table3_grid(table))


def table3_latex(table):
    return to_latex(table3_grid(table))


HARD = r"100% of a_b & c#1 | <x> {y} ~ ^ \ $ α ≤ – ﬁ 漢"


def _markdown_rows(text):
    """Return the cells of the lines that are rows, split at bars that no backslash escapes."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_markdown_says_what_a_person_needs(agreement_table):
    before = agreement_table.copy(deep=True)
    text = table3_markdown(agreement_table)
    assert _markdown_rows(text) == [
        ["Method", "Model", "Pearson's r [95% interval]", "Paper's r", "n"],
        ["---", "---", "---:", "---:", "---:"],
        ["**Methods**", "", "", "", ""],
        ["α map", "LSTM-α,β", "0.912 [0.881, 0.934]", "0.9027", "3,102"],
        ["saliency (signed)", "DeepChrome (CNN)", "−0.131 [−0.290, 0.060]", "0.2238", "3,102"],
        ["saliency (absolute)", "DeepChrome (CNN)", "0.620<sup>a</sup>", "–", "3,102"],
        ["**Controls**", "", "", "", ""],
        ["raw signal", "–", "0.953 [0.941, 0.962]", "–", "–"],
        ["uniform", "–", "undefined<sup>b</sup>", "–", "3,102"],
    ]
    caption = text.splitlines()[0]
    for words in ("K562 (E123)", "H3K4me3 (H_prom)", "H3K27ac (H_active)", "9,012 genes"):
        assert words in caption
    assert "(test genes predicted ON)" in caption
    assert "**Simulated data**" in text.splitlines()
    assert "<sup>a</sup> 3 genes left out" in text
    assert "<sup>b</sup> r is undefined: the weights do not vary" in text
    pd.testing.assert_frame_equal(agreement_table, before)


def test_real_data_are_not_called_simulated(agreement_table):
    real = agreement_table.assign(simulated=0)
    assert "Simulated" not in table3_markdown(real)
    assert "Simulated" not in table3_latex(real)


def test_latex_says_the_same(agreement_table):
    text = table3_latex(agreement_table)
    assert r"\textbf{Simulated data.}" in text
    assert r"$\alpha$ map & LSTM-$\alpha$,$\beta$ & 0.912 [0.881, 0.934] & 0.9027" in text
    assert r"$-$0.131 [$-$0.290, 0.060]" in text
    assert r"undefined\textsuperscript{b}" in text
    assert r"\label{tab:table3-E123}" in text
    assert text.index("emph{Methods}") < text.index("LSTM") < text.index("emph{Controls}")
    assert text.index("emph{Controls}") < text.index("raw signal &")


def _assert_balanced(text):
    open_environments = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    assert not open_environments
    bare = re.sub(r"\\[{}]", "", text)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0


def _latex_rows(text):
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    return [
        line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line
    ]


def test_latex_is_balanced_and_every_row_has_every_column(agreement_table):
    hard = agreement_table.assign(note=HARD, gene_set=HARD, model=HARD, cell=HARD)
    for table in (agreement_table, hard):
        text = table3_latex(table)
        _assert_balanced(text)
        for row in _latex_rows(text):
            assert len(re.findall(r"(?<!\\)&", row)) == 4


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(agreement_table, tmp_path):
    table = table3_latex(agreement_table.assign(note=HARD, gene_set=HARD))
    (tmp_path / "table.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        f"{table}\\end{{document}}\n"
    )
    subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "table.tex"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )


def test_latex_escapes_whatever_it_cannot_print():
    assert escape_latex(HARD) == (
        r"100\% of a\_b \& c\#1 \textbar{} \textless{}x\textgreater{} \{y\} \textasciitilde{} "
        r"\textasciicircum{} \textbackslash{} \$ $\alpha$ $\leq$ -- fi \texttt{U+6F22}"
    )
    assert escape_latex("é") == "é"


def test_markdown_escapes_what_would_break_a_row(agreement_table):
    rows = _markdown_rows(table3_markdown(agreement_table.assign(model="a|b*c <d>\n_e_ f_g")))
    assert {len(row) for row in rows} == {5}
    assert rows[3][1] == r"a\|b\*c &lt;d> \_e\_ f_g"


def test_what_varies_has_a_column_of_its_own(agreement_table):
    other = agreement_table.assign(cell="E003", gene_set="all genes", n_reference_genes=8000)
    both = pd.concat([agreement_table, other])
    rows = _markdown_rows(table3_markdown(both))
    assert rows[0][:3] == ["Cell type", "Genes", "n reference"]
    assert rows[3][:4] == ["K562 (E123)", "test genes predicted ON", "9,012", "α map"]
    assert table3_markdown(both).startswith("**Table 3.** Several cell types.")
    assert "all genes & 8,000" in table3_latex(both)
    _assert_balanced(table3_latex(both))


def test_missing_values_are_dashes(agreement_table):
    nothing = agreement_table.assign(
        n_genes=None, n_reference_genes=float("nan"), model=None, note=None, gene_set=None
    )
    rows = _markdown_rows(table3_markdown(nothing))
    assert rows[3] == ["α map", "–", "0.912 [0.881, 0.934]", "0.9027", "–"]
    assert "over genes labelled ON" in table3_markdown(nothing)
    assert "nan" not in table3_markdown(nothing).lower()
    assert "nan" not in table3_latex(nothing).lower()


def test_a_value_that_rounds_to_zero_has_no_sign(agreement_table):
    text = table3_markdown(agreement_table.assign(estimate=-0.0001))
    assert "| 0.000 [" in text


def test_only_controls_make_one_group(agreement_table):
    text = table3_markdown(agreement_table[agreement_table["model"] == ""])
    assert "**Controls**" in text
    assert "**Methods**" not in text


def test_labels_pass_unknown_names_through():
    assert method_label("class_optimization") == "class optimization"
    assert method_label("tss_distance") == "distance to the TSS"
    assert method_label("my_method") == "my_method"
    assert model_label("lstm-alpha") == "LSTM-α"
    assert model_label("mine") == "mine"


@pytest.mark.parametrize("column", TABLE3_COLUMNS)
def test_a_missing_column_is_named(agreement_table, column):
    for write in (table3_markdown, table3_latex):
        with pytest.raises(ChromvizError, match=f"Table 3 needs the column {column};"):
            write(agreement_table.drop(columns=column))


def test_an_empty_table_is_refused(agreement_table):
    with pytest.raises(ChromvizError, match="its table is empty"):
        table3_markdown(agreement_table.iloc[:0])

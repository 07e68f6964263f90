"""The scripts of ``figures/``: what they need, and how they refuse."""

import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from chromviz.catalog import find_method
from chromviz.cli import results as commands
from chromviz.errors import ChromvizError
from chromviz.models import find_model
from chromviz.recipes.paper import ITEMS, rebuild, table1
from chromviz.results.folder import ResultFolder
from chromviz.results.reading import open_results
from chromviz.results.tables import parse_csv
from chromviz.validation.paper_values import TABLE_1_PROPERTIES
from tests.plot.drawings import agreement_table, beta_table, figure2a_table, figure2b_table

SCRIPTS = Path(__file__).parents[2] / "figures"


def made(path, cell="E123", subject="compare"):
    """A result folder as ``chromviz compare`` leaves it, as far as these scripts read it."""
    folder = ResultFolder(path, f"{subject} {cell}")
    folder["seed"] = 4
    tables = {
        "figure2a.csv": figure2a_table(),
        "figure2b.csv": figure2b_table(),
        "figure2c.csv": beta_table(),
        "table3.csv": agreement_table().assign(cell=cell),
    }

    def make():
        for name, table in tables.items():
            table.to_csv(path / name, index=False, lineterminator="\n")

    folder.once("all", cell, list(tables), make)
    folder.finish()
    return path


@pytest.fixture
def results(tmp_path):
    return made(tmp_path / "results")


def edit(path, **changes):
    record = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**record, **changes}))


def test_every_item_has_its_script_and_every_script_its_item(tmp_path, monkeypatch, capsys):
    names = {path.stem for path in SCRIPTS.glob("*.py")} - {"simulator_calibration"}
    assert names == set(ITEMS)
    assert names == {"figure2", "table1", "table2", "table3", "tableS1", "tableS2", "tableS3"}
    for name in names:
        assert f'rebuild("{name}")' in (SCRIPTS / f"{name}.py").read_text()
    # One of them as its users run it, but in this process: another would import torch anew.
    monkeypatch.setattr(sys, "argv", ["table1.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPTS / "table1.py"), run_name="__main__")
    assert end.value.code == 0
    assert "table1.tex" in capsys.readouterr().out
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".md", ".tex"}


def test_table_1_is_the_papers_and_the_registrys(tmp_path):
    table = table1().set_index("model")
    assert table.index[-1] == "lstm-alpha-beta"
    yes = [name for name in TABLE_1_PROPERTIES if name not in ("study", "bins")]
    everything = table[yes].eq(1).all(axis=1)
    assert everything[everything].index.tolist() == ["lstm-alpha-beta"]  # as the paper says
    for name, row in table.iterrows():
        gives = find_model(name).gives
        assert row["gradient"] == ("gradient" in gives)
        assert row["own"] == ",".join(one for one in gives if one not in ("gradient", "output"))
    assert find_method("alpha").refusal("svm", find_model("svm").gives)
    assert table["n_methods"]["lstm-alpha-beta"] == table["n_methods"].max()
    assert table["n_methods"]["rules"] < table["n_methods"]["svm"]
    _, markdown, latex = rebuild("table1", [], tmp_path)
    assert "| LSTM-α,β | Singh et al. 2017 | learned | yes |" in markdown.read_text()
    assert r"$\alpha$, $\beta$" in latex.read_text()


def test_table_3_of_several_cell_types(results, tmp_path):
    other = made(tmp_path / "other", "E003")
    csv, markdown, _ = rebuild("table3", [other, results], tmp_path / "out")
    assert parse_csv(csv.read_text())["cell"].unique().tolist() == ["E003", "E123"]
    words = markdown.read_text()
    assert "| Cell type | Method |" in words
    assert "**Simulated data**" in words
    with pytest.raises(ChromvizError, match="both hold 'compare E123'; name one of them"):
        rebuild("table3", [results, made(tmp_path / "again")], tmp_path / "out")


def test_reading_keeps_text_text_and_gaps_gaps(results):
    table = open_results(results, "compare").table("table3.csv")
    pd.testing.assert_frame_equal(table, agreement_table(), check_dtype=False)
    assert table["note"].tolist().count("") == 3
    assert parse_csv("missing,estimate\nnan,\n").to_dict("records")[0]["missing"] == "nan"


def damage(path, how):
    if how == "no folder":
        return path / "nowhere"
    if how == "no manifest":
        (path / "manifest.json").unlink()
    elif how == "rubbish":
        (path / "manifest.json").write_text("{]")
    elif how == "half a manifest":
        (path / "manifest.json").write_text('{"schema": "chromviz-results"}')
    elif how == "another version":
        edit(path, chromviz_version="0.0.1")
    elif how == "another command":
        edit(path, subject="suite")
    elif how == "interrupted":
        edit(path, steps={})
    elif how == "file gone":
        (path / "figure2b.csv").unlink()
    elif how == "file cut":
        text = (path / "figure2b.csv").read_text()
        (path / "figure2b.csv").write_text(text[: len(text) // 2])
    return path


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no folder", "no result folder"),
        ("no manifest", "it has no manifest.json"),
        ("rubbish", "is not a manifest of chromviz"),
        ("half a manifest", "is not a manifest of chromviz"),
        ("another version", "was made by chromviz 0.0.1, and this is"),
        ("another command", "those of 'chromviz compare' are needed"),
        ("interrupted", "is incomplete: it has no figure2a.csv"),
        ("file gone", "is incomplete: it has no figure2b.csv"),
        ("file cut", "is not as it was written"),
    ],
)
def test_a_folder_that_will_not_do_is_one_line_and_code_2(results, tmp_path, capsys, how, words):
    path = damage(results, how)
    out = tmp_path / "out"
    assert commands.rebuild("figure2", [str(path), "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("figure2.py: ")
    assert printed.err.count("\n") == 1
    assert words in printed.err
    if how not in ("another command",):
        assert "run 'chromviz compare" in printed.err
    assert not out.exists()


def test_panels_of_different_cell_types_are_refused(results, tmp_path):
    other = figure2b_table().assign(cell="E003")
    folder = ResultFolder(results, "compare E123")
    folder["seed"] = 4
    names = [f"figure2{panel}.csv" for panel in "abc"]
    folder.once("all", "mixed", names, lambda: other.to_csv(results / names[1], index=False))
    folder.finish()
    with pytest.raises(ChromvizError, match="panels a and b of Figure 2 must show the same"):
        rebuild("figure2", [results], tmp_path / "out")


def test_wrong_numbers_of_folders_are_refused(results, tmp_path):
    with pytest.raises(ChromvizError, match="unknown figure or table 'figure3'"):
        rebuild("figure3", [results], tmp_path)
    with pytest.raises(ChromvizError, match="made from no result folder"):
        rebuild("table1", [results], tmp_path)
    with pytest.raises(ChromvizError, match="made from a result folder of 'chromviz suite'"):
        rebuild("table2", [], tmp_path)
    with pytest.raises(ChromvizError, match="made from one result folder, not from 2"):
        rebuild("figure2", [results, results], tmp_path)

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from chromviz.errors import ChromvizError
from chromviz.models.inference import logits
from chromviz.models.store import cache_folder
from chromviz.models.training import train_once
from chromviz.progress import Reporter
from chromviz.recipes.paper import rebuild
from chromviz.recipes.suite import suite
from chromviz.schema import save_dataset, select_marks
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

QUICK = ("deepchrome", "logistic-regression", "svm")


WINDOW = Window(1000, 100)


@pytest.fixture
def data(tmp_path):
    for row, cell in enumerate(("E003", "E116", "E123")):
        one = make_dataset(90, seed=row, cell=cell, window=WINDOW)
        save_dataset(one, tmp_path / "data" / f"{cell}.nc")
    return tmp_path / "data"


def test_tables_are_what_the_units_say(data, tmp_path):
    found = suite(
        data=data, models=QUICK, seeds=2, tables=["2", "S3"], out=tmp_path / "out", n_bootstrap=50
    )
    units = found.units
    assert len(units) == 3 * 3 * 2
    one = units[(units["cell"] == "E116") & (units["model"] == "svm") & (units["seed"] == 1)]
    dataset = make_dataset(90, seed=1, cell="E116", window=WINDOW)
    model = train_once("svm", dataset, seed=1)
    assert one["auc"].item() == pytest.approx(model.card.metrics["test_auc"], abs=1e-12)
    by_cell = units.groupby(["model", "cell"])["auc"].mean().unstack()
    table = found.tables["2"].set_index("model")
    for name in QUICK:
        assert table["mean"][name] == pytest.approx(by_cell.loc[name].mean())
        assert table["min"][name] == by_cell.loc[name].min()
    assert table["better"]["svm"] == (by_cell.loc["svm"] > by_cell.loc["deepchrome"]).sum()
    assert table["paper_mean"]["deepchrome"] == 0.8008
    assert set(found.tables["s3"]["model"]) == set(QUICK)
    over = found.paired[found.paired["level"] == "cell types"].set_index("model")
    difference = by_cell.loc["svm"] - by_cell.loc["deepchrome"]
    assert over["difference"]["svm"] == pytest.approx(difference.mean())
    assert len(found.paired) == 2 + 2 * 3 * 2
    for name, words in (("table2", "Table 2"), ("tableS3", "Table S3")):
        written = rebuild(name, [tmp_path / "out"], tmp_path / "paper")
        assert [path.name for path in written] == [
            f"{name}.{form}" for form in ("csv", "md", "tex")
        ]
        for path in written:
            assert path.read_text() == (tmp_path / "out" / path.name.lower()).read_text()
        assert words in written[1].read_text()
    with pytest.raises(ChromvizError, match=r"is incomplete: it has no tables1\.csv"):
        rebuild("tableS1", [tmp_path / "out"], tmp_path / "paper")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"suite.csv", "paired.csv", "table2.md", "tables3.tex", "suite_auc.png"} <= names
    assert {"calibration.pdf", "manifest.json"} <= names
    assert "paper" in (tmp_path / "out" / "table2.md").read_text()


def test_one_mark_at_a_time(data, tmp_path, blank_figures):
    found = suite(
        ["E123"], data=data, models=["lstm-alpha-beta"], reference="lstm-alpha-beta",
        tables=["s1"], out=tmp_path / "out", n_bootstrap=0,
    )  # fmt: skip
    table = found.tables["s1"]
    assert table["marks"].iloc[0] == "all"
    assert len(table) == 6
    alone = select_marks(make_dataset(90, seed=2, window=WINDOW), ["H3K4me3"])
    model = train_once("lstm-alpha-beta", alone)
    test = alone["split"].values == "test"
    auc = roc_auc_score(
        alone["label"].values[test], logits(model.module, alone["signal"].values[test])
    )
    assert table.set_index("marks")["auc"]["H3K4me3"] == pytest.approx(auc, abs=1e-12)


def test_a_table_that_nobody_fills_is_left_out_and_said(data, tmp_path):
    lines = []
    found = suite(
        ["E123"], data=data, models=["svm"], reference="svm", tables=["2", "s2"],
        out=tmp_path / "out", n_bootstrap=0, reporter=Reporter(say=lines.append),
    )  # fmt: skip
    assert list(found.tables) == ["2"]
    assert "no Table S2: it shows none of the models" in lines


def test_a_second_run_does_nothing_and_another_seed_only_what_is_new(data, tmp_path, blank_figures):
    options = {"data": data, "models": QUICK, "tables": ["2"], "out": tmp_path / "out"}
    options["cells"] = ["E116"]
    first = suite(**options, n_bootstrap=20)
    trained = {path: path.stat().st_mtime_ns for path in cache_folder().glob("*.json")}
    assert len(trained) == 3
    assert suite(**options, n_bootstrap=20).made == []
    more = suite(**options, n_bootstrap=20, seeds=2)
    assert len([step for step in more.made if step.startswith("predictions/")]) == 3
    assert all(path.stat().st_mtime_ns == old for path, old in trained.items())
    again = more.units[more.units["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, first.units)


def test_a_killed_suite_goes_on(data, tmp_path, blank_figures):
    """Killed with its workers; finished, and done anew, in this process."""
    options = {
        "models": ["linear-regression", "svm", "rules"],
        "tables": ["2", "s3"],
        "cells": ["E003", "E116"],
    }
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "chromviz", "suite", "--data", str(data), "--quiet"]
    for name, values in options.items():
        command += [f"--{name}", ",".join(values)]
    command += ["--reference", "svm", "--bootstrap", "20", "--out", str(killed)]
    environment = {**os.environ, "LOKY_MAX_CPU_COUNT": "2"}
    process = subprocess.Popen(command, start_new_session=True, env=environment)
    until = time.monotonic() + 120
    while not list((killed / "predictions").glob("E003*.csv")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(list((killed / "predictions").glob("*.csv")))
    assert 0 < done < 6
    for out in (killed, whole):
        suite(data=data, reference="svm", n_bootstrap=20, out=out, **options)
    for name in ("table2.csv", "tables3.csv", "paired.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    record = json.loads((killed / "manifest.json").read_text())
    assert len([step for step in record["steps"] if step.startswith("predictions/")]) == 6
    assert not list(killed.rglob(".*.part*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cells": ["K563"]}, "unknown cell type"),
        ({"models": ["lsmt"]}, "unknown model 'lsmt'; did you mean lstm"),
        ({"models": ["svm"]}, "reference deepchrome is not among the models"),
        ({"reference": "depchrome"}, "unknown model 'depchrome'"),
        ({"tables": ["4"]}, "unknown table '4'; known: 2, s1, s2, s3"),
        ({"seeds": 0}, "seeds must be an integer of at least 1: 0"),
        ({"models": []}, "needs at least one model"),
        ({"device": "cuda:9"}, "not available here"),
    ],
)
def test_wrong_input_is_one_line_before_any_training(data, tmp_path, options, words):
    with pytest.raises(ChromvizError, match=words) as error:
        suite(data=data, out=tmp_path / "out", **options)
    assert "\n" not in str(error.value)
    assert not cache_folder().exists() or not list(cache_folder().iterdir())


def test_one_state_among_test_genes_is_undefined_and_said(tmp_path, blank_figures):
    one = make_dataset(90, window=WINDOW)
    on = (one["split"].values == "test") & (one["label"].values == 1)
    one["split"].values[on] = "train"
    save_dataset(one, tmp_path / "data" / "E123.nc")
    found = suite(
        data=tmp_path / "data",
        models=["svm", "logistic-regression"],
        reference="svm",
        tables=["2"],
        out=tmp_path / "out",
    )
    assert found.units["auc"].isna().all()
    assert found.units["note"].str.contains("all test genes are OFF").all()
    assert np.isnan(found.tables["2"]["mean"]).all()
    assert found.paired["difference"].isna().all()

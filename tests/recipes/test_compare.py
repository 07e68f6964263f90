import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chromviz import schema
from chromviz.errors import ChromvizError
from chromviz.recipes.compare import Comparison, compare
from chromviz.recipes.paper import rebuild
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

NETWORKS = ("lstm-alpha", "lstm-alpha-beta", "deepchrome")
FILES = [
    *(f"figure2{panel}.{form}" for panel in "abc" for form in ("csv", "pdf", "png")),
    *(f"table3.{form}" for form in ("csv", "md", "tex")),
    *(
        f"{figure}.{form}"
        for figure in ("gain", "methods", "genes", "learning")
        for form in ("csv", "pdf", "png")
    ),
    "agreement.csv",
    "manifest.json",
    "report.html",
]


@pytest.fixture(autouse=True)
def quick(monkeypatch, finished):
    """Two epochs, and the models that the finished run trained."""
    _quicken(monkeypatch, finished.cache)


def _quicken(monkeypatch, cache):
    monkeypatch.setattr("chromviz.catalog.ModelSpec.settings", lambda spec: Settings(max_epochs=2))
    monkeypatch.setenv("CHROMVIZ_CACHE", str(cache))


@dataclass(frozen=True)
class Finished:
    """A run that is done: its folder (data and out), cache and result."""

    folder: Path
    cache: Path
    result: Comparison


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder, cache = tmp_path_factory.mktemp("finished"), tmp_path_factory.mktemp("cache")
    for cell, seed in (("E123", 0), ("E003", 1)):
        dataset = make_dataset(60, seed=seed, cell=cell, window=Window(1000, 100))
        schema.save_dataset(dataset, folder / "data" / f"{cell}.nc")
    with pytest.MonkeyPatch.context() as monkeypatch:
        _quicken(monkeypatch, cache)
        return Finished(folder, cache, run(folder, seed=3))


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the finished run's folder."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(folder, *, seed=3, **more):
    data, out = folder / "data", folder / "out"
    return compare("K562", data=data, out=out, n_bootstrap=50, seed=seed, **more)


def test_it_makes_everything(finished):
    out = finished.folder / "out"
    assert sorted(p.name for p in out.iterdir()) == sorted([*FILES, "attributions"])
    attributions = sorted(p.name for p in (out / "attributions").iterdir())
    assert "lstm-alpha-beta.alpha.nc" in attributions
    assert "deepchrome.class_optimization.nc" in attributions
    assert "lstm-alpha-beta.untrained.alpha.nc" in attributions
    assert "lstm-alpha-beta.beta.nc" in attributions  # for the page
    assert finished.result.kept == []


def test_a_second_run_makes_nothing(folder, finished):
    before = {p: p.read_bytes() for p in (folder / "out").rglob("*.*") if p.name != "manifest.json"}
    second = run(folder)
    assert second.made == []
    assert second.kept == finished.result.made
    assert all(p.read_bytes() == content for p, content in before.items())
    pd.testing.assert_frame_equal(finished.result.table, second.table)


def test_the_table_holds_every_method_beside_every_control(finished):
    table = finished.result.table
    assert table["method"].tolist()[-4:] == ["raw_signal", "tss_distance", "uniform", "random"]
    pairs = set(zip(table["model"], table["method"], strict=True))
    assert {("lstm-alpha", "alpha"), ("deepchrome", "saliency")} <= pairs
    written = pd.read_csv(finished.folder / "out" / "table3.csv")
    np.testing.assert_allclose(written["estimate"], table["estimate"])
    assert (written["simulated"] == 0).all()


def test_behind_the_table_stand_the_raw_signal_chance_and_untrained_networks(finished):
    found = finished.result.agreement
    pairs = {(name, variant) for name in NETWORKS for variant in ("", "untrained")}
    assert set(zip(found["model"], found["variant"], strict=True)) == {("", ""), *pairs}
    assert {"bins shifted", "bootstrap"} <= set(found["null"])
    assert {"gain", "partial", "mean_gain", "within_bins"} <= set(found["statistic"])
    written = pd.read_csv(finished.folder / "out" / "agreement.csv")
    np.testing.assert_allclose(written["estimate"], found["estimate"])
    assert (found.loc[found["estimate"].isna(), "note"] != "").all()


def test_the_figures_csvs_are_what_they_show(finished):
    out = finished.folder / "out"
    weights = pd.read_csv(out / "figure2a.csv")
    alpha = schema.load_attribution(out / "attributions" / "lstm-alpha-beta.alpha.nc")
    on = alpha["probability"].values > 0.5
    state = "ON" if on.any() else "OFF"
    chosen = alpha["weight"].values[on if on.any() else ~on, 3].mean(0)
    row = weights[(weights["state"] == state) & (weights["mark"] == "H3K4me3")]
    np.testing.assert_allclose(row["mean"], chosen, rtol=1e-4)
    beta = pd.read_csv(out / "figure2c.csv")
    assert beta["cell"].unique().tolist() == ["E003", "E123"]
    assert beta.groupby("cell")["weight"].sum().to_numpy() == pytest.approx([1, 1], abs=1e-5)


def test_genes_are_sorted_by_expression(finished):
    table = pd.read_csv(finished.folder / "out" / "genes.csv")
    dataset = finished.result.dataset
    test = np.flatnonzero(dataset["split"].values == "test")
    order = test[np.argsort(-dataset["expression"].values[test], kind="stable")]
    signal = table[table["layer"] == "signal"]
    assert len(signal) == len(test)  # few enough for a row each
    np.testing.assert_allclose(signal["expression"], dataset["expression"].values[order])
    bins = [str(start) for start in dataset["bin_start"].values]
    expected = dataset["signal"].values[order, 3]
    np.testing.assert_allclose(signal[bins], expected, rtol=1e-3)
    coverage = table[table["layer"] == "coverage"].set_index("row")
    gap = order.tolist().index(7) if 7 in order else None
    assert (coverage["n_known"] == 0).sum() == (gap is not None)


def test_learning_curves_are_the_models(finished):
    table = pd.read_csv(finished.folder / "out" / "learning.csv")
    assert set(table["model"]) == set(NETWORKS)
    assert table.groupby("model")["epoch"].max().eq(2).all()


def test_the_papers_figure_and_table_are_rebuilt_from_the_folder(folder):
    out = folder / "out"
    written = rebuild("figure2", [out], folder / "paper")
    assert [path.name for path in written] == [
        *(f"figure2{panel}.csv" for panel in "abc"), "figure2.pdf", "figure2.png"
    ]  # fmt: skip
    for panel in "abc":
        name = f"figure2{panel}.csv"
        assert (folder / "paper" / name).read_bytes() == (out / name).read_bytes()
    first = {path: path.read_bytes() for path in written}
    rebuild("figure2", [out], folder / "paper")
    assert {path: path.read_bytes() for path in written} == first
    rebuild("table3", [out], folder / "paper")
    for form in ("csv", "md", "tex"):
        mine, theirs = (one / f"table3.{form}" for one in (folder / "paper", out))
        assert mine.read_bytes() == theirs.read_bytes()


def test_where_pax5_is_not_the_most_expressed_test_gene_is_shown(finished):
    dataset = finished.result.dataset
    expression = dataset["expression"].where(dataset["split"] == "test")
    best = str(dataset["gene"].values[np.nanargmax(expression.values)])
    assert pd.read_csv(finished.folder / "out" / "figure2c.csv")["gene"].unique().tolist() == [best]


def test_new_data_makes_new_results(folder, blank_figures):
    path = folder / "data" / "E123.nc"
    schema.save_dataset(make_dataset(60, seed=5, window=Window(1000, 100)), path)
    second = run(folder, models=["lstm-alpha"], methods=["alpha"])
    assert "attributions/lstm-alpha.alpha" in second.made
    assert "attributions/control.raw_signal" in second.made


def test_the_manifest_says_what_was_done(finished):
    record = json.loads((finished.folder / "out" / "manifest.json").read_text())
    assert record["seed"] == 3
    assert record["models"]["deepchrome"]["metrics"]["epochs"] == 2
    assert set(record["steps"]["table3"]["files"]) == {"table3.csv", "table3.md", "table3.tex"}
    assert {"command", "versions", "created", "dataset"} <= set(record)


def test_models_and_methods_can_be_chosen(folder, blank_figures):
    shutil.rmtree(folder / "out")
    table = run(folder, models=["deepchrome"], methods=["saliency"]).table
    assert table["method"].tolist() == [
        *("saliency", "raw_signal", "tss_distance", "uniform", "random")
    ]
    assert not (folder / "out" / "figure2a.png").exists()  # no model that attends


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"models": ["resnet"]}, "unknown model 'resnet'"),
        ({"models": ["deepchrome"], "methods": ["alpha"]}, "needs attention"),
        ({"methods": ["saliensy"]}, "did you mean saliency"),
        ({"methods": ["beta"]}, "no weights over bins"),
        ({"gene": "PAX5"}, "unknown gene 'PAX5'"),
        ({"gene": "SYM3"}, "SYM3 lacks complete signal .*no complete signal of H3K27me3"),
    ],
)
def test_bad_requests_leave_nothing(folder, arguments, match):
    shutil.rmtree(folder / "out")
    with pytest.raises(ChromvizError, match=match):
        run(folder, **arguments)
    assert not (folder / "out").exists() or not list((folder / "out").rglob("*.*"))


def test_a_dataset_without_the_track_is_refused_before_training(tmp_path):
    dataset = make_dataset(coverage=False, window=Window(1000, 100))
    schema.save_dataset(dataset, tmp_path / "data" / "E123.nc")
    with pytest.raises(ChromvizError, match="no coverage of H3K27ac"):
        run(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_corrupted_cached_model_is_said_not_replaced(finished, folder, tmp_path, monkeypatch):
    shutil.copytree(finished.cache, tmp_path / "cache")
    monkeypatch.setenv("CHROMVIZ_CACHE", str(tmp_path / "cache"))
    (weights,) = (tmp_path / "cache" / "models").glob("E123.deepchrome*.safetensors")
    weights.write_bytes(b"rubbish")
    with pytest.raises(ChromvizError, match=r"is damaged .*delete .*to train it again"):
        run(folder)
    assert weights.read_bytes() == b"rubbish"

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from chromviz import schema
from chromviz.catalog import methods
from chromviz.errors import ChromvizError
from chromviz.recipes.audit import audit
from chromviz.settings import Settings
from chromviz.vocabulary import MARKS, Window
from tests.conftest import make_dataset

#: One method of one model, for tests that are not about them.
ONE = {"models": ["lstm-alpha-beta"], "methods": ["beta"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The audit of one gene in two cell types by two models, and where it came from."""
    folder, cache = tmp_path_factory.mktemp("audit"), tmp_path_factory.mktemp("cache")
    for cell, seed in (("E123", 0), ("E003", 1)):
        dataset = make_dataset(60, seed=seed, cell=cell, window=Window(3000, 500))
        schema.save_dataset(dataset, folder / "data" / f"{cell}.nc")
    with pytest.MonkeyPatch.context() as patch:
        _quicken(patch, cache)
        found = run(folder)
    return folder, cache, found


def _quicken(patch, cache):
    patch.setattr("chromviz.catalog.ModelSpec.settings", lambda spec: Settings(max_epochs=2))
    patch.setenv("CHROMVIZ_CACHE", str(cache))


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    _quicken(monkeypatch, finished[1])
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(folder, gene="SYM9", cells=("K562", "h1-hesc"), out="audit", **options):
    options.setdefault("models", ["lstm-alpha-beta", "logistic-regression"])
    return audit(gene, cells, data=folder / "data", out=folder / out, **options)


def test_every_method_that_can_explain_the_gene_does_or_says_why(finished):
    record = finished[2].record
    assert [cell["cell"] for cell in record["cells"]] == ["E123", "E003"]
    every = {name for name, one in methods().items() if "gene" in one.dims and not one.is_control}
    for cell in record["cells"]:
        for model in cell["models"]:
            given = {one["method"] for one in model["methods"]}
            assert given | set(model["refused"]) == every
            assert not given & set(model["refused"])
    lstm = record["cells"][0]["models"][0]
    assert {"alpha", "beta", "integrated_gradients", "occlusion"} <= {
        one["method"] for one in lstm["methods"]
    }
    linear = record["cells"][0]["models"][1]
    assert "has none" in linear["refused"]["beta"]
    assert "ReLU" in lstm["refused"]["guided_backprop"]


def test_the_json_holds_the_numbers_of_dataset_and_attributions(finished):
    folder, _, found = finished
    record = json.loads((folder / "audit" / "audit.json").read_text())
    assert record["gene"] == "G009"
    assert record["schema"] == "chromviz-audit"
    for cell in record["cells"]:
        dataset = schema.load_dataset(folder / "data" / f"{cell['cell']}.nc")
        for at, mark in enumerate(MARKS):
            np.testing.assert_array_equal(
                np.float32(cell["signal"][mark]), dataset["signal"].values[9, at]
            )
        assert cell["tss"] == 10_000 + 5_000 * 9
        assert cell["state"] == "ON"
        model = cell["models"][0]
        for method in model["methods"]:
            file = f"attributions/{cell['cell']}.lstm-alpha-beta.{method['method']}.nc"
            one = schema.load_attribution(folder / "audit" / file)
            assert one["gene"].values.tolist() == ["G009"]
            assert model["probability"] == float(one["probability"].values[0])
            values = np.float32([method["weight"][mark] for mark in MARKS])
            np.testing.assert_array_equal(values.ravel(), one["weight"].values.ravel())
            if "delta" in one:
                assert np.float32(method["completeness_error"]) == one["delta"].values[0]
    table = pd.read_csv(folder / "audit" / "audit.csv", keep_default_na=False)
    assert (table["kind"] == "signal").sum() == 2 * 5 * 12
    assert found.table["cell"].unique().tolist() == ["E123", "E003"]


def test_neighbours_and_missing_bins_are_in_the_json(folder):
    record = run(folder, gene="SYM7", out="seven", **ONE).record
    cell = record["cells"][0]
    assert {item["code"] for item in cell["warnings"]} >= {"missing_bins"}
    assert all(value is None for value in cell["coverage"]["H3K27ac"])
    assert cell["neighbours"] == []
    json.loads((folder / "seven" / "audit.json").read_text(), parse_constant=pytest.fail)


def test_a_second_run_finds_all_done(folder):
    before = (folder / "audit" / "audit.json").read_bytes()
    again = run(folder)
    assert again.made == []
    assert (folder / "audit" / "audit.json").read_bytes() == before


def test_by_id_or_locus_it_is_the_same_gene(finished, folder, blank_figures):
    expected = finished[2].record
    for name in ("g009.2", "chr1:55,001", "1:55,000-55,010"):
        found = run(folder, gene=name, out=f"by-{len(name)}", **ONE)
        assert found.record["gene"] == expected["gene"]
        pd.testing.assert_frame_equal(found.table, finished[2].table)


def test_a_gene_without_signal_in_one_cell(folder, blank_figures):
    dataset = make_dataset(60, seed=1, cell="E003", window=Window(3000, 500)).copy(deep=True)
    dataset["signal"][9, 0, 0] = np.nan
    dataset["reason"][9], dataset["split"][9] = "no complete signal of H3K27me3", "none"
    schema.save_dataset(dataset, folder / "data" / "E003.nc")
    found = run(folder, out="a", **ONE)
    part = found.table[found.table["cell"] == "E003"]
    assert part["weight"].isna().all()
    assert part["reason"].unique().tolist() == ["no complete signal of H3K27me3"]
    assert found.table[found.table["cell"] == "E123"]["weight"].sum() == pytest.approx(1, abs=1e-5)
    assert found.record["cells"][1]["unreadable"] == "no complete signal of H3K27me3"
    assert found.record["cells"][1]["models"] == []
    assert found.record["cells"][1]["signal"]["H3K27me3"][0] is None
    with pytest.raises(ChromvizError, match="SYM3 lacks complete signal"):
        run(folder, gene="SYM3", out="b")
    assert not (folder / "b").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gene": "SIM9"}, "did you mean SYM"),
        ({"gene": "chr1:1"}, "no TSS of .* near chr1:1; the nearest is that of G000"),
        ({"gene": "chr9:5"}, "unknown chromosome 'chr9'"),
        ({"gene": "chr1:abc"}, "unknown gene .*A locus is written chr9:37034476, or"),
        ({"gene": "chr1:1-30,000"}, "holds the TSS of 4 genes; name one: G000"),
        ({"cells": ()}, "no cell type to audit"),
        ({"models": []}, "no model to audit with"),
        ({"methods": ["class_optimization"]}, "does not explain single genes"),
        ({"methods": ["beta"], "models": ["svm"]}, "needs attention, and svm has none"),
    ],
)
def test_bad_input_leaves_nothing(folder, options, message):
    with pytest.raises(ChromvizError, match=message):
        run(folder, out="bad", **options)
    assert not (folder / "bad").exists()


def test_windows_that_differ_are_refused(folder):
    other = make_dataset(60, seed=1, cell="E003", window=Window(1000, 500))
    schema.save_dataset(other, folder / "data" / "E003.nc")
    with pytest.raises(ChromvizError, match="have different windows"):
        run(folder, out="bad")
    assert not (folder / "bad").exists()


def test_methods_that_find_nothing_to_say_are_one_error_and_no_folder(folder):
    with pytest.raises(ChromvizError, match="ReLU layers, and LSTMAlphaBeta has none"):
        run(folder, out="bad", models=["lstm-alpha-beta"], methods=["guided_backprop"])
    assert not (folder / "bad").exists()


def test_a_model_that_no_method_explains_still_predicts(folder, blank_figures):
    models = ["lstm-alpha-beta", "logistic-regression"]
    found = run(folder, out="p", models=models, methods=["beta"])
    explained, other = found.record["cells"][0]["models"]
    assert other["methods"] == []
    assert 0 < other["probability"] < 1
    assert other["probability"] != explained["probability"]


def test_what_cannot_be_written_is_no_refusal(folder, monkeypatch):
    def full(*_):
        raise ChromvizError("cannot write: no room")

    monkeypatch.setattr("chromviz.recipes.attributions.save_attribution", full)
    with pytest.raises(ChromvizError, match="no room"):
        run(folder, out="full", **ONE)

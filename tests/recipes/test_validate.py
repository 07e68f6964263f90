"""The whole validation on small data, and on data whose cause is known."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from chromviz.data.labels import permute_labels
from chromviz.errors import ChromvizError
from chromviz.models.store import cache_folder
from chromviz.recipes.validate import SampleSize, validate, validate_cells
from chromviz.schema import save_dataset
from chromviz.settings import Settings
from chromviz.validation.tidy import COLUMNS
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

QUICK = {"n_bootstrap": 50, "size": SampleSize(8, 50), "seeds": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    save_dataset(make_dataset(240, window=Window(1000, 100)), place / "E123.nc")
    return place


@pytest.fixture
def found(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("chromviz.catalog.ModelSpec.settings", lambda spec: Settings(max_epochs=2))
    return validate(
        "K562", data=folder, out=tmp_path / "out", models=["lstm-alpha-beta", "svm"],
        methods=["alpha", "saliency", "occlusion"], **QUICK,
    )  # fmt: skip


def test_everything_is_in_one_table(folder, found, tmp_path):
    table = found.table
    assert tuple(table.columns) == COLUMNS
    models = {"lstm-alpha-beta", "svm"}
    assert set(table["model"]) == models | {""}
    variants = table[table["model"] == "lstm-alpha-beta"].groupby("variant").size()
    assert set(variants.index) == {"", "untrained", "permuted labels"}
    assert set(table.loc[table["model"] == "svm", "variant"]) == {""}
    tests = set(table["test"])
    assert {"prediction", "profile", "gene", "faithfulness, bins", "faithfulness, marks"} <= tests
    assert {"faithfulness, captum", "attention, uniform", "sanity, cascading"} <= tests
    assert {"sanity, independent", "stability, noise", "stability, seeds", "consensus"} <= tests
    assert "planted truth" not in tests
    assert (table.loc[table["p"].notna(), "q"] >= table.loc[table["p"].notna(), "p"]).all()
    written = pd.read_csv(tmp_path / "out" / "validation.csv", keep_default_na=False)
    assert len(written) == len(table)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"verdicts.md", "verdicts.tex", "verdicts.csv", "gain.pdf", "verdicts.png"} <= names
    assert {"deletion.pdf", "consensus_matrix.png"} <= names
    assert "planted_truth.png" not in names
    curves = pd.read_csv(tmp_path / "out" / "deletion.csv")
    assert set(curves["model"]) == models
    assert {"alpha", "occlusion", "random"} <= set(curves["method"])
    whole = curves[(curves["way"] == "deletion") & (curves["share"] == 0)]
    assert whole.groupby("model")["mean"].nunique().eq(1).all()  # nothing is taken away yet
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    named = {(card["name"], card["variant"]) for card in manifest["models"].values()}
    assert named == {(name, "") for name in models} | {
        ("lstm-alpha-beta", "untrained"),
        ("lstm-alpha-beta", "permuted labels"),
    }
    again = validate(
        "K562", data=folder, out=tmp_path / "out", models=["lstm-alpha-beta", "svm"],
        methods=["alpha", "saliency", "occlusion"], **QUICK,
    )  # fmt: skip
    assert again.made == []
    pd.testing.assert_frame_equal(again.table, table)


def test_p_is_adjusted_over_cell_types(folder, tmp_path, blank_figures):
    save_dataset(make_dataset(240, window=Window(1000, 100)), tmp_path / "data" / "E123.nc")
    other = make_dataset(240, seed=1, cell="E003", window=Window(1000, 100))
    save_dataset(other, tmp_path / "data" / "E003.nc")
    options = {"data": tmp_path / "data", "models": ["svm"], "tests": ["agreement"], **QUICK}
    place, table, judged = validate_cells(["K562", "E003"], out=tmp_path / "out", **options)
    assert table["cell"].unique().tolist() == ["E123", "E003"]
    own = pd.read_csv(place / "E003" / "validation.csv")
    assert len(table) == len(own) + len(pd.read_csv(place / "E123" / "validation.csv"))
    one = table[(table["statistic"] == "pearson") & table["p"].notna()]
    expected = stats.false_discovery_control(one["p"])
    np.testing.assert_allclose(one["q"], expected)
    assert set(judged["cell"]) == {"E123", "E003"}
    assert "K562 (E123): SVM" in (place / "verdicts.md").read_text()
    with pytest.raises(ChromvizError, match="named twice"):
        validate_cells(["K562", "E123"], out=tmp_path / "twice", **options)


def test_labels_are_exchanged_where_they_are_learnt(folder):
    dataset = make_dataset(240)
    other = permute_labels(dataset, 3)
    split = dataset["split"].values
    for part in ("train", "valid"):
        mine, theirs = (one["label"].values[split == part] for one in (dataset, other))
        assert (mine != theirs).any()
        assert mine.sum() == theirs.sum()
    rest = ~np.isin(split, ("train", "valid"))
    np.testing.assert_array_equal(dataset["label"].values[rest], other["label"].values[rest])
    np.testing.assert_array_equal(other["label"], permute_labels(dataset, 3)["label"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tests": ["agrement"]}, "unknown test 'agrement'; did you mean agreement"),
        ({"tests": []}, "no test to run"),
        ({"models": ["lsmt"]}, "unknown model 'lsmt'"),
        ({"models": []}, "no model to validate"),
        ({"methods": ["beta"]}, "gives no weights over bins"),
        ({"methods": ["alpha"], "models": ["svm"]}, "needs attention, and svm has none"),
        ({"seeds": 0}, "seeds must be an integer of at least 1: 0"),
        ({"device": "cuda:9"}, "not available here"),
    ],
)
def test_wrong_input_is_one_line_before_any_training(folder, tmp_path, options, words):
    with pytest.raises(ChromvizError, match=words) as error:
        validate("K562", data=folder, out=tmp_path / "out", **options)
    assert "\n" not in str(error.value)
    assert not cache_folder().exists() or not list(cache_folder().iterdir())


def test_data_without_the_track_is_refused(tmp_path):
    save_dataset(make_dataset(coverage=False), tmp_path / "E123.nc")
    with pytest.raises(ChromvizError, match="has no coverage of H3K27ac"):
        validate("K562", data=tmp_path, out=tmp_path / "out")


def test_the_verdicts_are_right_where_the_cause_is_known(tmp_path, blank_figures):
    """One mark decides, the others carry signal without cause: a model that learnt it passes."""
    dataset = make_dataset(360, window=Window(1000, 100))
    signal = dataset["signal"].values.copy()
    on = dataset["label"].values == 1
    truth = np.zeros(signal.shape, np.int8)
    decoy = np.zeros(signal.shape, np.int8)
    truth[on, 3, 9:11] = 1
    decoy[:, 2, 2:6] = 1
    signal[:, 2, 2:6] += 9  # more signal than the cause has, and in every gene
    dims = ("gene", "mark", "bin")
    known = dataset.assign(signal=(dims, signal), truth=(dims, truth), decoy=(dims, decoy))
    known = known.assign_attrs(simulated=1)
    save_dataset(known, tmp_path / "data" / "E123.nc")
    found = validate(
        "K562", data=tmp_path / "data", out=tmp_path / "out", models=["lstm-alpha-beta"],
        methods=["integrated_gradients"], tests=["truth", "faithfulness", "sanity"],
        n_bootstrap=200, size=SampleSize(60, 50), seeds=1,
    )  # fmt: skip
    assert pd.read_csv(tmp_path / "out" / "planted_truth.csv")["statistic"].nunique() == 8
    verdict = found.verdicts.set_index(["model", "variant"])
    learnt = verdict.loc["lstm-alpha-beta", ""]
    assert learnt["predicts"] == learnt["finds_causes"] == learnt["faithful"] == 1
    assert learnt["passes"] == 1
    for name in ("untrained", "permuted labels"):
        assert verdict.loc[("lstm-alpha-beta", name), "passes"] == 0, name
    assert "" not in verdict.index.get_level_values("model"), (
        "the raw signal has no verdict: it cannot beat itself"
    )

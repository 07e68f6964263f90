"""Models whose attention is over the bins of all marks together, from extraction to table."""

import numpy as np
import pandas as pd
import pytest
import torch

from chromviz import schema
from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models.layers import Attention
from chromviz.models.training import train_once
from chromviz.progress import Reporter
from chromviz.recipes.compare import compare
from chromviz.reporting.grid import to_latex, to_markdown
from chromviz.reporting.tables import table3_grid
from chromviz.settings import Settings
from chromviz.validation import table3, weight_profiles
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

JOINT = ("lstm-attn", "cnn-attn")


@pytest.fixture(scope="module")
def data():
    return make_dataset(window=Window(1000, 100))


@pytest.fixture(scope="module")
def fitted(data):
    return {name: train_once(name, data, settings=Settings(max_epochs=2)) for name in JOINT}


@pytest.mark.parametrize("name", JOINT)
def test_weights_are_the_models_over_gene_and_bin(data, fitted, name):
    found = extract("alpha", data, fitted[name], batch_size=4)
    assert found["weight"].dims == ("gene", "bin")
    assert "mark" not in found.coords
    rows = np.flatnonzero(data["split"].values == "test")
    with torch.no_grad():
        direct = fitted[name].module.attention(torch.from_numpy(data["signal"].values[rows]))
    np.testing.assert_allclose(found["weight"], direct.alpha, atol=1e-6)
    np.testing.assert_allclose(found["weight"].sum("bin"), 1, atol=1e-5)
    np.testing.assert_allclose(found["probability"], torch.sigmoid(direct.logit), atol=1e-6)


def test_it_is_written_and_read(data, fitted, tmp_path):
    found = extract("alpha", data, fitted["cnn-attn"])
    schema.save_attribution(found, tmp_path / "a.nc")
    read = schema.load_attribution(tmp_path / "a.nc")
    assert read["weight"].dims == ("gene", "bin")
    np.testing.assert_array_equal(read["weight"], found["weight"])


class Attends(torch.nn.Module):
    """Attends as it is told: a function of the signal gives α."""

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha
        self.w = torch.nn.Parameter(torch.ones(5, 20))

    def forward(self, signal):
        return 1 + (signal * self.w).sum((1, 2)).abs()  # every gene is predicted ON

    def attention(self, signal):
        return Attention(self.alpha(signal))


def by_bin(signal):
    return torch.softmax(signal.sum(1), 1)


def test_weights_of_all_marks_stand_for_each_and_the_note_says_so(data):
    joint = extract("alpha", data, Attends(by_bin))
    spread = extract("alpha", data, Attends(lambda x: by_bin(x)[:, None].expand(-1, 5, -1)))
    found = table3([joint, spread], data, n_bootstrap=20)
    first, second = found.iloc[0], found.iloc[1]
    assert np.isfinite(first["estimate"])
    for column in ("estimate", "ci_low", "ci_high", "n_genes"):
        assert first[column] == pytest.approx(second[column])
    note = "alpha of Attends: weights over the bins of all marks together, not of H3K4me3 alone"
    assert (first["note"], second["note"]) == (note, "")
    assert note in to_markdown(table3_grid(found))
    assert note in to_latex(table3_grid(found))
    other = table3([joint, spread], data, mark="H3K27me3", n_bootstrap=0)
    assert other["estimate"].tolist() == pytest.approx([first["estimate"]] * 2)


def test_why_r_is_undefined_comes_before_what_the_weights_are(data):
    flat = extract("alpha", data, Attends(lambda x: torch.full((len(x), 20), 1 / 20)))
    row = table3([flat], data, n_bootstrap=0).iloc[0]
    assert np.isnan(row["estimate"])
    assert row["note"].startswith("r undefined: the weights are the same in every bin; alpha of")


def test_a_shape_that_changes_between_batches_is_refused(data):
    def changing(signal):
        alpha = by_bin(signal)
        return alpha if len(signal) == 4 else alpha[:, None].expand(-1, 5, -1)

    rows = np.flatnonzero(data["split"].values == "test")[:6]
    with pytest.raises(ChromvizError, match=r"another shape for other genes: \(5, 20\) after"):
        extract("alpha", data, Attends(changing), genes=rows, batch_size=4)


def test_beta_over_bins_is_refused(data):
    module = Attends(by_bin)
    module.attention = lambda x: Attention(by_bin(x), by_bin(x))
    with pytest.raises(ChromvizError, match=r"beta has the shape \(\d+, 20\); expected \(\d+, 5\)"):
        extract("beta", data, module)


def test_profiles_by_mark_are_refused(data, fitted):
    with pytest.raises(ChromvizError, match="need weights over"):
        weight_profiles(extract("alpha", data, fitted["lstm-attn"]))


def test_compare_draws_the_model_that_separates_marks(tmp_path, monkeypatch, blank_figures):
    monkeypatch.setattr("chromviz.catalog.ModelSpec.settings", lambda spec: Settings(max_epochs=2))
    monkeypatch.setenv("CHROMVIZ_CACHE", str(tmp_path / "cache"))
    dataset = make_dataset(60, window=Window(1000, 100))
    schema.save_dataset(dataset, tmp_path / "data" / "E123.nc")

    def run(*models):
        lines = []
        reporter = Reporter(say=lines.append)
        arguments = {"data": tmp_path / "data", "out": tmp_path / "out", "reporter": reporter}
        found = compare("K562", models=models, methods=["alpha"], n_bootstrap=5, **arguments)
        return found.table, " ".join(lines)

    table, said = run("lstm-attn", "cnn-alpha-beta")
    assert table["note"].str.contains("all marks together").tolist() == [True] + [False] * 5
    assert "no Figures 2a and 2b" not in said
    shown = pd.read_csv(tmp_path / "out" / "figure2a.csv")
    assert shown["model"].unique().tolist() == ["cnn-alpha-beta"]
    _, said = run("lstm-attn")
    assert (
        "no Figures 2a and 2b: they show α for each mark, and the attention of lstm-attn covers"
        in said
    )
    assert not (tmp_path / "out" / "figure2a.csv").exists()

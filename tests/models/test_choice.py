import pytest
import torch

from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models.checkpoint import save_model
from chromviz.models.choice import choose_models
from chromviz.models.training import train_once
from chromviz.recipes.audit import audit
from chromviz.recipes.compare import compare
from chromviz.recipes.extract import explain
from chromviz.schema import load_attribution, save_dataset
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

QUICK = Settings(max_epochs=2)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Models of two cell types in a folder, the current one."""
    monkeypatch.chdir(tmp_path)
    for row, cell in enumerate(("E116", "E123")):
        data = make_dataset(seed=row, cell=cell)
        save_model(train_once("lstm-alpha", data, settings=QUICK), tmp_path / f"{cell}.alpha")
        save_dataset(data, tmp_path / "data" / f"{cell}.nc")
    return tmp_path


def test_names_aliases_and_files_and_no_two_alike(files):
    data = make_dataset(seed=1, cell="E123")
    found = choose_models(
        ["AttentiveChrome", "lstm-alpha-beta", "E123.alpha", "./E116.alpha.json", "lstm-alpha"],
        data,
    )
    assert [one.name for one in found] == [
        *("lstm-alpha-beta", "lstm-alpha@E123", "lstm-alpha@E116", "lstm-alpha"),
    ]
    assert [one.model is not None for one in found] == [False, True, True, False]
    assert [bool(one.note) for one in found] == [False, False, True, False]
    assert "was trained on E116" in found[2].note


def test_compare_takes_files_beside_names(files, blank_figures):
    found = compare(
        "K562",
        data=files / "data",
        out=files / "out",
        models=["logistic-regression", "E123.alpha", str(files / "E116.alpha.safetensors")],
        n_bootstrap=10,
    )
    shown = set(found.table["model"])
    assert shown == {"logistic-regression", "lstm-alpha@E123", "lstm-alpha@E116", ""}
    assert (files / "out" / "attributions" / "lstm-alpha@E116.alpha.nc").is_file()
    again = compare(
        "K562",
        data=files / "data",
        out=files / "out",
        models=["logistic-regression", "E123.alpha", str(files / "E116.alpha.safetensors")],
        n_bootstrap=10,
    )
    assert again.made == []


def test_ensembles_in_compare_and_audit(files, monkeypatch, blank_figures):
    # Two epochs: what the members learn does not matter here.
    monkeypatch.setattr("chromviz.catalog.ModelSpec.settings", lambda spec: QUICK)
    found = compare(
        *("K562",),
        data=files / "data",
        out=files / "out",
        n_bootstrap=10,
        seeds=2,
        models=["lstm-alpha", "svm"],
    )
    assert [len(model.card.members) for model in found.models] == [2, 0]
    seen = audit(
        "SYM10",
        ["K562"],
        data=files / "data",
        models=["cnn-alpha-beta"],
        seeds=2,
        methods=["beta"],
    )
    assert set(seen.table["model"]) == {"cnn-alpha-beta"}
    assert seen.table["weight"].sum() == pytest.approx(1, abs=1e-5)
    assert [len(model.card.members) for model in seen.cells[0].models.values()] == [2]
    with pytest.raises(ChromvizError, match="needs attention over marks, and lstm-alpha"):
        audit(
            *("SYM10", ["K562"]),
            data=files / "data",
            models=["lstm-alpha"],
            methods=["beta"],
        )


def test_explain_writes_what_extract_gives(files):
    found = explain(
        *("K562", ["alpha", "raw_signal"]),
        model="E123.alpha",
        data=files / "data",
        out=files / "w",
        genes="SYM10,G011",
    )
    assert [path.name.split(".genes-")[0] for path in found.files.values()] == [
        *("lstm-alpha.alpha", "control.raw_signal"),
    ]
    weight = load_attribution(found.files["alpha"])["weight"]
    expected = extract("alpha", found.dataset, found.model, genes=[10, 11])["weight"]
    assert weight["gene"].values.tolist() == ["G010", "G011"]
    assert (weight.values == expected.values).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nowhere/E123.alpha", "the model nowhere/E123.alpha.json does not exist"),
        ("E124.alpha.safetensors", "the model E124.alpha.json does not exist"),
        ("E123.alhpa", "unknown model"),
        ("nomodule:Net=E123.alpha", "the module 'nomodule' was not found"),
        ("examples", "unknown model"),
    ],
)
def test_wrong_names_are_one_line(files, text, words):
    with pytest.raises(ChromvizError, match=words) as error:
        choose_models([text], make_dataset())
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_read_the_data_is_refused_before_training(files):
    other = make_dataset(window=Window(1000, 100))
    with pytest.raises(ChromvizError, match="reads 10 bins of 100 bp"):
        choose_models(["E123.alpha"], other)
    with pytest.raises(ChromvizError, match=r"reads the marks .* in this order"):
        choose_models(["E123.alpha"], make_dataset().isel(mark=[1, 0, 2, 3, 4]))


class Net(torch.nn.Module):
    def __init__(self, n_marks, n_bins):
        super().__init__()
        self.line = torch.nn.Linear(n_marks * n_bins, 1)

    def forward(self, signal):
        return self.line(signal.flatten(1)).squeeze(-1)


def test_models_may_be_objects():
    data = make_dataset()
    released, own = (train_once(one, data, settings=QUICK) for one in ("lstm-alpha", Net))
    found = choose_models([released, own, Net, "lstm", "lstm "], data)
    name = f"{Net.__module__}:Net"
    assert [one.name for one in found] == ["lstm-alpha", f"{name}@E123", name, "lstm"]
    assert [one.model is None for one in found] == [False, False, True, True]
    assert found[1].spec.gives == ("gradient", "output")
    assert [one.note for one in found] == [""] * 4
    assert [one.name for one in choose_models("lstm", data)] == ["lstm"]
    with pytest.raises(ChromvizError, match="this is a int"):
        choose_models([3], data)
    with pytest.raises(ChromvizError, match=r"reads the marks .* in this order"):
        choose_models(released, data.isel(mark=[1, 0, 2, 3, 4]))

"""The whole differential audit on small data."""

import json

import numpy as np
import pandas as pd
import pytest

from chromviz.errors import ChromvizError
from chromviz.recipes.state_changes import differential
from chromviz.schema import save_dataset
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("chromviz.catalog.ModelSpec.settings", lambda spec: Settings(max_epochs=2))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    save_dataset(make_dataset(120, window=Window(1000, 100)), folder / "E123.nc")
    other = make_dataset(120, seed=1, cell="E003", window=Window(1000, 100))
    other["label"].values[4::12] = 1 - other["label"].values[4::12]
    save_dataset(other, folder / "E003.nc")
    return folder


def test_changes_are_of_genes_for_testing(data, tmp_path):
    found = differential(["K562", "E003"], data=data, out=tmp_path / "out", seeds=2, n_bootstrap=20)
    base = make_dataset(120, window=Window(1000, 100))
    test = set(base["gene"].values[base["split"].values == "test"])
    turned = {f"G{i:03d}" for i in range(120)[4::12]} & test
    assert set(found.table["gene"]) == turned
    moved = found.table[[f"beta_{mark}" for mark in base["mark"].values]].sum(axis=1)
    np.testing.assert_allclose(moved, 0, atol=1e-5)
    assert found.recovery["n"].tolist() == [len(test)] * 2
    written = pd.read_csv(tmp_path / "out" / "differential.csv")
    np.testing.assert_allclose(written["shift"], found.table["shift"])
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert set(manifest["datasets"]) == {"E123", "E003"}
    again = differential(["K562", "E003"], data=data, out=tmp_path / "out", seeds=2, n_bootstrap=20)
    assert again.made == []
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"differential.pdf", "differential.png"} <= names


def test_where_nothing_changes_there_is_no_figure(tmp_path):
    for cell in ("E003", "E123"):
        save_dataset(make_dataset(60, cell=cell, window=Window(1000, 100)), tmp_path / f"{cell}.nc")
    found = differential(data=tmp_path, out=tmp_path / "out", cells=["K562", "E003"], seeds=1)
    assert found.table.empty
    assert (tmp_path / "out" / "differential.csv").is_file()
    assert not (tmp_path / "out" / "differential.pdf").exists()


def test_cell_types_that_cannot_be_compared_are_refused(data, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ChromvizError, match="two or more with --cells"):
        differential(["K562", "E123"], data=data, out=out)
    with pytest.raises(ChromvizError, match="deepchrome"):
        differential(["K562", "E003"], data=data, out=out, model="deepchrome")
    save_dataset(make_dataset(120, cell="E116", window=Window(500, 100)), data / "E116.nc")
    with pytest.raises(ChromvizError, match=r"K562 \(E123\) and GM12878 \(E116\) have different w"):
        differential(["K562", "E116"], data=data, out=out)
    other = make_dataset(120, cell="E118", window=Window(1000, 100))
    other["split"].values[other["split"].values == "test"] = "train"
    save_dataset(other, data / "E118.nc")
    with pytest.raises(ChromvizError, match="no gene is a test gene in every cell type"):
        differential(["K562", "E118"], data=data, out=out)
    assert not out.exists()

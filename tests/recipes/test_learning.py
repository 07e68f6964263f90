from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chromviz.models.checkpoint import load_model
from chromviz.models.training import combine, train_once
from chromviz.recipes.learning import leave_each_out, write_model
from chromviz.recipes.run import Run
from chromviz.schema import usable
from chromviz.settings import Settings
from tests.conftest import make_dataset

QUICK = Settings(max_epochs=2)


def test_a_model_is_written_with_its_curve(tmp_path):
    model = train_once("lstm-alpha", make_dataset(), settings=QUICK)
    files = write_model(model, tmp_path / "m.v1")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    assert len(files) == 5
    table = pd.read_csv(tmp_path / "m.v1.curve.csv")
    assert table["epoch"].tolist() == [1, 2]
    np.testing.assert_allclose(table["valid_auc"], [row["valid_auc"] for row in model.card.curve])
    kept = table.loc[table["kept"] == 1, "epoch"]
    assert kept.tolist() == [model.card.metrics["best_epoch"]]
    assert load_model(tmp_path / "m.v1").card == model.card


def test_an_ensemble_has_a_curve_a_member_and_a_fitted_model_none(tmp_path):
    data = make_dataset(120)
    both = combine([train_once("lstm", data, settings=QUICK, seed=seed) for seed in (4, 5)], data)
    assert both.learning_curve()["seed"].unique().tolist() == [4, 5]
    assert both.learning_curve()["kept"].sum() == 2
    files = write_model(train_once("linear-regression", data), tmp_path / "linear")
    assert files == ["linear.safetensors", "linear.json"]


def test_each_cell_is_left_out_once():
    cells = [make_dataset(120, seed=row, cell=name) for row, name in enumerate(("E003", "E116"))]
    table, models = leave_each_out("logistic-regression", cells, None, Run())
    assert table["cell"].tolist() == ["E003", "E116"]
    assert [model.card.cell for model in models] == ["E116-to-E003", "E003-to-E116"]
    for row, (own, other) in enumerate((cells, cells[::-1])):
        # By hand: train on the other's training genes; these cells share their test genes' ids.
        by_hand = train_once(
            "logistic-regression",
            other.assign(split=("gene", np.where(usable(other), other["split"].values, "none"))),
        )
        moved = replace(by_hand.card, cell="")
        assert moved.genes["train"] == table["n_train"][row]
        assert table["auc_own"][row] == pytest.approx(
            train_once("logistic-regression", own).card.metrics["test_auc"]
        )
    assert (table["auc_left_out"] > 0.9).all()

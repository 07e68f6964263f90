from dataclasses import replace

import numpy as np
import pytest
import torch

from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models.checkpoint import load_model, save_model
from chromviz.models.ensemble import join
from chromviz.models.inference import logits
from chromviz.models.store import Training, cache_folder, trained
from chromviz.models.training import combine, train_once
from chromviz.settings import Settings
from tests.conftest import make_dataset

QUICK = Settings(max_epochs=2)


@pytest.fixture(scope="module")
def members():
    return [
        train_once("lstm-alpha-beta", make_dataset(), settings=QUICK, seed=seed) for seed in (0, 1)
    ]


def test_its_logit_and_attention_are_the_members_means(members):
    data = make_dataset()
    whole = combine(members, data)
    signal = data["signal"].values[5:]
    expected = np.mean([logits(one.module, signal) for one in members], axis=0)
    np.testing.assert_allclose(logits(whole.module, signal), expected, atol=1e-7)
    for method, axis in (("alpha", "bin"), ("beta", "mark"), ("saliency", None)):
        found = extract(method, data, whole)["weight"]
        parts = [extract(method, data, one)["weight"].values for one in members]
        np.testing.assert_allclose(found.values, np.mean(parts, axis=0), atol=1e-6)
        if axis:
            np.testing.assert_allclose(found.sum(axis).values, 1, atol=1e-5)


def test_its_card_has_its_own_auc_and_its_members(members):
    whole = combine(members, make_dataset())
    assert [one["seed"] for one in whole.card.members] == [0, 1]
    assert [one["weights_hash"] for one in whole.card.members] == [
        model.card.weights_hash for model in members
    ]
    assert whole.card.curve == []
    assert 0 <= whole.card.metrics["test_auc"] <= 1


def test_saved_and_loaded_gives_the_same_bits(members, tmp_path):
    data = make_dataset()
    whole = combine(members, data)
    save_model(whole, tmp_path / "both")
    again = load_model(tmp_path / "both")
    assert again.card == whole.card
    signal = data["signal"].values[5:]
    np.testing.assert_array_equal(logits(again.module, signal), logits(whole.module, signal))


def test_members_that_do_not_go_together_are_refused(members):
    data = make_dataset()
    with pytest.raises(ChromvizError, match="must differ in their seed"):
        combine([members[0], members[0]], data)
    other = train_once("lstm-alpha", data, settings=QUICK, seed=1)
    with pytest.raises(ChromvizError, match="differ in name"):
        combine([members[0], other], data)
    with pytest.raises(ChromvizError, match="at least one member"):
        join([])


def test_members_are_kept_once_and_are_the_models_of_their_seeds(members):
    data = make_dataset()
    wanted = Training("lstm-alpha-beta", data, settings=QUICK, members=2)
    whole = trained(wanted)
    assert [one["weights_hash"] for one in whole.card.members] == [
        model.card.weights_hash for model in members
    ]
    before = {file: file.stat().st_mtime_ns for file in cache_folder().iterdir()}
    assert len([file for file in before if file.suffix == ".json"]) == 2
    again = trained(wanted)
    assert again.card.weights_hash == whole.card.weights_hash
    assert {file: file.stat().st_mtime_ns for file in cache_folder().iterdir()} == before
    with pytest.raises(ChromvizError, match="at least 1 seed, not 0"):
        trained(replace(wanted, members=0))


def test_a_networks_without_attention_make_one_without(members):
    bare = join([torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)])
    assert not hasattr(bare, "attention")
    assert hasattr(join([one.module for one in members]), "attention")

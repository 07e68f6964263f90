"""How networks read the signal: by hand, in the card, on disk, and what refuses a choice."""

import json

import numpy as np
import pytest
import torch

from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.extractors.sanity import untrained
from chromviz.models import find_model
from chromviz.models.checkpoint import load_model, save_model
from chromviz.models.inference import logits
from chromviz.models.layers import InputTransform, input_of
from chromviz.models.store import Training, kept_at, settings_for, train
from chromviz.models.training import train_once
from chromviz.settings import INPUTS, Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

OWN = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(50, 1), torch.nn.Flatten(0))

SIGNAL = np.array([[[0, 1], [4, 4]], [[-3, 2], [4, 4]]], dtype=np.float32)
BY_HAND = {
    "raw": SIGNAL,
    "arcsinh": np.arcsinh(SIGNAL) / np.array([[np.arcsinh([0, 1, -3, 2]).std()], [1]]),
    "log1p": np.array(
        [[[0, np.log(2)], [np.log(5)] * 2], [[-np.log(4), np.log(3)], [np.log(5)] * 2]]
    ),
    "standardized": (SIGNAL - [[0], [4]]) / np.array([[np.sqrt(14 / 4)], [1]]),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_each_input_by_hand(kind):
    """Two marks, of which the second never varies: its values are only shifted, if at all."""
    transform = InputTransform(2, kind)
    transform.fit(SIGNAL)
    found = transform(torch.from_numpy(SIGNAL)).numpy()
    np.testing.assert_allclose(found, BY_HAND[kind], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", ["lstm-alpha-beta", "deepchrome"])
def test_a_model_reads_as_it_was_trained(tmp_path, kind, name):
    """From its file, and in the untrained control; attributions are of the signal itself."""
    data = make_dataset(60, window=Window(1000, 100))
    model = train(name, data, epochs=1, input=kind)
    assert model.card.settings["input"] == input_of(model.module) == kind
    save_model(model, tmp_path / "kept")
    again = load_model(tmp_path / "kept")
    signal = data["signal"].values[10:13]
    assert np.array_equal(logits(model.module, signal), logits(again.module, signal))
    assert input_of(untrained(model, 0).module) == kind
    found = extract("integrated_gradients", data, model)
    whole = found["weight"].values.sum((1, 2)) + found["delta"].values
    assert np.abs(found["delta"].values).max() < 0.01 * max(1, np.abs(whole).max())


def test_each_input_is_another_training():
    data = make_dataset()
    spec = find_model("lstm-alpha")
    keys = {kept_at(Training(spec, data, 0, settings_for(spec, data, options={"input": kind})))
            for kind in INPUTS}  # fmt: skip
    assert len(keys) == len(INPUTS)


def test_a_card_from_before_there_was_a_choice_means_arcsinh(tmp_path):
    model = train("lstm-alpha", make_dataset(), epochs=1, input="arcsinh")
    save_model(model, tmp_path / "old")
    card = json.loads((tmp_path / "old.json").read_text())
    del card["settings"]["input"], card["settings"]["preset"]
    (tmp_path / "old.json").write_text(json.dumps(card))
    old = load_model(tmp_path / "old")
    signal = make_dataset()["signal"].values[10:13]
    assert np.array_equal(logits(model.module, signal), logits(old.module, signal))


def test_presets_have_their_names_and_an_older_one():
    spec = find_model("lstm-alpha")
    assert spec.settings("paper") == spec.settings("published")
    assert spec.settings("published").preset == "published"
    assert spec.settings("fast").preset == "fast"
    card = train("lstm-alpha", make_dataset(), preset="paper", epochs=1).card
    assert (card.settings["preset"], card.settings["max_epochs"]) == ("published", 1)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("lstm", {"input": "asinh"}, "unknown input 'asinh'; did you mean arcsinh"),
        ("attentivechrome-released", {"input": "raw"}, "reads the signal in its own way"),
        (OWN, {"input": "raw"}, "reads the signal in its own way"),
        ("svm", {"input": "raw"}, "not trained by gradient steps"),
    ],
)
def test_a_wrong_choice_is_one_line(model, options, words):
    with pytest.raises(ChromvizError, match=words):
        train(model, make_dataset(), **options)


def test_settings_of_a_network_that_reads_in_its_own_way_are_refused():
    with pytest.raises(ChromvizError, match="reads the signal in its own way"):
        train_once("attentivechrome-released", make_dataset(), settings=Settings(input="raw"))

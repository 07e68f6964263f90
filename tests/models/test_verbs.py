"""Train, load and list models as the public API does."""

import pytest
import torch

from chromviz.catalog import list_models
from chromviz.errors import ChromvizError
from chromviz.models.checkpoint import load_model, save_model
from chromviz.models.store import train
from tests.conftest import make_dataset


class Net(torch.nn.Module):
    def __init__(self, n_marks, n_bins):
        super().__init__()
        self.line = torch.nn.Linear(n_marks * n_bins, 1)

    def forward(self, signal):
        return self.line(signal.flatten(1)).squeeze(-1)


def test_options_replace_those_of_the_preset():
    model = train("lstm", make_dataset(), epochs=2, learning_rate=0.01, preset="paper", seed=3)
    settings = model.card.settings
    assert (settings["max_epochs"], settings["learning_rate"]) == (2, 0.01)
    assert (settings["batch_size"], settings["patience"], model.card.seed) == (16, None, 3)
    again = train("lstm", make_dataset(), epochs=2, learning_rate=0.01, preset="paper", seed=3)
    assert again.card == model.card  # from the store: the time of training is the same


def test_members_make_an_ensemble():
    assert len(train("lstm", make_dataset(), epochs=1, members=2).card.members) == 2


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("lstm", {"epoch": 3}, "no option 'epoch'; its options are .*epochs"),
        ("lstm", {"epochs": 0}, "at least 1 epoch, not 0"),
        ("lstm", {"preset": "quick"}, "unknown preset 'quick'"),
        ("lstm", {"preset": None}, "unknown preset 'None'"),
        ("lstm", {"seed": -1}, "a seed is a whole number from 0 on, not -1"),
        ("lstm", {"seed": "0"}, "a seed is a whole number from 0 on, not '0'"),
        ("svm", {"epochs": 3}, "svm is not trained by gradient steps"),
        ("svm", {"members": 2}, "svm is not trained by gradient steps"),
        ("lstn", {}, "unknown model 'lstn'; did you mean lstm"),
        (int, {}, "this is the class int"),
    ],
)
def test_a_wrong_argument_is_one_line(model, options, words):
    with pytest.raises(ChromvizError, match=words) as error:
        train(model, make_dataset(), **options)
    assert "\n" not in str(error.value)


def test_data_is_a_dataset_or_a_cell_type():
    with pytest.raises(ChromvizError, match="embedded cell type, not a list"):
        train("lstm", [1, 2])
    with pytest.raises(ChromvizError, match="HeLa"):
        train("lstm", "HeLa")


def test_a_model_is_not_trained_twice():
    model = train("lstm", make_dataset(), epochs=1)
    with pytest.raises(ChromvizError, match="lstm is trained already"):
        train(model, make_dataset())


@pytest.mark.parametrize("suffix", ["", ".json", ".safetensors"])
def test_a_file_is_read_by_any_of_its_names(tmp_path, suffix):
    model = train("lstm", make_dataset(), epochs=1)
    save_model(model, tmp_path / "v1.2")
    assert load_model(f"{tmp_path / 'v1.2'}{suffix}").card == model.card


def test_a_model_of_ones_own_needs_its_code(tmp_path):
    model = train(Net, make_dataset(), epochs=1)
    save_model(model, tmp_path / "mine")
    again = load_model(tmp_path / "mine", Net)
    assert again.card.weights_hash == model.card.weights_hash
    with pytest.raises(ChromvizError, match="nothing was named"):
        load_model(tmp_path / "mine")
    with pytest.raises(ChromvizError, match="does not exist"):
        load_model(tmp_path / "yours", Net)


def test_the_list_names_what_can_be_trained():
    table = list_models().set_index("model")
    assert table.loc["lstm-alpha", "attention"] == "alpha"
    assert table.loc["lstm-alpha", "published_settings"]
    assert not table.loc["svm", "published_settings"]

"""A user's own module: what works, and what each mistake says."""

import importlib
import json
import re
import sys

import numpy as np
import pytest
import torch

from chromviz.catalog import ModelSpec, models
from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models import find_model
from chromviz.models.checkpoint import load_model, save_model
from chromviz.models.inference import logits
from chromviz.models.store import (
    Training,
    cache_folder,
    kept_at,
    train_missing,
    trained,
    training_key,
)
from chromviz.models.training import train_once
from chromviz.progress import Reporter
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

NET = """
import torch
from torch import nn
from chromviz.catalog import ModelSpec
from chromviz.models.layers import Attention

class Net(nn.Module):
    def __init__(self, n_marks, n_bins):
        super().__init__()
        self.line = nn.Linear(n_marks * n_bins, 1)

    def forward(self, signal):
        return self.line(torch.asinh(signal).flatten(1)).squeeze(-1)

class Attending(Net):
    def attention(self, signal):
        return Attention(torch.softmax(signal.sum(1), 1))

def small():
    return Net(5, 10)

def build(n_marks, n_bins):
    return Net(n_marks, n_bins)

spec = ModelSpec("anything", "Mine", build, learning_rate=0.1)
"""
QUICK = Settings(max_epochs=2)


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """Write a module into the current folder, under a name that no other test has."""
    name = "own_" + re.sub(r"\W", "_", request.node.name)

    def write(text):
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)  # as in a new process
        return name

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return write


def test_a_class_trains_is_kept_and_explained(module):
    name = f"{module(NET)}:Net"
    data = make_dataset()
    wanted = Training(name, data, settings=QUICK)
    model = trained(wanted)
    assert model.card.name == name
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", kept_at(wanted).name)
    again = trained(wanted)
    signal = data["signal"].values[5:]
    np.testing.assert_array_equal(logits(again.module, signal), logits(model.module, signal))
    saliency = extract("saliency", data, model)
    assert saliency.attrs["model"] == name
    with pytest.raises(ChromvizError, match=r"needs attention, and .*:Net has none"):
        extract("alpha", data, model)


def test_attention_is_found_by_trying(module):
    name = module(NET)
    spec = find_model(f"{name}:Attending")
    assert spec.attends == ("alpha",)
    assert find_model(f"{name}:Net").attends == ()
    data = make_dataset()
    alpha = extract("alpha", data, train_once(f"{name}:Attending", data, settings=QUICK))
    assert alpha["weight"].dims == ("gene", "bin")


def test_factories_without_sizes_and_specs_serve_too(module):
    name = module(NET)
    assert train_once(f"{name}:small", make_dataset(), settings=QUICK).card.n_bins == 10
    spec = find_model(f"{name}:spec")
    assert isinstance(spec, ModelSpec)
    assert (spec.name, spec.label, spec.learning_rate) == (f"{name}:spec", "Mine", 0.1)


def test_an_edited_module_is_trained_anew(module, tmp_path):
    name = f"{module(NET)}:Net"
    first = training_key(name, "hash", {}, 0)
    assert training_key(name, "hash", {}, 0) == first
    module(NET.replace("torch.asinh(signal)", "signal"))
    assert training_key(name, "hash", {}, 0) != first


def test_a_comment_or_a_docstring_is_no_other_version(module):
    name = f"{module(NET)}:Net"
    first = training_key(name, "hash", {}, 0)
    module(NET.replace("class Net(nn.Module):", 'class Net(nn.Module):\n    """A net."""  # mine'))
    assert training_key(name, "hash", {}, 0) == first


def imported(name):
    return importlib.import_module(name)


def test_a_class_is_the_same_model_as_its_name(module):
    place = module(NET)
    net = imported(place).Net
    spec = find_model(net)
    assert (spec.name, spec.label, spec.attends) == (f"{place}:Net", "Net", ())
    assert find_model(imported(place).Attending).attends == ("alpha",)
    by_class, by_name = (Training(one, make_dataset(), 0, QUICK) for one in (net, f"{place}:Net"))
    assert kept_at(by_class) == kept_at(by_name)
    model = trained(by_class)
    assert trained(by_name).card == model.card


def test_a_class_whose_file_was_edited_after_its_import_is_not_kept(module, tmp_path):
    place = module(NET)
    net = imported(place).Net
    (tmp_path / f"{place}.py").write_text(NET.replace("torch.asinh(signal)", "signal"))
    assert kept_at(Training(net, make_dataset(), 0, QUICK)) is None


def test_a_reloaded_module_is_another_version(module, tmp_path, monkeypatch):
    # Python takes compiled code of the same second and length for that of the changed source.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    place = module(NET)
    first = kept_at(Training(imported(place).Net, make_dataset(), 0, QUICK))
    text = NET.replace("torch.asinh(signal)", "torch.log1p(signal)")
    (tmp_path / f"{place}.py").write_text(text)
    reloaded = importlib.reload(imported(place)).Net
    again = kept_at(Training(reloaded, make_dataset(), 0, QUICK))
    assert None not in (first, again)
    assert first != again


class Local(torch.nn.Module):
    def __init__(self, n_marks, n_bins, scale=1.0):
        super().__init__()
        self.scale = scale
        self.line = torch.nn.Linear(n_marks * n_bins, 1)

    def forward(self, signal):
        return self.line(self.scale * signal.flatten(1)).squeeze(-1)


def test_what_cannot_be_identified_trains_and_is_not_kept(workers):
    class Inner(Local):
        pass

    data = make_dataset()
    for given in (Inner, Local(5, 10, 0.5), lambda n_marks, n_bins: Local(n_marks, n_bins)):
        training = Training(given, data, 0, QUICK, members=2)
        assert kept_at(training) is None
        train_missing([training])
        assert trained(training).card.members
    assert not cache_folder().exists()


def test_training_starts_from_a_copy_of_an_instance():
    data = make_dataset()
    module = Local(5, 10, 0.5)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    still = train_once(module, data, settings=Settings(max_epochs=1, learning_rate=1e-12))
    for name, value in before.items():
        assert torch.equal(module.state_dict()[name], value)
        torch.testing.assert_close(still.module.state_dict()[name], value)
    assert still.module.scale == 0.5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "this is a int"),
        (None, "this is a NoneType"),
        (dict, "this is the class dict"),
        (Local(5, 20), r"failed on signal of shape \(2, 5, 10\): RuntimeError"),
        ("lstm-alfa", "did you mean lstm-alpha"),
    ],
)
def test_a_wrong_model_is_one_line(given, words):
    with pytest.raises(ChromvizError, match=words) as error:
        train_once(given, make_dataset())
    assert "\n" not in str(error.value)


def test_trying_it_leaves_no_trace(module):
    name = f"{module(NET)}:Net"
    spec = find_model(name)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        built = spec.build(5, 10)
        after = torch.rand(2)
        torch.manual_seed(3)
        torch.nn.Linear(50, 1)
        assert torch.equal(torch.rand(2), after)
    assert built.training


def test_workers_train_the_same_models_your_own_among_them(module, workers, monkeypatch, tmp_path):
    dataset = make_dataset(60, window=Window(1000, 100))
    names = ("lstm-alpha", "deepchrome", f"{module(NET)}:Net")
    trainings = [Training(name, dataset, 1, QUICK) for name in names]
    lines, steps = [], []
    train_missing(trainings, reporter=Reporter(lambda *step: steps.append(step), lines.append))
    for stem in map(kept_at, trainings):
        assert stem.with_name(f"{stem.name}.safetensors").is_file()
    assert sorted(line.split()[0] for line in lines) == sorted(names)
    assert steps
    hashes = [trained(one).card.weights_hash for one in trainings]
    monkeypatch.setenv("CHROMVIZ_CACHE", str(tmp_path / "other"))
    assert [trained(one).card.weights_hash for one in trainings] == hashes


def test_a_file_cannot_have_code_imported(module, tmp_path):
    name = module(NET)
    model = train_once(f"{name}:Net", make_dataset(), settings=QUICK)
    save_model(model, tmp_path / "m")
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\n" + NET)
    card = json.loads((tmp_path / "m.json").read_text())
    (tmp_path / "m.json").write_text(json.dumps({**card, "name": "evil:Net"}))
    with pytest.raises(ChromvizError, match=r"evil:Net, and nothing was named; .* evil:Net=") as e:
        load_model(tmp_path / "m")
    assert "\n" not in str(e.value)
    with pytest.raises(ChromvizError, match=f"and {name}:Net was named"):
        load_model(tmp_path / "m", find_model(f"{name}:Net"))
    assert not (tmp_path / "ran").exists()


def test_a_file_of_another_version_of_the_module_is_refused(module, tmp_path):
    name = f"{module(NET)}:Net"
    save_model(train_once(name, make_dataset(), settings=QUICK), tmp_path / "m")
    assert load_model(tmp_path / "m", find_model(name)).card.name == name
    module(NET.replace("torch.asinh(signal)", "signal"))
    with pytest.raises(ChromvizError, match="trained with another version"):
        load_model(tmp_path / "m", find_model(name))


def test_a_package_adds_a_model_by_entry_point(module, tmp_path, monkeypatch):
    name = module(NET)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[chromviz.models]\nanything = {name}:spec\n")
    monkeypatch.syspath_prepend(tmp_path)
    models.cache_clear()
    try:
        assert find_model("Anything").label == "Mine"
        assert train_once("anything", make_dataset(), settings=QUICK).card.name == "anything"
    finally:
        models.cache_clear()


CLASS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, n_marks, n_bins):
        super().__init__()
        self.line = nn.Linear(n_marks * n_bins, 1)

    def forward(self, signal):
        {forward}
"""


@pytest.mark.parametrize(
    ("text", "factory", "words"),
    [
        ("def Net(: pass", "Net", "cannot be imported: SyntaxError"),
        ("import nowhere_to_be_found", "Net", "No module named 'nowhere_to_be_found'"),
        ("x = 1\n1 / 0", "Net", r"ZeroDivisionError: division by zero \(.*own_.*py, line 2\)"),
        (NET, "Nett", "unknown factory 'Nett'; did you mean Net"),
        ("Net = 3", "Net", "is a int; a model is a class, or a function"),
        ("def Net(a, b): return 3", "Net", "returned a int; it must return a torch.nn.Module"),
        ("def Net(a, b): raise KeyError('k')", "Net", "could not be built .* KeyError.* line 1"),
        ("import torch\nNet = torch.nn.Identity", "Net", "has no parameters"),
        (
            CLASS.format(forward="return self.line(signal.flatten(1))"),
            "Net",
            r"is \(batch, 1\).*squeeze\(-1\)",
        ),
        (CLASS.format(forward="return signal"), "Net", r"output is \(2, 5, 10\) for a batch of 2"),
        (CLASS.format(forward="return None"), "Net", "output is NoneType"),
        (
            CLASS.format(forward="return self.line(signal).squeeze(-1)"),
            "Net",
            r"failed on signal of shape \(2, 5, 10\): RuntimeError.*line 11\)",
        ),
        (CLASS.format(forward="return signal.sum((1, 2)) / 0"), "Net", "or not finite"),
        (CLASS.format(forward="return signal.sum((1, 2)).long()"), "Net", "output of .* is int64"),
    ],
)
def test_each_mistake_is_one_line(module, text, factory, words):
    name = f"{module(text)}:{factory}"
    with pytest.raises(ChromvizError, match=words) as error:
        train_once(name, make_dataset())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module_here:Net", "the module 'no_such_module_here' was not found"),
        ("torch.no_such_part:Net", "the module 'torch.no_such_part' was not found"),
        ("my-model:Net", "write package.module:factory"),
        ("my_model:", "write package.module:factory"),
        (":Net", "write package.module:factory"),
    ],
)
def test_names_of_nothing(name, words):
    with pytest.raises(ChromvizError, match=words):
        find_model(name)

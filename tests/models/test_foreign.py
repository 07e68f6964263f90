import argparse
import collections
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models import find_model
from chromviz.models.checkpoint import load_model, save_model
from chromviz.models.foreign import import_attentivechrome
from chromviz.models.inference import logits
from chromviz.vocabulary import MARKS
from tests.conftest import make_dataset


class Context(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.bin_context_vector = nn.Parameter(torch.empty(size, 1))

    def forward(self, states):
        """(batch, step, size) -> the weighted sum and the weights (batch, step)."""
        weights = torch.softmax((states @ self.bin_context_vector).squeeze(-1), dim=1)
        return (weights.unsqueeze(-1) * states).sum(1), weights


class Level(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.rnn = nn.LSTM(features, hidden, bidirectional=True, batch_first=True)
        self.bin_attention = Context(2 * hidden)

    def forward(self, steps):
        return self.bin_attention(self.rnn(steps)[0])


class Released(nn.Module):
    """The released network, plainly: (batch, bin, mark) -> logit, α (batch, mark, bin) and β."""

    def __init__(self, n_marks=5):
        super().__init__()
        self.rnn_hms = nn.ModuleList(Level(1, 32) for _ in range(n_marks))
        self.hm_level_rnn_1 = Level(64, 16)
        self.fdiff1_1 = nn.Linear(32, 1)

    def forward(self, counts):
        found = [level(counts[:, :, [j]]) for j, level in enumerate(self.rnn_hms)]
        vectors, alphas = zip(*found, strict=True)
        whole, beta = self.hm_level_rnn_1(torch.stack(vectors, 1))
        return self.fdiff1_1(whole).squeeze(1), torch.stack(alphas, 1), beta


class CreatesAFile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def released(spread=0.1, seed=0, n_marks=5):
    network = Released(n_marks).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-spread, spread, generator=generator)
    return network


def saved(content, path, **options):
    torch.save(content, path, **options)
    return path


def imported(path, **options):
    return import_attentivechrome(path, **{"cell": "K562", **options})


def counts(n, n_bins=100, n_marks=5, seed=0):
    """Most bins low, some in the tens of thousands; a gene without reads, a gene full of them."""
    rng = np.random.default_rng(seed)
    found = rng.poisson(rng.gamma(0.3, 10, (n, n_marks, n_bins)))
    found[rng.random(found.shape) < 0.01] = 50_000
    found[0], found[1] = 0, 1_000_000
    return found.astype(np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    """Steps this small are slower in several threads, much slower where other work runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "E123_model.pt"


@pytest.fixture
def refused(file):
    def check(content, *words, **options):
        if content is not None:
            torch.save(content, file)
        with pytest.raises(ChromvizError) as caught:
            imported(file, **options)
        message = str(caught.value)
        assert "\n" not in message
        assert str(file) in message
        for word in words:
            assert word in message
        return message

    return check


@pytest.mark.parametrize("spread", [0.1, 0.6])
def test_logits_alpha_and_beta_are_those_of_the_released_network(file, spread):
    network = released(spread)
    model = imported(saved(network.state_dict(), file))
    x = torch.from_numpy(counts(12))
    with torch.no_grad():
        logit, alpha, beta = network(x.transpose(1, 2))
        found = model.module.attention(x)
        torch.testing.assert_close(model.module(x), logit, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.logit, logit, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.alpha, alpha, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.beta, beta, atol=1e-5, rtol=0)
    assert logit.std() > 1e-3  # or agreement would say nothing
    assert alpha.std() > 1e-4


def test_it_has_the_parameters_of_the_released_network_and_nothing_to_fit(file):
    network = released()
    model = imported(saved(network.state_dict(), file))
    for module in (network, model.module, find_model("attentivechrome-released").build(5, 100)):
        assert sum(p.numel() for p in module.parameters()) == 55_681
    assert not list(model.module.buffers())
    assert not hasattr(model.module.transform, "fit")
    assert not model.module.training
    x = torch.from_numpy(counts(3))
    assert torch.equal(model.module.transform(x), x)


def test_other_marks_bins_and_orders(file):
    network = released(n_marks=3)
    model = imported(
        saved(network.state_dict(), file), marks=("c", "a", "b"), n_bins=40, bin_width=50
    )
    assert model.card.marks == ("c", "a", "b")
    assert (model.card.n_bins, model.card.bin_width) == (40, 50)
    x = torch.from_numpy(counts(4, 40, 3))
    with torch.no_grad():
        torch.testing.assert_close(model.module(x), network(x.transpose(1, 2))[0])


def test_wrapped_checkpoints_and_the_older_format_are_the_same_model(file):
    state = released().state_dict()
    expected = imported(saved(state, file)).card.weights_hash
    prefixed = collections.OrderedDict((f"module.{key}", value) for key, value in state.items())
    for content in (
        {"epoch": 3, "state_dict": state, "optimizer": {"lr": 2e-4}},
        {"model": prefixed},
        {f"module.model.{key}": value for key, value in state.items()},
        {key: nn.Parameter(value) for key, value in state.items()},
        {key: value.double() for key, value in state.items()},
    ):
        assert imported(saved(content, file)).card.weights_hash == expected
    saved(prefixed, file, _use_new_zipfile_serialization=False)
    assert imported(file).card.weights_hash == expected


def test_half_precision_becomes_float32(file):
    state = {key: value.half() for key, value in released().state_dict().items()}
    module = imported(saved(state, file)).module
    assert {value.dtype for value in module.state_dict().values()} == {torch.float32}
    assert torch.equal(module.output.weight, state["fdiff1_1.weight"].float())


def test_saved_and_loaded_gives_bitwise_the_same(file, tmp_path):
    model = imported(saved(released().state_dict(), file))
    save_model(model, tmp_path / "K562.released")
    again = load_model(tmp_path / "K562.released")
    x = counts(4)
    np.testing.assert_array_equal(logits(again.module, x), logits(model.module, x))
    assert again.card == model.card


def test_the_card_says_what_is_known_and_invents_nothing(file):
    card = imported(saved(released().state_dict(), file)).card
    assert (card.name, card.cell, card.marks) == ("attentivechrome-released", "K562", MARKS)
    assert (card.n_bins, card.bin_width, card.signal_unit) == (100, 100, "read counts")
    assert card.simulated == 0
    assert card.seed is None
    assert (card.dataset_hash, card.device, card.settings, card.curve) == ("", "", {}, [])
    assert set(card.metrics.values()) == {None}
    assert card.stamp["source_file"] == "E123_model.pt"
    assert len(card.stamp["source_sha256"]) == 64
    assert "seed" not in card.stamp
    json.dumps(card.metrics, allow_nan=False)


@pytest.mark.parametrize("older", [False, True])
def test_code_in_a_file_never_runs(refused, file, tmp_path, older):
    trap = tmp_path / "ran"
    options = {"_use_new_zipfile_serialization": not older}
    for content in (CreatesAFile(trap), {"state_dict": CreatesAFile(trap)}):
        saved(content, file, **options)
        refused(None, "pickled objects", "mkdir", "would run code", "state_dict is needed")
    for protocol in range(6):
        file.write_bytes(pickle.dumps(CreatesAFile(trap), protocol))
        refused(None, "run code from the file", "model.state_dict()")
    assert not trap.exists()
    pickle.loads(file.read_bytes())  # noqa: S301 (the trap works)
    assert trap.exists()


def test_pickled_objects_are_told_apart(refused, file):
    refused(released(), "pickled objects (tests.models.test_foreign.Released)")
    refused(
        {"args": argparse.Namespace(lr=1), "state_dict": released().state_dict()},
        "pickled objects (argparse.Namespace)",
    )
    file.write_bytes(pickle.dumps(released().state_dict(), 4))
    refused(None, "run code from the file")


def test_files_that_are_no_checkpoints(refused, file):
    refused(None, "cannot read", "No such file")
    file.mkdir()
    refused(None, "cannot read", "directory")
    file.rmdir()
    file.touch()
    refused(None, "is empty")
    file.write_text("<html>not found</html>")
    refused(None, "not written by torch.save")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "b")
    refused(None, "zip archive", "not written by torch.save")
    refused([1, 2], "holds a list")
    refused({"epoch": 1, 3: "x"}, "no state_dict", "epoch, 3")
    refused({"state_dict": {}}, "no state_dict")


@pytest.mark.parametrize("older", [False, True])
def test_a_cut_file_is_refused(refused, file, older):
    saved(released().state_dict(), file, _use_new_zipfile_serialization=not older)
    whole = file.read_bytes()
    for keep in (1, 2, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:keep])
        refused(None)


def test_a_flipped_bit_in_a_weight_is_seen(refused, file):
    saved(released().state_dict(), file)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    refused(None, "damaged", "checksum")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_arbitrary_bytes_give_one_line(tmp_path, data):
    path = tmp_path / "x.pt"
    start = data.draw(
        st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x02\x8a\nl\xfc\x9c"])
    )
    path.write_bytes(start + data.draw(st.binary(max_size=200)))
    with pytest.raises(ChromvizError) as caught:
        imported(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("older", [False, True])
def test_any_damaged_byte_gives_one_line_or_a_model(tmp_path, older):
    """The older format has no checksums; there a damaged weight can be another weight."""
    path = tmp_path / "x.pt"
    saved(released().state_dict(), path, _use_new_zipfile_serialization=not older)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    expected = imported(path).card.weights_hash
    places = [*rng.integers(0, 4000, 60), *rng.integers(0, len(whole), 40)]
    for place in places:
        raw = bytearray(whole)
        raw[place] ^= int(rng.integers(1, 256))
        path.write_bytes(raw)
        try:
            outcome = imported(path).card.weights_hash
        except ChromvizError as error:
            outcome = str(error)
        if not outcome.startswith(str(path)):
            assert older or outcome == expected
        assert "\n" not in outcome


def test_other_networks_are_named(refused):
    start = ("not a released AttentiveChrome", "fdiff1_1.weight")
    original = nn.Sequential(
        nn.Conv1d(5, 50, 10), nn.ReLU(), nn.MaxPool1d(5), nn.Linear(900, 625), nn.Linear(625, 125)
    )
    refused(original.state_dict(), *start, "its keys: 0.weight, 0.bias")
    refused(nn.LSTM(5, 8).state_dict(), *start, "its keys: weight_ih_l0")
    refused({"a\nb" * 60: torch.ones(1)}, *start, "...")
    for name in ("lstm-alpha", "lstm-alpha-beta", "lstm", "deepchrome"):
        state = find_model(name).build(5, 100).state_dict()
        refused(state, *start, "a network of chromviz itself")


def test_missing_and_unknown_tensors(refused):
    state = released().state_dict()
    key = "rnn_hms.2.rnn.bias_hh_l0_reverse"
    lacking = {name: value for name, value in state.items() if name != key}
    refused(lacking, "lacks 1 of the 56 tensors", key)
    refused({**state, "fdiff1_2.bias": torch.ones(1)}, "more than", "(fdiff1_2.bias)")
    refused(released(n_marks=7).state_dict(), "reads 7 marks, but 5 are named (H3K27me3")
    refused(released(n_marks=3).state_dict(), "lacks 18 of", "rnn_hms.3.")


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("fdiff1_1.weight", lambda w: w[:, :16], ["shape (1, 16)", "has (1, 32)"]),
        ("rnn_hms.0.rnn.weight_hh_l0", lambda w: w.t(), ["shape (32, 128)", "has (128, 32)"]),
        (
            "hm_level_rnn_1.bin_attention.bin_context_vector",
            lambda w: w[:, 0],
            ["shape (32,)", "has (32, 1)"],
        ),
        ("fdiff1_1.bias", lambda w: w * torch.nan, ["NaN"]),
        ("fdiff1_1.bias", lambda w: w.double() * 1e300, ["infinite in float32"]),
        ("fdiff1_1.bias", lambda w: w.long(), ["int64", "floating point"]),
        ("fdiff1_1.weight", lambda w: w.to_sparse(), ["sparse", "dense"]),
        ("fdiff1_1.bias", lambda w: w.to("meta"), ["without values"]),
    ],
)
def test_wrong_tensors_are_named(refused, key, change, words):
    state = released().state_dict()
    refused({**state, key: change(state[key])}, key, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cell": " "}, "must be named"),
        ({"marks": ()}, "given: none"),
        ({"marks": ("a", "a")}, "each once"),
        ({"n_bins": 0}, "0 bins"),
        ({"bin_width": 0}, "0 bp"),
    ],
)
def test_impossible_claims_are_refused(file, options, words):
    saved(released().state_dict(), file)
    with pytest.raises(ChromvizError, match=words):
        imported(file, **options)


def test_an_imported_model_is_explained_like_any_other(file):
    dataset = make_dataset()
    state = released().state_dict()
    model = imported(saved(state, file), n_bins=dataset.sizes["bin"])
    for method in ("alpha", "beta", "saliency"):
        found = extract(method, dataset, model)
        assert found.attrs["model"] == "attentivechrome-released"
        assert found.attrs["model_hash"] == model.card.weights_hash
    other = imported(saved(state, file), n_bins=dataset.sizes["bin"] + 1)
    with pytest.raises(ChromvizError, match="bins of 100 bp"):
        extract("alpha", dataset, other)

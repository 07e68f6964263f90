"""The compiled loops against torch's operations, and what they promise beside their numbers."""

import threading
import time

import numpy as np
import pytest
import torch

from chromviz.models import find_model, kernels, threads
from chromviz.models.inference import logits, over_batches
from chromviz.models.layers import SoftAttention
from chromviz.models.recurrent import BidirectionalLSTM
from chromviz.models.threads import one_thread


def everything(batch=6, groups=3, features=2, hidden=8, steps=11, seed=0):
    """States, attention and all gradients of an LSTM under an attention."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    lstm, attention = BidirectionalLSTM(groups, features, hidden), SoftAttention(groups, hidden)
    x = torch.randn(steps, groups, features, batch, generator=generator).mul(2).requires_grad_()
    states = lstm(x)
    summed, weights = attention(states)
    pull = torch.randn(summed.shape, generator=generator)
    (summed * pull).sum().add((weights * weights).sum()).backward()
    found = {"states": states, "summed": summed, "weights": weights, "x": x.grad}
    named = (*lstm.named_parameters(), *attention.named_parameters())
    return found | {name: parameter.grad for name, parameter in named}


@pytest.mark.parametrize("features", [1, 5])
def test_compiled_loops_are_torchs_operations(monkeypatch, features):
    compiled = everything(features=features)
    monkeypatch.setattr(kernels, "serve", lambda values: False)
    for name, expected in everything(features=features).items():
        torch.testing.assert_close(compiled[name], expected, atol=2e-6, rtol=2e-5, msg=name)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(threads, "WORTH_A_THREAD", 0)
    found = []
    for number in (1, 2, 5):
        monkeypatch.setattr(threads, "THREADS", number)
        with one_thread():
            found.append(everything())
    for other in found[1:]:
        for name, value in found[0].items():
            assert torch.equal(value, other[name]), name


def test_large_values_saturate_and_nan_shows():
    lstm = BidirectionalLSTM(1, 1, 4)
    x = torch.tensor([1e30, -1e30, float("inf"), -float("inf"), 0.0, float("nan")])
    with torch.no_grad():
        states = lstm(x.expand(3, 1, 1, 6))
        bounded = states[..., :5]
        assert bounded.isfinite().all()
        assert bounded.abs().max() <= 1
        assert states[..., 5].isnan().all(), "training that diverges must not look like training"
        assert SoftAttention(1, 4)(states)[1][..., 5].isnan().all()


def test_sigmoid_and_tanh_are_exact_to_a_few_units():
    """Two LSTMs, one step, weights by hand: every gate is the sigmoid or tanh of the input."""
    a = np.linspace(-30, 30, 4000).astype(np.float32)
    hidden = kernels.ROWS
    weight = np.zeros((2, hidden + 2, 4 * hidden), np.float32)
    weight[:, hidden] = 1
    states = np.zeros((2, 2, len(a), 2 * hidden), np.float32)
    gates = np.empty((2, 1, len(a), 4 * hidden), np.float32)
    cells, found = (np.zeros((2, slots, len(a), hidden), np.float32) for slots in (2, 1))
    arrays = (a[None, None, :, None], states, weight, gates, cells, np.empty_like(found), found)
    kernels.step_through(*arrays, 0, 2)
    exact = a.astype(np.float64)
    for gate, curve in enumerate((*[lambda x: 1 / (1 + np.exp(-x))] * 2, np.tanh)):
        of_gate = gates[:, 0, :, gate * hidden : (gate + 1) * hidden]
        expected = np.broadcast_to(curve(exact)[None, :, None], of_gate.shape)
        rule = {"atol": 2.5e-7, "rtol": 0} if gate == 2 else {"rtol": 5e-7}
        np.testing.assert_allclose(of_gate, expected, **rule)


@pytest.mark.parametrize("depth", [1, 3, 34])
def test_tiles_are_matrix_products(depth):
    """Also of a part of larger matrices, whose rest stays as it is."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 40, 40)).astype(np.float32)
    into = rng.normal(size=(8, 48)).astype(np.float32)
    before = into.copy()
    kernels.multiply(left[:8], right, into[:, :32], depth)
    np.testing.assert_allclose(into[:, :32], left[:8, :depth] @ right[:depth, :32], atol=1e-5)
    np.testing.assert_array_equal(into[:, 32:], before[:, 32:])
    again = before.copy()
    kernels.add_outer(left[:depth, :8], right[:depth, :32], again[:, :32])
    np.testing.assert_allclose(
        again[:, :32], before[:, :32] + left[:depth, :8].T @ right[:depth, :32], atol=1e-5
    )
    np.testing.assert_array_equal(again[:, 32:], before[:, 32:])


def test_batches_side_by_side_keep_their_order_and_torchs_threads(monkeypatch):
    monkeypatch.setattr("chromviz.models.inference.THREADS", 4)
    module = find_model("lstm-alpha-beta").build(5, 20).eval()
    signal = np.random.default_rng(0).gamma(1, 2, (50, 5, 20)).astype(np.float32)
    before = torch.get_num_threads()
    side_by_side = logits(module, signal, batch_size=7)
    monkeypatch.setattr("chromviz.models.inference.THREADS", 1)
    np.testing.assert_array_equal(side_by_side, logits(module, signal, batch_size=7))
    assert torch.get_num_threads() == before


def test_an_error_in_a_batch_arrives_and_ends_the_rest(monkeypatch):
    monkeypatch.setattr("chromviz.models.inference.THREADS", 2)
    done = []

    def work(batch, rows):
        done.append(len(batch))
        time.sleep(0.01)
        raise ValueError("no")

    signal = np.zeros((100, 1, 1), np.float32)
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="no"):
        list(over_batches(work, signal, torch.nn.Linear(1, 1), torch.device("cpu"), 1))
    assert len(done) < 100
    assert torch.get_num_threads() == before


def test_a_users_module_has_its_batches_one_after_the_other(monkeypatch):
    monkeypatch.setattr("chromviz.models.inference.THREADS", 2)

    class Keeps(torch.nn.Module):
        def forward(self, signal):
            self.seen = signal  # what another thread would overwrite
            return self.seen.sum((1, 2))

    signal = np.random.default_rng(0).normal(size=(300, 2, 3)).astype(np.float32)
    found = logits(Keeps(), signal, batch_size=2)
    np.testing.assert_allclose(found, signal.sum((1, 2)), atol=1e-5)
    names = {threading.current_thread().name}
    names |= set(
        over_batches(
            lambda batch, rows: threading.current_thread().name,
            signal,
            Keeps(),
            torch.device("cpu"),
            2,
        )
    )
    assert len(names) == 1

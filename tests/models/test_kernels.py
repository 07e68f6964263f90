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
    """One group, one step, weights by hand: every gate is the sigmoid or tanh of its bias."""
    a = np.linspace(-30, 30, 4001).astype(np.float32)
    states = np.zeros((2, 1, 2, len(a)), np.float32)
    inputs = a[None, None, None]
    weight = np.zeros((1, 4, 2), np.float32)
    weight[0, :, 1] = 1
    gates, found = np.empty((1, 1, 4, len(a)), np.float32), np.empty((1, 1, 1, len(a)), np.float32)
    cells = np.zeros((2, 1, 1, len(a)), np.float32)
    kernels.step_through(inputs, states, weight, gates, cells, np.empty_like(found), found, 0, 1)
    exact = a.astype(np.float64)
    np.testing.assert_allclose(gates[0, 0, 0], 1 / (1 + np.exp(-exact)), rtol=5e-7)
    np.testing.assert_allclose(gates[0, 0, 2], np.tanh(exact), atol=2.5e-7)


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

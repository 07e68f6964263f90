import numpy as np
import pytest
import torch

from chromviz.models import find_model, models
from chromviz.models.recurrent import BidirectionalLSTM
from tests.models import plain

NAMES = ("lstm-alpha", "lstm-alpha-beta", "deepchrome")


def built(name, seed=0, n_marks=5, n_bins=100):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = find_model(name).build(n_marks, n_bins)
        for parameter in module.parameters():  # away from 0, so that gates saturate too
            torch.nn.init.uniform_(parameter, -0.5, 0.5)
    module.transform.fit(signal(40, seed=9, n_marks=n_marks, n_bins=n_bins))
    return module.eval()


def signal(n, seed=1, n_marks=5, n_bins=100):
    return np.random.default_rng(seed).gamma(0.5, 4, (n, n_marks, n_bins)).astype(np.float32)


def parameters(module):
    return {name: value.numpy().astype(float) for name, value in module.state_dict().items()}


def test_lstm_alpha_beta_is_algorithm_s1():
    module, x = built("lstm-alpha-beta"), signal(3)
    with torch.no_grad():
        found = module.attention(torch.from_numpy(x))
    for row in range(3):
        logit, alpha, beta = plain.lstm_alpha_beta(x[row], parameters(module))
        assert found.logit[row].item() == pytest.approx(logit, abs=1e-5)
        np.testing.assert_allclose(found.alpha[row], alpha, atol=1e-5)
        np.testing.assert_allclose(found.beta[row], beta, atol=1e-5)


def test_lstm_alpha_is_its_transcription():
    module, x = built("lstm-alpha"), signal(3)
    with torch.no_grad():
        found = module.attention(torch.from_numpy(x))
    for row in range(3):
        logit, alpha = plain.lstm_alpha(x[row], parameters(module))
        assert found.logit[row].item() == pytest.approx(logit, abs=1e-5)
        np.testing.assert_allclose(found.alpha[row], alpha, atol=1e-5)


def test_deepchrome_is_its_transcription():
    module, x = built("deepchrome"), signal(3)
    with torch.no_grad():
        found = module(torch.from_numpy(x))
    for row in range(3):
        logit = plain.deepchrome(x[row], parameters(module))
        assert found[row].item() == pytest.approx(logit, abs=1e-4, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "count"),
    [("lstm-alpha", 65_729), ("lstm-alpha-beta", 55_681), ("deepchrome", 644_177)],
)
def test_parameter_counts(name, count):
    assert sum(p.numel() for p in find_model(name).build(5, 100).parameters()) == count


@pytest.mark.parametrize(("groups", "features"), [(1, 1), (3, 1), (2, 7)])
def test_our_lstm_is_torchs_forwards_and_backwards(groups, features):
    torch.manual_seed(0)
    ours = BidirectionalLSTM(groups, features, 8).double()
    x = torch.randn(12, groups, features, 4, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(12, groups, 16, 4, dtype=torch.float64)

    def states_of(module):
        """(step, group, 2 * hidden, batch), both directions by step from the first."""
        forwards, backwards = module(x).unbind(1)
        return torch.cat([forwards, backwards.flip(0)], 2)

    (states_of(ours) * pull).sum().backward()
    for group in range(groups):
        theirs = torch.nn.LSTM(features, 8, bidirectional=True).double()
        with torch.no_grad():
            for d, suffix in enumerate(("", "_reverse")):
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    mine = getattr(ours, name)[d, group]
                    getattr(theirs, f"{name}_l0{suffix}").copy_(mine)
        their_x = x.detach()[:, group].transpose(1, 2).contiguous().requires_grad_()
        states, _ = theirs(their_x)
        (states * pull[:, group].transpose(1, 2)).sum().backward()
        torch.testing.assert_close(states_of(ours)[:, group].transpose(1, 2), states)
        torch.testing.assert_close(x.grad[:, group].transpose(1, 2), their_x.grad)
        for d, suffix in enumerate(("", "_reverse")):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                mine = getattr(ours, name).grad[d, group]
                torch.testing.assert_close(mine, getattr(theirs, f"{name}_l0{suffix}").grad)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name):
    module = built(name)
    module(torch.from_numpy(signal(16))).square().sum().backward()
    for label, parameter in module.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.abs().max() > 0, label


@pytest.mark.parametrize("name", NAMES)
def test_genes_do_not_see_each_other(name):
    module, x = built(name), torch.from_numpy(signal(8))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = module(x)
        torch.testing.assert_close(module(x[order]), whole[order])
        torch.testing.assert_close(torch.cat([module(x[:3]), module(x[3:])]), whole)


@pytest.mark.parametrize("name", ["lstm-alpha", "lstm-alpha-beta"])
def test_attention_sums_to_one_and_is_of_the_same_pass(name):
    module, x = built(name), torch.from_numpy(signal(8))
    with torch.no_grad():
        found = module.attention(x)
        torch.testing.assert_close(found.logit, module(x))
    torch.testing.assert_close(found.alpha.sum(2), torch.ones(8, 5))
    if found.beta is not None:
        torch.testing.assert_close(found.beta.sum(1), torch.ones(8))


@pytest.mark.parametrize("name", NAMES)
def test_other_marks_and_bins_work(name):
    module = built(name, n_marks=7, n_bins=40)
    assert module(torch.from_numpy(signal(2, n_marks=7, n_bins=40))).shape == (2,)


def test_deepchrome_refuses_too_few_bins():
    with pytest.raises(ValueError, match="at least 14 bins"):
        find_model("deepchrome").build(5, 13)


def test_the_transform_keeps_zero_and_handles_a_mark_that_never_varies():
    module = find_model("lstm-alpha").build(2, 4)
    x = np.zeros((3, 2, 4), np.float32)
    x[:, 0] = np.arange(4)
    module.transform.fit(x)
    out = module.transform(torch.from_numpy(x))
    assert out[:, 1].abs().max() == 0
    assert out[:, 0].std(correction=0) == pytest.approx(1, abs=1e-5)


def test_names():
    assert find_model("AttentiveChrome").name == "lstm-alpha-beta"
    assert set(NAMES) <= set(models())
    with pytest.raises(ValueError, match="did you mean lstm-alpha"):
        find_model("lstm-alfa")

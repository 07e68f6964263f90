import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from chromviz.catalog import models
from chromviz.models import find_model
from chromviz.models.recurrent import BidirectionalLSTM
from tests.models import plain

#: Parameters for 5 × 100, as each class's docstring has it.
COUNTS = {
    "lstm-alpha": 65_729,
    "lstm-alpha-beta": 55_681,
    "lstm-attn": 10_113,
    "lstm": 10_049,
    "cnn-attn": 112_977,
    "cnn-alpha-beta": 10_081,
    "deepchrome": 644_177,
}
NAMES = tuple(COUNTS)
ATTENDING = [name for name in NAMES if find_model(name).attends]


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


def exact(name):
    """A network and genes in float64, so that a transcription has to agree to ten digits."""
    return built(name).double(), signal(3).astype(np.float64)


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


@pytest.mark.parametrize(
    ("name", "transcription"), [("lstm-attn", plain.lstm_attn), ("cnn-attn", plain.cnn_attn)]
)
def test_one_attention_for_all_marks_is_its_transcription(name, transcription):
    module, x = exact(name)
    with torch.no_grad():
        found = module.attention(torch.from_numpy(x))
    assert found.alpha.shape == (3, 100)
    assert found.beta is None
    for row in range(3):
        logit, alpha = transcription(x[row], parameters(module))
        assert found.logit[row].item() == pytest.approx(logit, abs=1e-10)
        np.testing.assert_allclose(found.alpha[row], alpha, atol=1e-10)


def test_cnn_alpha_beta_is_its_transcription():
    module, x = exact("cnn-alpha-beta")
    with torch.no_grad():
        found = module.attention(torch.from_numpy(x))
    for row in range(3):
        logit, alpha, beta = plain.cnn_alpha_beta(x[row], parameters(module))
        assert found.logit[row].item() == pytest.approx(logit, abs=1e-10)
        np.testing.assert_allclose(found.alpha[row], alpha, atol=1e-10)
        np.testing.assert_allclose(found.beta[row], beta, atol=1e-10)


def test_lstm_is_its_transcription():
    module, x = exact("lstm")
    with torch.no_grad():
        found = module(torch.from_numpy(x))
    for row in range(3):
        logit = plain.joint_lstm(x[row], parameters(module))
        assert found[row].item() == pytest.approx(logit, abs=1e-10)


def test_deepchrome_is_its_transcription():
    module, x = built("deepchrome"), signal(3)
    with torch.no_grad():
        found = module(torch.from_numpy(x))
    for row in range(3):
        logit = plain.deepchrome(x[row], parameters(module))
        assert found[row].item() == pytest.approx(logit, abs=1e-4, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_parameter_counts(name):
    module = find_model(name).build(5, 100)
    assert sum(p.numel() for p in module.parameters()) == COUNTS[name]
    documented = " ".join((type(module).__doc__ or "").split())  # it breaks lines anywhere
    assert f"{COUNTS[name]:,} parameters for 5 × 100" in documented


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
    # In float32 the rounding of a product depends on its size, and on the processor.
    module, x = built(name).double(), torch.from_numpy(signal(8)).double()
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = module(x)
        torch.testing.assert_close(module(x[order]), whole[order])
        torch.testing.assert_close(torch.cat([module(x[:3]), module(x[3:])]), whole)


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_sums_to_one_and_is_of_the_same_pass(name):
    module, x = built(name), torch.from_numpy(signal(8))
    with torch.no_grad():
        found = module.attention(x)
        torch.testing.assert_close(found.logit, module(x))
        part = module.attention(x[[5, 2]])
    torch.testing.assert_close(found.alpha.sum(-1), torch.ones(found.alpha.shape[:-1]))
    torch.testing.assert_close(part.alpha, found.alpha[[5, 2]])
    assert (found.beta is not None) == ("beta" in find_model(name).attends)
    if found.beta is not None:
        torch.testing.assert_close(found.beta.sum(1), torch.ones(8))
        torch.testing.assert_close(part.beta, found.beta[[5, 2]])


@pytest.mark.parametrize(
    ("name", "n_marks", "n_bins"),
    [(name, 7, 40) for name in NAMES]
    + [(name, *size) for name in NAMES if name != "deepchrome" for size in ((1, 1), (2, 3))]
    + [("deepchrome", 1, 14)],
)
def test_other_marks_and_bins_work(name, n_marks, n_bins):
    module = built(name, n_marks=n_marks, n_bins=n_bins)
    x = torch.from_numpy(signal(2, n_marks=n_marks, n_bins=n_bins))
    assert module(x).shape == (2,)
    if name in ATTENDING:
        assert module.attention(x).alpha.shape[-1] == n_bins


@pytest.mark.parametrize("name", NAMES)
def test_saved_weights_give_bitwise_the_same(name, tmp_path):
    module, x = built(name), torch.from_numpy(signal(4))
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    again = find_model(name).build(5, 100)
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    with torch.no_grad():
        assert torch.equal(again.eval()(x), module(x))
        if name in ATTENDING:
            assert torch.equal(again.attention(x).alpha, module.attention(x).alpha)


def test_a_joint_attention_sees_every_mark_and_one_a_mark_only_its_own():
    x = torch.from_numpy(signal(4))
    changed = x.clone()
    changed[:, 1] = changed[:, 1].flip(1)
    with torch.no_grad():
        for name in ("lstm-attn", "cnn-attn"):
            module = built(name)
            assert not torch.allclose(module.attention(x).alpha, module.attention(changed).alpha)
        module = built("cnn-alpha-beta")
        before, after = module.attention(x).alpha, module.attention(changed).alpha
    others = [0, 2, 3, 4]
    torch.testing.assert_close(before[:, others], after[:, others])
    assert not torch.allclose(before[:, 1], after[:, 1])


@pytest.mark.parametrize(("name", "more"), [("lstm", 2.0), ("lstm-attn", 1.0)])
def test_the_joint_lstms_start_with_forget_gates_open(name, more):
    bias = find_model(name).build(5, 100).lstm.bias_ih.detach().view(2, 4, 32)
    torch.testing.assert_close(bias[:, 1], torch.full((2, 32), more), atol=0.1, rtol=0)
    assert bias[:, [0, 2, 3]].abs().max() <= 0.1


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

"""Training steps without torch against torch's own: the same losses and parameters."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from chromviz.models import descent, find_model, kernels, threads
from chromviz.models.attentive import LSTMAlphaBeta
from chromviz.models.classical.base import LabelledGenes
from chromviz.models.descent import descend
from chromviz.settings import PAPER, Settings

NETWORKS = ["lstm-alpha", "lstm-alpha-beta", "attentivechrome-released"]
QUICK = replace(PAPER, learning_rate=2e-3, max_epochs=3)


def genes(count, seed=0, marks=3):
    rng = np.random.default_rng(seed)
    signal = rng.gamma(1, 2, (count, marks, 12)).astype(np.float32)
    label = (signal[:, 1, 4:8].mean(1) > 2).astype(np.float32)
    return LabelledGenes(signal, label)


def trained(name, settings=QUICK, seed=0, count=54):
    """A network after some epochs; its 54 genes are no whole number of steps, nor of tiles."""
    torch.manual_seed(seed)
    module = find_model(name).build(3, 12) if isinstance(name, str) else name(3, 12)
    return descend(
        module,
        genes(count),
        genes(30, 1),
        settings=settings,
        seed=seed,
        device=torch.device("cpu"),
    )


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "settings",
    [QUICK, replace(QUICK, class_weight=True, clip_norm=None), replace(QUICK, batch_size=5)],
    ids=["published", "weighted", "odd batches"],
)
def test_steps_are_torchs(monkeypatch, name, settings):
    ours = trained(name, settings)
    monkeypatch.setattr(descent, "_may_be_compiled", lambda *given: False)
    theirs = trained(name, settings)
    for one, other in zip(ours.curve, theirs.curve, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    for key, value in ours.module.state_dict().items():
        torch.testing.assert_close(value, theirs.module.state_dict()[key], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, name):
    found = []
    for number in (1, 2, 3):
        monkeypatch.setattr(threads, "THREADS", number)
        monkeypatch.setattr("chromviz.models.compiled.SMALL", 0)
        found.append(trained(name).module.state_dict())
    for other in found[1:]:
        assert all(torch.equal(value, other[key]) for key, value in found[0].items())


@pytest.mark.parametrize("longest", [None, 0.5])
def test_adam_is_torchs(longest):
    """The first two gradients are longer than 0.5 by different factors, the third is shorter."""
    rng = np.random.default_rng(0)
    values, means, squares = rng.normal(size=50).astype(np.float32), *np.zeros((2, 50), np.float32)
    theirs = torch.nn.Parameter(torch.from_numpy(values.copy()))
    optimizer = torch.optim.Adam([theirs], lr=0.1)
    for step, size in enumerate((10, 1, 0.01), 1):
        grad = rng.normal(scale=size, size=50).astype(np.float32)
        theirs.grad = torch.from_numpy(grad.copy())
        if longest:
            torch.nn.utils.clip_grad_norm_([theirs], longest)
        optimizer.step()
        kernels.adam(values, grad, means, squares, step, 0.1, longest or 0.0)
        np.testing.assert_allclose(values, theirs.detach().numpy(), atol=1e-6)


class Halved(LSTMAlphaBeta):
    """A network of somebody's own, which computes something else."""

    def attention(self, signal):
        return super().attention(0.5 * signal)


def test_a_subclass_is_trained_as_it_computes(monkeypatch):
    ours = trained(Halved)
    monkeypatch.setattr(descent, "_may_be_compiled", lambda *given: False)
    theirs = trained(Halved)
    assert ours.curve == theirs.curve


def test_steps_that_diverge_are_an_error():
    with pytest.raises(descent.ChromvizError, match="diverged"):
        trained("lstm-alpha", Settings(learning_rate=1e30, max_epochs=2))

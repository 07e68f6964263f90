import json

import numpy as np
import pytest
import torch

from chromviz.catalog import find_method, methods
from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models.layers import Attention
from chromviz.models.training import train_once
from chromviz.schema import check_attribution, dataset_hash
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

WINDOW = Window(1000, 100)
CONTROLS = [name for name, method in methods().items() if method.is_control]
PAIRS = [
    ("alpha", "lstm-alpha"),
    ("alpha", "lstm-alpha-beta"),
    ("beta", "lstm-alpha-beta"),
    *((name, model) for name in ("saliency", "saliency_absolute") for model in
      ("lstm-alpha", "lstm-alpha-beta", "deepchrome")),
]  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return make_dataset(window=WINDOW)


@pytest.fixture(scope="module")
def fitted(data):
    names = ("lstm-alpha", "lstm-alpha-beta", "deepchrome")
    return {name: train_once(name, data, settings=Settings(max_epochs=3)) for name in names}


@pytest.mark.parametrize(("method", "model"), PAIRS)
def test_the_format_and_what_it_records(data, fitted, method, model):
    found = extract(method, data, fitted[model], seed=4)
    check_attribution(found)
    assert found["weight"].dims == find_method(method).dims
    assert found.sizes["gene"] == (data["split"] == "test").sum()
    assert found.attrs["model_hash"] == fitted[model].card.weights_hash
    assert found.attrs["dataset_hash"] == dataset_hash(data)
    assert (found.attrs["seed"], found.attrs["device"], found.attrs["model"]) == (4, "cpu", model)
    assert found["probability"].dims == ("gene",)


@pytest.mark.parametrize(("method", "model"), PAIRS)
def test_neither_batch_size_nor_gene_order_matters(data, fitted, method, model):
    rows = np.flatnonzero(data["split"].values == "test")
    whole = extract(method, data, fitted[model], genes=rows)
    small = extract(method, data, fitted[model], genes=rows, batch_size=3)
    np.testing.assert_allclose(small["weight"], whole["weight"], atol=1e-6)
    turned = extract(method, data, fitted[model], genes=rows[::-1])
    np.testing.assert_allclose(turned["weight"], whole["weight"][::-1], atol=1e-6)
    again = extract(method, data, fitted[model], genes=rows)
    np.testing.assert_array_equal(again["weight"], whole["weight"])


def test_attention_sums_to_one(data, fitted):
    alpha = extract("alpha", data, fitted["lstm-alpha-beta"])
    np.testing.assert_allclose(alpha["weight"].sum("bin"), 1, atol=1e-5)
    beta = extract("beta", data, fitted["lstm-alpha-beta"])
    np.testing.assert_allclose(beta["weight"].sum("mark"), 1, atol=1e-5)


@pytest.mark.parametrize("model", ["lstm-alpha", "lstm-alpha-beta", "deepchrome"])
def test_saliency_is_autograd_by_hand(data, fitted, model):
    found = extract("saliency", data, fitted[model], genes=[0, 1, 2])
    x = torch.from_numpy(data["signal"].values[:3]).requires_grad_()
    module = fitted[model].module.eval()
    (by_hand,) = torch.autograd.grad(module(x).sum(), x)
    np.testing.assert_allclose(found["weight"], by_hand, atol=1e-6)
    probability = torch.sigmoid(module(x)).detach()
    np.testing.assert_allclose(found["probability"], probability, atol=1e-6)


def test_saliency_is_the_slope_of_the_logit(data, fitted):
    found = extract("saliency", data, fitted["lstm-alpha-beta"], genes=[0])
    module = fitted["lstm-alpha-beta"].module.double()
    x = torch.from_numpy(data["signal"].values[:1]).double()
    step = torch.zeros_like(x)
    step[0, 3, 10] = 1e-5
    slope = (module(x + step) - module(x - step)).item() / 2e-5
    module.float()
    assert found["weight"].values[0, 3, 10] == pytest.approx(slope, rel=1e-3)


def test_signed_and_absolute_are_recorded_as_different(data, fitted):
    signed = extract("saliency", data, fitted["deepchrome"])
    absolute = extract("saliency_absolute", data, fitted["deepchrome"])
    np.testing.assert_allclose(np.abs(signed["weight"]), absolute["weight"])
    assert (signed["weight"] < 0).any()
    assert (signed.attrs["signed"], absolute.attrs["signed"]) == (1, 0)
    assert json.loads(signed.attrs["parameters"]) == {"absolute": False}


def test_saliency_of_a_linear_model_is_its_weights(data):
    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.arange(100.0).reshape(5, 20))

        def forward(self, signal):
            return (signal * self.w).sum((1, 2))

    found = extract("saliency", data, Linear(), genes="all")
    np.testing.assert_allclose(
        found["weight"], np.broadcast_to(np.arange(100.0).reshape(5, 20), found["weight"].shape)
    )
    # completeness: a linear model is the sum of gradient times input
    logit = (found["weight"].values * data["signal"].values[data["reason"].values == ""]).sum(
        (1, 2)
    )
    np.testing.assert_allclose(found["probability"], 1 / (1 + np.exp(-logit)), atol=1e-5)


def test_class_optimization_follows_the_recipe(data, fitted):
    found = extract("class_optimization", data, fitted["deepchrome"], steps=30, seed=2)
    module = fitted["deepchrome"].module
    x = torch.rand(1, 5, 20, generator=torch.Generator().manual_seed(2)).requires_grad_()
    average = torch.zeros_like(x)
    for _ in range(30):  # RMSprop by hand
        loss = torch.nn.functional.softplus(-module(x)).sum() + 0.009 * (x**2).sum()
        (gradient,) = torch.autograd.grad(loss, x)
        average = 0.99 * average + 0.01 * gradient**2
        x = (x - 0.1 * gradient / (average.sqrt() + 1e-8)).detach().requires_grad_()
    by_hand = x.detach().clamp(0, 1)
    np.testing.assert_allclose(found["weight"], (by_hand / by_hand.max())[0], atol=1e-3)
    assert found["weight"].dims == ("mark", "bin")
    assert "probability" not in found
    reached = torch.sigmoid(module(by_hand)).item()
    assert found.attrs["probability_reached"] == pytest.approx(reached, abs=1e-3)


def test_class_optimization_for_off_moves_the_other_way(data, fitted):
    on = extract("class_optimization", data, fitted["deepchrome"], steps=20)
    off = extract("class_optimization", data, fitted["deepchrome"], steps=20, state="OFF")
    assert not np.allclose(on["weight"], off["weight"])
    with pytest.raises(ChromvizError, match="must be ON or OFF"):
        extract("class_optimization", data, fitted["deepchrome"], state="on")


def test_the_controls(data):
    raw = extract("raw_signal", data, None)
    rows = data["split"].values == "test"
    np.testing.assert_array_equal(raw["weight"], data["signal"].values[rows])
    near = extract("tss_distance", data, None)["weight"].values
    np.testing.assert_allclose(near[0, 0, :3], [0.05, 0.15, 0.25], atol=1e-6)
    np.testing.assert_allclose(near, near[..., ::-1])
    flat = extract("uniform", data, None)["weight"]
    np.testing.assert_allclose(flat.sum("bin"), 1, atol=1e-6)
    assert raw.attrs["model"] == ""


def test_random_depends_on_seed_and_gene_alone(data):
    rows = np.flatnonzero(data["split"].values == "test")
    whole = extract("random", data, None, genes=rows)["weight"].values
    part = extract("random", data, None, genes=rows[[4, 2]])["weight"].values
    np.testing.assert_array_equal(part, whole[[4, 2]])
    assert not np.allclose(extract("random", data, None, seed=1)["weight"], whole)
    assert abs(np.corrcoef(whole[0].ravel(), whole[1].ravel())[0, 1]) < 0.5


@pytest.mark.parametrize(
    ("method", "model", "match"),
    [
        ("alpha", "deepchrome", "needs attention, and deepchrome has none; use a method"),
        ("beta", "lstm-alpha", "attends over bins only"),
        ("alpha", None, "explains a model, and none was given"),
    ],
)
def test_a_method_that_cannot_serve_says_why(data, fitted, method, model, match):
    with pytest.raises(ChromvizError, match=match):
        extract(method, data, fitted.get(model))


def test_wrong_requests(data, fitted):
    model = fitted["deepchrome"]
    with pytest.raises(ChromvizError, match="did you mean saliency"):
        extract("salience", data, model)
    with pytest.raises(ChromvizError, match="no parameter 'abs'; it has: absolute"):
        extract("saliency", data, model, abs=True)
    with pytest.raises(ChromvizError, match="lack complete signal"):
        extract("saliency", data, model, genes=[3])
    with pytest.raises(ChromvizError, match="outside the dataset's 60"):
        extract("saliency", data, model, genes=[60])
    with pytest.raises(ChromvizError, match="must be names, positions"):
        extract("saliency", data, model, genes=[0.5, 1.9])
    with pytest.raises(ChromvizError, match=r"unknown gene 'dev'.* Or name train, valid, test"):
        extract("saliency", data, model, genes="dev")
    with pytest.raises(ChromvizError, match="unknown gene 'PAX55'"):
        extract("saliency", data, model, genes=["PAX55"])
    with pytest.raises(ChromvizError, match="named more than once"):
        extract("saliency", data, model, genes=[data["gene"].values[5]] * 2)
    with pytest.raises(ChromvizError, match="Module, not 'lstm-alpha'; train one"):
        extract("alpha", data, "lstm-alpha")
    with pytest.raises(ChromvizError, match="at least 1"):
        extract("saliency", data, model, batch_size=0)
    with pytest.raises(ChromvizError, match="reads 20 bins"):
        extract("saliency", make_dataset(window=Window(2000, 100)), model)


def test_genes_go_by_position_id_or_symbol(data):
    ids, symbols = data["gene"].values, data["symbol"].values
    expected = extract("raw_signal", data, genes=[7, 5])
    assert expected["gene"].values.tolist() == ids[[7, 5]].tolist()
    for genes in (ids[[7, 5]], ids[[7, 5]].tolist(), [symbols[7], symbols[5].lower()]):
        assert (
            extract("raw_signal", data, genes=genes).drop_attrs().identical(expected.drop_attrs())
        )
    one = extract("raw_signal", data, genes=str(symbols[5]))
    assert one["gene"].values.tolist() == [ids[5]]


class Broken(torch.nn.Module):
    """Fails, or attends wrongly, as asked."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault
        self.w = torch.nn.Parameter(torch.ones(5, 20))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, signal):
        if self.fault == "raises":
            raise RuntimeError("out of luck")
        return self.dropout(signal * self.w).sum((1, 2))

    def attention(self, signal):
        if self.fault == "sum":
            return Attention(torch.ones(len(signal), 5, 20))
        return Attention(torch.full((len(signal), 7), 1 / 7))


def test_the_model_is_as_before_also_after_an_error(data):
    module = Broken("raises").train()
    module.w.grad = torch.full((5, 20), 3.0)
    with pytest.raises(RuntimeError, match="out of luck"):
        extract("saliency", data, module)
    assert module.training
    assert module.dropout.training
    assert module.w.requires_grad
    assert (module.w.grad == 3).all()
    assert not module._forward_hooks


@pytest.mark.parametrize(("fault", "match"), [("sum", "not to 1"), ("shape", "has the shape")])
def test_attention_that_is_none_is_refused(data, fault, match):
    with pytest.raises(ChromvizError, match=match):
        extract("alpha", data, Broken(fault))


def test_a_mask_means_the_genes_it_marks(data):
    mask = np.arange(60) % 7 == 0
    found = extract("raw_signal", data, None, genes=mask)
    assert list(found["gene"].values) == list(data["gene"].values[mask])

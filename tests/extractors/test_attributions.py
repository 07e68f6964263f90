"""Gradient and perturbation methods: captum's numbers, closed forms, completeness, references."""

import copy
import warnings
from zlib import crc32

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

from chromviz.catalog import find_method
from chromviz.errors import CannotServeError, ChromvizError
from chromviz.extractors.explain import extract
from chromviz.extractors.reference import references
from chromviz.models import find_model
from chromviz.models.layers import InputTransform
from chromviz.models.training import train_once
from chromviz.schema import check_attribution, load_attribution, save_attribution
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

NETWORKS = (
    *("deepchrome", "lstm", "cnn-attn", "cnn-alpha-beta", "lstm-attn"),
    *("lstm-alpha", "lstm-alpha-beta"),
)
GRADIENT = ("input_x_gradient", "integrated_gradients", "gradient_shap", "deep_lift", "smoothgrad")
RELU = ("guided_backprop", "deconvolution")
OUTPUT = ("occlusion", "feature_ablation", "shapley_sampling")
PAIRS = [
    *((method, "lstm-alpha-beta") for method in (*GRADIENT, *OUTPUT)),
    *((method, "deepchrome") for method in (*GRADIENT, *OUTPUT)),
    *((method, "deepchrome") for method in RELU),
    *((method, "random-forest") for method in OUTPUT),
    *((method, "lstm-alpha-beta") for method in ("alpha_beta", "attention_entropy")),
]  # fmt: skip
FEW = np.arange(5, 12)


@pytest.fixture(scope="module")
def data():
    return make_dataset(window=Window(1000, 100))


@pytest.fixture(scope="module")
def fitted(data):
    found = {name: train_once(name, data, settings=Settings(max_epochs=3)) for name in NETWORKS}
    return found | {"random-forest": train_once("random-forest", data)}


class Linear(nn.Module):
    """w · x + c, whose attributions are known."""

    def __init__(self, weight, constant=0.7):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weight))
        self.constant = constant

    def forward(self, signal):
        return (signal * self.weight).sum((1, 2)) + self.constant


@pytest.fixture
def linear():
    weight = np.random.default_rng(5).normal(size=(5, 20)).astype(np.float32)
    return weight, Linear(weight)


@pytest.mark.parametrize(("method", "model"), PAIRS)
def test_format_and_independence(data, fitted, method, model, tmp_path):
    whole = extract(method, data, fitted[model], genes=FEW, seed=3)
    check_attribution(whole)
    assert whole["weight"].dims == find_method(method).dims
    save_attribution(whole, tmp_path / "one.nc")
    assert load_attribution(tmp_path / "one.nc").identical(whole)
    small = extract(method, data, fitted[model], genes=FEW, seed=3, batch_size=3)
    turned = extract(method, data, fitted[model], genes=FEW[::-1], seed=3)
    # At a reference without signal every max-pool is a tie, which rounding decides.
    ties = method == "integrated_gradients" and model == "deepchrome"
    for name, atol in (("weight", 1e-3 if ties else 2e-5), ("probability", 2e-5)):
        np.testing.assert_allclose(small[name], whole[name], atol=atol)
        np.testing.assert_allclose(turned[name], whole[name][::-1], atol=atol)
    again = extract(method, data, fitted[model], genes=FEW, seed=3)
    np.testing.assert_array_equal(again["weight"], whole["weight"])


@pytest.mark.parametrize("model", ["lstm-alpha-beta", "deepchrome", "cnn-alpha-beta"])
@pytest.mark.filterwarnings("ignore:Setting")
def test_captums_own_numbers(data, fitted, model):
    module = fitted[model].module.eval()
    x = torch.from_numpy(data["signal"].values[FEW])
    zero = torch.zeros(1, 5, 20)
    mask = torch.arange(5)[None, :, None]
    theirs = {
        "input_x_gradient": captum.attr.InputXGradient(module).attribute(x.requires_grad_()),
        "occlusion": captum.attr.Occlusion(module).attribute(x, (1, 5), (1, 5), zero),
        "feature_ablation": captum.attr.FeatureAblation(module).attribute(
            x, zero, feature_mask=mask
        )[:, :, 0],
    }
    if model == "deepchrome":
        theirs["guided_backprop"] = captum.attr.GuidedBackprop(module).attribute(x)
        theirs["deconvolution"] = captum.attr.Deconvolution(module).attribute(x)
    for method, expected in theirs.items():
        found = extract(method, data, fitted[model], genes=FEW)
        np.testing.assert_allclose(found["weight"], expected.detach(), atol=1e-5, err_msg=method)
    # Simpson's rule is made of trapezia with a step and with half of it; captum's trapezia of n
    # points weigh 1 / n, and not 1 / (n - 1).
    integrate = captum.attr.IntegratedGradients(module).attribute
    coarse, fine = (
        integrate(x, zero, n_steps=n, method="riemann_trapezoid") * n / (n - 1) for n in (13, 25)
    )
    plain = {"pieces": 12, "halvings": 0}
    found = extract("integrated_gradients", data, fitted[model], genes=FEW, **plain)
    expected = fine * 4 / 3 - coarse / 3
    np.testing.assert_allclose(found["weight"], expected.detach(), atol=1e-5)


def test_shapley_values_are_captums_over_all_orders(data, fitted):
    module = fitted["lstm-alpha-beta"].module.eval()
    x = torch.from_numpy(data["signal"].values[FEW[:2]])
    mask = torch.arange(5)[None, :, None]
    with torch.no_grad():
        expected = captum.attr.ShapleyValues(module).attribute(
            x, torch.zeros(1, 5, 20), feature_mask=mask
        )[:, :, 0]
    found = extract("shapley_sampling", data, fitted["lstm-alpha-beta"], genes=FEW[:2])
    np.testing.assert_allclose(found["weight"], expected, atol=1e-5)
    assert found.attrs["orders"] == "all"


def test_sampled_orders_add_up_and_come_near_the_exact_values(data, fitted, monkeypatch):
    model = fitted["lstm-alpha-beta"]
    exact = extract("shapley_sampling", data, model, genes=FEW)
    monkeypatch.setattr("chromviz.extractors.perturbation.ALL_COALITIONS", 4)
    sampled = extract("shapley_sampling", data, model, genes=FEW, samples=400)
    assert sampled.attrs["orders"] == "400"
    np.testing.assert_allclose(sampled["delta"], 0, atol=1e-5)
    size = np.abs(exact["weight"].values).max()
    np.testing.assert_allclose(sampled["weight"], exact["weight"], atol=0.1 * size)


@pytest.mark.parametrize("name", NETWORKS)
def test_integrated_gradients_are_complete_on_every_network(data, fitted, name):
    found = extract("integrated_gradients", data, fitted[name], genes="test", reference="mean")
    scale = np.maximum(np.abs(found["difference"]), 1)
    assert (np.abs(found["delta"]) <= 1e-3 * scale).all()
    total = found["weight"].sum(("mark", "bin"))
    module = fitted[name].module.eval()
    rows = np.flatnonzero(data["split"].values == "test")
    base = torch.from_numpy(references(data, "mean"))
    with torch.no_grad():
        by_hand = module(torch.from_numpy(data["signal"].values[rows])) - module(base)
    np.testing.assert_allclose(found["difference"], by_hand, atol=1e-5)
    np.testing.assert_allclose(total, by_hand, atol=2e-3 * float(scale.max()))


class Jump(nn.Module):
    """Nearly a step in the sum of the signal: what trained LSTMs have on their way."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.tensor(0.3))

    def forward(self, signal):
        level = signal.mean((1, 2))
        return torch.tanh(30_000 * (level - self.at)) + level


def test_a_jump_is_found_where_even_steps_miss_it(data):
    options = {"genes": FEW, "reference": "zero"}
    even = extract("integrated_gradients", data, Jump(), pieces=64, halvings=0, **options)
    assert (np.abs(even["delta"]) > 0.1).any()
    found = extract("integrated_gradients", data, Jump(), **options)
    assert (np.abs(found["delta"]) <= 1e-3 * np.maximum(np.abs(found["difference"]), 1)).all()
    assert found.attrs["most_points"] < 100
    assert found.attrs["flagged_genes"] == 0


def test_only_what_is_wrong_is_halved(data, linear):
    found = extract("integrated_gradients", data, linear[1], genes=FEW)
    assert found.attrs["most_points"] == found.attrs["mean_points"] == 9


def test_a_linear_models_attributions_are_its_terms(data, linear):
    weight, model = linear
    signal = data["signal"].values[FEW]
    base = references(data, "mean")[0]
    terms, from_mean = weight * signal, weight * (signal - base)
    closed = {
        ("input_x_gradient", None): terms,
        ("integrated_gradients", "mean"): from_mean,
        ("deep_lift", "mean"): from_mean,
        ("feature_ablation", "mean"): from_mean.sum(2),
        ("shapley_sampling", "mean"): from_mean.sum(2),
    }
    for (method, reference), expected in closed.items():
        chosen = {} if reference is None else {"reference": reference}
        found = extract(method, data, model, genes=FEW, **chosen)
        np.testing.assert_allclose(found["weight"], expected, atol=2e-4, err_msg=method)
    by_bin = extract("occlusion", data, model, genes=FEW, window=1, stride=1, reference="mean")
    np.testing.assert_allclose(by_bin["weight"], from_mean, atol=2e-4)
    np.testing.assert_allclose(
        extract("smoothgrad", data, model, genes=FEW)["weight"],
        np.broadcast_to(weight, signal.shape),
        atol=1e-5,
    )


def test_smoothgrad_without_noise_is_saliency_and_by_hand_with_it(data, fitted):
    model = fitted["lstm-alpha-beta"]
    plain = extract("saliency", data, model, genes=FEW)
    still = extract("smoothgrad", data, model, genes=FEW, noise=0.0)
    np.testing.assert_allclose(still["weight"], plain["weight"], atol=1e-6)
    found = extract("smoothgrad", data, model, genes=FEW, samples=3, seed=9)
    train_rows = np.flatnonzero(data["split"].values == "train")
    size = 0.1 * data["signal"].values[train_rows].std(axis=(0, 2))
    gene = str(data["gene"].values[FEW[1]])
    draw = np.random.default_rng([9, crc32(gene.encode())]).standard_normal((3, 5, 20), np.float32)
    copies = torch.from_numpy(
        (data["signal"].values[FEW[1]] + draw * size[:, None]).astype(np.float32)
    ).requires_grad_()
    (gradient,) = torch.autograd.grad(model.module.eval()(copies).sum(), copies)
    np.testing.assert_allclose(found["weight"][1], gradient.mean(0), atol=1e-6)


def test_gradient_shap_of_one_reference_tends_to_integrated_gradients(data, fitted):
    model = fitted["lstm-alpha-beta"]
    exact = extract("integrated_gradients", data, model, genes=FEW[:2], reference="mean")
    found = extract("gradient_shap", data, model, genes=FEW[:2], reference="mean", samples=3000)
    size = float(np.abs(exact["weight"]).max())
    np.testing.assert_allclose(found["weight"], exact["weight"], atol=0.05 * size)
    several = extract("gradient_shap", data, model, genes=FEW[:2])
    assert several.attrs["references"] == 2  # the lowest tenth of 20 training genes


class Rectified(nn.Module):
    """A transform, and layers of ReLU without pooling: what DeepLIFT's rule is complete for."""

    def __init__(self, signal):
        super().__init__()
        self.transform = InputTransform(5)
        self.transform.fit(signal)
        self.layers = nn.Sequential(
            nn.Conv1d(5, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.ReLU()
        )
        self.output = nn.Linear(8, 1)

    def forward(self, signal):
        return self.output(self.layers(self.transform(signal))).squeeze(1)


def test_deep_lift_is_complete_for_relu_and_flagged_on_an_lstm(data, fitted):
    torch.manual_seed(0)
    found = extract("deep_lift", data, Rectified(data["signal"].values[FEW]), reference="mean")
    np.testing.assert_allclose(found["delta"], 0, atol=1e-5)
    assert found.attrs["flagged_genes"] == 0
    assert np.abs(found["difference"]).max() > 0.01
    bent = copy.deepcopy(fitted["lstm-alpha-beta"].module)
    with torch.no_grad():
        for parameter in bent.parameters():
            parameter.mul_(6)  # far from a straight line
    lstm = extract("deep_lift", data, bent, reference="mean")
    assert lstm.attrs["flagged_genes"] == int(lstm["flagged"].sum()) > 0
    over = np.abs(lstm["delta"]) > 0.01 * np.maximum(np.abs(lstm["difference"]), 1)
    np.testing.assert_array_equal(lstm["flagged"], over)


def rescaled(multiplier, before, after):
    """The rescale rule at a unit: the multiplier times Δoutput / Δinput (each gene, reference)."""
    (x, r), (y, s) = before, after
    return multiplier * np.divide(y - s, x - r, out=np.zeros_like(x), where=x != r)


def deep_lift_by_hand(layers, x, r):
    """DeepLIFT of one gene in float64, layer by layer from the output: no autograd, no captum."""
    passes = [(x, r)]
    for layer in layers:
        passes.append(tuple(layer.forward(one) for one in passes[-1]))
    multiplier = np.ones(())
    for layer, before, after in zip(layers[::-1], passes[-2::-1], passes[:0:-1], strict=True):
        multiplier = layer.backward(multiplier, before, after)
    return multiplier * (x - r)


class HandConv:
    def __init__(self, conv):
        self.weight, self.bias = (one.detach().numpy().astype(float) for one in conv.parameters())

    def forward(self, x):
        width = self.weight.shape[2]
        windows = np.lib.stride_tricks.sliding_window_view(x, width, axis=1)
        return np.einsum("omk,mtk->ot", self.weight, windows) + self.bias[:, None]

    def backward(self, multiplier, before, after):
        found = np.zeros_like(before[0])
        for place in range(multiplier.shape[1]):
            inside = slice(place, place + self.weight.shape[2])
            found[:, inside] += np.einsum("o,omk->mk", multiplier[:, place], self.weight)
        return found


class HandReLU:
    def forward(self, x):
        return np.maximum(x, 0)

    def backward(self, multiplier, before, after):
        return rescaled(multiplier, before, after)


class HandPool:
    """Δ of a window's maximum lies on its largest input and on the reference's largest."""

    def __init__(self, size):
        self.size = size

    def windows(self, x):
        n = x.shape[1] // self.size
        return x[:, : n * self.size].reshape(len(x), n, self.size)

    def forward(self, x):
        return self.windows(x).max(2)

    def backward(self, multiplier, before, after):
        x, r = map(self.windows, before)
        y, s = after
        found = np.zeros_like(before[0])
        for channel, place in np.ndindex(y.shape):
            higher = max(y[channel, place], s[channel, place])
            for values, share in ((x, higher - s[channel, place]), (r, y[channel, place] - higher)):
                top = values[channel, place].argmax()
                at = place * self.size + top
                delta = x[channel, place, top] - r[channel, place, top]
                if delta:
                    found[channel, at] += multiplier[channel, place] * share / delta
        return found


class HandLinear:
    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, x):
        return self.weight @ x.ravel() + self.bias

    def backward(self, multiplier, before, after):
        flat = np.tensordot(multiplier, self.weight, axes=np.ndim(multiplier))
        return flat.reshape(before[0].shape)


def hand_layers(module):
    """DeepChrome after its transform, as layers by hand."""
    first, second, last = (
        tuple(one.detach().numpy().astype(float) for one in module.mlp[at].parameters())
        for at in (0, 2, 4)
    )
    difference = [part[1] - part[0] for part in last]
    return [
        *(HandConv(module.convolution[0]), HandReLU(), HandPool(5)),
        *(HandLinear(*first), HandReLU(), HandLinear(*second), HandReLU()),
        HandLinear(*difference),
    ]


def test_deep_lift_of_deepchrome_is_the_rescale_rule(data, fitted):
    """A ReLU before a max-pooling: plain captum is wrong here although its weights add up."""
    module = fitted["deepchrome"].module
    found = extract("deep_lift", data, fitted["deepchrome"], genes=FEW, reference="mean")
    mean = references(data, "mean")
    with torch.no_grad():
        inside = module.transform(torch.from_numpy(data["signal"].values[FEW])).double().numpy()
        base = module.transform(torch.from_numpy(mean)).double().numpy()[0]
    expected = np.stack([deep_lift_by_hand(hand_layers(module), x, base) for x in inside])
    np.testing.assert_allclose(found["weight"], expected, atol=2e-6)
    np.testing.assert_allclose(found["delta"], 0, atol=1e-5)
    bare = copy.deepcopy(module)
    bare.transform = nn.Identity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = (inside, np.broadcast_to(base, inside.shape).copy())
        plain = captum.attr.DeepLift(bare).attribute(
            *(torch.from_numpy(one).float() for one in given)
        )
    assert np.abs(plain.detach().numpy() - expected).max() > 1e-4, "captum is right by itself now"


class Stacked(nn.Module):
    """A user's module whose layers with a rule follow one another directly."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(5, 6, 3), *layers, nn.Flatten())
        self.output = nn.LazyLinear(1)
        self(torch.zeros(1, 5, 20))

    def forward(self, signal):
        return self.output(self.layers(signal)).squeeze(1)


def test_deep_lift_of_a_users_layers_in_a_row(data):
    torch.manual_seed(1)
    module = Stacked(nn.ReLU(), nn.MaxPool1d(3), nn.ReLU(inplace=True)).eval()
    found = extract("deep_lift", data, module, genes=FEW, reference="mean")
    weight, bias = (one.detach().numpy().astype(float) for one in module.output.parameters())
    layers = [
        *(HandConv(module.layers[0]), HandReLU(), HandPool(3), HandReLU()),
        HandLinear(weight[0], bias[0]),
    ]
    x, base = data["signal"].values[FEW].astype(float), references(data, "mean")[0].astype(float)
    expected = np.stack([deep_lift_by_hand(layers, one, base) for one in x])
    np.testing.assert_allclose(found["weight"], expected, atol=1e-5)


def test_deep_lift_refuses_what_captum_would_get_wrong(data):
    relu = nn.ReLU()
    for module, words in (
        (Stacked(relu, nn.Conv1d(6, 6, 3), relu), "one ReLU is used more than once"),
        (Stacked(nn.MaxPool1d(3, stride=1)), "the windows of MaxPool1d.* overlap"),
        (Stacked(nn.Softmax(2)), "nn.Softmax mixes genes"),
    ):
        with pytest.raises(CannotServeError, match=words) as error:
            extract("deep_lift", data, module.eval(), genes=FEW)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["deep_lift", "guided_backprop", "deconvolution"])
def test_no_hook_is_left(data, fitted, method):
    module = fitted["deepchrome"].module
    extract(method, data, fitted["deepchrome"], genes=FEW)
    for part in module.modules():
        for hooks in (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks):
            assert not hooks
    assert not module.training


@pytest.mark.parametrize("method", RELU)
def test_without_relu_it_would_be_saliency(data, fitted, method):
    with pytest.raises(ChromvizError, match="LSTMAlphaBeta has none"):
        extract(method, data, fitted["lstm-alpha-beta"])


def test_alpha_beta_and_entropy_by_hand(data, fitted):
    model = fitted["lstm-alpha-beta"]
    alpha = extract("alpha", data, model)["weight"].values.astype(np.float64)
    beta = extract("beta", data, model)["weight"].values
    both = extract("alpha_beta", data, model)["weight"]
    np.testing.assert_allclose(both, alpha * beta[:, :, None], atol=1e-6)
    np.testing.assert_allclose(both.sum(("mark", "bin")), 1, atol=1e-5)
    entropy = extract("attention_entropy", data, model)["weight"]
    np.testing.assert_allclose(entropy, -(alpha * np.log(alpha)).sum(2) / np.log(20), atol=1e-5)
    with pytest.raises(CannotServeError, match="all marks at once; use a model that separates"):
        extract("attention_entropy", data, fitted["lstm-attn"])


@pytest.mark.parametrize("state", ["ON", "OFF"])
def test_restarts_keep_the_best_of_runs_of_their_own(data, fitted, state):
    model = fitted["deepchrome"]
    options = {"state": state, "steps": 60}
    one = extract("class_optimization", data, model, **options)
    assert "restart_r" not in one.attrs
    five = extract("class_optimization", data, model, restarts=5, **options)
    assert five.attrs["probability_reached"] >= one.attrs["probability_reached"] - 1e-3
    assert -1 <= five.attrs["restart_r"] <= 1
    assert five["weight"].max() == 1


def test_references_by_name_file_and_array(data, tmp_path):
    rows = np.flatnonzero(data["split"].values == "train")
    signal = data["signal"].values
    assert not references(data, "zero").any()
    np.testing.assert_allclose(references(data, "mean")[0], signal[rows].mean(0), rtol=1e-5)
    lowest = rows[np.argsort(data["expression"].values[rows])[:2]]
    several = references(data, "low-expression", several=True)
    np.testing.assert_array_equal(several, signal[lowest])
    np.testing.assert_allclose(references(data, "low_expression")[0], several.mean(0), rtol=1e-5)
    np.save(tmp_path / "mine.npy", signal[10])
    np.testing.assert_array_equal(references(data, str(tmp_path / "mine.npy"))[0], signal[10])


def test_models_compared_share_the_reference(data, fitted):
    hashes = {
        extract(method, data, fitted[model], genes=FEW, reference="mean").attrs["reference_sha256"]
        for method in ("integrated_gradients", "shapley_sampling", "occlusion")
        for model in ("lstm-alpha-beta", "deepchrome")
    }
    assert len(hashes) == 1
    other = extract("occlusion", data, fitted["deepchrome"], genes=FEW)
    assert other.attrs["reference_sha256"] not in hashes


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("integrated_gradients", {"reference": "zeros"}, "unknown reference 'zeros'; did you mean"),
        ("integrated_gradients", {"reference": "no/such.npy"}, "cannot be read"),
        ("occlusion", {"reference": np.zeros((5, 21))}, r"shape \(5, 21\); it must be \(5, 20\)"),
        ("occlusion", {"reference": np.full((5, 20), np.nan)}, "not finite numbers"),
        ("occlusion", {"window": 21}, "window must be a whole number from 1 to 20, not 21"),
        ("occlusion", {"stride": 6}, "stride must be a whole number from 1 to 5, not 6"),
        ("integrated_gradients", {"pieces": 0}, "pieces must be a whole number from 1"),
        ("integrated_gradients", {"pieces": 1.5}, "pieces must be a whole number from 1"),
        ("integrated_gradients", {"halvings": -1}, "halvings must be a whole number from 0, not"),
        ("integrated_gradients", {"tolerance": 0}, "tolerance must be a number above 0, not 0"),
        ("smoothgrad", {"noise": "much"}, "noise must be 0 or a number above it, not 'much'"),
        ("smoothgrad", {"samples": 2.5}, "samples must be a whole number"),
        ("gradient_shap", {"sample": 2}, "has no parameter 'sample'"),
        (
            "class_optimization",
            {"steps": "many"},
            "steps must be a whole number from 1, not 'many'",
        ),
        ("class_optimization", {"penalty": -1}, "penalty must be 0 or a number above it, not -1"),
        ("class_optimization", {"restarts": 0}, "restarts must be a whole number"),
    ],
)
def test_wrong_options_are_one_line(data, fitted, method, options, words):
    with pytest.raises(ChromvizError, match=words) as error:
        extract(method, data, fitted["deepchrome"], genes=FEW, **options)
    assert "\n" not in str(error.value)


def test_a_reference_that_data_cannot_give_is_refused(data):
    bare = data.assign(expression=("gene", np.full(data.sizes["gene"], np.nan, np.float32)))
    with pytest.raises(ChromvizError, match="no expression values, which the reference"):
        references(bare, "low_expression")
    untrained = data.assign(split=("gene", np.full(data.sizes["gene"], "test", dtype=object)))
    with pytest.raises(ChromvizError, match="no training genes"):
        references(untrained, "mean")


def test_trees_have_no_gradient_but_can_be_occluded(data, fitted):
    with pytest.raises(ChromvizError, match="needs a gradient"):
        extract("integrated_gradients", data, fitted["random-forest"])
    assert find_model("random-forest").gives == ("importances", "output")
    assert np.abs(extract("occlusion", data, fitted["random-forest"])["weight"]).max() > 0


@pytest.mark.parametrize("method", ["alpha", "saliency", "integrated_gradients", "occlusion"])
def test_the_number_of_threads_changes_nothing(data, fitted, method, monkeypatch):
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("chromviz.models.inference.THREADS", threads)
        one = extract(method, data, fitted["lstm-alpha-beta"], genes=FEW, batch_size=2)
        found.append(one["weight"].values)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])

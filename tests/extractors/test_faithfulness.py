"""Faithfulness and sanity: closed forms on a linear model, altered attention, random layers."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.extractors.erasure import (
    altered_attention,
    attention_moves,
    order_of,
    perturbation_curves,
)
from chromviz.extractors.explain import extract
from chromviz.extractors.metrics import infidelity_and_sensitivity
from chromviz.extractors.sanity import layers, randomised, untrained
from chromviz.models.checkpoint import TrainedModel, weights_hash
from chromviz.models.training import train_once
from chromviz.schema import Origin, build_attribution
from chromviz.settings import Settings
from chromviz.validation.faithfulness import curve_scores, faithfulness_rows
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

NETWORKS = ("deepchrome", "lstm", "cnn-alpha-beta", "lstm-attn", "lstm-alpha", "lstm-alpha-beta")


@pytest.fixture(scope="module")
def data():
    return make_dataset(window=Window(1000, 100))


@pytest.fixture(scope="module")
def fitted(data):
    return {name: train_once(name, data, settings=Settings(max_epochs=3)) for name in NETWORKS}


class Linear(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(weight))

    def forward(self, signal):
        return (signal * self.weight).sum((1, 2)) + 0.5


@pytest.fixture(scope="module")
def linear(fitted):
    weight = np.random.default_rng(5).normal(size=(5, 20)).astype(np.float32)
    return weight, TrainedModel(Linear(weight), fitted["lstm"].card)


def explained(dataset, weight, *, signed=True):
    rows = np.flatnonzero(dataset["split"].values == "test")
    return build_attribution(
        weight,
        ("gene", "mark", "bin"),
        dataset,
        Origin(method="truth", parameters={}, signed=signed, model="m", model_hash="x"),
        genes=rows,
        probability=np.full(len(rows), 0.9),
    )


def test_deletion_of_a_linear_models_terms_is_their_running_sum(data, linear):
    weight, model = linear
    rows = np.flatnonzero(data["split"].values == "test")
    terms = data["signal"].values[rows] * weight
    shares = [0, 0.1, 0.5, 1]
    curves = perturbation_curves(explained(data, terms), model, data, shares=shares)
    for gene, own in zip(data["gene"].values[rows], terms, strict=True):
        part = curves[curves["gene"] == gene]
        whole = own.sum() + 0.5
        assert part["whole"].iloc[0] == pytest.approx(whole, abs=1e-4)
        assert part["empty"].iloc[0] == pytest.approx(0.5)
        # What supports the prediction comes first: the largest terms for ON, the least for OFF.
        ordered = np.sort(own.ravel())[:: -1 if whole > 0 else 1]
        for share in shares:
            gone = ordered[: round(share * 100)].sum()
            logit = part.set_index(["way", "share"])["logit"]
            assert logit["deletion", share] == pytest.approx(whole - gone, abs=1e-3)
            assert logit["insertion", share] == pytest.approx(0.5 + gone, abs=1e-3)


def test_no_order_is_more_faithful_to_a_linear_model_than_its_terms(data, linear):
    weight, model = linear
    rows = np.flatnonzero(data["split"].values == "test")
    terms = data["signal"].values[rows] * weight
    best = curve_scores(perturbation_curves(explained(data, terms), model, data))
    for other in (terms[::-1], np.abs(terms), np.random.default_rng(0).random(terms.shape)):
        worse = curve_scores(perturbation_curves(explained(data, other), model, data))
        for name in ("deletion", "insertion", "comprehensiveness"):
            assert (best[name] >= worse[name] - 1e-5).all(), name
        assert (best["sufficiency"] <= worse["sufficiency"] + 1e-5).all()
    found = pd.DataFrame(faithfulness_rows(best, worse, n_bootstrap=200)).set_index("statistic")
    assert found.loc["deletion_over_random", "ci_low"] > 0
    assert found.loc["sufficiency_over_random", "estimate"] > 0, "higher is better than random"
    assert found.loc["deletion", "estimate"] == pytest.approx(best["deletion"].mean())
    same = pd.DataFrame(faithfulness_rows(best, best, n_bootstrap=50)).set_index("statistic")
    assert (same.loc[[f"{n}_over_random" for n in best], "estimate"] == 0).all()
    assert (same.loc[[f"{n}_over_random" for n in best], "p"] == 1).all()


def test_scores_of_a_curve_by_hand():
    rows = [
        {"gene": "g", "way": way, "share": share, "logit": logit, "whole": 2.0, "empty": 0.0}
        for way, values in {"deletion": (2, 1, 0), "insertion": (0, 1.5, 2)}.items()
        for share, logit in zip((0, 0.5, 1), values, strict=True)
    ]
    found = curve_scores(pd.DataFrame(rows)).loc["g"]
    assert found["deletion"] == pytest.approx(2 - 1.0)
    assert found["insertion"] == pytest.approx((0 + 1.5) / 4 + (1.5 + 2) / 4)
    assert np.isnan(found["comprehensiveness"]), "its shares are not all there"


def test_marks_are_taken_whole(data, linear):
    weight, model = linear
    rows = np.flatnonzero(data["split"].values == "test")
    terms = data["signal"].values[rows] * weight
    curves = perturbation_curves(
        explained(data, terms), model, data, by="marks", shares=[0, 0.2, 1]
    )
    for gene, own in zip(data["gene"].values[rows], terms, strict=True):
        part = curves[(curves["gene"] == gene)].set_index(["way", "share"])["logit"]
        marks = own.sum(axis=1)
        first = marks.max() if own.sum() + 0.5 > 0 else marks.min()
        assert part["insertion", 0.2] == pytest.approx(0.5 + first, abs=1e-3)


def test_equal_weights_come_in_no_order_of_position(data):
    rows = np.arange(5, 30)
    flat = explained(data, np.ones(((data["split"] == "test").sum().item(), 5, 20)), signed=False)
    rows = np.flatnonzero(data["split"].values == "test")
    place = order_of(flat, data, rows, np.ones(len(rows), bool))
    assert np.sort(place.reshape(len(rows), -1), axis=1).tolist() == [list(range(100))] * len(rows)
    assert abs(np.corrcoef(place.mean(axis=0).ravel(), np.arange(100))[0, 1]) < 0.4
    again = order_of(flat, data, rows[::-1], np.ones(len(rows), bool))
    np.testing.assert_array_equal(again, place[::-1])


def test_attributions_of_any_dimensions_can_be_taken_away(data, fitted):
    model = fitted["lstm-alpha-beta"]
    for method in ("alpha", "beta", "saliency", "raw_signal", "class_optimization"):
        options = {"steps": 5} if method == "class_optimization" else {}
        found = extract(method, data, model, **options)
        curves = perturbation_curves(found, model, data, shares=[0, 1], genes=[10, 11])
        edge = curves.set_index(["way", "share"])["logit"]
        np.testing.assert_allclose(edge["deletion", 0], edge["insertion", 1], atol=1e-6)
        np.testing.assert_allclose(edge["deletion", 1], curves["empty"].iloc[0], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shares": [0.5, 0.1]}, "shares must rise from 0 to 1"),
        ({"shares": [0, 2]}, "shares must rise"),
        ({"by": "genes"}, "bins or marks can be deleted, not 'genes'"),
        ({"genes": [0]}, "lacks 1 of the 1 genes needed, first G000"),
    ],
)
def test_wrong_requests_for_curves(data, fitted, options, words):
    model = fitted["lstm"]
    with pytest.raises(ChromvizError, match=words):
        perturbation_curves(extract("saliency", data, model), model, data, **options)
    other = make_dataset(seed=9, window=Window(1000, 100))
    with pytest.raises(ChromvizError, match="made from another dataset"):
        perturbation_curves(extract("saliency", data, model), model, other)


@pytest.mark.parametrize("name", ["lstm-alpha", "lstm-attn", "cnn-alpha-beta", "lstm-alpha-beta"])
def test_attention_can_be_altered_and_is_restored(data, fitted, name):
    module = fitted[name].module
    x = torch.from_numpy(data["signal"].values[10:14])
    with torch.no_grad():
        before, attention = module(x), module.attention(x).alpha
        with altered_attention(module, "uniform"):
            uniform = module.attention(x)
            assert torch.allclose(uniform.alpha, torch.tensor(1 / 20))
            torch.testing.assert_close(uniform.logit, module(x))
        with altered_attention(module, "permuted", seed=3):
            permuted = module.attention(x).alpha
        torch.testing.assert_close(permuted.sort(-1)[0], attention.sort(-1)[0])
        with pytest.raises(RuntimeError), altered_attention(module, "uniform"):
            raise RuntimeError
        assert torch.equal(module(x), before)


def test_uniform_attention_is_the_mean_state(data, fitted):
    module = fitted["lstm-alpha"].module
    x = torch.from_numpy(data["signal"].values[10:14])
    with torch.no_grad():
        steps = module.bins.transform(x).permute(2, 1, 0).unsqueeze(2)
        states = module.bins.lstm(steps)  # (step, direction, group, hidden, batch)
        mean = torch.cat(list(states.mean(0)), 1)
        with altered_attention(module, "uniform"):
            vectors, _ = module.bins(x)
    torch.testing.assert_close(vectors, mean)


def test_moves_are_counted(data, fitted):
    rows = np.flatnonzero(data["split"].values == "test")
    found = attention_moves(fitted["lstm-alpha-beta"], data, rows, n_permutations=3)
    assert set(found["way"]) == {"uniform", "permuted"}
    assert ((found["moved"] >= 0) & (found["moved"] <= 1)).all()
    with pytest.raises(ChromvizError, match="JointLSTM has no attention over bins"):
        attention_moves(fitted["lstm"], data, rows)
    with pytest.raises(ChromvizError, match="uniform or permuted, not 'zero'"), altered_attention(
        fitted["lstm-alpha"].module, "zero"
    ):  # fmt: skip
        pass


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_all_parameters_and_context_vectors_too(fitted, name):
    module = fitted[name].module
    found = layers(module)
    listed = [parameter for _, parameters in found for parameter in parameters]
    assert sorted(listed) == sorted(name for name, _ in module.named_parameters())
    if "alpha" in name or "attn" in name:
        assert any(parameter.endswith("context") for parameter in listed)


@pytest.mark.parametrize("name", ["lstm-alpha-beta", "deepchrome"])
def test_layers_are_drawn_anew_one_by_one_and_on_top_of_each_other(fitted, name):
    model = fitted[name]
    before = copy.deepcopy(model.module.state_dict())
    parameters = {item for item, _ in model.module.named_parameters()}
    order = [own for _, own in reversed(layers(model.module))]
    seen = set()
    for (label, changed), own in zip(randomised(model, "cascading"), order, strict=True):
        seen |= set(own)
        state = changed.module.state_dict()
        for item in parameters:
            same = torch.equal(state[item], before[item])
            assert same == (item not in seen), (label, item)
        assert torch.equal(state[_scale(state)], before[_scale(state)]), "what it does to its input"
    for (_, changed), own in zip(randomised(model, "independent"), order, strict=True):
        state = changed.module.state_dict()
        differ = {item for item in parameters if not torch.equal(state[item], before[item])}
        assert differ == set(own)
    after = model.module.state_dict()
    assert all(torch.equal(after[item], before[item]) for item in before)
    # Each layer draws afresh: layers of one shape do not get the same numbers.
    last = list(randomised(model, "cascading"))[-1][1]
    flat = [p.flatten()[:8] for p in last.module.parameters() if p.numel() >= 64]
    assert not any(torch.equal(a, b) for i, a in enumerate(flat) for b in flat[:i])


def _scale(state):
    return next(name for name in state if name.endswith("scale"))


def test_untrained_is_another_model_with_its_own_hash(data, fitted):
    model = fitted["lstm-alpha-beta"]
    found = untrained(model, seed=3)
    assert (found.card.name, found.variant) == ("lstm-alpha-beta", "untrained")
    assert found.card.weights_hash == weights_hash(found.module) != model.card.weights_hash
    assert untrained(model, seed=3).card.weights_hash == found.card.weights_hash
    attrs = extract("alpha", data, found).attrs
    assert (attrs["model"], attrs["variant"]) == ("lstm-alpha-beta", "untrained")
    svm = train_once("svm", data)
    with pytest.raises(ChromvizError, match="svm has no layers to re-randomise"):
        untrained(svm)
    with pytest.raises(ChromvizError, match="cascading or independent, not 'all'"):
        next(randomised(model, "all"))


def test_infidelity_of_a_linear_models_gradient_is_zero_and_insensitive(data, linear):
    _, model = linear
    found = infidelity_and_sensitivity("saliency", model, data, genes=np.arange(5, 15))
    np.testing.assert_allclose(found["infidelity"], 0, atol=1e-6)
    np.testing.assert_allclose(found["sensitivity"], 0, atol=1e-6)
    other = infidelity_and_sensitivity("input_x_gradient", model, data, genes=np.arange(5, 15))
    assert np.isnan(other["infidelity"]).all()
    assert (other["sensitivity"] > 0).all()
    with pytest.raises(ChromvizError, match="a weight for each mark and bin"):
        infidelity_and_sensitivity("beta", model, data, genes=np.arange(5, 15))


def test_infidelity_of_a_network_is_finite_and_repeats(data, fitted):
    model = fitted["deepchrome"]
    state = torch.random.get_rng_state()
    first, again = (
        infidelity_and_sensitivity("saliency", model, data, genes=np.arange(5, 9)) for _ in range(2)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    for name, values in first.items():
        assert (values >= 0).all(), name
        np.testing.assert_array_equal(values, again[name])

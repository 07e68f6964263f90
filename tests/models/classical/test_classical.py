import copy
import json
import random
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC
from wittgenstein import RIPPER

from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.models import find_model
from chromviz.models.checkpoint import load_model, save_model
from chromviz.models.classical.base import LabelledGenes
from chromviz.models.classical.rules import alone
from chromviz.models.inference import logits
from chromviz.models.training import train_once
from chromviz.provenance import hash_arrays
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

NAMES = ("linear-regression", "logistic-regression", "svm", "random-forest", "rules")


def genes(n, seed, n_marks=5, n_bins=20):
    """Genes whose label follows mark 3 with some noise; mark 1 says the opposite, weakly."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.5
    signal = rng.gamma(1.0, 1.0, (n, n_marks, n_bins)).astype(np.float32)
    signal[:, -2] += 2 * (label ^ (rng.random(n) < 0.05))[:, None]
    signal[:, 1] += 0.1 * ~label[:, None]
    return LabelledGenes(signal, label.astype(np.float32))


@cache
def fitted(name, seed=0, **size):
    train_genes, valid_genes = genes(300, 1, **size), genes(100, 2, **size)
    module = find_model(name).build(*train_genes.signal.shape[1:])
    module.fit(train_genes, valid_genes, seed)
    return module.eval(), train_genes, valid_genes


def global_random():
    numpy_state = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpy_state[1].tolist(), torch.get_rng_state().tolist()


def output(module, signal):
    with torch.no_grad():
        return module(torch.from_numpy(signal)).numpy()


@pytest.mark.parametrize(
    ("name", "estimator"),
    [("linear-regression", LinearRegression()), ("logistic-regression", LogisticRegression())],
)
def test_linear_ones_are_scikit_learns(name, estimator):
    module, seen, new = fitted(name)
    x, y = (np.arcsinh(part.signal.astype(float)).mean(2) for part in (seen, new))
    x, y = (x - x.mean(0)) / x.std(0), (y - x.mean(0)) / x.std(0)
    estimator.fit(x, seen.label)
    if name == "linear-regression":
        expected = 4 * (estimator.predict(y) - 0.5)
    else:
        expected = estimator.decision_function(y)
    np.testing.assert_allclose(output(module, new.signal), expected, atol=2e-5)


def test_svm_is_scikit_learns():
    module, seen, new = fitted("svm")
    machine = SVC().fit(module.features.of(seen.signal), seen.label)
    expected = machine.decision_function(module.features.of(new.signal))
    with torch.no_grad():
        decision = module.decide(torch.from_numpy(new.signal)).numpy()
    np.testing.assert_allclose(decision, expected, atol=1e-4)
    # Calibrated on these genes: the expected number of ON is the number of ON.
    p = 1 / (1 + np.exp(-output(module, new.signal).astype(float)))
    assert p.sum() == pytest.approx(new.label.sum(), abs=0.05)


def test_forest_decides_as_scikit_learns():
    module, seen, new = fitted("random-forest", seed=3)
    forest = RandomForestClassifier(500, min_samples_leaf=5, random_state=3)
    forest.fit(module.features.of(seen.signal), seen.label)
    expected = forest.predict_proba(module.features.of(new.signal))[:, 1]
    with torch.no_grad():
        found = module.probability(torch.from_numpy(new.signal)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isfinite(output(module, new.signal)).all()


def test_rules_cover_the_genes_that_the_library_covers():
    module, seen, new = fitted("rules", seed=4)

    def table(part):
        above = module._above(torch.from_numpy(module.features.of(part.signal))).numpy()
        words = np.where(above, "yes", "no")
        return pd.DataFrame(words, columns=[str(place) for place in range(above.shape[1])])

    learner = RIPPER(random_state=4)
    with alone():
        learner.fit(table(seen).assign(ON=seen.label == 1), class_feat="ON", pos_class=True)
    with torch.no_grad():
        averages = module.features(torch.from_numpy(new.signal))
        found = module._meets(module._above(averages)).any(1).tolist()
    assert found == learner.predict(table(new))
    assert 0 < sum(found) < len(found)
    words = module.describe(["a", "b", "c", "d", "e"])
    assert len(words) == len(learner.ruleset_.rules) + 1
    assert any(line.startswith("d above") or " d above" in line for line in words)


def test_rules_probability_by_hand():
    module = copy.deepcopy(fitted("rules")[0])
    wanted = torch.full((2, 45), -1)
    wanted[0, 0] = 1  # mark 0 above its first edge
    wanted[1, 9] = 0  # mark 1 at most its first edge
    module.wanted, module.edges = wanted, torch.zeros(5, 9)
    module.share, module.uncovered = torch.tensor([0.9, 0.5]), torch.tensor(0.2)
    module.features.centre.zero_()
    module.features.spread.fill_(1)
    signal = torch.zeros(4, 5, 20)
    signal[:2, 0] = 1
    signal[1:3, 1] = 1
    expected = [0.7, 0.9, 0.2, 0.5]  # both rules, the first, none, the second
    torch.testing.assert_close(module.probability(signal), torch.tensor(expected))


@pytest.mark.parametrize("name", NAMES)
def test_genes_do_not_see_each_other(name):
    module, _, new = fitted(name)
    whole = logits(module, new.signal)
    order = np.random.default_rng(0).permutation(len(whole))
    np.testing.assert_allclose(logits(module, new.signal[order]), whole[order], atol=1e-5)
    np.testing.assert_allclose(logits(module, new.signal, batch_size=7), whole, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_gives_the_same_bits(name, tmp_path):
    dataset = make_dataset(120, window=Window(1000, 100))
    state = global_random()
    model = train_once(name, dataset, seed=1)
    assert global_random() == state
    assert train_once(name, dataset, seed=1).card.weights_hash == model.card.weights_hash
    save_model(model, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    signal = dataset["signal"].values[5:]
    np.testing.assert_array_equal(logits(loaded.module, signal), logits(model.module, signal))
    assert loaded.card == model.card
    assert model.card.metrics["epochs"] is None
    assert model.card.metrics["test_auc"] > 0.7


@pytest.mark.parametrize("name", NAMES)
def test_other_sizes_and_marks_that_never_vary(name):
    module, _, new = fitted(name, n_marks=7, n_bins=33)
    assert output(module, new.signal).shape == (100,)
    flat = LabelledGenes(new.signal.copy(), new.label)
    flat.signal[:, 2] = 0
    module = find_model(name).build(7, 33)
    module.fit(flat, flat, 0)
    assert np.isfinite(output(module, flat.signal)).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "svm"])
def test_its_own_weights_lie_on_the_cause(name):
    module, seen, _ = fitted(name)
    weight = module.own_weights()
    assert weight.shape == seen.signal.shape[1:]
    assert np.abs(weight).sum(axis=1).argmax() == 3
    if name.endswith("regression"):
        assert weight[3].min() > 0 > weight[1].max()
    else:
        assert weight.min() >= 0
        assert weight.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["linear-regression", "logistic-regression"])
def test_coefficients_are_gradients_by_arcsinh(name):
    module, _, new = fitted(name)
    z = torch.asinh(torch.from_numpy(new.signal)).requires_grad_()
    module(torch.sinh(z)).sum().backward()
    for one in z.grad:
        np.testing.assert_allclose(one, module.own_weights(), rtol=1e-3, atol=1e-5)


def test_extract_gives_them_in_the_attribution_format():
    dataset = make_dataset(120, window=Window(1000, 100))
    found = extract("coefficients", dataset, train_once("logistic-regression", dataset))
    assert found["weight"].dims == ("mark", "bin")
    assert found.attrs["signed"] == 1
    rules = extract("importances", dataset, train_once("rules", dataset))
    assert "H3K4me3 above" in rules.attrs["rules"]
    saliency = extract("saliency", dataset, train_once("svm", dataset))
    assert np.abs(saliency["weight"].values).max() > 0
    forest = train_once("random-forest", dataset)
    with pytest.raises(ChromvizError, match="needs a gradient, and random-forest has none"):
        extract("saliency", dataset, forest)
    with pytest.raises(ChromvizError, match="needs a model that has coefficients"):
        extract("coefficients", dataset, forest)


@pytest.mark.parametrize("damage", ["missing", "flat", "text"])
def test_damaged_files_are_refused(damage, tmp_path):
    model = train_once("svm", make_dataset(120, window=Window(1000, 100)))
    save_model(model, tmp_path / "m")
    file = tmp_path / "m.safetensors"
    state = load_file(file)
    if damage == "missing":
        del state["dual"]
    elif damage == "flat":
        state["support"] = state["support"].flatten()
    else:
        state["dual"] = state["dual"][:-1].clone()
    save_file(state, file)
    with pytest.raises(ChromvizError, match="is damaged"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("change", ["missing", "flat", "another", "fit"])
def test_tensors_that_the_model_does_not_have_are_refused(change, tmp_path):
    """Even where the card has the hash of the file, as in one that someone has made up."""
    save_model(train_once("svm", make_dataset(120, window=Window(1000, 100))), tmp_path / "m")
    file, card = tmp_path / "m.safetensors", tmp_path / "m.json"
    state = load_file(file)
    if change == "missing":
        del state["dual"]
    elif change == "flat":
        state["support"] = state["support"].flatten()
    else:
        state[change] = torch.zeros(2)
    save_file(state, file)
    made_up = hash_arrays({name: value.numpy() for name, value in state.items()})
    card.write_text(json.dumps(json.loads(card.read_text()) | {"weights_hash": made_up}))
    with pytest.raises(ChromvizError, match="is damaged") as error:
        load_model(tmp_path / "m")
    assert "\n" not in str(error.value)

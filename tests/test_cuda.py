"""Results on a GPU equal those on the CPU. Only the comparison itself is tested without a GPU."""

import numpy as np
import pytest
import torch

from chromviz.catalog import methods, models
from chromviz.errors import CannotServeError, ChromvizError
from chromviz.extractors.explain import extract, serves
from chromviz.models.inference import logits, session
from chromviz.models.training import takes_steps, train_once
from chromviz.settings import Settings
from chromviz.vocabulary import Window
from tests.conftest import make_dataset

SMALL = make_dataset(window=Window(1000, 100))
NETWORKS = [name for name, spec in models().items() if takes_steps(spec, SMALL)]
METHODS = [name for name, method in methods().items() if not method.is_control]

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def data():
    return SMALL


@pytest.fixture(scope="module")
def fitted(data):
    return {name: train_once(name, data, settings=Settings(max_epochs=3)) for name in NETWORKS}


def assert_alike(there, here):
    """Compare every number of two attributions of the same genes."""
    assert set(there.data_vars) == set(here.data_vars)
    floats = [name for name, found in here.data_vars.items() if found.dtype.kind == "f"]
    for name in floats:
        scale = float(np.abs(here["weight"]).max()) if name == "weight" else 1
        np.testing.assert_allclose(there[name], here[name], atol=1e-4 * scale, err_msg=name)


def test_the_comparison_sees_every_number(data):
    """On any machine: each variable that it should compare is there, and a change is noticed."""
    model = train_once("lstm-alpha", data, settings=Settings(max_epochs=1))
    here = extract("integrated_gradients", data, model)
    assert_alike(here.copy(deep=True), here)
    for name in ("weight", "probability", "delta", "difference"):
        there = here.copy(deep=True)
        there[name][0] += 1e-2
        with pytest.raises(AssertionError, match=name):
            assert_alike(there, here)
    with pytest.raises(AssertionError):
        assert_alike(here.drop_vars("delta"), here)


def flags():
    """Return torch's global settings of how a GPU computes."""
    backends = torch.backends
    return backends.cudnn.enabled, backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32


@on_gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_the_cpu_s(data, fitted, name):
    module, signal = fitted[name].module, data["signal"].fillna(0).values
    before = flags()
    there = logits(module, signal, device="cuda")
    np.testing.assert_allclose(there, logits(module, signal), rtol=1e-5, atol=1e-5)
    assert flags() == before
    assert {tensor.device.type for tensor in module.state_dict().values()} == {"cpu"}


@on_gpu
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NETWORKS)
def test_explanations_are_the_cpu_s(data, fitted, name, method):
    if reason := serves(methods()[method], fitted[name]):
        pytest.skip(reason)
    before = flags()
    fewer = {"steps": 100} if method == "class_optimization" else {}
    try:
        here = extract(method, data, fitted[name], **fewer)
    except CannotServeError as reason:
        pytest.skip(str(reason))
    there = extract(method, data, fitted[name], device="cuda", **fewer)
    assert there.attrs["device"] == "cuda"
    if method == "class_optimization":
        # RMSprop's first steps follow a slope's sign, however flat it is: inputs drift apart where
        # the model does not mind.
        r = np.corrcoef(there["weight"].values.ravel(), here["weight"].values.ravel())[0, 1]
        assert r > 0.99
        reached = [found.attrs["probability_reached"] for found in (here, there)]
        assert abs(np.diff(reached)) < 1e-3
        return
    assert_alike(there, here)
    assert flags() == before


@on_gpu
def test_batches_do_not_matter(data, fitted):
    """On a GPU more genes go into a pass."""
    for name in NETWORKS:
        few, many = (
            extract("saliency", data, fitted[name], device="cuda", batch_size=size)["weight"]
            for size in (3, None)
        )
        np.testing.assert_allclose(few, many, atol=1e-5 * float(np.abs(many).max()))


@on_gpu
def test_too_little_memory_is_one_error(fitted):
    module = fitted["lstm-alpha"].module
    with (
        pytest.raises(ChromvizError, match="memory of the device 'cuda' is too small"),
        session(module, "cuda"),
    ):
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
    assert next(module.parameters()).device.type == "cpu"


@on_gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_training_takes_place_there_and_ends_here(data, name):
    model = train_once(name, data, settings=Settings(max_epochs=3), device="cuda")
    assert model.card.device.startswith("cuda")
    assert {tensor.device.type for tensor in model.module.state_dict().values()} == {"cpu"}
    assert 0.5 < model.card.metrics["test_auc"] <= 1

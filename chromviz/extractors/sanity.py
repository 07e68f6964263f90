"""Models with re-randomised weights, whose explanations must differ from the original's.

An explanation that does not change does not explain the model (Adebayo et al. 2018).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.extractors.conditions import Conditions
from chromviz.models import find_model
from chromviz.models.checkpoint import TrainedModel, weights_hash
from chromviz.models.classical.base import Fitted
from chromviz.models.layers import input_of, read_as

#: Ways to re-randomise layers.
WAYS = ("cascading", "independent")


def layers(module: nn.Module) -> list[tuple[str, list[str]]]:
    """Return the submodules with parameters, in order, each with the names of its parameters.

    Each parameter that the network itself holds (a context vector) counts as a layer.
    """
    found = []
    for name, part in module.named_modules():
        own = [item for item, _ in part.named_parameters(recurse=False)]
        if own and not name:
            found += [(item, [item]) for item in own]
        elif own:
            found.append((name, [f"{name}.{item}" for item in own]))
    return found


def untrained(model: TrainedModel, seed: int = 0) -> TrainedModel:
    """Return the network before training, with the transform of the trained one."""
    return _altered(model, _fresh(model, seed), "untrained", seed)


def randomised(
    model: TrainedModel, way: str = "cascading", seed: int = 0
) -> Iterator[tuple[str, TrainedModel]]:
    """Re-randomise the layers of a network, from the output to the input; yield (layer, model).

    `way` is ``cascading``, each layer together with those after it, or ``independent``, one layer
    at a time. Each is initialised by the architecture, from the seed and its position.
    """
    if way not in WAYS:
        raise ChromvizError(f"the way to re-randomise layers is {' or '.join(WAYS)}, not {way!r}")
    state = copy.deepcopy(model.module.state_dict())
    for place, (name, parameters) in enumerate(reversed(layers(model.module))):
        fresh = _fresh(model, seed * 1000 + place).state_dict()
        mixed = state if way == "cascading" else dict(state)
        for parameter in parameters:
            mixed[parameter] = fresh[parameter]
        module = copy.deepcopy(model.module)
        module.load_state_dict(mixed)
        yield name, _altered(model, module, f"{way}: {name}", seed)


def weights_when_randomised(
    methods: Sequence[str], model: TrainedModel, conditions: Conditions
) -> Iterator[tuple[str, np.ndarray, np.ndarray, dict[str, Any]]]:
    """Explain :attr:`Conditions.few` again after each re-randomised layer of a network.

    Yields the method, its weights (gene, mark and bin) before and after, and the step: ``way``,
    ``layer``, and ``last``, whether all layers are re-randomised now.
    """
    few = conditions.few
    before = {name: conditions.weights(name, model, few) for name in methods}
    for way in WAYS:
        steps = list(randomised(model, way, conditions.seed))
        for done, (layer, changed) in enumerate(steps, 1):
            last = way == "cascading" and done == len(steps)
            for name in methods:
                after = conditions.weights(name, changed, few)
                yield name, before[name], after, {"way": way, "layer": layer, "last": last}
            conditions.progress(f"{way} layers of {model.card.name}", done, len(steps))


def _fresh(model: TrainedModel, seed: int) -> nn.Module:
    """Build the architecture again; buffers (the scale of the transform) are copied."""
    if isinstance(model.module, Fitted):
        raise ChromvizError(f"{model.card.name} has no layers to re-randomise; check a network")
    if model.card.members:
        raise ChromvizError(
            f"{model.card.name} is an ensemble; check one of its members (--seeds 1)"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec = find_model(model.card.name.partition("@")[0])
        module = spec.build(len(model.card.marks), model.card.n_bins)
    read_as(module, input_of(model.module))
    buffers = {name for name, _ in module.named_buffers()}
    kept = {name: value for name, value in model.module.state_dict().items() if name in buffers}
    module.load_state_dict(kept, strict=False)
    return module.eval()


def _altered(model: TrainedModel, module: nn.Module, what: str, seed: int) -> TrainedModel:
    card = replace(
        model.card,
        variant=what,
        seed=seed,
        metrics=dict.fromkeys(model.card.metrics),
        curve=[],
        weights_hash=weights_hash(module),
    )
    return TrainedModel(module.eval(), card)

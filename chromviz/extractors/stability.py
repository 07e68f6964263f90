"""Whether an explanation stays the same under noise and in another training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr

from chromviz.extractors.collect import spread_of
from chromviz.extractors.conditions import Conditions
from chromviz.models.checkpoint import TrainedModel

#: Standard deviation of the noise, as a share of each mark's own over the training genes.
NOISE = 0.1

#: Pairs of weights to compare, each (gene, mark and bin).
Pairs = list[tuple[np.ndarray, np.ndarray]]


def noisy_copy(conditions: Conditions) -> xr.Dataset:
    """Return the dataset with Gaussian noise added to the genes of the tests.

    Its standard deviation is a tenth of that of each mark over the training genes.
    """
    dataset = conditions.dataset
    signal = dataset["signal"].values.copy()
    rng = np.random.default_rng([conditions.seed, 4])
    noise = rng.standard_normal((len(conditions.genes), *signal.shape[1:]))
    spread = spread_of(dataset, np.float64)
    signal[conditions.genes] += (NOISE * spread * noise).astype(np.float32)
    return dataset.assign(signal=(("gene", "mark", "bin"), signal))


def compared_weights(
    method: str,
    model: TrainedModel,
    others: Sequence[TrainedModel],
    conditions: Conditions,
    noisy: xr.Dataset,
) -> dict[str, Pairs]:
    """Return pairs of weights: with those of noisy genes, and between all trainings.

    `others` are the same architecture trained from other seeds, and `noisy` is :func:`noisy_copy`.
    Keys: ``noise`` and, if there are other trainings, ``seeds``.
    """
    first = conditions.weights(method, model)
    pairs = {"noise": [(first, conditions.weights(method, model, dataset=noisy))]}
    if others:
        weights = [first, *(conditions.weights(method, one) for one in others)]
        pairs["seeds"] = list(combinations(weights, 2))
    return pairs

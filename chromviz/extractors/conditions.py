"""The genes and settings of the tests that run models, and weights under noise and other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import xarray as xr

from chromviz.extractors.collect import NOISE, gene_generator, spread_of
from chromviz.extractors.explain import extract
from chromviz.models.checkpoint import TrainedModel
from chromviz.progress import Progress, silent

#: Number of genes in the tests that run a model most often.
FEW = 50

#: Pairs of weights to compare, each (gene, mark and bin).
Pairs = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Conditions:
    """What tests that run a model share: `genes` are positions of genes; others as in `extract`."""

    dataset: xr.Dataset
    genes: np.ndarray
    seed: int = 0
    device: str = "cpu"
    progress: Progress = silent

    @property
    def few(self) -> np.ndarray:
        """Positions of the genes of the most expensive tests, drawn from `genes`."""
        return draw_some(self.dataset["gene"].values, self.genes, FEW, self.seed)

    def weights(
        self,
        method: str,
        model: TrainedModel,
        genes: np.ndarray | None = None,
        dataset: xr.Dataset | None = None,
    ) -> np.ndarray:
        """Return a model's weights (gene, mark and bin) of `genes`, or of other genes or data."""
        rows = self.genes if genes is None else genes
        data = self.dataset if dataset is None else dataset
        found = extract(method, data, model, genes=rows, device=self.device, seed=self.seed)
        return np.asarray(found["weight"].values.reshape(len(rows), -1))


def draw_some(ids: np.ndarray, rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw `n` of the genes `rows` at random without replacement; return positions in order.

    Each gene draws a number from the seed and its id, so the order of genes does not matter.
    """
    drawn = np.array([gene_generator(seed, f"few {ids[row]}").random() for row in rows])
    return np.sort(rows[np.argsort(drawn, kind="stable")[:n]])


def noisy_copy(conditions: Conditions) -> xr.Dataset:
    """Return the dataset with Gaussian noise, :data:`NOISE` times each mark's SD, in the genes."""
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
    """Return pairs of weights: ``noise``, of genes and noisy genes; ``seeds``, of two trainings.

    `others` are the same architecture trained from other seeds, and `noisy` is :func:`noisy_copy`.
    """
    first = conditions.weights(method, model)
    pairs = {"noise": [(first, conditions.weights(method, model, dataset=noisy))]}
    if others:
        weights = [first, *(conditions.weights(method, one) for one in others)]
        pairs["seeds"] = list(combinations(weights, 2))
    return pairs

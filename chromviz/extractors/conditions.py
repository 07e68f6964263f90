"""The genes and settings with which the tests of a validation run models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from chromviz.extractors.collect import gene_generator
from chromviz.extractors.explain import extract
from chromviz.models.checkpoint import TrainedModel
from chromviz.progress import Progress, silent

#: Number of genes in the tests that run a model most often.
FEW = 50


@dataclass(frozen=True)
class Conditions:
    """What all tests that run a model have in common.

    `genes` are positions of the test genes that models are run on; `seed`, `device` and `progress`
    are as for :func:`chromviz.extractors.extract`.
    """

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

    Each gene draws one number from the seed and its id, and the lowest `n` are taken. The genes
    therefore come from the whole genome, and do not depend on the order in which a file lists them.
    """
    drawn = np.array([gene_generator(seed, f"few {ids[row]}").random() for row in rows])
    return np.sort(rows[np.argsort(drawn, kind="stable")[:n]])

"""Models that are fitted by one call, and not by gradient steps.

The result is stored in buffers, like that of a network in parameters, so that these models are
kept, checked and loaded like all others: as tensors, never as pickled objects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from torch import nn


class LabelledGenes(NamedTuple):
    """Genes to learn from: complete signal float32 (gene, mark, bin), and label (gene,) 1 or 0."""

    signal: np.ndarray
    label: np.ndarray


class Fitted(nn.Module, ABC):
    """A model that is trained by one call of :meth:`fit`."""

    @abstractmethod
    def fit(self, train: LabelledGenes, valid: LabelledGenes, seed: int) -> None:
        """Learn from the training genes; the validation genes may be used to choose settings."""

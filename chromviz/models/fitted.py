"""Models that are fitted in one go, not by gradient steps: what they have in common.

What such a model has learned lies in its buffers, as a network's lies in its parameters, so that
it is kept, checked and loaded as every other model: as tensors, never as pickled objects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from torch import nn


class Genes(NamedTuple):
    """Some genes to learn from.

    Attributes
    ----------
    signal
        float32 (gene, mark, bin), complete.
    label
        float32 (gene,), 1 for ON and 0 for OFF.
    """

    signal: np.ndarray
    label: np.ndarray


class Fitted(nn.Module, ABC):
    """A model whose numbers come from one call of :meth:`fit`."""

    @abstractmethod
    def fit(self, train: Genes, valid: Genes, seed: int) -> None:
        """Learn from the training genes; the validation genes may choose among settings.

        Parameters
        ----------
        train, valid
            Genes of both states each.
        seed
            Decides all that is drawn.
        """

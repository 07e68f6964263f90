"""Models that are fitted by one call, and not by gradient steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class LabelledGenes(NamedTuple):
    """Genes to learn from: complete signal float32 (gene, mark, bin), and label (gene,) 1 or 0."""

    signal: np.ndarray
    label: np.ndarray


class Fitted(nn.Module, ABC):
    """A model that is trained by one call of :meth:`fit`, which stores the result in buffers.

    It is kept and loaded like a network: as tensors, never as pickled objects.
    """

    @abstractmethod
    def fit(self, train: LabelledGenes, valid: LabelledGenes, seed: int) -> None:
        """Learn from the training genes; the validation genes may be used to choose settings."""

    def hold(self, **arrays: np.ndarray | np.generic) -> None:
        """Store arrays in buffers, which take their type and size."""
        for name, value in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.array(value)))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Resize the buffers to the tensors of the file, as for the number of support vectors."""
        for name, buffer in list(self._buffers.items()):
            found = state_dict.get(prefix + name)
            if buffer is not None and isinstance(found, torch.Tensor) and found.ndim == buffer.ndim:
                self._buffers[name] = torch.empty_like(found, device=buffer.device)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def keep_inside(p: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the logit of a probability that is clipped to [margin, 1 - margin]."""
    p = p.clamp(margin, 1 - margin)
    return (p / (1 - p)).log()

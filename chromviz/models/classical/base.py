"""The base of the older models: buffers whose size is known only after fitting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from chromviz.models.fitted import Fitted


class Classical(Fitted):
    """A fitted model whose buffers take the size of the arrays that are stored in them."""

    def hold(self, **arrays: np.ndarray | np.generic) -> None:
        """Store arrays in buffers of their type."""
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

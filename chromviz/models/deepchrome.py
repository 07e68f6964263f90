"""DeepChrome, the convolutional baseline (Bioinformatics 32(17), 2016)."""

from __future__ import annotations

import torch
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.models.layers import InputTransform

CHANNELS, KERNEL, POOL = 50, 10, 5


class DeepChrome(nn.Module):
    """One convolution over bins with all marks as channels, max-pooling, and a three-layer MLP.

    Conv1d(marks → 50, width 10), ReLU, max-pool 5, dropout 0.5, then 900 → 625 → 125 → 2 with
    ReLU. The published network ends in a log-softmax of two outputs; their difference is the
    logit of ON, and cross-entropy on it is the same loss. 644,177 parameters for 5 × 100.

    Parameters
    ----------
    n_marks, n_bins
        Size of the input; at least 14 bins.

    Raises
    ------
    ChromvizError
        If there are too few bins for the convolution and the pooling.
    """

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        positions = (n_bins - KERNEL + 1) // POOL
        if positions < 1:
            raise ChromvizError(
                f"deepchrome needs at least {KERNEL + POOL - 1} bins, not {n_bins}; "
                "choose another model or narrower bins"
            )
        self.transform = InputTransform(n_marks)
        self.convolution = nn.Sequential(
            nn.Conv1d(n_marks, CHANNELS, KERNEL), nn.ReLU(), nn.MaxPool1d(POOL), nn.Dropout(0.5)
        )
        self.mlp = classifier(CHANNELS * positions)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        outputs = self.mlp(self.convolution(self.transform(signal)).flatten(1))
        logit: torch.Tensor = outputs[:, 1] - outputs[:, 0]
        return logit


def classifier(features: int) -> nn.Sequential:
    """Return DeepChrome's MLP, features → 625 → 125 → 2 with ReLU."""
    return nn.Sequential(
        nn.Linear(features, 625), nn.ReLU(), nn.Linear(625, 125), nn.ReLU(), nn.Linear(125, 2)
    )

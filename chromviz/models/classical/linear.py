"""Linear and logistic regression on mark averages (Karlić et al., PNAS 2010)."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression

from chromviz.models.classical.base import Classical
from chromviz.models.classical.features import MarkAverages
from chromviz.models.fitted import LabelledGenes


class _OnAverages(Classical):
    """A weighted sum of mark averages.

    Parameters
    ----------
    n_marks, n_bins
        Size of the input.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.features = MarkAverages(n_marks, n_bins)
        self.hold(weight=np.zeros(n_marks, np.float32), bias=np.float32(0))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        logit: torch.Tensor = (self.features(signal) * self.weight).sum(1) + self.bias
        return logit

    def own_weights(self) -> np.ndarray:
        """Return the slope of the logit with respect to the arcsinh of each bin, (mark, bin)."""
        slope = (self.weight / self.features.spread).cpu().numpy()
        return self.features.spread_out(slope)


class LinearOnAverages(_OnAverages):
    """Least squares of the label, 1 or 0, on mark averages.

    Karlić et al. regress expression; here it is the label, as in the paper's comparison. The
    fitted value ŷ estimates the probability of ON but may leave [0, 1], where the logit is
    undefined. The logit is replaced by its tangent at 1/2, 4 (ŷ - 1/2), which keeps the order and
    the side of 1/2.
    """

    def fit(self, train: LabelledGenes, valid: LabelledGenes, seed: int) -> None:
        """Solve the least squares problem; the seed has no effect."""
        found = LinearRegression().fit(self.features.fit(train).astype(np.float64), train.label)
        self.hold(weight=np.float32(4 * found.coef_), bias=np.float32(4 * (found.intercept_ - 0.5)))


class LogisticOnAverages(_OnAverages):
    """Logistic regression on mark averages, with scikit-learn's ridge penalty (C = 1)."""

    def fit(self, train: LabelledGenes, valid: LabelledGenes, seed: int) -> None:
        """Maximise the penalised likelihood; the seed has no effect."""
        found = LogisticRegression(max_iter=1000).fit(
            self.features.fit(train).astype(np.float64), train.label
        )
        self.hold(weight=np.float32(found.coef_[0]), bias=np.float32(found.intercept_[0]))

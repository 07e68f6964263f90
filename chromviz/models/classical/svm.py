"""A support vector machine on all bins (Cheng et al., Genome Biology 2011)."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from chromviz.models.classical.base import Classical
from chromviz.models.classical.features import BinValues
from chromviz.models.fitted import LabelledGenes


class SVMOnBins(Classical):
    """A support vector machine with a radial kernel on the bins of all marks.

    C = 1 and γ = 1 / (features × variance), scikit-learn's defaults. The logit is a·d + b for the
    decision value d (Platt 1999), fitted on the validation genes: on the training genes, d is
    overconfident.

    Parameters
    ----------
    n_marks, n_bins
        Size of the input.
    """

    support: torch.Tensor
    dual: torch.Tensor
    gamma: torch.Tensor
    offset: torch.Tensor
    platt: torch.Tensor

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.features = BinValues(n_marks, n_bins)
        self.hold(
            support=np.zeros((1, n_marks * n_bins), np.float32),
            dual=np.zeros(1, np.float32),
            gamma=np.float32(0),
            offset=np.float32(0),
            platt=np.array([1, 0], np.float32),
        )

    def fit(self, train: LabelledGenes, valid: LabelledGenes, seed: int) -> None:
        """Find the support vectors, then calibrate; the seed has no effect."""
        # In MB: the kernel matrix of 6,600 genes takes 350.
        machine = SVC(cache_size=500).fit(self.features.fit(train), train.label)
        decision = machine.decision_function(self.features.of(valid.signal))
        # This weak penalty only keeps the coefficients finite if the classes are separable.
        line = LogisticRegression(C=1e4).fit(decision[:, None], valid.label)
        self.hold(
            support=np.float32(machine.support_vectors_),
            dual=np.float32(machine.dual_coef_[0]),
            gamma=np.float32(machine._gamma),
            offset=np.float32(machine.intercept_[0]),
            platt=np.array([line.coef_[0, 0], line.intercept_[0]], np.float32),
        )

    def decide(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the decision values (batch,) of signal (batch, mark, bin)."""
        features = self.features(signal)
        squared = (
            features.square().sum(1, keepdim=True)
            + self.support.square().sum(1)
            - 2 * features @ self.support.t()
        )
        return torch.exp(-self.gamma * squared.clamp_min(0)) @ self.dual + self.offset

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        return self.platt[0] * self.decide(signal) + self.platt[1]

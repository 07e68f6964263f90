"""Features of the older models, from the arcsinh of the signal, standardised on training genes.

The arcsinh replaces the logarithms of their papers: it is defined for zero and negative values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import nn

from chromviz.models.classical.base import LabelledGenes


class Features(nn.Module, ABC):
    """Features of a gene, standardised by mean and standard deviation over the training genes."""

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, n_marks: int, n_bins: int, count: int) -> None:
        super().__init__()
        self.n_marks, self.n_bins = n_marks, n_bins
        self.register_buffer("centre", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))

    @abstractmethod
    def select(self, values: torch.Tensor) -> torch.Tensor:
        """Return the features (batch, feature) of arcsinh of signal (batch, mark, bin)."""

    def choose(self, genes: LabelledGenes) -> None:
        """Choose the features, if they depend on the training genes."""

    def fit(self, genes: LabelledGenes) -> np.ndarray:
        """Learn from the training genes; return their features, float32 (gene, feature)."""
        self.choose(genes)
        with torch.no_grad():
            found = self.select(torch.asinh(torch.from_numpy(genes.signal))).double()
            spread = found.std(0, correction=0)
            spread[spread == 0] = 1  # a constant feature
            self.centre.copy_(found.mean(0))
            self.spread.copy_(spread)
        return self.of(genes.signal)

    def of(self, signal: np.ndarray) -> np.ndarray:
        """Return the features of signal (gene, mark, bin) as an array."""
        with torch.no_grad():
            found: np.ndarray = self(torch.from_numpy(signal)).numpy()
        return found

    def spread_out(self, weight: np.ndarray) -> np.ndarray:
        """Return weights of features (feature,) as weights of bins (mark, bin)."""
        of_features = torch.from_numpy(weight).to(self.centre.device)
        bins = of_features.new_zeros(1, self.n_marks, self.n_bins).requires_grad_()
        # Features are linear in the bins.
        with torch.enable_grad():
            (found,) = torch.autograd.grad((self.select(bins) * of_features).sum(), bins)
        return np.asarray(found[0].cpu())

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the features (batch, feature) of signal (batch, mark, bin)."""
        return (self.select(torch.asinh(signal)) - self.centre) / self.spread


class MarkAverages(Features):
    """The mean of each mark over its bins, as in Karlić et al. (2010) and Ho et al. (2015)."""

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__(n_marks, n_bins, n_marks)

    def select(self, values: torch.Tensor) -> torch.Tensor:
        """Return the means over bins."""
        return values.mean(2)


class BinValues(Features):
    """Every bin of every mark, as in Cheng et al. (2011)."""

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__(n_marks, n_bins, n_marks * n_bins)

    def select(self, values: torch.Tensor) -> torch.Tensor:
        """Return the bins, mark by mark."""
        return values.flatten(1)


class BestBins(Features):
    """The bin of each mark that correlates best with the label, as in Dong et al. (2012).

    The correlation is the absolute value of Pearson's over the training genes; the first bin wins
    a tie.
    """

    best: torch.Tensor

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__(n_marks, n_bins, n_marks)
        self.register_buffer("best", torch.zeros(n_marks, dtype=torch.int64))

    def choose(self, genes: LabelledGenes) -> None:
        """Choose each mark's bin."""
        values = np.arcsinh(genes.signal.astype(np.float64))
        values -= values.mean(axis=0)
        label = genes.label.astype(np.float64) - genes.label.mean(dtype=np.float64)
        size = np.sqrt((values**2).sum(axis=0))
        shared = np.abs(np.einsum("gmb,g->mb", values, label))
        # The correlation of a constant bin counts as 0.
        r = np.divide(shared, size, out=np.zeros_like(size), where=size > 0)
        self.best.copy_(torch.from_numpy(r.argmax(axis=1)))

    def select(self, values: torch.Tensor) -> torch.Tensor:
        """Return the best bin of each mark."""
        return values[:, torch.arange(self.n_marks, device=values.device), self.best]

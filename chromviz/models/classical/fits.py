"""Older models that scikit-learn fits: regressions, a support vector machine, a random forest."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

from chromviz.models.classical.base import Fitted, LabelledGenes, keep_inside
from chromviz.models.classical.features import BestBins, BinValues, MarkAverages

#: Number of trees, and minimum number of training genes in a leaf; the paper does not give them.
_TREES, _LEAF = 500, 5


class _OnAverages(Fitted):
    """A weighted sum of mark averages."""

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


class SVMOnBins(Fitted):
    """A support vector machine with a radial kernel on the bins of all marks.

    C = 1 and γ = 1 / (features × variance), scikit-learn's defaults. The logit is a·d + b for the
    decision value d (Platt 1999), fitted on the validation genes: on the training genes, d is
    overconfident.
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


class ForestOnBestBins(Fitted):
    """A random forest on the best bin of each mark.

    Its probability is the mean over trees of the fraction of ON genes in the leaf. Probabilities
    are clipped at half a tree from 0 and 1, so that the logit is finite.
    """

    feature: torch.Tensor
    threshold: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    share: torch.Tensor
    roots: torch.Tensor
    depth: torch.Tensor
    importance: torch.Tensor

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.features = BestBins(n_marks, n_bins)
        none = np.zeros(1, np.int64)
        self.hold(
            **dict.fromkeys(("feature", "left", "right", "roots"), none),
            **dict.fromkeys(("threshold", "share"), np.zeros(1)),
            depth=np.int64(0),
            importance=np.zeros(n_marks),
        )

    def fit(self, train: LabelledGenes, valid: LabelledGenes, seed: int) -> None:
        """Grow the trees."""
        forest = RandomForestClassifier(
            n_estimators=_TREES, min_samples_leaf=_LEAF, random_state=seed
        ).fit(self.features.fit(train), train.label)
        trees = [tree.tree_ for tree in forest.estimators_]
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        leaf = np.concatenate([tree.children_left for tree in trees]) < 0
        own = np.arange(len(leaf))
        starts = np.repeat(roots, [tree.node_count for tree in trees])

        def child(name: str) -> np.ndarray:
            found = np.concatenate([getattr(tree, name) for tree in trees])
            return np.where(leaf, own, found + starts)  # a leaf leads to itself

        value = np.concatenate([tree.value[:, 0] for tree in trees])
        self.hold(
            feature=np.where(leaf, 0, np.concatenate([tree.feature for tree in trees])),
            threshold=np.concatenate([tree.threshold for tree in trees]),
            left=child("children_left"),
            right=child("children_right"),
            share=value[:, 1] / value.sum(axis=1),
            roots=roots,
            depth=np.int64(max(tree.max_depth for tree in trees)),
            importance=forest.feature_importances_,
        )

    def probability(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the probability of ON, double (batch,), for signal (batch, mark, bin)."""
        features = self.features(signal).double()  # thresholds are doubles
        node = self.roots.expand(len(signal), -1)
        for _ in range(int(self.depth)):
            goes_left = features.gather(1, self.feature[node]) <= self.threshold[node]
            node = torch.where(goes_left, self.left[node], self.right[node])
        return self.share[node].mean(1)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        return keep_inside(self.probability(signal), 0.5 / len(self.roots)).to(signal.dtype)

    def own_weights(self) -> np.ndarray:
        """Return the decrease in impurity due to each best bin, (mark, bin); sums to 1."""
        return self.features.spread_out(self.importance.cpu().numpy())

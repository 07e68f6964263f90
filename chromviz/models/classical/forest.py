"""A random forest on best bins (Dong et al., Genome Biology 2012)."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from chromviz.models.classical.base import Classical, keep_inside
from chromviz.models.classical.features import BestBins
from chromviz.models.fitted import LabelledGenes

#: Number of trees, and minimum number of training genes in a leaf; the paper does not give them.
_TREES, _LEAF = 500, 5


class ForestOnBestBins(Classical):
    """A random forest on the best bin of each mark.

    Its probability is the mean over trees of the fraction of ON genes in the leaf. Probabilities
    are clipped at half a tree from 0 and 1, so that the logit is finite.

    Parameters
    ----------
    n_marks, n_bins
        Size of the input.
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

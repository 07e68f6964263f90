"""A learner of rules on mark averages, after the rule-based models that the paper compares with."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch

from chromviz.models.classical.base import Classical, keep_inside
from chromviz.models.classical.features import MarkAverages
from chromviz.models.fitted import Genes

#: A rule compares a mark's average with the training genes' tenths.
_TENTHS = 10

#: A comparison that a rule does not ask for.
_ANY = -1


class RulesOnAverages(Classical):
    """RIPPER (Cohen 1995), as the library wittgenstein has it, on mark averages.

    A rule asks for some marks' averages to lie above, or not above, certain tenths of the training
    genes. A gene's probability of ON is the mean, over the rules that it meets, of the (smoothed)
    share of ON among the training genes that meet the rule; for a gene that meets none, the share
    among those that meet none. So a model gives few distinct probabilities.

    Parameters
    ----------
    n_marks, n_bins
        Size of the input.
    """

    edges: torch.Tensor
    wanted: torch.Tensor
    share: torch.Tensor
    uncovered: torch.Tensor
    support: torch.Tensor

    def __init__(self, n_marks: int, n_bins: int) -> None:
        super().__init__()
        self.features = MarkAverages(n_marks, n_bins)
        self.hold(
            edges=np.zeros((n_marks, _TENTHS - 1), np.float32),
            wanted=np.full((1, n_marks * (_TENTHS - 1)), _ANY),
            share=np.full(1, 0.5, np.float32),
            uncovered=np.float32(0.5),
            support=np.zeros(1, np.float32),
        )

    def fit(self, train: Genes, valid: Genes, seed: int) -> None:
        """Grow and prune the rules."""
        from wittgenstein import RIPPER

        averages = self.features.fit(train)
        edges = np.quantile(averages, np.arange(1, _TENTHS) / _TENTHS, axis=0).T
        self.hold(edges=np.float32(np.ascontiguousarray(edges)))
        above = self._above(torch.from_numpy(averages)).numpy()
        names = [str(place) for place in range(above.shape[1])]
        table = pd.DataFrame(np.where(above, "yes", "no"), columns=names)
        table["ON"] = train.label == 1
        learner = RIPPER(random_state=seed)
        with _alone():
            learner.fit(table, class_feat="ON", pos_class=True)
        rules = learner.ruleset_.rules
        wanted = np.full((len(rules), len(names)), _ANY)
        for row, rule in enumerate(rules):
            for condition in rule.conds:
                wanted[row, int(condition.feature)] = condition.val == "yes"
        self.hold(wanted=wanted)
        meets = self._meets(torch.from_numpy(above)).numpy()
        self.hold(
            share=np.array([_share(train.label[rows]) for rows in meets.T], np.float32),
            uncovered=np.float32(_share(train.label[~meets.any(axis=1)])),
            support=meets.mean(axis=0, dtype=np.float64).astype(np.float32),
        )

    def probability(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the probability of ON (batch,), for signal (batch, mark, bin)."""
        meets = self._meets(self._above(self.features(signal))).to(self.share.dtype)
        number = meets.sum(1)
        mean = (meets * self.share).sum(1) / number.clamp_min(1)
        return torch.where(number > 0, mean, self.uncovered)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        return keep_inside(self.probability(signal), 1e-6).to(signal.dtype)

    def own_weights(self) -> np.ndarray:
        """Return how much rules use each mark, shared among its bins, (mark, bin); sums to 1.

        A rule weighs as much as the training genes that meet it, and lays that on its marks in
        equal parts.
        """
        asked = (self.wanted != _ANY).cpu().numpy()
        used = asked.reshape(len(asked), -1, _TENTHS - 1).any(2)
        weight = self.support.cpu().numpy()[:, None] * used / np.maximum(used.sum(1), 1)[:, None]
        total = weight.sum()
        by_mark = weight.sum(0) / total if total > 0 else weight.sum(0)
        return self.features.spread_out(by_mark)

    def describe(self, marks: Sequence[str]) -> list[str]:
        """Return the rules in words, the averages being those of arcsinh of the signal.

        Parameters
        ----------
        marks
            Names of the marks, in the order of the signal.
        """
        centre, spread = self.features.centre.cpu().numpy(), self.features.spread.cpu().numpy()
        edges = self.edges.cpu().numpy() * spread[:, None] + centre[:, None]
        lines = []
        for wanted, share, support in zip(
            self.wanted.cpu().numpy(), self.share.cpu(), self.support.cpu(), strict=True
        ):
            by_mark = zip(marks, edges, wanted.reshape(len(marks), -1), strict=True)
            condition = " and ".join(filter(None, (_between(*item) for item in by_mark)))
            lines.append(f"{condition}: ON with {share:.2f} (met by {support:.1%} of genes)")
        return [*lines, f"no rule met: ON with {float(self.uncovered):.2f}"]

    def _above(self, averages: torch.Tensor) -> torch.Tensor:
        """Return whether each average lies above each of its mark's tenths, (gene, comparison)."""
        return (averages.unsqueeze(2) > self.edges).flatten(1)

    def _meets(self, above: torch.Tensor) -> torch.Tensor:
        """Return which genes meet which rules, (gene, rule)."""
        return ((above.unsqueeze(1) == self.wanted) | (self.wanted == _ANY)).all(2)


def _share(label: np.ndarray) -> float:
    """Return the share of ON, smoothed by one gene of each state."""
    return float((label.sum(dtype=np.float64) + 1) / (len(label) + 2))


def _between(mark: str, edges: np.ndarray, wanted: np.ndarray) -> str:
    """Return what a rule asks of one mark, empty if nothing."""
    low, high = edges[wanted == 1], edges[wanted == 0]
    parts = [f"above {low.max():.3g}"] if len(low) else []
    parts += [f"at most {high.min():.3g}"] if len(high) else []
    return f"{mark} {' and '.join(parts)}" if parts else ""


@contextmanager
def _alone() -> Iterator[None]:
    """Keep to itself what the library does to the rest of the process.

    It seeds Python's random numbers for everyone, and calls pandas in ways that pandas warns of.
    """
    state = random.getstate()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)

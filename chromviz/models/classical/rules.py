"""A rule learner on mark averages, like the rule-based models that the paper compares with."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch

from chromviz.models.classical.base import Fitted, LabelledGenes, keep_inside
from chromviz.models.classical.features import MarkAverages

#: A rule compares the average of a mark with deciles of the training genes.
_TENTHS = 10

#: Marks a comparison that a rule does not use.
_ANY = -1


class RulesOnAverages(Fitted):
    """RIPPER (Cohen 1995), from the library wittgenstein, on mark averages.

    A rule requires the averages of some marks to be above, or not above, certain deciles of the
    training genes. The probability of ON of a gene is the mean, over the rules that it meets, of
    the smoothed fraction of ON among the training genes that meet the rule; for a gene that meets
    none, the fraction among the training genes that meet none. The model therefore has few
    distinct probabilities.
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

    def fit(self, train: LabelledGenes, valid: LabelledGenes, seed: int) -> None:
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
        with alone():
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
        """Return how much the rules use each mark, divided among its bins, (mark, bin); sums to 1.

        A rule weighs the fraction of training genes that meet it, divided among its marks.
        """
        asked = (self.wanted != _ANY).cpu().numpy()
        used = asked.reshape(len(asked), -1, _TENTHS - 1).any(2)
        weight = self.support.cpu().numpy()[:, None] * used / np.maximum(used.sum(1), 1)[:, None]
        total = weight.sum()
        by_mark = weight.sum(0) / total if total > 0 else weight.sum(0)
        return self.features.spread_out(by_mark)

    def describe(self, marks: Sequence[str]) -> list[str]:
        """Return the rules in words; averages are those of the arcsinh of the signal."""
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
        """Return whether each average is above each decile of its mark, (gene, comparison)."""
        return (averages.unsqueeze(2) > self.edges).flatten(1)

    def _meets(self, above: torch.Tensor) -> torch.Tensor:
        """Return which genes meet which rules, (gene, rule)."""
        return ((above.unsqueeze(1) == self.wanted) | (self.wanted == _ANY)).all(2)


def _share(label: np.ndarray) -> float:
    """Return the fraction of ON, smoothed by one gene of each class."""
    return float((label.sum(dtype=np.float64) + 1) / (len(label) + 2))


def _between(mark: str, edges: np.ndarray, wanted: np.ndarray) -> str:
    """Return what a rule requires of one mark; empty if nothing."""
    low, high = edges[wanted == 1], edges[wanted == 0]
    parts = [f"above {low.max():.3g}"] if len(low) else []
    parts += [f"at most {high.min():.3g}"] if len(high) else []
    return f"{mark} {' and '.join(parts)}" if parts else ""


@contextmanager
def alone() -> Iterator[None]:
    """Undo the library's seeding of Python's random numbers, and its warnings from pandas."""
    state = random.getstate()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(state)

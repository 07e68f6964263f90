"""The loss of logit when a part of the signal is replaced by the reference."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import torch

from chromviz.extractors.collect import collect, count, one_reference
from chromviz.extractors.engine import attr
from chromviz.extractors.job import Found, Job

#: Up to this number of marks, all 2**n coalitions are evaluated.
ALL_COALITIONS = 8


def occlusion(job: Job) -> Found:
    """Return the loss of logit without each window of bins of each mark (gene, mark, bin).

    Windows have ``window`` bins, one every ``stride``; a bin in several gets their mean (Zeiler and
    Fergus 2014).
    """
    window = count(job, "window", job.signal.shape[2])
    stride = count(job, "stride", window)
    method, (base, notes) = attr.Occlusion(job.module), one_reference(job)

    def explain(batch: torch.Tensor, rows: slice) -> tuple[torch.Tensor, None]:
        with torch.no_grad():
            found = method.attribute(batch, (1, window), (1, stride), base)
        return found, None

    return collect(job, explain, notes=notes)


def feature_ablation(job: Job) -> Found:
    """Return the loss of logit without each mark (gene, mark)."""
    method, (base, notes) = attr.FeatureAblation(job.module), one_reference(job)
    n_marks = job.signal.shape[1]
    mask = torch.arange(n_marks, device=job.device)[None, :, None]

    def explain(batch: torch.Tensor, rows: slice) -> tuple[torch.Tensor, None]:
        with torch.no_grad():
            found = method.attribute(batch, base, feature_mask=mask)
        return found[:, :, 0], None  # the same for all bins of a mark

    return collect(job, explain, notes=notes)


def shapley_sampling(job: Job) -> Found:
    """Return the Shapley value of each mark in the logit (gene, mark).

    A mark in the coalition has its signal, others have the reference. The values are exact up to
    :data:`ALL_COALITIONS` marks; with more, they are the mean over ``samples`` orders of the marks,
    the same for all genes (Castro et al. 2009). In both cases they add up to the difference in
    logit.
    """
    base, notes = one_reference(job)
    n_marks = job.signal.shape[1]
    exact = n_marks <= ALL_COALITIONS
    rng = np.random.default_rng(job.seed)
    samples = count(job, "samples")
    orders = [] if exact else [rng.permutation(n_marks) for _ in range(samples)]
    worth = _exact_worth(n_marks) if exact else _sampled_worth(n_marks, orders)

    def explain(batch: torch.Tensor, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        found = batch.new_zeros(len(batch), n_marks, dtype=torch.float64)
        with torch.no_grad():
            for present, share in worth.items():
                inside = torch.zeros(n_marks, 1, dtype=torch.bool, device=job.device)
                inside[list(present)] = True
                value = job.module(torch.where(inside, batch, base)).double()
                found += value[:, None] * torch.from_numpy(share).to(job.device)
        return found, base

    return collect(job, explain, notes={**notes, "orders": "all" if exact else str(len(orders))})


def _exact_worth(n_marks: int) -> dict[frozenset[int], np.ndarray]:
    """Return how the value of each coalition counts for each mark, (mark,)."""
    worth = {}
    for size in range(n_marks + 1):
        for members in combinations(range(n_marks), size):
            share = np.empty(n_marks)
            for mark in range(n_marks):
                # As the coalition with the mark, or as the one that it would join.
                before = size - 1 if mark in members else size
                weight = factorial(before) * factorial(n_marks - before - 1) / factorial(n_marks)
                share[mark] = weight if mark in members else -weight
            worth[frozenset(members)] = share
    return worth


def _sampled_worth(n_marks: int, orders: list[np.ndarray]) -> dict[frozenset[int], np.ndarray]:
    """As :func:`_exact_worth`, over a sample of orders of the marks."""
    worth: dict[frozenset[int], np.ndarray] = {}
    for order in orders:
        present: frozenset[int] = frozenset()
        for mark in map(int, order):
            after = present | {mark}
            worth.setdefault(present, np.zeros(n_marks))[mark] -= 1 / len(orders)
            worth.setdefault(after, np.zeros(n_marks))[mark] += 1 / len(orders)
            present = after
    return worth

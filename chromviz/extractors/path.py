"""Integrated gradients by adaptive quadrature.

The integral of the gradient over a piece of the line is the difference of the logits at its ends,
so the error of each piece is known, and only wrong ones are halved. Trained LSTMs need this: their
logit can jump by half a unit within 1/40,000 of the line, too little for even steps to resolve.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from chromviz.extractors.collect import amount, count, one_reference
from chromviz.extractors.engine import attr
from chromviz.extractors.job import Found, Job
from chromviz.models.inference import joined, one_a_gene, over_batches

#: Number of genes whose pieces are in memory at the same time.
_GENES = 256
#: Simpson's rule over a piece's start, middle and end.
_SHARES = np.array([1, 4, 1], np.float32) / 6


class _Pieces(NamedTuple):
    """Pieces of lines, each known at its start, middle and end."""

    row: np.ndarray  # (piece,), position of the gene
    start: np.ndarray  # (piece,), from 0 at the reference
    end: np.ndarray  # (piece,), to 1 at the gene
    weight: np.ndarray  # (piece, 3, mark, bin), gradient times the way from the reference
    logit: np.ndarray  # (piece, 3)

    def take(self, which: np.ndarray) -> _Pieces:
        """Return some of the pieces."""
        return _Pieces(*(part[which] for part in self))

    def change(self) -> np.ndarray:
        """Return the change of the logit over each piece."""
        return np.asarray(self.logit[:, 2] - self.logit[:, 0])

    def totals(self) -> np.ndarray:
        """Return each piece's weights (piece, mark, bin)."""
        length = (self.end - self.start).astype(np.float32)
        return np.asarray(np.einsum("pnmb,n,p->pmb", self.weight, _SHARES, length))


def integrated_gradients(job: Job) -> Found:
    """Return gradients integrated along the line from the reference (Sundararajan et al. 2017).

    The line is cut into ``pieces``, each integrated by Simpson's rule. The error of a piece is the
    difference between the sum of its weights and its change in logit. While the errors of a gene
    add up to more than ``tolerance`` times its total difference (or times 1, if that is smaller),
    the pieces with the largest errors are halved, at most ``halvings`` times. What the smallest
    pieces still miss is distributed in the direction of their gradients; a piece whose gradient
    points against the change in logit is halved as many times more. The largest ratio of what was
    distributed to the gene's difference is recorded as ``most_shared_out``. captum's
    IntegratedGradients gives the same weights where the logit is smooth. Where a reference without
    signal ties every max-pool, rounding decides the gradient, and the batch size changes weights
    within the tolerance.
    """
    n_pieces, halvings = count(job, "pieces"), count(job, "halvings", least=0)
    tolerance = amount(job, "tolerance")
    base, notes = one_reference(job)
    weight = np.zeros(job.signal.shape, np.float64)
    logit, base_logit, shared = np.zeros((3, len(job.signal)))
    used = np.zeros(len(job.signal), int)
    for first in range(0, len(job.signal), _GENES):
        rows = np.arange(first, min(first + _GENES, len(job.signal)))
        line = _Line(job.of(rows), base)
        pieces = line.cut(n_pieces)
        base_logit[rows], logit[rows] = line.ends(pieces)
        scale = np.maximum(np.abs(logit[rows] - base_logit[rows]), 1)
        left = tolerance * scale
        used[rows] = 2 * n_pieces + 1
        for depth in range(2 * halvings + 1):
            totals, change = pieces.totals(), pieces.change()
            error = np.abs(totals.sum(axis=(1, 2), dtype=np.float64) - change)
            wrong = _wrong(error, pieces.row, left)
            if halvings and depth >= halvings:
                at = np.flatnonzero(wrong)
                totals[at], usable = _shared_out(pieces.take(at), totals[at])
                done = at[usable]
                error[done] = 0
                covered = _by_gene(np.abs(change[done]), pieces.row[done], len(rows))
                shared[rows] += covered / scale
                wrong[done] = False
            if depth == 2 * halvings:
                wrong[:] = False
            np.add.at(weight, rows[pieces.row[~wrong]], totals[~wrong])
            left -= _by_gene(np.where(wrong, 0, error), pieces.row, len(rows))
            if not wrong.any():
                break
            pieces = line.halve(pieces.take(wrong))
            np.add.at(used, rows[pieces.row], 1)
        job.progress(job.method, int(rows[-1]) + 1, len(job.signal))
    difference = logit - base_logit
    counted = {
        "most_points": int(used.max()),
        "mean_points": float(used.mean()),
        "most_shared_out": float(shared.max()),
    }
    return Found(
        weight.astype(np.float32),
        logit,
        weight.sum(axis=(1, 2)) - difference,
        {**notes, **counted},
        difference=difference,
    )


def _wrong(error: np.ndarray, row: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return which pieces must be halved, given the error `left` to each gene.

    None if all pieces of a gene together make no more; otherwise all but the best pieces that
    together make half of it, so that some error is left for the next halves.
    """
    order = np.lexsort((error, row))
    made = np.cumsum(error[order])
    genes, first = np.unique(row[order], return_index=True)
    before = np.r_[0.0, made][first]
    total = np.r_[made[first[1:] - 1], made[-1:]] - before
    may = np.zeros(len(left))
    may[genes] = np.where(total <= left[genes], left[genes], left[genes] / 2)
    start = np.zeros(len(left))
    start[genes] = before
    found = np.empty(len(error), bool)
    found[order] = made - start[row[order]] > may[row[order]] + 1e-12
    return found


def _shared_out(pieces: _Pieces, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (piece, mark, bin) that add up to the change in logit, and which are usable.

    They point as the piece's weights do or, if these point against the change, as the steepest
    point that does not; without one, the piece is not usable.
    """
    length = (pieces.end - pieces.start).astype(np.float32)
    found = np.concatenate([totals[:, None], pieces.weight * length[:, None, None, None]], 1)
    change, size = pieces.change(), found.sum(axis=(2, 3), dtype=np.float64)
    along = size * np.sign(change)[:, None]
    chosen = np.where(along[:, 0] > 0, 0, along.argmax(axis=1))
    piece = np.arange(len(found))
    usable = along[piece, chosen] > 0
    factor = np.divide(np.abs(change), along[piece, chosen], out=np.ones(len(found)), where=usable)
    chosen[~usable] = 0
    return np.asarray(found[piece, chosen] * factor[:, None, None], np.float32), usable


def _by_gene(values: np.ndarray, row: np.ndarray, genes: int) -> np.ndarray:
    return np.bincount(row, weights=values, minlength=genes)


class _Line:
    """Lines from one reference to some genes."""

    def __init__(self, job: Job, base: torch.Tensor) -> None:
        self.job = job
        self.base = base.cpu().numpy()
        self.far = job.signal - self.base

    def cut(self, n_pieces: int) -> _Pieces:
        """Cut every line into pieces of one length."""
        genes, places = len(self.far), np.linspace(0, 1, 2 * n_pieces + 1)
        weight, logit = self._at(np.repeat(np.arange(genes), len(places)), np.tile(places, genes))
        first = 2 * np.arange(n_pieces) + len(places) * np.arange(genes)[:, None]
        three = first.reshape(-1, 1) + np.arange(3)
        return _Pieces(
            np.repeat(np.arange(genes), n_pieces),
            np.tile(places[:-2:2], genes),
            np.tile(places[2::2], genes),
            weight[three],
            logit[three],
        )

    def halve(self, pieces: _Pieces) -> _Pieces:
        """Cut each piece in two."""
        row, start, end, weight, logit = pieces
        middle = (start + end) / 2
        places = np.r_[(start + middle) / 2, (middle + end) / 2]
        between, between_logit = self._at(np.r_[row, row], places)
        # Already known: start and middle of the first halves, middle and end of the second.
        known, known_logit = (
            np.concatenate([values[:, :2], values[:, 1:]]) for values in (weight, logit)
        )
        return _Pieces(
            np.r_[row, row],
            np.r_[start, middle],
            np.r_[middle, end],
            np.stack([known[:, 0], between, known[:, 1]], 1),
            np.stack([known_logit[:, 0], between_logit, known_logit[:, 1]], 1),
        )

    def ends(self, pieces: _Pieces) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of the reference and of the genes."""
        return pieces.logit[pieces.start == 0, 0], pieces.logit[pieces.end == 1, 2]

    def _at(self, row: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights' density along the line, and the logits, at places on it."""
        points = np.asarray(self.base + place[:, None, None] * self.far[row], np.float32)

        def run(batch: torch.Tensor, rows: slice) -> tuple[np.ndarray, np.ndarray]:
            output = []

            def forward(signal: torch.Tensor) -> torch.Tensor:
                output.append(one_a_gene(self.job.module(signal), len(signal)))
                return output[-1]

            gradient = attr.Saliency(forward).attribute(batch.requires_grad_(), abs=False)
            return gradient.detach().cpu().numpy(), output[0].detach().cpu().numpy()

        # cuDNN has no backward pass for a recurrent layer in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            batches = over_batches(
                run, points, self.job.module, self.job.device, self.job.batch_size
            )
        gradient, logit = joined(batches)
        return gradient * self.far[row], logit.astype(np.float64)

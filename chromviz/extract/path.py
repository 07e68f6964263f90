"""Integrated gradients by a quadrature that knows where it is wrong.

Along the line from the reference to a gene, the gradient's integral over any piece of the line is
known beforehand: it is the difference of the logits at the piece's ends. So each piece shows its
own error, and only those that are wrong are halved. Trained LSTMs need it: their logit can jump by
half a unit within 1/40,000 of the line, which no affordable number of even steps resolves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from captum.attr import Saliency

from chromviz.extract.collect import module_of, one_reference, positive
from chromviz.extract.run import Found
from chromviz.models.inference import logits_of, over_batches

if TYPE_CHECKING:
    from chromviz.extract.run import Job

#: Genes whose pieces are held in memory at once.
_GENES = 256


class _Pieces(NamedTuple):
    """Pieces of lines: whose (row of the gene), from where to where, and the logits there."""

    row: np.ndarray
    start: np.ndarray
    end: np.ndarray
    logit_start: np.ndarray
    logit_end: np.ndarray


def integrated_gradients(job: Job) -> Found:
    """Return gradients integrated along the line from the reference (Sundararajan et al. 2017).

    The line is cut into ``pieces``, each with ``points`` Gauss-Legendre points. Those whose weights
    miss their difference in logit by more than their share of ``tolerance`` times the gene's whole
    difference (times 1, where that is smaller) are halved, at most ``halvings`` times. What a piece
    misses then, of 1/500,000 of the line by default, is shared out as the gradient in it says: the
    largest share of a difference that this was is noted (``most_shared_out``). Without halvings it
    is the plain rule. The gradients are captum's; its IntegratedGradients, whose points are the
    same for all genes, comes to the same weights where the logit is smooth.
    """
    n_pieces, points = positive(job, "pieces"), positive(job, "points")
    halvings = job.parameters["halvings"]
    base, notes = one_reference(job)
    nodes = np.polynomial.legendre.leggauss(points)
    weight = np.zeros(job.signal.shape, np.float64)
    logit = np.empty(len(job.signal), np.float64)
    used = np.zeros(len(job.signal), int)
    left = np.zeros(len(job.signal))
    for first in range(0, len(job.signal), _GENES):
        rows = np.arange(first, min(first + _GENES, len(job.signal)))
        line = _Line(job.of(rows), base, nodes)
        pieces = line.cut(n_pieces)
        logit[rows] = line.ends(pieces)
        allowed = job.parameters["tolerance"] * np.maximum(np.abs(logit[rows] - line.base_logit), 1)
        for depth in range(halvings + 1):
            totals, error = line.integrate(pieces)
            np.add.at(used, rows[pieces.row], points)
            wrong = np.abs(error) > allowed[pieces.row] / (2 * n_pieces)
            if depth == halvings:
                if halvings:
                    known = pieces.logit_end - pieces.logit_start
                    totals = _shared_out(totals, known, wrong)
                    left[rows] = _by_gene(np.abs(known) * wrong, pieces.row, len(rows))
                wrong[:] = False
            np.add.at(weight, rows[pieces.row[~wrong]], totals[~wrong])
            if not wrong.any():
                break
            pieces = line.halve(_Pieces(*(part[wrong] for part in pieces)))
        job.progress(job.method, int(rows[-1]) + 1, len(job.signal))
    difference = logit - line.base_logit
    delta = weight.sum(axis=(1, 2)) - difference
    counted = {"most_points": int(used.max()), "mean_points": float(used.mean())}
    counted["most_shared_out"] = float((left / np.maximum(np.abs(difference), 1)).max())
    return Found(
        weight.astype(np.float32), logit, delta, {**notes, **counted}, difference=difference
    )


def _shared_out(totals: np.ndarray, known: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Scale the weights of pieces to what they must add up to, where the gradient shows how."""
    found = totals.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = known / found
    usable = wrong & np.isfinite(factor) & (factor > 0)
    return np.asarray(totals * np.where(usable, factor, 1.0)[:, None, None])


def _by_gene(values: np.ndarray, row: np.ndarray, genes: int) -> np.ndarray:
    return np.bincount(row, weights=values, minlength=genes)


class _Line:
    """Lines from one reference to some genes."""

    def __init__(self, job: Job, base: torch.Tensor, nodes: tuple[np.ndarray, np.ndarray]) -> None:
        self.job, self.nodes = job, nodes
        self.module = module_of(job)
        self.base = base.cpu().numpy()
        self.far = job.signal - self.base
        self.base_logit = float(logits_of(self.module, base)[0])

    def cut(self, n_pieces: int) -> _Pieces:
        """Cut every line into pieces of one length."""
        genes = len(self.far)
        places = np.linspace(0, 1, n_pieces + 1)
        row = np.repeat(np.arange(genes), n_pieces)
        at = self._logits(np.repeat(np.arange(genes), n_pieces), np.tile(places[1:], genes))
        ends = np.c_[np.full(genes, self.base_logit), at.reshape(genes, n_pieces)]
        return _Pieces(
            row,
            np.tile(places[:-1], genes),
            np.tile(places[1:], genes),
            ends[:, :-1].ravel(),
            ends[:, 1:].ravel(),
        )

    def halve(self, pieces: _Pieces) -> _Pieces:
        """Cut each piece in two."""
        middle = (pieces.start + pieces.end) / 2
        at = self._logits(pieces.row, middle)
        return _Pieces(
            np.r_[pieces.row, pieces.row],
            np.r_[pieces.start, middle],
            np.r_[middle, pieces.end],
            np.r_[pieces.logit_start, at],
            np.r_[at, pieces.logit_end],
        )

    def ends(self, pieces: _Pieces) -> np.ndarray:
        """Return the genes' own logits."""
        return np.asarray(pieces.logit_end[pieces.end == 1])

    def integrate(self, pieces: _Pieces) -> tuple[np.ndarray, np.ndarray]:
        """Return each piece's weights (piece, mark, bin), and by how much they miss."""
        places, shares = self.nodes
        length = pieces.end - pieces.start
        at = pieces.start[:, None] + length[:, None] * (places + 1) / 2
        gradient = self._gradients(np.repeat(pieces.row, len(places)), at.ravel())
        by_piece = gradient.reshape(len(length), len(places), *gradient.shape[1:])
        mean = np.einsum("pnmb,n->pmb", by_piece, shares / 2)
        totals = mean * length[:, None, None] * self.far[pieces.row]
        missed = totals.sum(axis=(1, 2)) - (pieces.logit_end - pieces.logit_start)
        return totals, missed

    def _points(self, row: np.ndarray, place: np.ndarray) -> np.ndarray:
        return np.asarray(self.base + place[:, None, None] * self.far[row], np.float32)

    def _logits(self, row: np.ndarray, place: np.ndarray) -> np.ndarray:
        found = np.empty(len(row))
        points = self._points(row, place)
        for rows, values in over_batches(
            lambda batch, rows: logits_of(self.module, batch),
            points,
            self.module,
            self.job.device,
            self.job.batch_size,
        ):
            found[rows] = values
        return found

    def _gradients(self, row: np.ndarray, place: np.ndarray) -> np.ndarray:
        method = Saliency(self.module)
        found = np.empty((len(row), *self.far.shape[1:]), np.float32)

        def run(batch: torch.Tensor, rows: slice) -> np.ndarray:
            gradient = method.attribute(batch.requires_grad_(), abs=False)
            return np.asarray(gradient.detach().cpu().numpy())

        points = self._points(row, place)
        # cuDNN has no backward pass for a recurrent layer in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            for rows, values in over_batches(
                run, points, self.module, self.job.device, self.job.batch_size
            ):
                found[rows] = values
        return found

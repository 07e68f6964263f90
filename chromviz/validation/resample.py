"""Drawing genes and chromosomes, and correlations of many draws at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student
from threadpoolctl import ThreadpoolController

#: Minimum number of chromosomes for an interval over them.
FEWEST_CHROMOSOMES = 5

#: A control explains all of a profile if less than this share of its variance is left.
_NOTHING_LEFT = 1e-9

# Draws that one thread sums at a time.
_BLOCK, _THREADS = 256, os.cpu_count() or 1


@dataclass(frozen=True)
class Resampling:
    """Number of bootstrap resamples of genes and of draws of each null, and their seed."""

    n_bootstrap: int = 2000
    n_null: int = 2000
    seed: int = 0


def draw_genes(n_genes: int, rows: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return how often each gene is drawn, float32 (draw, gene): `rows` with replacement."""
    rng = np.random.default_rng([seed, 1])
    counts = np.zeros((n, n_genes), np.float32)
    for drawn in counts if len(rows) else ():
        drawn[rows] = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows))
    return counts


def draw_chromosomes(chrom: np.ndarray, rows: np.ndarray, n: int, seed: int) -> np.ndarray | None:
    """Return how often each gene is drawn when whole chromosomes are, float32 (draw, gene).

    Neighbours share domains. None if `rows` lie on fewer than :data:`FEWEST_CHROMOSOMES`.
    """
    names, place = np.unique(chrom[rows].astype(str), return_inverse=True)
    if len(names) < FEWEST_CHROMOSOMES:
        return None
    rng = np.random.default_rng([seed, 2])
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
    counts = np.zeros((n, len(chrom)), np.float32)
    for mine, times in zip(counts, drawn, strict=True):
        mine[rows] = times[place]
    return counts


def sums(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return ``counts @ values`` with the same bits for any number of threads.

    BLAS splits a product over its threads, and rounding depends on their number. Here each block of
    draws belongs to one thread.
    """
    blocks = [counts[at : at + _BLOCK] for at in range(0, len(counts), _BLOCK)]
    if len(blocks) < 2:
        with _libraries().limit(limits=1, user_api="blas"):
            return np.asarray(counts @ values)
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(_THREADS) as pool:
        return np.concatenate(list(pool.map(lambda block: block @ values, blocks)))


@cache
def _libraries() -> ThreadpoolController:
    """Return the controller of BLAS threads, cached because finding the libraries is slow."""
    return ThreadpoolController()


def means(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean of `values` (gene, bin) under `counts` (draw, gene), NaN without genes."""
    # In the precision of the counts: another would copy all of them.
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = sums(counts, values.astype(counts.dtype, copy=False)) / counts.sum(
            axis=1, keepdims=True
        )
    return found


def mean_profile(values: np.ndarray) -> np.ndarray:
    """Return the mean of `values` (gene, bin) over genes, NaN without genes."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.mean(axis=0, dtype=np.float64))


def student_half(values: np.ndarray) -> np.ndarray:
    """Return half of Student's 95 % interval of the mean over the first axis; NaN for one value."""
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(student.ppf(0.975, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n))


def mean_draws(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean of one value per gene (gene,) under each draw (draw, gene)."""
    return np.asarray(sums(counts, values) / counts.sum(axis=1))


def standardise(values: np.ndarray) -> np.ndarray:
    """Return rows with mean 0 and length 1, float64; NaN where a row does not vary."""
    values = np.asarray(values, dtype=np.float64)
    # The mean of equal numbers can have a rounding error, which would look like variation.
    flat = np.ptp(values, axis=-1, keepdims=True) == 0
    centred = values - values.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = centred / np.sqrt((centred * centred).sum(-1, keepdims=True))
    return np.where(flat, np.nan, scaled)


def correlate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each row of `x` with the same row of `y`; NaN if one does not vary."""
    return np.asarray(np.clip((standardise(x) * standardise(y)).sum(-1), -1, 1))


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value in its row, from 0; equal values share their mean rank."""
    return np.asarray(rankdata(values, axis=-1) - 1)


def partial(x: np.ndarray, y: np.ndarray, *controls: np.ndarray) -> np.ndarray:
    """Return the correlation of each row of `x` with that of `y`, given rows of controls.

    All are (draw, bin), or (bin,) if the same in every draw. 0 if nothing of `x` is left.
    """
    x, y = standardise(np.atleast_2d(x)), standardise(np.atleast_2d(y))
    basis: list[np.ndarray] = []
    for control in controls:
        free = standardise(np.atleast_2d(control))
        for other in basis:
            free = free - (free * other).sum(-1, keepdims=True) * other
        left = (free * free).sum(-1, keepdims=True)
        # A control that is constant, or a combination of others, adds nothing.
        useful = left > _NOTHING_LEFT
        with np.errstate(invalid="ignore", divide="ignore"):
            basis.append(np.where(useful, free / np.sqrt(left), 0.0))
    for other in basis:
        x = x - (x * other).sum(-1, keepdims=True) * other
        y = y - (y * other).sum(-1, keepdims=True) * other
    left_x, left_y = (x * x).sum(-1), (y * y).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.clip((x * y).sum(-1) / np.sqrt(left_x * left_y), -1, 1)
    r = np.where((left_x <= _NOTHING_LEFT) | (left_y <= _NOTHING_LEFT), 0.0, r)
    return np.where(np.isnan(left_x) | np.isnan(left_y), np.nan, r)

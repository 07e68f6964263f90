"""Null models of agreement: each breaks one relation and keeps the rest.

Each null is over a group of exchanges, so that its p-values are exact. All are looked up in a table
that is made once, which makes draws cheap.
"""

from __future__ import annotations

import numpy as np

from chromviz.validation.resample import standardise


def shifted_profile(weight: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Return r of two profiles under every circular shift except none, (bin - 1,).

    The null is the agreement of two peaks at unrelated positions.
    """
    return _by_shift(weight[None], coverage[None])[0, 1:]


def shifts(genes: int, bins: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return random shifts in bins, int32 (draw, gene), for `shifted_genes`."""
    return rng.integers(bins, size=(n, genes), dtype=np.int32)


def shifted_genes(weight: np.ndarray, coverage: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return the mean r over genes after shifting each gene's weights by `moves` bins, (draw,)."""
    table = _by_shift(weight, coverage)
    first = np.arange(len(table), dtype=np.int32) * table.shape[1]
    flat = table.ravel()
    return np.asarray([flat.take(first + move).mean() for move in moves])


def swaps(genes: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return random orders of genes, int32 (draw, gene), for :func:`swapped_genes`."""
    order = np.arange(genes, dtype=np.int32)
    return np.stack([rng.permutation(order) for _ in range(n)]) if n else np.empty((0, genes), "i4")


def swapped_genes(weight: np.ndarray, coverage: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Return the mean r over genes after genes exchange coverage profiles by `orders`, (draw,).

    If this does not lower the agreement, any gene agrees as well with any other.
    """
    table = (standardise(weight) @ standardise(coverage).T).ravel()
    first = np.arange(len(weight)) * len(weight)
    return np.asarray([table.take(first + order).mean() for order in orders])


def permuted_within_bins(
    weight: np.ndarray, coverage: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Return :func:`within_bins` after permuting the genes' weights within each bin, (draw,).

    The genes of a bin, in a random order, move up by a random number of places.
    """
    order = rng.permutation(len(weight))
    x = _free_of_bin_means(weight)[order]
    y = _free_of_bin_means(coverage)[order]
    size = np.sqrt((x * x).sum() * (y * y).sum())
    # Products under all moves of a bin at once: a circular correlation over genes.
    table = np.fft.irfft(np.fft.rfft(x, axis=0).conj() * np.fft.rfft(y, axis=0), n=len(x), axis=0)
    moves = rng.integers(len(x), size=(n, x.shape[1]))
    total = table[moves, np.arange(x.shape[1])].sum(axis=1)
    return np.asarray(total / size) if size > 0 else np.full(n, np.nan)


def within_bins(weight: np.ndarray, coverage: np.ndarray) -> float:
    """Return Pearson's r over all pairs (gene, bin) after subtracting the mean of each bin.

    It says whether genes with more weight in a bin have more coverage there; NaN if undefined.
    """
    x, y = _free_of_bin_means(weight), _free_of_bin_means(coverage)
    size = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / size) if size > 0 else np.nan


def _free_of_bin_means(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    flat = np.ptp(values, axis=0) == 0
    return np.where(flat, 0.0, values - values.mean(axis=0))


def _by_shift(weight: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Return r of each gene's weights with its coverage, for every shift."""
    x, y = standardise(weight), standardise(coverage)
    spectrum = np.fft.rfft(x, axis=1).conj() * np.fft.rfft(y, axis=1)
    return np.asarray(np.fft.irfft(spectrum, n=x.shape[1], axis=1))

"""Agreement of weights with coverage, compared with that of the raw signal and with null models.

Active promoters carry both H3K4me3 and H3K27ac, so even the raw signal agrees with H3K27ac, and
Table 3 alone proves little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.schema import dataset_hash
from chromviz.validation.agreement import averaged_weights, mark_column, reference_coverage
from chromviz.validation.resample import (
    correlate,
    draw_chromosomes,
    draw_genes,
    mean_profile,
    means,
    partial,
    ranks,
    standardise,
    sums,
)
from chromviz.validation.tidy import (
    adjust,
    bounds,
    explanation,
    interval,
    p_above,
    p_of_zero,
    tidy_of,
)
from chromviz.vocabulary import REFERENCE_TRACK

#: Minimum number of genes for agreement by gene, or for a mean.
FEWEST_GENES = 20


@dataclass(frozen=True)
class _Case:
    """One attribution's weights on one mark, and what they are compared with."""

    named: dict[str, str]  # the explanation and the mark
    weight: np.ndarray  # (gene, bin), or (bin,) for a class
    rows: np.ndarray | None  # the genes' positions in the dataset; None for a class
    raw: np.ndarray  # the raw signal of the mark, of the same genes


def association(
    attributions: Sequence[xr.Dataset],
    dataset: xr.Dataset,
    *,
    marks: Sequence[str] | None = None,
    track: str = REFERENCE_TRACK,
    n_bootstrap: int = 2000,
    n_null: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure the agreement of weights with a track, and compare it with nulls and the raw signal.

    The attributions have bins and are of the test genes of `dataset`; `marks` are all by default.
    All methods share the draws.

    Returns the tidy table (:data:`chromviz.validation.tidy.COLUMNS`). Test ``profile``, of mean
    profiles: ``pearson`` (Table 3; p against circular shifts), ``spearman``, ``partial`` (given the
    raw signal of the same genes and the distance to the TSS) and ``gain`` (``pearson`` minus that
    of the raw signal; two-sided p). Test ``gene``, averaged over genes with coverage:
    ``mean_pearson`` (p against swapped coverage and shifted bins), ``mean_partial``, ``mean_gain``
    and ``within_bins`` (p against genes permuted within bins). ``q`` is adjusted over marks and
    methods.
    """
    coverage, reference = reference_coverage(dataset, track)
    data_hash = dataset_hash(dataset)
    cases = [case for one in attributions for case in _cases(one, dataset, data_hash, marks)]
    involved = [case.rows for case in cases if case.rows is not None]
    union = np.unique(np.concatenate([reference, *involved]))
    draws = {"genes": draw_genes(dataset.sizes["gene"], union, n_bootstrap, seed)}
    chromosomes = draw_chromosomes(dataset["chrom"].values, union, n_bootstrap, seed)
    if chromosomes is not None:
        draws["chromosomes"] = chromosomes
    ground = _Ground(dataset, coverage, reference, draws, n_null, seed)
    rows: list[dict[str, Any]] = []
    for case in cases:
        found = *_profile(case, ground), *_by_gene(case, ground)
        rows += [{**case.named, **row} for row in found]
    return adjust(tidy_of(dataset, rows))


class _Ground:
    """What all cases are compared with, and their shared draws.

    `draws` say how often each gene is drawn (draw, gene), over genes and, if possible, chromosomes.
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        coverage: np.ndarray,
        reference: np.ndarray,
        draws: dict[str, np.ndarray],
        n_null: int,
        seed: int,
    ) -> None:
        self.coverage, self.draws, self.n_null, self.seed = coverage, draws, n_null, seed
        centres = dataset["bin_start"].values + dataset.attrs["bin_width"] / 2
        self.nearness = -np.abs(centres)
        values = coverage[reference]
        self.profile = mean_profile(values)
        self.drawn = {name: means(values, counts[:, reference]) for name, counts in draws.items()}
        # Cases often share their genes, and then all of these.
        self._raw: dict[tuple[str, bytes, str], np.ndarray] = {}
        self._chance: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._counts: dict[bytes, dict[str, np.ndarray]] = {}

    def counts_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the draws of some genes; those of the last two sets of genes are kept."""
        key = rows.tobytes()
        if key not in self._counts:
            if len(self._counts) > 1:
                self._counts.pop(next(iter(self._counts)))
            self._counts[key] = {name: counts[:, rows] for name, counts in self.draws.items()}
        return self._counts[key]

    def chance(self, genes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return random exchanges of coverage between genes, and random shifts."""
        if genes not in self._chance:
            rng = np.random.default_rng([self.seed, 4])
            orders = swaps(genes, self.n_null, rng)
            self._chance[genes] = orders, shifts(genes, self.coverage.shape[1], self.n_null, rng)
        return self._chance[genes]

    def profiles(self, case: _Case, over: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean profiles of weights and raw signal under each draw (draw, bin)."""
        if case.rows is None:
            shape = self.drawn[over].shape
            raw = mean_profile(case.raw)
            return np.broadcast_to(case.weight, shape), np.broadcast_to(raw, shape)
        counts = self.counts_of(case.rows)[over]
        key = (case.named["mark"], case.rows.tobytes(), over)
        if key not in self._raw:
            self._raw[key] = means(case.raw, counts)
        return means(case.weight, counts), self._raw[key]


def _cases(
    attribution: xr.Dataset, dataset: xr.Dataset, data_hash: str, marks: Sequence[str] | None
) -> Iterator[_Case]:
    """Yield an attribution's weights on each mark."""
    named = explanation(attribution)
    on_test = (dataset["split"].values == "test") & (dataset["label"].values == 1)
    for name in marks or [str(name) for name in dataset["mark"].values]:
        weight, rows = averaged_weights(attribution, dataset, data_hash, name)
        # A class has no genes: it is compared with the raw signal of the ON test genes.
        genes = on_test if rows is None else rows
        raw = dataset["signal"].values[:, mark_column(dataset, name)][genes]
        yield _Case({**named, "mark": name}, weight, rows, raw)


def _profile(case: _Case, ground: _Ground) -> list[dict[str, Any]]:
    """Compare mean profiles, as the paper does."""
    n = pd.NA if case.rows is None else len(case.rows)
    profile = case.weight if case.rows is None else mean_profile(case.weight)
    common = {"test": "profile", "n": n, "better": "higher"}
    why = ""
    if case.rows is not None and len(case.rows) < FEWEST_GENES:
        why = f"only {n} genes are predicted ON; a mean needs at least {FEWEST_GENES}"
    elif np.ptp(profile) == 0:
        why = "r undefined: the weights are the same in every bin"
    if why:
        names = ("pearson", "spearman", "partial", "gain")
        return [{**common, "statistic": name, "note": why} for name in names]
    raw = mean_profile(case.raw)
    draws: dict[str, dict[str, np.ndarray]] = {}
    for over, theirs in ground.drawn.items():
        mine, signal = ground.profiles(case, over)
        r = correlate(mine, theirs)
        draws[over] = {
            "pearson": r,
            "spearman": correlate(ranks(mine), ranks(theirs)),
            "partial": partial(mine, theirs, signal, ground.nearness),
            "gain": r - correlate(signal, theirs),
        }
    own = float(correlate(profile, ground.profile))
    shifted = shifted_profile(profile, ground.profile)
    spearman = float(correlate(ranks(profile), ranks(ground.profile)))
    given_raw = float(partial(profile, ground.profile, raw, ground.nearness)[0])
    gain = own - float(correlate(raw, ground.profile))
    tested = (
        ("pearson", own, "bins shifted", p_above(own, shifted)),
        ("spearman", spearman, "", np.nan),
        ("partial", given_raw, "", np.nan),
        ("gain", gain, "bootstrap", p_of_zero(draws["genes"]["gain"])),
    )
    return _rows(tested, draws, common)


def _by_gene(case: _Case, ground: _Ground) -> list[dict[str, Any]]:
    """Compare gene by gene, over the genes that have coverage in every bin."""
    if case.rows is None:
        return []
    coverage = ground.coverage[case.rows]
    covered = ~np.isnan(coverage).any(axis=1)
    varies = covered & (np.ptp(case.weight, axis=1) > 0) & (np.ptp(coverage, axis=1) > 0)
    flat = int((covered & ~varies).sum())
    rows, coverage = case.rows[varies], coverage[varies]
    weight, raw = case.weight[varies], case.raw[varies]
    note = f"{flat} genes left out: their weights or coverage do not vary" if flat else ""
    common = {"test": "gene", "n": len(rows), "better": "higher", "note": note}
    if len(rows) < FEWEST_GENES:
        what = f"only {len(rows)} genes have weights and coverage that vary"
        common["note"] = f"{what}; at least {FEWEST_GENES} are needed"
        names = ("mean_pearson", "mean_partial", "mean_gain", "within_bins")
        return [{**common, "statistic": name} for name in names]
    r = correlate(weight, coverage)
    values = {
        "mean_pearson": r,
        "mean_partial": partial(weight, coverage, raw, ground.nearness),
        "mean_gain": r - np.nan_to_num(correlate(raw, coverage)),
    }
    together = np.stack(list(values.values()), axis=1)
    draws = {}
    for over, counts in ground.counts_of(rows).items():
        draws[over] = dict(zip(values, means(together, counts).T, strict=True))
        draws[over]["within_bins"] = _within_draws(weight, coverage, counts)
    pearson, given_raw, gain = (each.mean() for each in values.values())
    within = within_bins(weight, coverage)
    orders, moves = ground.chance(len(rows))
    rng = np.random.default_rng([ground.seed, 3])  # each case draws the same
    permuted = permuted_within_bins(weight, coverage, ground.n_null, rng)
    swapped = p_above(pearson, swapped_genes(weight, coverage, orders))
    shifted = p_above(pearson, shifted_genes(weight, coverage, moves))
    tested = (
        ("mean_pearson", pearson, "coverage swapped", swapped),
        ("mean_pearson", pearson, "bins shifted", shifted),
        ("mean_partial", given_raw, "", np.nan),
        ("mean_gain", gain, "bootstrap", p_of_zero(draws["genes"]["mean_gain"])),
        ("within_bins", within, "permuted within bins", p_above(within, permuted)),
    )
    return _rows(tested, draws, common)


def _rows(
    tested: Iterable[tuple[str, float, str, float]],
    draws: dict[str, dict[str, np.ndarray]],
    common: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return a row for each statistic, estimate, null and p, with intervals."""
    rows = []
    for name, estimate, null, p in tested:
        row = {**common, "statistic": name, "estimate": estimate, "null": null, "p": p}
        row |= bounds(draws["genes"][name])
        if "chromosomes" in draws:
            row["chrom_low"], row["chrom_high"] = interval(draws["chromosomes"][name])
        rows.append(row)
    return rows


def _within_draws(weight: np.ndarray, coverage: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return :func:`within_bins` under each draw of genes."""
    x, y = weight.astype(np.float64), coverage.astype(np.float64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)  # for the sums' precision
    products = [(x * y).sum(axis=1), (x * x).sum(axis=1), (y * y).sum(axis=1)]
    bins = x.shape[1]
    total = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    # One product over genes for all sums: this is most of the work.
    columns = np.column_stack([x, y, *products]).astype(np.float32)
    summed = sums(counts, columns).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = summed[:, :bins] / total, summed[:, bins : 2 * bins] / total
        xy, xx, yy = summed[:, 2 * bins :].T
        xy = xy - (total * mean_x * mean_y).sum(axis=1)
        xx = xx - (total * mean_x**2).sum(axis=1)
        yy = yy - (total * mean_y**2).sum(axis=1)
        return np.asarray(xy / np.sqrt(xx * yy))


# The null models: each breaks one relation and keeps the rest, over a group of exchanges, so that
# its p-values are exact. All look up a table that is computed once, which makes draws cheap.


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

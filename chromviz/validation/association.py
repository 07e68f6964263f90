"""Agreement of weights with coverage, against what the raw signal and chance would give.

Where active promoters carry both marks, the raw signal agrees with H3K27ac as well as any attention
does, so Table 3 alone proves little. Here agreement has intervals over genes and chromosomes, is
compared with nulls and with the raw signal, and is also measured gene by gene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.schema import dataset_hash
from chromviz.validation import nulls
from chromviz.validation.agreement import averaged_weights, reference_coverage
from chromviz.validation.resample import (
    correlate,
    draw_chromosomes,
    draw_genes,
    mean_profile,
    means,
    partial,
    ranks,
    sums,
)
from chromviz.validation.tidy import adjust, bounds, interval, p_above, p_of_zero, tidy_of
from chromviz.vocabulary import REFERENCE_TRACK

#: Minimum number of genes for agreement by gene, or for a mean.
FEWEST_GENES = 20


@dataclass(frozen=True)
class _Case:
    """One attribution's weights on one mark, and what they are compared with."""

    mark: str
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
    cases = [
        (attribution, case)
        for attribution in attributions
        for case in _cases(attribution, dataset, data_hash, marks)
    ]
    involved = [case.rows for _, case in cases if case.rows is not None]
    union = np.unique(np.concatenate([reference, *involved]))
    draws = {"genes": draw_genes(dataset.sizes["gene"], union, n_bootstrap, seed)}
    chromosomes = draw_chromosomes(dataset["chrom"].values, union, n_bootstrap, seed)
    if chromosomes is not None:
        draws["chromosomes"] = chromosomes
    ground = _Ground(dataset, coverage, reference, draws, n_null, seed)
    rows: list[dict[str, Any]] = []
    for attribution, case in cases:
        attrs = {"variant": "", **attribution.attrs, "mark": case.mark}
        named = {name: str(attrs[name]) for name in ("model", "variant", "method", "mark")}
        rows += [{**named, **row} for row in (*_profile(case, ground), *_by_gene(case, ground))]
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
        self._kept: dict[tuple[str, bytes, str], np.ndarray] = {}
        self._chance: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._counts: dict[bytes, dict[str, np.ndarray]] = {}

    def counts_of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return the draws of some genes, cached because cases often share them."""
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
            orders = nulls.swaps(genes, self.n_null, rng)
            moves = nulls.shifts(genes, self.coverage.shape[1], self.n_null, rng)
            self._chance[genes] = orders, moves
        return self._chance[genes]

    def profiles(self, case: _Case, over: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean profiles of weights and raw signal under each draw (draw, bin)."""
        if case.rows is None:
            shape = self.drawn[over].shape
            raw = mean_profile(case.raw)
            return np.broadcast_to(case.weight, shape), np.broadcast_to(raw, shape)
        counts = self.counts_of(case.rows)[over]
        key = (case.mark, case.rows.tobytes(), over)
        if key not in self._kept:
            self._kept[key] = means(case.raw, counts)
        return means(case.weight, counts), self._kept[key]


def _cases(
    attribution: xr.Dataset, dataset: xr.Dataset, data_hash: str, marks: Sequence[str] | None
) -> list[_Case]:
    """Return an attribution's weights on each mark; once, on the marks together, without marks."""
    values, rows = averaged_weights(attribution, dataset, data_hash)
    names = [str(name) for name in dataset["mark"].values]
    wanted = list(marks or names)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ChromvizError(
            f"{dataset.attrs['cell']} has no mark {unknown[0]}; it has {', '.join(names)}"
        )
    on_test = (dataset["split"].values == "test") & (dataset["label"].values == 1)
    # A class has no genes: it is compared with the raw signal of the ON test genes.
    others = np.flatnonzero(on_test) if rows is None else rows
    found = []
    for name in wanted:
        column = names.index(name)
        by_mark = "mark" in attribution["weight"].dims
        mine = np.take(values, column, axis=-2) if by_mark else values
        found.append(_Case(name, mine, rows, dataset["signal"].values[:, column][others]))
    return found


def _profile(case: _Case, ground: _Ground) -> list[dict[str, Any]]:
    """Compare mean profiles, as the paper does."""
    n = pd.NA if case.rows is None else len(case.rows)
    profile = case.weight if case.rows is None else mean_profile(case.weight)
    common = {"test": "profile", "n": n, "better": "higher"}
    why = ""
    if case.rows is not None and len(case.rows) < FEWEST_GENES:
        why = f"only {n} genes are predicted ON; it takes {FEWEST_GENES} for a mean"
    elif np.ptp(profile) == 0:
        why = "r undefined: the weights are the same in every bin"
    if why:
        names = ("pearson", "spearman", "partial", "gain")
        return [{**common, "statistic": name, "note": why} for name in names]
    raw = mean_profile(case.raw)
    drawn: dict[str, dict[str, np.ndarray]] = {}
    for over, theirs in ground.drawn.items():
        mine, signal = ground.profiles(case, over)
        r = correlate(mine, theirs)
        drawn[over] = {
            "pearson": r,
            "spearman": correlate(ranks(mine), ranks(theirs)),
            "partial": partial(mine, theirs, signal, ground.nearness),
            "gain": r - correlate(signal, theirs),
        }
    own = float(correlate(profile, ground.profile))
    estimates = {
        "pearson": own,
        "spearman": float(correlate(ranks(profile), ranks(ground.profile))),
        "partial": float(partial(profile, ground.profile, raw, ground.nearness)[0]),
        "gain": own - float(correlate(raw, ground.profile)),
    }
    p = {
        "pearson": ("bins shifted", p_above(own, nulls.shifted_profile(profile, ground.profile))),
        "gain": ("bootstrap", p_of_zero(drawn["genes"]["gain"])),
    }
    rows = []
    for name, estimate in estimates.items():
        null, value = p.get(name, ("", np.nan))
        row = {"statistic": name, "estimate": estimate, "null": null, "p": value}
        every = {over: found[name] for over, found in drawn.items()}
        rows.append({**common, **row, **_intervals(every)})
    return rows


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
        common["note"] = f"{what}; it takes {FEWEST_GENES}"
        names = ("mean_pearson", "mean_partial", "mean_gain", "within_bins")
        return [{**common, "statistic": name} for name in names]
    r = correlate(weight, coverage)
    values = {
        "mean_pearson": r,
        "mean_partial": partial(weight, coverage, raw, ground.nearness),
        "mean_gain": r - np.nan_to_num(correlate(raw, coverage)),
    }
    drawn = ground.counts_of(rows)
    together = np.stack(list(values.values()), axis=1)
    boots = {over: means(together, counts) for over, counts in drawn.items()}
    draws = {
        name: {over: boot[:, at] for over, boot in boots.items()} for at, name in enumerate(values)
    }
    draws["within_bins"] = {
        over: _within_draws(weight, coverage, counts) for over, counts in drawn.items()
    }
    estimates = {name: each.mean() for name, each in values.items()}
    estimates["within_bins"] = nulls.within_bins(weight, coverage)
    orders, moves = ground.chance(len(rows))
    rng = np.random.default_rng([ground.seed, 3])  # each case draws the same
    permuted = nulls.permuted_within_bins(weight, coverage, ground.n_null, rng)
    shifted = nulls.shifted_genes(weight, coverage, moves)
    swapped = nulls.swapped_genes(weight, coverage, orders)
    tested = (
        ("mean_pearson", "coverage swapped", p_above(r.mean(), swapped)),
        ("mean_pearson", "bins shifted", p_above(r.mean(), shifted)),
        ("mean_partial", "", np.nan),
        ("mean_gain", "bootstrap", p_of_zero(draws["mean_gain"]["genes"])),
        ("within_bins", "permuted within bins", p_above(estimates["within_bins"], permuted)),
    )
    return [
        {
            **common,
            "statistic": name,
            "estimate": estimates[name],
            "null": null,
            "p": p,
            **_intervals(draws[name]),
        }
        for name, null, p in tested
    ]


def _intervals(draws: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the intervals over genes and over chromosomes."""
    found = bounds(draws["genes"])
    if "chromosomes" in draws:
        found["chrom_low"], found["chrom_high"] = interval(draws["chromosomes"])
    return found


def _within_draws(weight: np.ndarray, coverage: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return :func:`chromviz.validation.nulls.within_bins` under each draw of genes."""
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

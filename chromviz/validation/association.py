"""Agreement of weights with coverage, against what the raw signal and chance would give.

Table 3 alone proves little: where active promoters carry both marks, the raw signal agrees with
H3K27ac as well as any attention does. So agreement is measured at two levels (the mean profile,
as in the paper, and gene by gene), with intervals over genes and over chromosomes, against nulls
that each keep what must be kept, given the raw signal and the distance to the TSS, and as the
gain over the raw signal.
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
from chromviz.validation.agreement import explained_rows, reference_genes
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
    All methods share the draws of the bootstrap and of the nulls.

    Returns the tidy table (:data:`chromviz.validation.tidy.COLUMNS`). Test ``profile``, of mean
    profiles: ``pearson`` (Table 3; p against circular shifts), ``spearman``, ``partial`` (given the
    raw signal of the same genes and the distance to the TSS) and ``gain`` (``pearson`` minus that
    of the raw signal of the same genes; two-sided p). Test ``gene``, averaged over genes with
    coverage: ``mean_pearson`` (p against swapped coverage and against shifted bins),
    ``mean_partial``, ``mean_gain`` and ``within_bins`` (p against genes permuted within bins).
    ``q`` is adjusted over marks and methods.

    A track that is missing or covers no ON gene is an error, as is an attribution of another
    dataset, without bins or without a mark.
    """
    reference = reference_genes(dataset, track)
    index = [str(name) for name in dataset["track"].values].index(track)
    coverage = dataset["coverage"].values[index]
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
    centres = dataset["bin_start"].values + dataset.attrs["bin_width"] / 2
    ground = _Ground(coverage, reference, -np.abs(centres), draws, n_null, seed)
    rows: list[dict[str, Any]] = []
    for attribution, case in cases:
        named = {
            "model": str(attribution.attrs["model"]),
            "variant": str(attribution.attrs.get("variant", "")),
            "method": str(attribution.attrs["method"]),
            "mark": case.mark,
        }
        rows += [{**named, **row} for row in (*_profile(case, ground), *_by_gene(case, ground))]
    return adjust(tidy_of(dataset, rows))


class _Ground:
    """What all cases are compared with, and their shared draws.

    `draws` say how often each gene is drawn (draw, gene), over genes and, if possible, chromosomes.
    """

    def __init__(
        self,
        coverage: np.ndarray,
        reference: np.ndarray,
        nearness: np.ndarray,
        draws: dict[str, np.ndarray],
        n_null: int,
        seed: int,
    ) -> None:
        self.coverage, self.reference, self.nearness = coverage, reference, nearness
        self.draws, self.n_null, self.seed = draws, n_null, seed
        values = coverage[reference]
        self.profile = values.mean(axis=0, dtype=np.float64)
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

    def raw_draws(self, case: _Case, over: str) -> np.ndarray:
        """Return the raw signal's mean profile under each draw, cached because cases share it."""
        if case.rows is None:
            return np.broadcast_to(mean_profile(case.raw), self.drawn[over].shape)
        key = (case.mark, case.rows.tobytes(), over)
        if key not in self._kept:
            self._kept[key] = means(case.raw, self.counts_of(case.rows)[over])
        return self._kept[key]


def _cases(
    attribution: xr.Dataset, dataset: xr.Dataset, data_hash: str, marks: Sequence[str] | None
) -> list[_Case]:
    """Return an attribution's weights on each mark; once, on the marks together, without marks."""
    rows = explained_rows(attribution, dataset, data_hash)
    weight = attribution["weight"]
    names = [str(name) for name in dataset["mark"].values]
    wanted = list(marks or names)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise ChromvizError(
            f"{dataset.attrs['cell']} has no mark {unknown[0]}; it has {', '.join(names)}"
        )
    whole = weight.values
    if rows is not None:
        place = pd.Index(attribution["gene"].values).get_indexer(dataset["gene"].values[rows])
        whole = whole[place]
    test = dataset["split"].values == "test"
    found = []
    for name in wanted:
        column = names.index(name)
        signal = dataset["signal"].values[:, column]
        # A class has no genes: it is compared with the raw signal of the ON test genes.
        others = np.flatnonzero(test & (dataset["label"].values == 1)) if rows is None else rows
        mine = np.take(whole, column, axis=-2) if "mark" in weight.dims else whole
        found.append(_Case(name, mine, rows, signal[others]))
    return found


def _profile(case: _Case, ground: _Ground) -> list[dict[str, Any]]:
    """Compare mean profiles, as the paper does."""
    n = 0 if case.rows is None else len(case.rows)
    profile = case.weight if case.rows is None else mean_profile(case.weight)
    common = {"test": "profile", "n": pd.NA if case.rows is None else n, "better": "higher"}
    why = ""
    if case.rows is not None and n < FEWEST_GENES:
        why = f"only {n} genes are predicted ON; it takes {FEWEST_GENES} for a mean"
    elif np.ptp(profile) == 0:
        why = "r undefined: the weights are the same in every bin"
    if why:
        names = ("pearson", "spearman", "partial", "gain")
        return [{**common, "statistic": name, "note": why} for name in names]
    raw = mean_profile(case.raw)
    drawn: dict[str, dict[str, np.ndarray]] = {}
    for over, every in ground.draws.items():
        mine = (
            np.broadcast_to(profile, (len(every), len(profile)))
            if case.rows is None
            else means(case.weight, ground.counts_of(case.rows)[over])
        )
        theirs, signal = ground.drawn[over], ground.raw_draws(case, over)
        r = correlate(mine, theirs)
        drawn[over] = {
            "pearson": r,
            "spearman": correlate(ranks(mine), ranks(theirs)),
            "partial": partial(mine, theirs, signal, ground.nearness),
            "gain": r - correlate(signal, theirs),
        }
    own = float(correlate(profile[None], ground.profile[None])[0])
    estimates = {
        "pearson": own,
        "spearman": float(correlate(ranks(profile[None]), ranks(ground.profile[None]))[0]),
        "partial": float(partial(profile, ground.profile, raw, ground.nearness)[0]),
        "gain": own - float(correlate(raw[None], ground.profile[None])[0]),
    }
    p = {
        "pearson": ("bins shifted", p_above(own, nulls.shifted_profile(profile, ground.profile))),
        "gain": ("bootstrap", p_of_zero(drawn["genes"]["gain"])),
    }
    return [
        {
            **common,
            "statistic": name,
            "estimate": estimate,
            **_intervals({over: found[name] for over, found in drawn.items()}),
            "null": p.get(name, ("", np.nan))[0],
            "p": p.get(name, ("", np.nan))[1],
        }
        for name, estimate in estimates.items()
    ]


def _by_gene(case: _Case, ground: _Ground) -> list[dict[str, Any]]:
    """Compare gene by gene, over the genes that have coverage in every bin."""
    if case.rows is None:
        return []
    covered = ~np.isnan(ground.coverage[case.rows]).any(axis=1)
    rows, weight, raw = case.rows[covered], case.weight[covered], case.raw[covered]
    coverage = ground.coverage[rows]
    varies = (np.ptp(weight, axis=1) > 0) & (np.ptp(coverage, axis=1) > 0)
    flat = int((~varies).sum())
    rows, weight, raw, coverage = rows[varies], weight[varies], raw[varies], coverage[varies]
    common = {"test": "gene", "n": len(rows), "better": "higher"}
    note = f"{flat} genes left out: their weights or coverage do not vary" if flat else ""
    names = ("mean_pearson", "mean_partial", "mean_gain", "within_bins")
    if len(rows) < FEWEST_GENES:
        what = f"only {len(rows)} genes have weights and coverage that vary"
        note = f"{what}; it takes {FEWEST_GENES}"
        return [{**common, "statistic": name, "note": note} for name in names]
    r = correlate(weight, coverage)
    values = {
        "mean_pearson": r,
        "mean_partial": partial(weight, coverage, raw, ground.nearness),
        "mean_gain": r - np.nan_to_num(correlate(raw, coverage)),
    }
    orders, moves = ground.chance(len(rows))
    found = []
    null_of = {
        "mean_pearson": [
            ("coverage swapped", p_above(r.mean(), nulls.swapped_genes(weight, coverage, orders))),
            ("bins shifted", p_above(r.mean(), nulls.shifted_genes(weight, coverage, moves))),
        ]
    }
    drawn = ground.counts_of(rows)
    together = np.stack(list(values.values()), axis=1)
    boots = {over: means(together, counts) for over, counts in drawn.items()}
    for at, (name, each) in enumerate(values.items()):
        boot = {over: drawn_means[:, at] for over, drawn_means in boots.items()}
        fallback = [("bootstrap", p_of_zero(boot["genes"]))] if name == "mean_gain" else []
        for null, p in null_of.get(name, fallback) or [("", np.nan)]:
            row = {"statistic": name, "estimate": each.mean(), "null": null, "p": p}
            found.append({**common, **row, **_intervals(boot), "note": note})
    inside = nulls.within_bins(weight, coverage)
    rng = np.random.default_rng([ground.seed, 3])  # each case draws the same
    permuted = nulls.permuted_within_bins(weight, coverage, ground.n_null, rng)
    found.append(
        {
            **common,
            "statistic": "within_bins",
            "estimate": inside,
            **_intervals(
                {over: _within_draws(weight, coverage, counts) for over, counts in drawn.items()}
            ),
            "null": "permuted within bins",
            "p": p_above(inside, permuted),
            "note": note,
        }
    )
    return found


def _intervals(draws: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the intervals over genes and over chromosomes."""
    found = bounds(draws["genes"])
    if "chromosomes" in draws:
        found["chrom_low"], found["chrom_high"] = interval(draws["chromosomes"])
    return found


def _within_draws(weight: np.ndarray, coverage: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return :func:`chromviz.validation.nulls.within_bins` under each draw of genes.

    It is the sum over genes of products within a bin, minus what the means of the bin explain.
    """
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

"""Agreement between weights and a coverage track: Table 3 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.data.cells import dataset_of
from chromviz.errors import ChromvizError
from chromviz.schema import dataset_hash, explained_genes
from chromviz.validation.paper_values import TABLE_3
from chromviz.validation.resample import correlate, mean_profile, means
from chromviz.validation.tidy import explanation, interval, origin
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK

#: Resampled genes per matrix product; limits memory and does not affect the result.
_DRAWS_AT_ONCE = 250


@dataclass(frozen=True)
class _Side:
    """A profile over bins as a mean over genes, or (`rows` is None) as it is."""

    values: np.ndarray  # (gene, bin), or (bin,) for a class
    rows: np.ndarray | None  # positions of the genes in the dataset

    def profile(self) -> np.ndarray:
        """Return the mean over genes (bin,), NaN without genes."""
        return self.values if self.rows is None else mean_profile(self.values)

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """Return the mean under each draw (draw, bin), for counts of genes (draw, gene)."""
        if self.rows is None:
            return np.broadcast_to(self.values, (len(counts), len(self.values)))
        return means(self.values, counts[:, self.rows])


def table3(
    attributions: xr.Dataset | Sequence[xr.Dataset],
    dataset: xr.Dataset | str,
    *,
    mark: str = PROMOTER_MARK,
    track: str = REFERENCE_TRACK,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate the mean weights of each method on a mark with the mean coverage of a track.

    Weights: the mean in each bin over the test genes *predicted* ON (probability > 0.5) of the
    weight on the mark; for a class, its own row. Reference: the mean coverage over all genes
    *labelled* ON that have coverage in every bin. The estimate is Pearson's r of the two over
    bins. A control has no predictions: its mean is over the test genes labelled ON, and the
    column ``gene_set`` says so.

    The interval is the 95 % percentile bootstrap over genes. Each resample is shared by both sides
    and all methods, so rows of one table can be compared. The trained model is fixed: the interval
    does not cover other training runs.

    Parameters
    ----------
    attributions
        One attribution or several, as :func:`chromviz.extract` returns them, of the test genes of
        `dataset`.
    dataset
        The dataset that was explained, with the track, or the name of an embedded cell type.
    mark, track
        The mark whose weights, and the track whose coverage are correlated.
    n_bootstrap
        Number of resamples; 0 leaves the interval out.
    seed
        Random seed of the resampling.

    Returns
    -------
    pandas.DataFrame
        Columns ``cell, model, method, mark, track, estimate, ci_low, ci_high, n_genes,
        n_reference_genes, paper, simulated, gene_set, note, missing``, one row per
        attribution.
        ``estimate`` is NaN where r is undefined, and ``note`` says why. A weight over (gene, bin)
        is used for every mark, and ``note`` says so.

    Raises
    ------
    ChromvizError
        If the track or mark is missing, no ON gene has coverage, or an attribution belongs to
        another dataset or has no bins.

    Notes
    -----
    Table 3 and section 5 of Singh et al., *Attend and Predict*, NeurIPS 2017.

    Examples
    --------
    >>> import chromviz as cv
    >>> data = cv.open_cell("K562")
    >>> raw = cv.extract("raw_signal", data)
    >>> table = cv.table3(raw, data, n_bootstrap=100)
    >>> table.loc[0, ["cell", "method", "mark", "track"]].tolist()
    ['E123', 'raw_signal', 'H3K4me3', 'H3K27ac']
    >>> round(float(table.loc[0, "estimate"]), 2)
    0.95
    """
    dataset = dataset_of(dataset)
    if isinstance(attributions, xr.Dataset):
        attributions = [attributions]
    reference = _reference(dataset, track)
    data_hash = dataset_hash(dataset)
    sides = [_Side(*averaged_weights(one, dataset, data_hash, mark)) for one in attributions]
    intervals = _bootstrap(sides, reference, dataset.sizes["gene"], n_bootstrap, seed)
    published = TABLE_3 if (mark, track) == (PROMOTER_MARK, REFERENCE_TRACK) else {}
    cell = str(dataset.attrs["cell"])
    rows = []
    for attribution, side, (low, high) in zip(attributions, sides, intervals, strict=True):
        model, variant, method = explanation(attribution).values()
        undefined = _undefined(side)
        notes = undefined, f"model: {variant}" if variant else "", _jointly(attribution, mark)
        r = float(correlate(side.profile(), reference.profile()))
        # The paper's values are those of trained models.
        paper = np.nan if variant else published.get((method, model, cell), np.nan)
        gene_set = "predicted ON" if model else "labelled ON"
        rows.append(
            {
                "cell": cell,
                "model": model,
                "method": method,
                "mark": mark,
                "track": track,
                "estimate": np.nan if undefined else r,
                "ci_low": low,
                "ci_high": high,
                "n_genes": pd.NA if side.rows is None else len(side.rows),
                "n_reference_genes": len(reference.values),
                "paper": paper,
                "simulated": origin(dataset)["simulated"],
                "gene_set": "none (class)" if side.rows is None else gene_set,
                "note": "; ".join(filter(None, notes)),
                "missing": origin(dataset)["missing"],
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"n_genes": "Int64"}) if rows else table


def mark_column(dataset: xr.Dataset, mark: str) -> int:
    """Return the position of a mark in the signal; an unknown mark is an error."""
    marks = [str(name) for name in dataset["mark"].values]
    if mark not in marks:
        raise ChromvizError(
            f"{dataset.attrs['cell']} has no mark {mark}; it has {', '.join(marks)}"
        )
    return marks.index(mark)


def coverage_of(dataset: xr.Dataset, track: str) -> np.ndarray:
    """Return the coverage of a track (gene, bin); an unknown track is an error."""
    tracks = [str(name) for name in dataset["track"].values]
    if track not in tracks:
        raise ChromvizError(
            f"the dataset of {dataset.attrs['cell']} has no coverage of {track} (it has: "
            f"{', '.join(tracks) or 'none'}); prepare it with --coverage {track}=FILE"
        )
    return np.asarray(dataset["coverage"].values[tracks.index(track)])


def reference_coverage(dataset: xr.Dataset, track: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the coverage (gene, bin) and the genes that are ON and covered in every bin."""
    cell, coverage = dataset.attrs["cell"], coverage_of(dataset, track)
    on = dataset["label"].values == 1
    if not on.any():
        raise ChromvizError(
            f"no gene of {cell} is labelled ON; check the expression that it was prepared from"
        )
    rows = np.flatnonzero(on & ~np.isnan(coverage).any(axis=1))
    if not len(rows):
        raise ChromvizError(
            f"no ON gene of {cell} has coverage of {track} in all of its bins; "
            "choose a track that covers the genes"
        )
    return coverage, rows


def _reference(dataset: xr.Dataset, track: str) -> _Side:
    coverage, rows = reference_coverage(dataset, track)
    reference = _Side(coverage[rows], rows)
    if np.ptp(reference.profile()) == 0:
        raise ChromvizError(
            f"the mean coverage of {track} is the same in every bin; nothing can correlate with it"
        )
    return reference


def averaged_weights(
    attribution: xr.Dataset, dataset: xr.Dataset, data_hash: str, mark: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the weights on a mark that are averaged, and the genes' positions in the dataset.

    The genes are the test genes predicted ON (probability > 0.5); for a control, those labelled ON.
    A class has no genes.
    """
    weight = attribution["weight"]
    position = explained_genes(attribution, dataset, data_hash, bins=True)
    column = mark_column(dataset, mark)
    values = np.take(weight.values, column, axis=-2) if "mark" in weight.dims else weight.values
    if position is None:
        return values, None
    if attribution.attrs["model"]:
        on = attribution["probability"].values > 0.5
    else:
        on = dataset["label"].values[position] == 1
    chosen = on & (dataset["split"].values[position] == "test")
    return values[chosen], np.asarray(position[chosen])


def _undefined(side: _Side) -> str:
    """Return why r is undefined for these weights, or an empty string."""
    if side.rows is not None and not len(side.rows):
        return "r undefined: no test gene is predicted ON"
    if np.ptp(side.profile()) == 0:
        return "r undefined: the weights are the same in every bin"
    return ""


def _jointly(attribution: xr.Dataset, mark: str) -> str:
    """Return a note if weights are those of all marks together, or an empty string."""
    if "mark" in attribution["weight"].dims:
        return ""
    method, model = attribution.attrs["method"], attribution.attrs["model"]
    whose = f"{method} of {model}" if model else method
    return f"{whose}: weights over the bins of all marks together, not of {mark} alone"


def _bootstrap(
    sides: Sequence[_Side], reference: _Side, n_genes: int, n_bootstrap: int, seed: int
) -> list[tuple[float, float]]:
    """Return each side's 95 % interval of r, from the same draws of genes for all."""
    involved = [side.rows for side in (*sides, reference) if side.rows is not None]
    union = np.unique(np.concatenate(involved))
    generator = np.random.default_rng(seed)
    found = np.full((len(sides), n_bootstrap), np.nan)
    counts = np.zeros((_DRAWS_AT_ONCE, n_genes), dtype=np.float32)
    for start in range(0, n_bootstrap, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, n_bootstrap - start)
        counts[:size, union] = generator.multinomial(
            len(union), np.full(len(union), 1 / len(union)), size=size
        )
        drawn = reference.resampled(counts[:size])
        for row, side in enumerate(sides):
            if not _undefined(side):
                r = correlate(side.resampled(counts[:size]), drawn)
                found[row, start : start + size] = r
    return [interval(row) for row in found]

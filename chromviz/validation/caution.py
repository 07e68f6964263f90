"""Warnings about single genes that a reader should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

#: Distance of a probability from 0.5, and of an expression from the label's threshold (relative to
#: it), that counts as close.
NEAR_PROBABILITY = 0.1
NEAR_THRESHOLD = 0.1

#: Warnings by name, in the order of their bits on the page.
WARNINGS: dict[str, str] = {
    "misclassified": "the model predicts the other state than the label says",
    "near_half": f"the model is unsure: its probability is within {NEAR_PROBABILITY} of 0.5",
    "near_threshold": (
        f"the label is unsure: the expression is within {100 * NEAR_THRESHOLD:.0f} % of the "
        "threshold between ON and OFF"
    ),
    "missing_bins": "bins of the signal or of a reference track hold no data",
    "neighbour": "another gene's TSS lies inside the window",
    "trained_on": "the model's training used this gene",
    "unlabelled": "the expression is not known, so neither is the state",
    "incomplete": "weights of a method fail the completeness check",
}


@dataclass(frozen=True)
class Neighbour:
    """Another gene whose TSS (0-based) is `offset` bases from that of the window."""

    gene: str
    symbol: str
    strand: str
    tss: int
    offset: int


def neighbours(dataset: xr.Dataset, rows: np.ndarray) -> list[list[Neighbour]]:
    """Return for each gene (by position) the other genes with a TSS in its window, by distance."""
    strand, tss = dataset["strand"].values, dataset["tss"].values.astype(np.int64)
    starts = dataset["bin_start"].values
    low, high = int(starts[0]), int(starts[-1]) + int(dataset.attrs["bin_width"])
    along = dataset.attrs["orientation"] == "strand"
    # Positions along all chromosomes, which are further apart than any window reaches.
    number = np.unique(dataset["chrom"].values.astype(str), return_inverse=True)[1]
    place = number * (int(tss.max()) + 2 * (high - low)) + tss
    order = np.argsort(place, kind="stable")
    reach = max(-low, high)
    first = np.searchsorted(place[order], place[rows] - reach)
    last = np.searchsorted(place[order], place[rows] + reach + 1)
    found = []
    for row, begin, end in zip(rows, first, last, strict=True):
        turned = along and strand[row] == "-"
        near = []
        for other in order[begin:end]:
            offset = int(tss[other] - tss[row]) * (-1 if turned else 1)
            if other != row and low <= offset < high:
                gene, symbol = (str(dataset[name].values[other]) for name in ("gene", "symbol"))
                near.append(Neighbour(gene, symbol, str(strand[other]), int(tss[other]), offset))
        found.append(sorted(near, key=lambda one: (abs(one.offset), one.gene)))
    return found


def gene_warnings(
    dataset: xr.Dataset,
    rows: np.ndarray,
    *,
    probability: np.ndarray | None = None,
    flagged: np.ndarray | None = None,
    trained_here: bool = True,
    beside: list[list[Neighbour]] | None = None,
) -> Mapping[str, np.ndarray]:
    """Return which genes each of :data:`WARNINGS` applies to, bool (row,) by name.

    `rows` are positions of genes. `probability` of ON is NaN if the model cannot read the gene, and
    None without a model. `flagged` genes have weights that fail the completeness check.
    `trained_here`: the model was trained on the split of this dataset. `beside`: the neighbours.
    """
    label = dataset["label"].values[rows]
    expression = dataset["expression"].values[rows].astype(float)
    threshold = float(dataset.attrs["label_threshold"])
    p = np.full(len(rows), np.nan) if probability is None else np.asarray(probability, float)
    beside = neighbours(dataset, rows) if beside is None else beside
    gaps = np.isnan(dataset["signal"].values[rows]).any(axis=(1, 2))
    gaps |= np.isnan(dataset["coverage"].values[:, rows]).any(axis=(0, 2))
    seen = np.isin(dataset["split"].values[rows], ("train", "valid"))
    return {
        "misclassified": np.isfinite(p) & (label >= 0) & ((p > 0.5) != (label == 1)),
        "near_half": np.abs(p - 0.5) <= NEAR_PROBABILITY,
        "near_threshold": np.abs(expression - threshold) <= NEAR_THRESHOLD * abs(threshold),
        "missing_bins": gaps,
        "neighbour": np.array([bool(near) for near in beside], dtype=bool),
        "trained_on": seen & (probability is not None) & trained_here,
        "unlabelled": label < 0,
        "incomplete": np.zeros(len(rows), bool) if flagged is None else np.asarray(flagged, bool),
    }

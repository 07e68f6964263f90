"""Which genes count as ON: a threshold on expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from chromviz.errors import ChromvizError

_KNOWN = "give median, quantile:Q, quantile:LOW,HIGH or above:LEVEL"


@dataclass(frozen=True)
class LabelRule:
    """Genes above one level are ON, genes not above another are OFF.

    `text` is the rule as the user writes it: ``median`` of the cell type's column, as in the paper;
    ``quantile:0.75``; ``quantile:0.25,0.75``, which leaves the genes in between without a label; or
    ``above:1``, a level in the unit of the table.
    """

    text: str = "median"

    def __post_init__(self) -> None:
        self._numbers()

    def levels(self, every: np.ndarray) -> tuple[float, float]:
        """Return the level up to which a gene is OFF, and that above which it is ON.

        `every` is the expression of all rows of the table, NaN if unknown.
        """
        kind, first, last = self._numbers()
        if kind == "above":
            return first, last
        known = np.sort(every[~np.isnan(every)]).astype(np.float64)
        if not len(known):
            raise ChromvizError("no expression value is known; check the table")
        # Rounded, so that quantile 0.57 of 101 values is exactly the 58th value. In floating point
        # 0.57 * 100 is just below 57, and the unit would then decide that gene's label.
        place = np.round(np.array([first, last]) * (len(known) - 1), 9)
        low, high = np.interp(place, np.arange(len(known)), known)
        return float(low), float(high)

    def label(self, level: np.ndarray, every: np.ndarray) -> np.ndarray:
        """Return int8 (gene,): 1 ON, 0 OFF, -1 unknown or between the two levels."""
        low, high = self.levels(every)
        label = np.full(len(level), -1, dtype=np.int8)
        label[level <= low] = 0
        label[level > high] = 1
        return label

    def describe(self) -> str:
        """Return the rule in words."""
        kind, first, last = self._numbers()
        if self.text.strip() == "median":
            return "expression > median of the cell"
        if kind == "above":
            return f"expression > {first:g}"
        if "," not in self.text:
            return f"expression > quantile {first:g} of the cell"
        return (
            f"ON: expression > quantile {last:g} of the cell; OFF: not above quantile {first:g}; "
            "genes between have no label"
        )

    def _numbers(self) -> tuple[str, float, float]:
        """Return the rule's kind, and its first and last number, or raise what is wrong with it."""
        text = self.text.strip()
        kind, _, rest = ("quantile:0.5" if text == "median" else text).partition(":")
        try:
            numbers = [float(part) for part in rest.split(",")]
        except ValueError:
            numbers = []
        if kind not in ("quantile", "above") or not numbers or not np.isfinite(numbers).all():
            raise ChromvizError(f"unknown label rule {self.text!r}; {_KNOWN}")
        if kind == "above" and len(numbers) > 1:
            raise ChromvizError(f"label rule {self.text!r} has several levels; {_KNOWN}")
        if kind == "quantile" and not (
            len(numbers) <= 2 and numbers == sorted(numbers) and 0 < numbers[0] <= numbers[-1] < 1
        ):
            raise ChromvizError(
                f"label rule {self.text!r}: quantiles must be in (0, 1) and increase; {_KNOWN}"
            )
        return kind, numbers[0], numbers[-1]


def permute_labels(dataset: xr.Dataset, seed: int = 0) -> xr.Dataset:
    """Return a dataset whose training and validation genes have exchanged labels at random.

    Labels are exchanged within each part, so both keep their share of ON genes; test genes keep
    their labels. A model trained on it cannot learn anything about expression, so its explanations
    are a negative control (Adebayo et al. 2018).
    """
    rng = np.random.default_rng(seed)
    label = dataset["label"].values.copy()
    for part in ("train", "valid"):
        rows = np.flatnonzero(dataset["split"].values == part)
        label[rows] = label[rng.permutation(rows)]
    rule = f"{dataset.attrs['label_rule']}; permuted among training and validation genes ({seed})"
    return dataset.assign(label=(("gene",), label)).assign_attrs(label_rule=rule)

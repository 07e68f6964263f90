"""The words everything else uses: marks, roles, the window around a TSS, cell types."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from chromviz.errors import ChromvizError, UnknownNameError, require_text

if TYPE_CHECKING:
    import numpy as np

#: The five core marks in DeepChrome's column order.
MARKS: tuple[str, ...] = ("H3K27me3", "H3K36me3", "H3K4me1", "H3K4me3", "H3K9me3")

#: The mark whose weights Table 3 correlates with the reference track.
PROMOTER_MARK = "H3K4me3"

#: The track that no model has seen (H_active in the paper).
REFERENCE_TRACK = "H3K27ac"

#: How the paper renames the marks (section 5, "Dataset"). Labels for people, never identifiers.
PAPER_LABELS: dict[str, str] = {
    "H3K27me3": "H_reprA",
    "H3K36me3": "H_struct",
    "H3K4me1": "H_enhc",
    "H3K4me3": "H_prom",
    "H3K9me3": "H_reprB",
    "H3K27ac": "H_active",
}

#: What each mark is known for (section 5, "Dataset").
ROLES: dict[str, str] = {
    "H3K27me3": "repressor",
    "H3K36me3": "gene body",
    "H3K4me1": "enhancer",
    "H3K4me3": "promoter",
    "H3K9me3": "repressor",
    "H3K27ac": "activity",
}

#: The values of a dataset's ``split``.
SPLITS: tuple[str, ...] = ("train", "valid", "test", "none")

# Other spellings of units of signal.
_UNITS = {"read counts": "reads", "counts": "reads"}

#: The remark of a table if the missing-data policy of the dataset is ``zero``.
ZERO_FILLED = "Bins without data were set to zero when the dataset was prepared."

#: The cell types of the paper's Table 3 and Figure 2c, in the paper's order.
PAPER_CELLS: tuple[str, ...] = ("E003", "E116", "E123")

#: Common names of Roadmap epigenomes (Roadmap Epigenomics, Nature 518, 2015).
COMMON_NAMES: dict[str, str] = {
    "E003": "H1-hESC",
    "E114": "A549",
    "E116": "GM12878",
    "E117": "HeLa-S3",
    "E118": "HepG2",
    "E119": "HMEC",
    "E120": "HSMM",
    "E122": "HUVEC",
    "E123": "K562",
    "E127": "NHEK",
    "E128": "NHLF",
}


@dataclass(frozen=True)
class Window:
    """The region around a TSS that a model sees.

    Bin ``b`` covers ``[TSS - flank + b * bin_width, TSS - flank + (b + 1) * bin_width)``,
    0-based and half-open, and is never clipped.

    Parameters
    ----------
    flank
        Bases on each side of the TSS.
    bin_width
        Bases in a bin; ``2 * flank`` must be a multiple of it.
    """

    flank: int = 5000
    bin_width: int = 100

    def __post_init__(self) -> None:
        if self.flank <= 0 or self.bin_width <= 0:
            raise ChromvizError(
                f"a window of {self.flank} bp on each side in bins of {self.bin_width} bp has no "
                "bases; both must be above 0"
            )
        if (2 * self.flank) % self.bin_width:
            raise ChromvizError(
                f"a window of {self.flank} bp on each side cannot be cut into bins of "
                f"{self.bin_width} bp; choose a bin width that divides {2 * self.flank}"
            )

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return 2 * self.flank // self.bin_width

    @property
    def bin_start(self) -> np.ndarray:
        """First base of each bin in bp from the TSS, int64 (bin,)."""
        import numpy as np

        return np.arange(-self.flank, self.flank, self.bin_width, dtype=np.int64)


@dataclass(frozen=True)
class Epigenome:
    """One reference epigenome of the Roadmap project."""

    eid: str
    name: str
    anatomy: str

    @property
    def common_name(self) -> str:
        """The common name, such as ``K562`` for E123, or the EID if there is none."""
        return COMMON_NAMES.get(self.eid, self.eid)


@cache
def epigenomes() -> dict[str, Epigenome]:
    """Return the 56 epigenomes of the paper by EID, in order."""
    text = resources.files("chromviz").joinpath("epigenomes.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["eid"]: Epigenome(row["eid"], row["name"], row["anatomy"]) for row in rows}


def find_eid(name: str) -> str | None:
    """Return the EID that a cell type's name or EID stands for, in any case; None if unknown."""
    wanted = name.strip().lower()
    for eid in epigenomes():
        if wanted in (eid.lower(), COMMON_NAMES.get(eid, eid).lower()):
            return eid
    return None


def resolve_cell(name: str, available: tuple[str, ...], where: str) -> str:
    """Return the entry of `available` that a name (EID, common or dataset name) refers to."""
    require_text(name, "a cell type")
    by_lower = {(find_eid(item) or item).lower(): item for item in available}
    by_lower |= {item.lower(): item for item in available}
    eid = find_eid(name)
    for candidate in (name.strip().lower(), (eid or "").lower()):
        if candidate in by_lower:
            return by_lower[candidate]
    if eid is not None:
        at_hand = ", ".join(cell_label(item) for item in available) or "none"
        raise ChromvizError(
            f"no dataset for {cell_label(eid)} in {where}; available: {at_hand}. "
            "Make one with 'chromviz prepare', or name another cell type."
        )
    names = [alias for item in available for alias in (item, COMMON_NAMES.get(item, item))]
    raise UnknownNameError(
        "cell type", name, dict.fromkeys(names), f"'chromviz cells' lists those in {where}."
    )


def cell_label(cell: str) -> str:
    """Return ``"K562 (E123)"`` for an EID with a common name, else the name itself."""
    return f"{COMMON_NAMES[cell]} ({cell})" if cell in COMMON_NAMES else cell


def same_unit(*units: str) -> bool:
    """Return whether the units of signal that are not empty mean the same."""
    return len({_UNITS.get(unit, unit) for unit in units if unit}) < 2


def mark_label(mark: str) -> str:
    """Return the mark with the paper's name beside it: ``"H3K4me3 (H_prom)"``."""
    return f"{mark} ({PAPER_LABELS[mark]})" if mark in PAPER_LABELS else mark

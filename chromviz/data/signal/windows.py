"""Windows around TSSs: their bounds, and the direction of their bins."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chromviz.errors import ChromvizError
from chromviz.vocabulary import Window


def window_bounds(genes: pd.DataFrame, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the first base of each gene's window and the base after its last, int64 (gene,)."""
    tss = genes["tss"].to_numpy(np.int64)
    return tss - window.flank, tss + window.flank


def orient(values: np.ndarray, strand: np.ndarray, orientation: str) -> np.ndarray:
    """Orient values (gene, bin) along the chromosome (``genome``) or along the gene (``strand``).

    ``genome`` is as in the paper. With ``strand``, rows of genes on ``-`` are reversed and genes of
    unknown strand are NaN. The values are not changed in place.
    """
    check_orientation(orientation)
    if orientation == "genome":
        return values
    turned = np.where((strand == "-")[:, None], values[:, ::-1], values)
    turned[strand == "."] = np.nan
    return turned


def check_orientation(orientation: str) -> None:
    """Raise if an orientation is neither ``genome`` nor ``strand``."""
    if orientation not in ("genome", "strand"):
        raise ChromvizError(f"unknown orientation {orientation!r}; known: genome, strand")

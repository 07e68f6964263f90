"""Windows around TSSs: where they lie, and which way their bins run."""

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
    """Turn windows the way that was asked for.

    Parameters
    ----------
    values
        float (gene, bin), bins rising along the chromosome.
    strand
        object (gene,): ``+``, ``-`` or ``.``.
    orientation
        ``genome``: bins rise along the chromosome, as in the paper. ``strand``: bins rise along
        the gene, so rows of ``-`` genes are reversed, and genes of unknown strand are NaN.

    Returns
    -------
    numpy.ndarray
        Like `values`, which is left as it is.

    Raises
    ------
    ChromvizError
        If the orientation is unknown.
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

"""Which genes a model trains on, is chosen on, and is judged on."""

from __future__ import annotations

import numpy as np


def three_folds(used: np.ndarray, seed: int) -> np.ndarray:
    """Draw three equal folds of the used genes, the paper's way (section 5, "Dataset").

    Parameters
    ----------
    used
        bool (gene,): the genes that models use.
    seed
        Seed of the draw.

    Returns
    -------
    numpy.ndarray
        object (gene,): ``train``, ``valid`` or ``test``; ``none`` for genes not used. Sizes
        differ by at most one; extra genes go to train first, then to valid, so that 19,802 genes
        give 6,601, 6,601 and 6,600.
    """
    used = np.asarray(used, dtype=bool)
    split = np.full(len(used), "none", dtype=object)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(used))
    for name, members in zip(("train", "valid", "test"), np.array_split(order, 3), strict=True):
        split[members] = name
    return split

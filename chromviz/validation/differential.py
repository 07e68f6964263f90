"""Genes that change state between cell types, and whether attention to marks changes with them.

The paper's Figure 2c shows one such gene, PAX5; here every gene that changes state is a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from chromviz.errors import ChromvizError
from chromviz.validation.resample import student_half
from chromviz.validation.tidy import bounds
from chromviz.vocabulary import ROLES

#: The role of the marks on which the paper expects attention if a gene is OFF.
_REPRESSOR = "repressor"


def active_share(beta: np.ndarray, marks: Sequence[str]) -> np.ndarray:
    """Return the share of β (..., mark) on non-repressive marks; both kinds must be present."""
    unknown = [mark for mark in marks if mark not in ROLES]
    if unknown:
        raise ChromvizError(
            f"nothing is known of the role of {unknown[0]}; known: {', '.join(ROLES)}"
        )
    repressor = np.array([ROLES[mark] == _REPRESSOR for mark in marks])
    if repressor.all() or not repressor.any():
        raise ChromvizError(
            "a repressor mark (H3K27me3, H3K9me3) and another are needed to say where β moves; "
            f"the marks are {', '.join(marks)}"
        )
    return np.asarray(beta[..., ~repressor].sum(axis=-1) / beta.sum(axis=-1))


def changes(
    genes: pd.DataFrame,
    cells: Sequence[str],
    label: np.ndarray,
    probability: np.ndarray,
    beta: np.ndarray,
    marks: Sequence[str],
) -> pd.DataFrame:
    """Return the genes that change state between cell types, largest change of β first.

    `label` is (cell, gene), `probability` of ON (cell, seed, gene) and `beta` (cell, seed, gene,
    mark). One row per gene and pair of cell types with different labels. ``shift`` is the share of
    β on non-repressive marks, ON cell type minus OFF, with Student's 95 % interval over seeds;
    ``called`` is 1 if both probabilities are on the right side of 0.5, ``sure`` if the interval is
    above 0, and ``beta_{mark}`` the change of β of each mark.
    """
    share = active_share(beta, marks)
    rows = []
    for on, off in permutations(range(len(cells)), 2):
        for at in np.flatnonzero((label[on] == 1) & (label[off] == 0)):
            shift = share[on, :, at] - share[off, :, at]
            mean, half = shift.mean(), student_half(shift)
            p_on, p_off = (float(probability[cell, :, at].mean()) for cell in (on, off))
            moved = (beta[on, :, at] - beta[off, :, at]).mean(axis=0)
            rows.append(
                (
                    *(genes["gene"].iloc[at], genes["symbol"].iloc[at], cells[on], cells[off]),
                    *(p_on, p_off, int(p_on > 0.5 >= p_off)),
                    *(float(mean), float(mean - half), float(mean + half)),
                    *(int(mean > 0), int(mean - half > 0), *moved),
                )
            )
    columns = [
        *("gene", "symbol", "on_cell", "off_cell", "probability_on", "probability_off", "called"),
        *("shift", "ci_low", "ci_high", "as_expected", "sure", *(f"beta_{m}" for m in marks)),
    ]
    table = pd.DataFrame(rows, columns=columns)
    table = table.sort_values("shift", key=np.abs, ascending=False, kind="stable")
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table.reset_index(drop=True)


def recovery(
    label: np.ndarray,
    probability: np.ndarray,
    beta: np.ndarray,
    marks: Sequence[str],
    *,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how well models of the single cell types find the genes that change state.

    Arrays are as for :func:`changes`, for all genes, which are ranked by the largest difference
    between cell types in ``probability``, or in the share of ``beta``. A random score has an AUPRC
    equal to ``prevalence``. NaN if no gene changes, or every one does.
    """
    changed = (label != label[0]).any(axis=0)
    found = {
        "probability": np.ptp(probability.mean(axis=1), axis=0),
        "beta": np.ptp(active_share(beta, marks).mean(axis=1), axis=0),
    }
    rng = np.random.default_rng([seed, 6])
    drawn = rng.integers(len(changed), size=(n_bootstrap, len(changed)))
    rows = []
    for name, score in found.items():
        draws = np.array([_auprc(changed[again], score[again]) for again in drawn])
        rows.append(
            {
                "score": name,
                "auprc": _auprc(changed, score),
                **bounds(draws),
                "prevalence": float(changed.mean()),
                "n": len(changed),
            }
        )
    return pd.DataFrame(rows)


def _auprc(truth: np.ndarray, score: np.ndarray) -> float:
    if truth.all() or not truth.any():
        return np.nan
    return float(average_precision_score(truth, score))

"""Checks whether the profile of each mark looks like that mark or like another."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from chromviz.data.preflight import Finding, warning
from chromviz.vocabulary import MARKS, Window

# Mark; the logarithm of its mean ON profile in tenths of the window, 5' to 3', about their mean;
# then that of ON over OFF. Means of E003 and E116, -log10 p over the ENCODE pilot regions (Roadmap
# Epigenomics, Nature 518, 2015), as `shape` gives them; a test computes them again.
_TABLE = """
H3K27me3
    0.04 -0.02 0.08 0.16 0.08 0.02 0.10 -0.11 -0.16 -0.18
    -0.47 -0.59 -0.50 -0.48 -0.56 -0.76 -0.70 -0.79 -0.75 -0.77
H3K36me3
    0.05 -0.01 -0.10 -0.19 -0.44 -0.49 0.01 0.31 0.41 0.46
    0.27 0.22 0.18 0.14 -0.05 -0.13 0.34 0.63 0.70 0.75
H3K4me1
    -0.33 -0.24 -0.17 0.10 0.27 -0.06 0.33 0.16 0.02 -0.07
    0.15 0.24 0.25 0.44 0.43 0.03 0.52 0.50 0.40 0.33
H3K4me3
    -0.68 -0.75 -0.62 -0.30 0.91 1.46 0.90 0.05 -0.44 -0.53
    0.40 0.41 0.45 0.47 0.97 1.38 1.34 0.93 0.62 0.53
H3K9me3
    0.06 0.04 0.01 0.02 -0.02 -0.03 -0.05 -0.03 -0.01 -0.01
    -0.12 -0.15 -0.16 -0.16 -0.19 -0.27 -0.25 -0.21 -0.18 -0.15
"""
#: How much better the fit must be for two files to be called swapped, and for one file to be called
#: another mark. In E003, in E116 and in E003's read depth the right order fits better by 0.12 or
#: more. In samples of 60 ON and 60 OFF genes from E003 and E116 it was never called swapped, and
#: every swap was found except of the two repressors (in read depth, also H3K4me1 and H3K9me3).
_SWAPPED, _MISTAKEN = 0.25, 0.30
_FEWEST = 20
#: A shape with a smaller root mean square than this is flat; that of H3K9me3 is 0.13.
_FLAT = 0.2
_PARTS = 10


def check_shapes(
    values: Mapping[str, np.ndarray], label: np.ndarray, strand: np.ndarray, window: Window
) -> list[Finding]:
    """Warn of marks whose ON profile is that of another mark, as when two files are swapped.

    The mean profiles (bins along the chromosome) of each core mark are compared with its shapes in
    two real cell types, for windows of 5,000 bp on each side. The two repressors are too similar
    for small samples, and marks other than the core five have no known shape here.
    """
    core = [mark for mark in MARKS if mark in values]
    if window.flank != 5000 or window.n_bins % _PARTS or not core:
        return []
    known, fits, flat = known_shapes(), {}, {}
    for mark in core:
        found = shape(values[mark], label, strand)
        if found is not None:
            flat[mark] = bool(np.sqrt(np.mean(found**2)) < _FLAT)
            fits[mark] = {
                other: float(np.sqrt(np.mean((found - known[other]) ** 2))) for other in MARKS
            }
    gains = {
        (one, two): fits[one][one] + fits[two][two] - fits[one][two] - fits[two][one]
        for one, two in combinations(fits, 2)
    }
    findings: list[Finding] = []
    told: set[str] = set()
    for one, two in sorted(gains, key=gains.__getitem__, reverse=True):
        if gains[one, two] > _SWAPPED and not told & {one, two}:
            told |= {one, two}
            message = (
                f"the profile of {one} at ON genes looks like {two}, and that of {two} like {one}: "
                "are the two files swapped? Every statement about either mark would be about the "
                "other"
            )
            findings.append(warning("swapped", message))
    for mark, fit in fits.items():
        if flat[mark]:
            continue  # noise looks like the flattest mark, whatever the file is
        nearest = min(fit, key=fit.__getitem__)
        if mark not in told and fit[mark] - fit[nearest] > _MISTAKEN:
            message = (
                f"the profile of {mark} at ON genes looks like {nearest}: is the file correct? "
                f"Every statement about {mark} would be about {nearest}"
            )
            findings.append(warning("swapped", message))
    return findings


def shape(values: np.ndarray, label: np.ndarray, strand: np.ndarray) -> np.ndarray | None:
    """Return a mark's shape, float64 (20,), or None with too few genes to tell.

    It does not depend on the signal's scale: it is computed from the arcsinh of the signal divided
    by its mean. Genes with gaps or of unknown strand are left out.
    """
    whole = ~np.isnan(values).any(axis=1) & (strand != ".")
    turned = np.where((strand == "-")[:, None], values[:, ::-1], values)
    on, off = whole & (label == 1), whole & (label == 0)
    scale = float(np.abs(values[on | off]).mean(dtype=np.float64)) if (on | off).any() else 0.0
    if min(on.sum(), off.sum()) < _FEWEST or scale == 0:
        return None

    def profile(rows: np.ndarray) -> np.ndarray:
        mean = np.arcsinh(turned[rows] / scale).mean(axis=0, dtype=np.float64)
        # A small pseudocount, which also keeps the logarithm finite.
        return np.asarray(np.maximum(mean.reshape(_PARTS, -1).mean(axis=1), 0) + 0.05)

    high, low = profile(on), profile(off)
    level = np.log(high)
    return np.concatenate([level - level.mean(), np.log(high / low)])


def known_shapes() -> dict[str, np.ndarray]:
    """Return the shape of each core mark, float64 (20,), as :func:`shape` gives it."""
    fields = _TABLE.split()
    rows = [fields[at : at + 1 + 2 * _PARTS] for at in range(0, len(fields), 1 + 2 * _PARTS)]
    return {mark: np.array(numbers, dtype=np.float64) for mark, *numbers in rows}

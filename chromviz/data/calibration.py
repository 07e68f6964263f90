"""Parameters of the simulated cells; ``calibration.md`` says how they were fitted and how well.

The parameters of each mark are in ``calibration.csv``, one row per calibration and mark. Widths and
positions are in bp, heights in -log10 p (in reads per base for H3K27ac).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path

from chromviz.vocabulary import MARKS, ROLES

#: Sign of the effect of each mark's own component on the expression.
SIGNS = {mark: -1 if ROLES[mark] == "repressor" else 1 for mark in MARKS}

#: Share of the 19,802 genes with another gene's TSS within 5 kb (measured on genes.bed: 0.2175).
NEIGHBOUR_SHARE = 0.22
#: Probability that a neighbour's promoter is active (in the pilot regions 0.52 of the genes'
#: promoters are active in E003 and 0.43 in E116: arcsinh of H3K4me3 above 1.5 near the TSS).
NEIGHBOUR_ACTIVE = 0.5
#: Share of genes with a piece of window without signal, and without reference coverage.
SIGNAL_GAPS, COVERAGE_GAPS = 0.01, 0.02
#: Bins in a gap.
GAP_BINS = 10
#: Correlation of a gene's latent variables between cells: the labels of two cells then agree for
#: 77 % of the genes (real E003 and E116: 79.7 %).
BETWEEN_CELLS = 0.81


@dataclass(frozen=True)
class Background:
    """Signal without any component: lognormal, autocorrelated along the gene.

    ``level`` is its median. Its log varies between genes (``gene_sd``) and along a gene
    (``slow_sd``; the correlation falls to 1/e over ``slow_length`` bins). ``fast_sd`` is that of
    multiplicative noise which only nearby bins share; it also affects peaks.
    """

    level: float
    gene_sd: float
    slow_sd: float
    slow_length: float
    fast_sd: float


@dataclass(frozen=True)
class Mark(Background):
    """One mark in one calibration: its background and its component.

    A ``share`` of genes has the component. The propensity to have it has the correlation ``link``
    with the gene's latent activity. The median peak of a gene that barely has it is ``amplitude``;
    the log peak grows by ``gain`` with the propensity and varies by ``spread``. ``upstream`` and
    ``downstream`` are half-widths (to 1/e), for the gene body: where downstream of the TSS it
    starts, and how gradually; ``width_sd`` is the standard deviation of their log. A component of
    median amplitude changes the log RPKM by ``weight``, before its sign. A share of genes,
    ``spurious``, has an isolated signal of this mark that causes nothing.
    """

    share: float
    link: float
    amplitude: float
    gain: float
    spread: float
    upstream: float
    downstream: float
    width_sd: float
    weight: float
    spurious: float


def _read_marks() -> dict[str, dict[str, Mark]]:
    """Return the marks of each calibration."""
    marks: dict[str, dict[str, Mark]] = {}
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            numbers = {field.name: float(row[field.name]) for field in fields(Mark)}
            marks.setdefault(row["calibration"], {})[row["mark"]] = Mark(**numbers)
    return marks


_MARKS = _read_marks()


@dataclass(frozen=True)
class Cell:
    """One simulated cell type.

    ``noise`` is the standard deviation of the log RPKM that no mark explains; it sets how difficult
    the cell is. ``median_rpkm`` is that of 19,802 genes in "Roadmap Epigenomics
    57epigenomes.RPKM.pc".
    """

    marks: dict[str, Mark]
    noise: float
    median_rpkm: float


CELLS = {
    "E003": Cell(_MARKS["E003"], 3.0, 3.330),
    "E116": Cell(_MARKS["E116"], 2.55, 1.7475),
    "E123": Cell(_MARKS["E116"], 2.4, 1.6085),
}

#: H3K27ac away from its peaks.
AC_BACKGROUND = Background(level=0.14, gene_sd=0.5, slow_sd=0.6, slow_length=4, fast_sd=0.9)
#: H3K27ac: its peak at a promoter and at a distal enhancer of median amplitude, how its log follows
#: theirs, and standard deviation of its log that they do not share.
AC_PROMOTER, AC_DISTAL, AC_POWER, AC_SPREAD = 2.8, 0.4, 0.35, 0.65
#: Shape of H3K27ac: centre, half-widths relative to H3K4me3's and standard deviation of their log,
#: and gap at the TSS. More of it lies upstream, so that the two profiles are similar, not equal.
AC_CENTRE, AC_BEFORE, AC_AFTER, AC_WIDTH_SD, AC_DIP = 150.0, 1.0, 0.8, 0.4, 0.1
#: The gap in H3K4me3 at the TSS, where the nucleosome is missing: mean depth and width.
DIP_DEPTH, DIP_WIDTH = 0.6, 130.0
#: The peak of H3K4me3 lies downstream of the TSS.
PROMOTER_CENTRE = 200.0
#: Share of H3K4me1 that is missing at an active promoter, and half-widths of that gap.
HOLE, HOLE_BEFORE, HOLE_AFTER = 0.95, 450.0, 850.0
#: Centre of H3K27me3 and H3K9me3 domains.
DOMAIN_CENTRE = 500.0
#: Distal enhancers, 1.5 to 3 kb from the TSS: positions per gene, share of them in use, effect of
#: each on the log RPKM, half-width.
DISTAL_PLACES, DISTAL_SHARE, DISTAL_WEIGHT, DISTAL_WIDTH = 2, 0.15, 0.3, 350.0

#: Known genes: symbol, Ensembl id, chromosome, TSS (hg19, 0-based), strand, and whether they are
#: ON in E003, E116, E123: RPKM above the cell's median in "Roadmap Epigenomics
#: 57epigenomes.RPKM.pc".
NAMED_GENES: tuple[tuple[str, str, str, int, str, tuple[int, int, int]], ...] = (
    ("PAX5", "ENSG00000196092", "chr9", 37034476, "-", (0, 1, 0)),
    ("CD19", "ENSG00000177455", "chr16", 28943260, "+", (0, 1, 0)),
    ("CD79A", "ENSG00000105369", "chr19", 42381190, "+", (0, 1, 0)),
    ("POU5F1", "ENSG00000204531", "chr6", 31148508, "-", (1, 0, 0)),
    ("SOX2", "ENSG00000181449", "chr3", 181429714, "+", (1, 0, 0)),
    ("NANOG", "ENSG00000111704", "chr12", 7940390, "+", (1, 0, 0)),
    ("TAL1", "ENSG00000162367", "chr1", 47697892, "-", (0, 0, 1)),
    ("KLF1", "ENSG00000105610", "chr19", 12998017, "-", (0, 0, 1)),
    ("HBG1", "ENSG00000213934", "chr11", 5271122, "-", (0, 0, 1)),
    ("GAPDH", "ENSG00000111640", "chr12", 6643093, "+", (1, 1, 1)),
    ("ACTB", "ENSG00000075624", "chr7", 5603415, "-", (1, 1, 1)),
    ("MYOD1", "ENSG00000129152", "chr11", 17741115, "+", (0, 0, 0)),
)

#: Simulated TSSs lie on a grid of this step (bp), so that no two windows overlap.
GRID = 20_000

"""What the simulated cells are like: constants, and how they were fitted to real profiles.

Data. Roadmap Epigenomics, hg19: -log10 p signal of the five marks of E003 (H1-hESC) and E116
(GM12878) over the ENCODE pilot regions, 320 genes of known strand whose whole window is covered
(E003: 131 ON, 189 OFF; E116: 130, 190); read depth of H3K27ac around promoters of E003 (61 ON, 52
OFF); RPKM of 19,802 genes. No real profile of E123 (K562) was at hand: it takes the calibration
of E116, with draws of its own.

Statistics, all on the arcsinh of the signal, turned along the strand: by mark, label and 500 bp the
mean, sd and 10, 50 and 90 % quantiles over genes; by mark the correlation of bins 1, 2, 5, 10 and
20 apart, and the AUC of a gene's largest and mean signal for its label.

Procedure. A random search over the 14 numbers of a mark other than its weight, that keeps what
brings simulated statistics (3,000 genes) nearer to the real ones; then rounded to two digits.
Set by hand: the weights; the noise of the expression, after the search, so that a logistic
regression comes near the cell's published difficulty (test AUC of DeepChrome 0.77, 0.91, 0.92;
aimed at 0.83, 0.90, 0.91); the heights of H3K4me3 in E003 (gain); the place of H3K4me1 beside the
promoter; all of H3K27ac; and the shares of neighbours and gaps. H3K27ac was fitted to E003 alone;
in the others it is as wide, relative to H3K4me3, as there, chosen because r (below) then comes near
to the real one in them too.

Agreement, seed 0, 6,000 genes (real, simulated; arcsinh, mean over the window; "off by" is the mean
absolute difference over bins of 500 bp and labels of the mean and of the 10, 50, 90 % quantiles;
a bootstrap of the real genes is off by 0.01 to 0.06 in the mean, by up to 0.34 in the last):

=============== =========== =========== =========== =========== ====== =====================
cell, mark      mean ON     sd ON       mean OFF    sd OFF      mean   quantiles
                                                                off by off by
=============== =========== =========== =========== =========== ====== =====================
E003 H3K27me3   0.52, 0.51  0.73, 0.77  0.94, 0.99  1.40, 1.44  0.06   0.02, 0.03, 0.23
E003 H3K36me3   0.53, 0.50  0.55, 0.50  0.36, 0.37  0.36, 0.42  0.06   0.02, 0.04, 0.20
E003 H3K4me1    0.63, 0.64  0.66, 0.67  0.50, 0.49  0.61, 0.58  0.04   0.02, 0.04, 0.12
E003 H3K4me3    1.20, 1.09  1.18, 1.07  0.51, 0.55  0.88, 0.96  0.09   0.02, 0.09, 0.21
E003 H3K9me3    0.30, 0.29  0.26, 0.25  0.43, 0.44  0.45, 0.40  0.02   0.01, 0.02, 0.05
E116 H3K27me3   0.26, 0.27  0.24, 0.21  0.44, 0.46  0.37, 0.37  0.03   0.02, 0.05, 0.06
E116 H3K36me3   0.46, 0.44  0.43, 0.35  0.25, 0.29  0.20, 0.26  0.07   0.01, 0.04, 0.17
E116 H3K4me1    0.62, 0.63  0.62, 0.59  0.36, 0.37  0.45, 0.44  0.06   0.03, 0.05, 0.16
E116 H3K4me3    0.99, 0.93  0.88, 0.85  0.37, 0.41  0.44, 0.61  0.08   0.03, 0.06, 0.23
E116 H3K9me3    0.27, 0.27  0.20, 0.19  0.31, 0.29  0.24, 0.22  0.01   0.01, 0.02, 0.04
=============== =========== =========== =========== =========== ====== =====================

Correlation of bins 1, 5 and 20 apart: within 0.13, 0.09 and 0.10 of the real one for every mark.
Test AUC of a logistic regression on 500 bp means, seeds 0 to 2: E003 0.83-0.84, E116 0.89-0.91,
E123 0.91-0.92; of one mark alone in E116, seed 0 (the paper's Table S1, GM12878): H3K4me3 0.84
(0.89), H3K36me3 0.80 (0.85), H3K27me3 0.79 (0.77), H3K4me1 0.79 (0.85), H3K9me3 0.55 (0.65).
Pearson r of the mean H3K4me3 of ON test genes with the mean H3K27ac of ON genes: 0.95 to 0.97
(real, E003: 0.91 to 0.96). Both the AUC and this r were aimed at, on the same folds: they are
properties that the data was given, not findings.

What does not agree. In real ON genes H3K36me3 is raised upstream too, by active neighbours: here
neighbours are independent of the gene, by design. Real marks dip at the TSS of active genes as the
nucleosome is missing; here only H3K4me3, H3K4me1 and H3K27ac do. Real neighbours mostly lie within
1.5 kb (bidirectional promoters) and these never. Bivalent promoters are not modelled: marks go
together only through the gene's activity.

The figure ``figures/simulator_calibration`` shows the profiles side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Sign of each mark's own component in the expression (gene body: see simulate.py).
SIGNS: dict[str, int] = {
    "H3K27me3": -1,
    "H3K36me3": +1,
    "H3K4me1": +1,
    "H3K4me3": +1,
    "H3K9me3": -1,
}

#: Share of the 19,802 genes with another gene's TSS within 5 kb (measured on genes.bed: 0.2175).
NEIGHBOUR_SHARE = 0.22
#: Chance that a neighbour's promoter is active (in the pilot regions 0.52 of the genes' promoters
#: are in E003 and 0.43 in E116: arcsinh of H3K4me3 above 1.5 near the TSS).
NEIGHBOUR_ACTIVE = 0.5
#: Share of genes with a piece of window without signal, and without reference coverage.
SIGNAL_GAPS, COVERAGE_GAPS = 0.01, 0.02
#: Bins that a gap takes.
GAP_BINS = 10
#: Correlation of a gene's latent variables between cells: the labels of two cells then agree for
#: 77 % of the genes (real E003 and E116: 79.7 %).
BETWEEN_CELLS = 0.81


@dataclass(frozen=True)
class Background:
    """Signal without any component: lognormal, autocorrelated along the gene.

    Parameters
    ----------
    level
        Median (-log10 p; reads per base for H3K27ac).
    gene_sd, slow_sd, fast_sd
        Standard deviation of its log between genes, along a gene, and of multiplicative noise that
        only nearby bins share (it also affects peaks).
    slow_length
        Bins over which the correlation along a gene falls to 1/e.
    """

    level: float
    gene_sd: float
    slow_sd: float
    slow_length: float
    fast_sd: float


@dataclass(frozen=True)
class Component:
    """Which genes have a mark's own component, and its height.

    Parameters
    ----------
    share
        Share of genes with it.
    link
        Correlation of a gene's propensity to have it with the gene's latent activity.
    amplitude
        Median peak (-log10 p) of a gene that barely has it.
    gain, spread
        Growth of the log peak with the propensity beyond that, and its standard deviation.
    """

    share: float
    link: float
    amplitude: float
    gain: float
    spread: float


@dataclass(frozen=True)
class Extent:
    """Position and width of a component.

    Parameters
    ----------
    upstream, downstream
        Half-widths (bp; the height falls to 1/e there). For the gene body: where downstream of the
        TSS it starts, and how gradually.
    width_sd
        Standard deviation of their log between genes.
    """

    upstream: float
    downstream: float
    width_sd: float


@dataclass(frozen=True)
class Mark:
    """One mark in one calibration.

    `weight` is the change of log RPKM by a component of median amplitude, before its sign;
    `spurious` the share of genes with an isolated signal of this mark that causes nothing.
    """

    background: Background
    component: Component
    extent: Extent
    weight: float
    spurious: float


#: Fitted to E003.
H1 = {
    "H3K27me3": Mark(
        Background(level=0.22, gene_sd=0.49, slow_sd=0.43, slow_length=4.9, fast_sd=0.72),
        Component(share=0.18, link=-0.49, amplitude=2.5, gain=2.5, spread=1.3),
        Extent(upstream=3500, downstream=4100, width_sd=0.75),
        weight=0.7,
        spurious=0.12,
    ),
    "H3K36me3": Mark(
        Background(level=0.2, gene_sd=0.23, slow_sd=0.28, slow_length=7.5, fast_sd=0.85),
        Component(share=0.39, link=0.98, amplitude=1.0, gain=0.24, spread=0.46),
        Extent(upstream=2200, downstream=150, width_sd=0.36),
        weight=1.2,
        spurious=0.067,
    ),
    "H3K4me1": Mark(
        Background(level=0.19, gene_sd=0.53, slow_sd=0.97, slow_length=4.2, fast_sd=0.74),
        Component(share=0.4, link=0.75, amplitude=1.3, gain=0.66, spread=0.75),
        Extent(upstream=1300, downstream=1700, width_sd=0.25),
        weight=0.5,
        spurious=0.24,
    ),
    "H3K4me3": Mark(
        Background(level=0.14, gene_sd=0.43, slow_sd=0.5, slow_length=2.6, fast_sd=0.75),
        Component(share=0.55, link=0.96, amplitude=25.0, gain=0.9, spread=0.43),
        Extent(upstream=550, downstream=750, width_sd=0.41),
        weight=2.5,
        spurious=0.016,
    ),
    "H3K9me3": Mark(
        Background(level=0.2, gene_sd=0.27, slow_sd=0.4, slow_length=1.5, fast_sd=0.65),
        Component(share=0.24, link=-0.95, amplitude=0.29, gain=0.76, spread=0.45),
        Extent(upstream=9000, downstream=7300, width_sd=0.54),
        weight=0.4,
        spurious=0.019,
    ),
}

#: Fitted to E116.
GM12878 = {
    "H3K27me3": Mark(
        Background(level=0.2, gene_sd=0.067, slow_sd=0.32, slow_length=4.2, fast_sd=0.59),
        Component(share=0.38, link=-0.98, amplitude=0.21, gain=0.67, spread=0.61),
        Extent(upstream=6500, downstream=5700, width_sd=0.8),
        weight=0.7,
        spurious=0.11,
    ),
    "H3K36me3": Mark(
        Background(level=0.2, gene_sd=0.024, slow_sd=0.24, slow_length=2.6, fast_sd=0.6),
        Component(share=0.46, link=0.98, amplitude=0.51, gain=0.54, spread=0.37),
        Extent(upstream=1900, downstream=89, width_sd=0.37),
        weight=1.2,
        spurious=0.038,
    ),
    "H3K4me1": Mark(
        Background(level=0.14, gene_sd=0.072, slow_sd=0.45, slow_length=7.4, fast_sd=0.68),
        Component(share=0.57, link=0.97, amplitude=1.2, gain=0.47, spread=0.41),
        Extent(upstream=1300, downstream=2200, width_sd=0.58),
        weight=0.5,
        spurious=0.5,
    ),
    "H3K4me3": Mark(
        Background(level=0.17, gene_sd=0.14, slow_sd=0.11, slow_length=2.0, fast_sd=0.75),
        Component(share=0.51, link=0.91, amplitude=4.5, gain=0.64, spread=0.44),
        Extent(upstream=710, downstream=1400, width_sd=0.6),
        weight=2.5,
        spurious=0.033,
    ),
    "H3K9me3": Mark(
        Background(level=0.2, gene_sd=0.11, slow_sd=0.5, slow_length=2.4, fast_sd=0.43),
        Component(share=0.1, link=-0.46, amplitude=0.23, gain=0.41, spread=0.57),
        Extent(upstream=9000, downstream=3300, width_sd=0.25),
        weight=0.4,
        spurious=0.23,
    ),
}


@dataclass(frozen=True)
class Cell:
    """One simulated cell type.

    `noise` is the standard deviation of log RPKM that no mark explains: it sets how hard the cell
    type is. `median_rpkm` is over 19,802 genes of "Roadmap Epigenomics 57epigenomes.RPKM.pc".
    """

    marks: dict[str, Mark]
    noise: float
    median_rpkm: float


CELLS = {
    "E003": Cell(H1, 3.0, 3.330),
    "E116": Cell(GM12878, 2.55, 1.7475),
    "E123": Cell(GM12878, 2.4, 1.6085),
}

#: H3K27ac away from its peaks.
AC_BACKGROUND = Background(level=0.14, gene_sd=0.5, slow_sd=0.6, slow_length=4, fast_sd=0.9)
#: H3K27ac, in reads per base: its peak at a promoter and at a distal enhancer of median
#: amplitude; how its log follows theirs; sd of its log that they do not share.
AC_PROMOTER, AC_DISTAL, AC_POWER, AC_SPREAD = 2.8, 0.4, 0.35, 0.65
#: Its shape: centre (bp), half-widths relative to H3K4me3's and sd of their log, its own; gap at
#: the TSS. More of it lies upstream, so that the two profiles are alike and not the same.
AC_CENTRE, AC_BEFORE, AC_AFTER, AC_WIDTH_SD, AC_DIP = 150.0, 1.0, 0.8, 0.4, 0.1
#: The gap in H3K4me3 at the TSS, where the nucleosome is missing: mean depth and width (bp).
DIP_DEPTH, DIP_WIDTH = 0.6, 130.0
#: The peak of H3K4me3 lies downstream of the TSS (bp).
PROMOTER_CENTRE = 200.0
#: Share of H3K4me1 that is missing at an active promoter, and where: half-widths (bp).
HOLE, HOLE_BEFORE, HOLE_AFTER = 0.95, 450.0, 850.0
#: Centre of H3K27me3 and H3K9me3 domains (bp).
DOMAIN_CENTRE = 500.0
#: Distal enhancers, 1.5 to 3 kb from the TSS: places a gene, share of them in use, effect on log
#: RPKM of each, half-width (bp).
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

#: Lengths of the hg19 autosomes (UCSC chromInfo), in Mb, rounded down.
AUTOSOMES_MB = (
    *(249, 243, 198, 191, 180, 171, 159, 146, 141, 135, 135),
    *(133, 115, 107, 102, 90, 81, 78, 59, 63, 48, 51),
)
#: Simulated TSSs lie on a grid of this step (bp), so that no two windows overlap.
GRID = 20_000

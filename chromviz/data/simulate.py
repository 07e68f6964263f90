"""The embedded dataset: a simulated epigenome whose causes of expression are known.

``calibration.md`` says how genes, marks, expression, truth and decoys are made, how the parameters
were fitted to real profiles, and what does not agree with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import lfilter
from scipy.special import expit, ndtri

from chromviz import schema
from chromviz.data import calibration as fit
from chromviz.data.calibration import Background, Cell, Mark
from chromviz.data.signal.chromosomes import find_assembly
from chromviz.data.splits import three_folds
from chromviz.errors import ChromvizError
from chromviz.vocabulary import MARKS, PAPER_CELLS, REFERENCE_TRACK, Window, resolve_cell

#: A bin carries a component where its mean shape is above this share of the shape's peak.
TRUTH_SHARE = 0.2

_WINDOW = Window()
_CENTRES = (_WINDOW.bin_start + _WINDOW.bin_width / 2).astype(np.float32)


@dataclass(frozen=True)
class Layout:
    """What the three cells share: the genes, and where their components would lie.

    ``state`` (gene, cell) is 1 or 0 for a named gene, else -1. ``latent`` (gene, 10) is standard
    normal: activity, one column per mark, the neighbour's activity, noise of the expression, two
    distal enhancers. ``widths`` (gene, 12), standard normal, and ``places`` (gene, 11), uniform,
    determine positions. ``neighbour`` and ``gap`` (gene,) say which genes have one.
    """

    genes: pd.DataFrame
    state: np.ndarray
    latent: np.ndarray
    widths: np.ndarray
    places: np.ndarray
    neighbour: np.ndarray
    gap: np.ndarray


@dataclass(frozen=True)
class Part:
    """Signal of one mark with one origin: ``height`` (row,) times ``shape`` (row, bin).

    ``rows`` are the genes that have it, ``x`` the distance from its centre along its own strand
    (bin,) or (row, bin). Expression is computed from the ``kind`` ``main`` and ``distal``.
    """

    mark: str
    kind: str
    rows: np.ndarray
    x: np.ndarray
    height: np.ndarray
    shape: np.ndarray


def simulate(cell: str, *, n_genes: int = 2400, seed: int = 0) -> xr.Dataset:
    """Simulate one cell type, with the truth about what causes expression.

    Parameters
    ----------
    cell
        E003, E116 or E123, or its common name.
    n_genes
        Number of genes, the named ones included; about 1 % have gaps and are left out of the
        three equal folds.
    seed
        The same seed gives the same genes, neighbours and folds in all cells, and the same data
        in each.

    Returns
    -------
    xarray.Dataset
        A dataset in -log10 p (simulated), genome orientation, with coverage of H3K27ac and two
        int8 variables (gene, mark, bin): ``truth`` is the sign of the effect on expression where a
        component of the gene carries signal, and 0 elsewhere; ``decoy`` is 1 where there is signal
        without an effect. A bin may have both.

    Raises
    ------
    ChromvizError
        If the cell is not simulated, or `n_genes` is too small or too large.

    Notes
    -----
    Marks, window and labels follow section 5 of Singh et al., *Attend and Predict*, NeurIPS 2017;
    profiles are calibrated to real ones.

    Examples
    --------
    >>> import chromviz as cv
    >>> data = cv.simulate("K562", n_genes=300, seed=1)
    >>> dict(data["signal"].sizes)
    {'gene': 300, 'mark': 5, 'bin': 100}
    >>> int(data["truth"].max()), data.attrs["simulated"]
    (1, 1)
    """
    cell = resolve_cell(cell, PAPER_CELLS, "the embedded dataset")
    if not 100 <= n_genes <= 20_000:
        raise ChromvizError(f"{n_genes} genes cannot be simulated; choose 100 to 20,000")
    layout = _layout(n_genes, seed)
    column = PAPER_CELLS.index(cell)
    signal, coverage, truth, decoy, expression = _cell(cell, layout, column, seed)
    threshold = float(np.median(expression))
    dataset = schema.build_dataset(
        cell=cell,
        genes=layout.genes.assign(expression=expression, label=expression > threshold),
        marks=MARKS,
        signal=signal,
        window=_WINDOW,
        coverage={REFERENCE_TRACK: coverage},
        truth=truth,
        assembly="hg19",
        orientation="genome",
        signal_unit="-log10 p (simulated)",
        label_rule="expression above the median of the cell's genes",
        label_threshold=threshold,
        simulated=True,
        seed=seed,
        coverage_unit="reads per base (simulated)",
    )
    dataset["decoy"] = (("gene", "mark", "bin"), decoy)
    schema.name_variables(dataset, "genome")
    schema.check_dataset(dataset)
    return dataset


def _layout(n_genes: int, seed: int) -> Layout:
    """Draw the genes and everything else that the cells share."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    named = pd.DataFrame(
        fit.NAMED_GENES, columns=["symbol", "gene", "chrom", "tss", "strand", "state"]
    )
    sizes = find_assembly("hg19").sizes
    names = [f"chr{number}" for number in range(1, 23)]
    # No genes in the first and last megabase, the ends of chromosomes.
    starts = [np.arange(10**6, (sizes[name] // 10**6 - 1) * 10**6, fit.GRID) for name in names]
    number, tss = np.repeat(range(22), [len(start) for start in starts]), np.concatenate(starts)
    taken = np.zeros(len(tss), dtype=bool)
    for _, _, chrom, place, *_ in fit.NAMED_GENES:
        taken |= (number == names.index(chrom)) & (abs(tss - place) <= 2 * fit.GRID)
    slots = pd.DataFrame({"chrom": np.array(names)[number], "tss": tss})[~taken]
    chosen = np.sort(rng.choice(len(slots), n_genes - len(named), replace=False))
    genes = slots.iloc[chosen].reset_index(drop=True)
    genes["tss"] += rng.integers(0, fit.GRID // 2, len(genes))
    genes["strand"] = np.where(rng.random(len(genes)) < 0.5, "+", "-")
    genes["gene"] = [f"SIM{number:05d}" for number in range(1, len(genes) + 1)]
    genes["symbol"] = [f"SIM{number}" for number in range(1, len(genes) + 1)]
    genes["state"] = [(-1, -1, -1)] * len(genes)
    genes = pd.concat([genes, named], ignore_index=True)
    order = np.lexsort((genes["tss"], genes["chrom"].str.removeprefix("chr").astype(int)))
    genes = genes.iloc[order].reset_index(drop=True)
    state = np.array(genes.pop("state").tolist())
    free = state[:, 0] < 0
    gap = (rng.random(n_genes) < fit.SIGNAL_GAPS) & free
    return Layout(
        genes=genes.assign(split=three_folds(~gap, seed)),
        state=state,
        latent=rng.standard_normal((n_genes, 10)),
        widths=rng.standard_normal((n_genes, 12)).astype(np.float32),
        places=rng.random((n_genes, 11)).astype(np.float32),
        neighbour=(rng.random(n_genes) < fit.NEIGHBOUR_SHARE) & free,
        gap=gap,
    )


def _cell(
    cell: str, layout: Layout, column: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return signal, coverage, truth, decoy and RPKM of one cell, in genome orientation."""
    model, n_genes = fit.CELLS[cell], len(layout.genes)
    streams = np.random.SeedSequence(seed, spawn_key=(1 + column,)).spawn(2)
    amplitudes, noise = map(np.random.default_rng, streams)
    fresh = amplitudes.standard_normal(layout.latent.shape)
    latent = np.sqrt(fit.BETWEEN_CELLS) * layout.latent + np.sqrt(1 - fit.BETWEEN_CELLS) * fresh
    state = layout.state[:, column]
    parts = [
        *own_parts(model, layout, latent, state, amplitudes),
        *neighbour_parts(model, layout, latent[:, 6], amplitudes),
        *spurious_parts(model, n_genes, amplitudes),
    ]
    size = (n_genes, len(MARKS), _WINDOW.n_bins)
    signal = np.zeros(size, dtype=np.float32)
    truth, decoy = np.zeros(size, dtype=np.int8), np.zeros(size, dtype=np.int8)
    # Expression is computed only here, from the gene's own amplitudes and independent noise. A
    # named gene has no noise, so that its label is its state.
    effect = model.noise * np.where(state < 0, latent[:, 7], 0.0)
    for part in parts:
        index = MARKS.index(part.mark)
        mark = model.marks[part.mark]
        signal[part.rows, index] += part.height[:, None] * part.shape
        carries = part.shape > TRUTH_SHARE
        if part.kind in ("main", "distal"):
            truth[part.rows, index] |= fit.SIGNS[part.mark] * carries
            weight = fit.DISTAL_WEIGHT if part.kind == "distal" else mark.weight
            strength = np.log1p(part.height) / np.log1p(mark.amplitude)
            effect[part.rows] += fit.SIGNS[part.mark] * weight * strength
        else:
            decoy[part.rows, index] |= carries
    for index, name in enumerate(MARKS):
        mark = model.marks[name]
        signal[:, index] += _background(n_genes, mark, noise)
        signal[:, index] *= np.exp(mark.fast_sd * _fast_noise(n_genes, noise))
    coverage = _coverage(model, parts, n_genes, amplitudes, noise)
    reverse = (layout.genes["strand"] == "-").to_numpy()
    for array in (signal, truth, decoy, coverage):
        array[reverse] = array[reverse][..., ::-1]
    _cut(layout, signal, coverage)
    rpkm = model.median_rpkm * np.exp(effect - np.median(effect))
    return signal, coverage, truth, decoy, rpkm


def own_parts(
    model: Cell, layout: Layout, latent: np.ndarray, state: np.ndarray, rng: np.random.Generator
) -> list[Part]:
    """Return the components that expression is computed from."""
    parts: list[Part] = []
    promoter = np.zeros((len(state), _WINDOW.n_bins), dtype=np.float32)
    # H3K4me3 comes first: H3K4me1 leaves the place of an active promoter free.
    for name in sorted(MARKS, key=lambda item: item != "H3K4me3"):
        mark, index = model.marks[name], MARKS.index(name)
        propensity = mark.link * latent[:, 0] + np.sqrt(1 - mark.link**2) * latent[:, 1 + index]
        excess = propensity + ndtri(mark.share)
        # A named gene has the components of its state: those of an active gene, or Polycomb.
        forced = np.where(state == 1, fit.SIGNS[name] > 0, name == "H3K27me3")
        present = np.where(state < 0, excess > 0, forced)
        excess = np.where(state < 0, excess, 0.8)
        height = _heights(mark, excess, rng)
        rows = np.flatnonzero(present)
        widths = layout.widths[rows, 2 * index : 2 * index + 2]
        if name == "H3K4me3":
            promoter[rows] = _hole(mark, _CENTRES, widths)
        shape = _shape(name, mark, _CENTRES, widths, layout.places[rows, 0], promoter[rows])
        parts.append(Part(name, "main", rows, _CENTRES, height[rows], shape))
    enhancer = model.marks["H3K4me1"]
    for place in range(fit.DISTAL_PLACES):
        own = enhancer.link * latent[:, 0] + np.sqrt(1 - enhancer.link**2) * latent[:, 8 + place]
        excess = np.where(state < 0, own + ndtri(fit.DISTAL_SHARE), -1.0)
        height = _heights(enhancer, excess, rng)
        rows = np.flatnonzero(excess > 0)
        side = np.where(layout.places[rows, 1 + place] < 0.5, -1, 1)
        at = side * (1500 + 1500 * layout.places[rows, 3 + place])
        width = fit.DISTAL_WIDTH * np.exp(0.3 * layout.widths[rows, 10 + place])
        x = _CENTRES - at[:, None]
        shape = _bump(x, width, width)
        parts.append(Part("H3K4me1", "distal", rows, x, height[rows], shape))
    return parts


def neighbour_parts(
    model: Cell, layout: Layout, latent: np.ndarray, rng: np.random.Generator
) -> list[Part]:
    """Return the promoter and body of the active neighbours: a decoy, independent of the gene."""
    excess = latent + ndtri(fit.NEIGHBOUR_ACTIVE)
    rows = np.flatnonzero(layout.neighbour & (excess > 0))
    places = layout.places[rows]
    at = np.where(places[:, 5] < 0.5, -1, 1) * (1500 + 3500 * places[:, 6])
    forward = np.where(places[:, 7] < 0.5, -1, 1)
    x = forward[:, None] * (_CENTRES - at[:, None])
    parts = []
    promoter = np.zeros((len(rows), _WINDOW.n_bins), dtype=np.float32)
    for name in ("H3K4me3", "H3K4me1", "H3K36me3"):
        mark = model.marks[name]
        height = _heights(mark, excess[rows], rng)
        widths = rng.standard_normal((len(rows), 2)).astype(np.float32)
        if name == "H3K4me3":
            promoter = _hole(mark, x, widths)
        shape = _shape(name, mark, x, widths, places[:, 0], promoter)
        parts.append(Part(name, "neighbour", rows, x, height, shape))
    return parts


def spurious_parts(model: Cell, n_genes: int, rng: np.random.Generator) -> list[Part]:
    """Return isolated peaks and domains: a decoy that is independent of the gene."""
    parts = []
    for name in MARKS:
        mark = model.marks[name]
        rows = np.flatnonzero(rng.random(n_genes) < mark.spurious)
        height = _heights(mark, rng.standard_normal(len(rows)) * 0.5, rng)
        side = np.where(rng.random(len(rows)) < 0.5, -1, 1)
        peak = name in ("H3K4me3", "H3K4me1")
        # Far from the own promoter and own distal enhancers; domains may lie anywhere.
        at = side * (3000 + 2000 * rng.random(len(rows)) if peak else 5000 * rng.random(len(rows)))
        spread = np.exp(0.4 * rng.standard_normal(len(rows)))
        width = (fit.DISTAL_WIDTH if peak else 1200.0) * spread
        x = _CENTRES - at[:, None]
        shape = _bump(x, width, width, 2.0 if peak else 4.0)
        parts.append(Part(name, "spurious", rows, x, height, shape))
    return parts


def _heights(mark: Mark, excess: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return peak heights (gene,), lognormal and growing with the propensity in excess."""
    log = mark.gain * excess + mark.spread * rng.standard_normal(len(excess))
    return np.asarray(mark.amplitude * np.exp(log), dtype=np.float32)


def _shape(
    name: str, mark: Mark, x: np.ndarray, widths: np.ndarray, dip: np.ndarray, hole: np.ndarray
) -> np.ndarray:
    """Return the shape of a mark's component around a TSS (gene, bin), 1 at its peak.

    `x` is the distance from the TSS along the strand in bp, `widths` (gene, 2) are standard normal,
    `dip` (gene,), 0 to 1, is the depth of the gap in H3K4me3, and `hole` is that in H3K4me1.
    """
    before = mark.upstream * np.exp(mark.width_sd * widths[:, 0])
    after = mark.downstream * np.exp(mark.width_sd * widths[:, 1])
    if name == "H3K36me3":
        return np.asarray(expit((x - before[:, None]) / mark.downstream), dtype=np.float32)
    if name == "H3K4me3":
        gap = fit.DIP_DEPTH * (0.5 + dip[:, None]) * np.exp(-((x / fit.DIP_WIDTH) ** 2))
        return _bump(x - fit.PROMOTER_CENTRE, before, after) * (1 - gap)
    if name == "H3K4me1":
        return _bump(x - fit.PROMOTER_CENTRE, before, after) * (1 - fit.HOLE * hole)
    return _bump(x - fit.DOMAIN_CENTRE, before, after)


def _hole(mark: Mark, x: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return where an active promoter leaves no room for H3K4me1 (gene, bin), 0 to 1."""
    before, after = (np.exp(mark.width_sd * widths[:, side]) for side in (0, 1))
    return _bump(x - fit.PROMOTER_CENTRE, fit.HOLE_BEFORE * before, fit.HOLE_AFTER * after, 4.0)


def _bump(x: np.ndarray, before: np.ndarray, after: np.ndarray, power: float = 2.0) -> np.ndarray:
    """Return a peak of height 1 at x = 0 (gene, bin) with half-widths (gene,) on either side."""
    width = np.where(x < 0, before[:, None], after[:, None])
    return np.asarray(np.exp(-((np.abs(x) / width) ** power)), dtype=np.float32)


def _background(n_genes: int, model: Background, rng: np.random.Generator) -> np.ndarray:
    """Return the background (gene, bin) without its fast noise."""
    decay = np.float32(np.exp(-1 / model.slow_length))
    white = rng.standard_normal((n_genes, _WINDOW.n_bins), dtype=np.float32)
    # Starting from the stationary distribution keeps the first bins as variable as the others.
    before = rng.standard_normal((n_genes, 1), dtype=np.float32)
    ahead, back = np.array([np.sqrt(1 - decay**2)]), np.array([1, -decay])
    slow, _ = lfilter(ahead.astype(np.float32), back.astype(np.float32), white, zi=decay * before)
    gene = rng.standard_normal((n_genes, 1), dtype=np.float32)
    log = model.gene_sd * gene + model.slow_sd * slow
    return np.asarray(model.level * np.exp(log), dtype=np.float32)


def _fast_noise(n_genes: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise of unit sd (gene, bin), shared by near bins as reads longer than a bin are."""
    white = rng.standard_normal((n_genes, _WINDOW.n_bins + 2), dtype=np.float32)
    mixed = white[:, :-2] + 2 * white[:, 1:-1] + white[:, 2:]
    return np.asarray(mixed / np.sqrt(6), dtype=np.float32)


def _coverage(
    model: Cell,
    parts: list[Part],
    n_genes: int,
    amplitudes: np.random.Generator,
    noise: np.random.Generator,
) -> np.ndarray:
    """Return H3K27ac (gene, bin): own promoters and enhancers, neighbours' promoters, noise."""
    depth = _background(n_genes, fit.AC_BACKGROUND, noise)
    for part in parts:
        mark = model.marks[part.mark]
        if part.kind == "distal":
            median, centre, dip = fit.AC_DISTAL, 0.0, 0.0
            upstream, downstream = fit.DISTAL_WIDTH, fit.DISTAL_WIDTH
        elif part.mark == "H3K4me3" and part.kind != "spurious":
            median, centre, dip = fit.AC_PROMOTER, fit.AC_CENTRE, fit.AC_DIP
            upstream, downstream = mark.upstream, mark.downstream
        else:
            continue
        log = fit.AC_SPREAD * amplitudes.standard_normal(len(part.rows))
        height = median * np.exp(log) * (part.height / mark.amplitude) ** fit.AC_POWER
        widths = np.exp(fit.AC_WIDTH_SD * amplitudes.standard_normal((2, len(part.rows))))
        before, after = fit.AC_BEFORE * upstream * widths[0], fit.AC_AFTER * downstream * widths[1]
        shape = _bump(part.x - centre, before, after, 1.0)
        gap = dip * np.exp(-((part.x / fit.DIP_WIDTH) ** 2))
        depth[part.rows] += height[:, None] * shape * (1 - gap)
    return np.asarray(depth * np.exp(fit.AC_BACKGROUND.fast_sd * _fast_noise(n_genes, noise)))


def _cut(layout: Layout, signal: np.ndarray, coverage: np.ndarray) -> None:
    """Remove pieces of the window of some genes, in place; they are the same in every cell."""
    for row in np.flatnonzero(layout.gap):
        first = int((_WINDOW.n_bins - fit.GAP_BINS) * layout.places[row, 8])
        # Most gaps are in all marks, as where reads cannot be mapped; some are in one.
        marks = slice(None) if layout.places[row, 9] < 0.7 else slice(0, 1)
        signal[row, marks, first : first + fit.GAP_BINS] = np.nan
    coverage[(layout.places[:, 10] < fit.COVERAGE_GAPS) & (layout.state[:, 0] < 0)] = np.nan

"""Tracks, annotation and expression of one cell type to a dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance, schema
from chromviz.data.annotation import read_genes
from chromviz.data.expression import Expression, read_expression
from chromviz.data.splits import three_folds
from chromviz.data.tracks import chrom_sizes, read_bins, window_bounds
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import MARKS, ROLES, Window, find_eid

PAPER_WINDOW = Window()

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TEMPLATE = "{mark}"


def prepare(
    cell: str,
    signal: Mapping[str, Path],
    genes: Path,
    expression: Path,
    *,
    coverage: Mapping[str, Path] | None = None,
    window: Window = PAPER_WINDOW,
    orientation: str = "genome",
    assembly: str = "hg19",
    signal_unit: str = "",
    coverage_unit: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[xr.Dataset, list[str]]:
    """Make the dataset of one cell type.

    Every annotated gene is in it. Models use those whose whole window has signal of every mark
    and whose expression is known; a gene is ON above the median of the cell type's whole column
    (section 5 of the paper, "Dataset"). Coverage tracks never decide which genes are used.

    Parameters
    ----------
    cell
        EID or common name, or any other name that can name a file.
    signal
        bigWig file by input mark. Marks keep this order, but the five core marks that of
        :data:`chromviz.vocabulary.MARKS`.
    genes
        BED6 of genes, see :func:`chromviz.data.annotation.read_genes`.
    expression
        Gene-by-cell table, see :func:`chromviz.data.expression.read_expression`.
    coverage
        bigWig file by reference track; never inputs of a model.
    window
        Flank and bin width.
    orientation
        ``genome`` or ``strand``, see :func:`chromviz.data.tracks.read_bins`.
    assembly
        Name of the genome assembly of tracks and genes.
    signal_unit, coverage_unit
        Units of the signal and coverage tracks, for labels.
    seed
        Seed of the three folds.
    progress
        Told of windows read.

    Returns
    -------
    dataset : xarray.Dataset
        Follows the format of :mod:`chromviz.schema`.
    notes : list of str
        What the user should know about the inputs.

    Raises
    ------
    ChromvizError
        If the inputs are missing, damaged, contradict one another, or leave no gene to use.
    """
    name = _cell_name(cell)
    if orientation not in ("genome", "strand"):
        raise ChromvizError(f"unknown orientation {orientation!r}; known: genome, strand")
    signal = _named_marks(signal, "signal")
    coverage = _named_marks(coverage or {}, "coverage")
    _check_marks(signal, coverage)
    inputs = [
        *(("signal", mark, Path(path)) for mark, path in signal.items()),
        *(("coverage", track, Path(path)) for track, path in coverage.items()),
        ("genes", "", Path(genes)),
        ("expression", "", Path(expression)),
    ]
    for role, item, path in inputs:
        if not path.is_file():
            raise ChromvizError(f"no file {path} ({' '.join([role, item]).strip()})")
    annotated = read_genes(genes)
    table, notes = annotated.table, list(annotated.notes)
    measured = read_expression(expression, cell)
    sizes = {path: chrom_sizes(path) for role, _, path in inputs if role in ("signal", "coverage")}
    notes += _check_assembly(sizes, assembly)

    level = _match_expression(table, measured, genes, expression, notes)
    label = np.where(np.isnan(level), -1, level > measured.threshold)

    def read(path: Path) -> np.ndarray:
        return read_bins(path, table, window, orientation=orientation, progress=progress)

    marks = list(signal)
    values = np.empty((len(table), len(marks), window.n_bins), dtype=np.float32)
    # One after the other: pybigtools 0.3 holds the interpreter while it reads, so that a second
    # thread gains nothing.
    for column, mark in enumerate(marks):
        values[:, column] = read(signal[mark])
    depth = {track: read(path) for track, path in coverage.items()}

    left_out = schema.reasons(values, marks, label)
    signal_sizes = [sizes[Path(path)] for path in signal.values()]
    _explain_windows(left_out, table, window, orientation, signal_sizes)
    used = left_out == ""
    if not used.any():
        counts = pd.Series(left_out).value_counts()
        raise ChromvizError(
            f"no gene of {genes} can be used for {name}: "
            + ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
            + f"; check that tracks and genes are of one assembly ({assembly}) and the tracks whole"
        )
    sources = [
        {"role": role, "name": item, "path": str(path), "sha256": provenance.hash_file(path)}
        for role, item, path in inputs
    ]
    notes += _same_files(sources)
    notes += _describe_use(label, used, depth)
    dataset = schema.build_dataset(
        cell=name,
        genes=table,
        marks=marks,
        signal=values,
        expression=level,
        label=label,
        split=three_folds(used, seed),
        reason=left_out,
        window=window,
        coverage=depth,
        assembly=assembly,
        orientation=orientation,
        signal_unit=signal_unit,
        label_rule="expression > median of the cell",
        label_threshold=measured.threshold,
        sources=sources,
        seed=seed,
        expression_unit=measured.unit,
        coverage_unit=coverage_unit,
    )
    return dataset, notes


def expand_signal(values: Sequence[str], option: str = "--signal") -> dict[str, Path]:
    """Return the files that the command line names, by mark.

    Parameters
    ----------
    values
        ``MARK=FILE``, any number of times; or one path that holds ``{mark}``, which stands for
        the five core marks in turn.
    option
        The command-line option, for messages.

    Raises
    ------
    ChromvizError
        If a value is neither, a mark is given twice, or a template's file is missing.
    """
    templates = [value for value in values if _TEMPLATE in value]
    if templates:
        if len(values) > 1:
            raise ChromvizError(
                f"{option} {templates[0]}: a path with {_TEMPLATE} stands alone; give it once, or "
                f"{option} MARK=FILE for each mark"
            )
        found = {mark: Path(templates[0].replace(_TEMPLATE, mark)) for mark in MARKS}
        for mark, path in found.items():
            if not path.is_file():
                raise ChromvizError(
                    f"no file {path} for {mark}; {option} with {_TEMPLATE} needs a file for each "
                    f"of {', '.join(MARKS)}; for other marks give {option} MARK=FILE"
                )
        return found
    found = {}
    for value in values:
        mark, equals, file = value.partition("=")
        mark, file = mark.strip(), file.strip()
        if not (mark and equals and file):
            raise ChromvizError(
                f"{option} {value!r}: give MARK=FILE, for instance H3K4me3=H3K4me3.bigwig, or one "
                f"path with {_TEMPLATE}"
            )
        if mark in found:
            raise ChromvizError(f"{option} names {mark} twice; give each mark one file")
        found[mark] = Path(file)
    return found


def _cell_name(cell: str) -> str:
    """Return the EID, or the name itself if it can name a file."""
    name = find_eid(cell) or cell.strip()
    if not _SAFE_NAME.fullmatch(name):
        raise ChromvizError(
            f"{cell!r} cannot name a cell type; use letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit"
        )
    return name


def _named_marks(files: Mapping[str, Path], what: str) -> dict[str, Path]:
    """Return the files by mark, known marks spelled as everywhere else."""
    spelling = {mark.lower(): mark for mark in ROLES}
    named: dict[str, Path] = {}
    for given, path in files.items():
        mark = spelling.get(given.strip().lower(), given.strip())
        if not mark:
            raise ChromvizError(f"the {what} {path} has no mark's name; give MARK=FILE")
        if mark.lower() in (known.lower() for known in named):
            raise ChromvizError(f"{mark} is given twice as {what}; give each mark one file")
        named[mark] = path
    if what == "signal" and set(named) == set(MARKS):
        return {mark: named[mark] for mark in MARKS}
    return named


def _check_marks(signal: Mapping[str, Path], coverage: Mapping[str, Path]) -> None:
    if not signal:
        raise ChromvizError("no input mark; give --signal MARK=FILE for each")
    lowered = {mark.lower() for mark in signal}
    both = [track for track in coverage if track.lower() in lowered]
    if both:
        raise ChromvizError(
            f"{both[0]} is given both as signal and as coverage; a reference track is one that no "
            "model has seen, so give it once"
        )


def _match_expression(
    table: pd.DataFrame, measured: Expression, genes: Path, expression: Path, notes: list[str]
) -> np.ndarray:
    """Return the expression of each gene (gene,), NaN where the table has none."""
    listed = table["gene"].isin(measured.values.index)
    if not listed.any():
        raise ChromvizError(
            f"{genes} and {expression} have no gene in common: they use "
            f"{table['gene'].iloc[0]!r} and {measured.values.index[0]!r}; give ids of one kind"
        )
    level = measured.values.reindex(table["gene"]).to_numpy(np.float64)
    unknown = int(np.isnan(level).sum())
    if unknown:
        notes.append(
            f"{Path(expression).name}: {unknown:,} of {len(table):,} genes have no expression; "
            "models leave them out"
        )
    return level


def _check_assembly(sizes: Mapping[Path, Mapping[str, int]], assembly: str) -> list[str]:
    """Refuse tracks of different assemblies, or of another than was named; note a strange one.

    A track of another assembly is read without complaint, at the wrong places: chromosome sizes
    are what gives it away.
    """
    first, reference = next(iter(sizes.items()))
    for path, chroms in sizes.items():
        for chrom in reference.keys() & chroms.keys():
            if chroms[chrom] != reference[chrom]:
                raise ChromvizError(
                    f"{path} and {first} are of different assemblies: {chrom} has "
                    f"{chroms[chrom]:,} and {reference[chrom]:,} bases; give tracks of one assembly"
                )
    # Imported here: it takes half a second, and only this needs it.
    import bioframe

    # UCSC's names come first: NCBI's GRCh38 is the same as hg38. With its provider, since a build
    # may have a dot in its name, which bioframe would split at.
    builds = bioframe.assemblies_available().sort_values("provider", ascending=False)
    known = {
        build: f"{provider}.{build}"
        for provider, build in zip(builds["provider"], builds["provider_build"], strict=True)
    }
    if assembly not in known:
        return []
    wrong = _differing(reference, bioframe.assembly_info(known[assembly]).chromsizes)
    if not wrong:
        return []
    chrom = wrong[0]
    for other, qualified in known.items():
        official = bioframe.assembly_info(qualified).chromsizes
        if chrom in official and not _differing(reference, official):
            raise ChromvizError(
                f"{first} is of {other}, not {assembly} ({chrom} has {reference[chrom]:,} bases); "
                f"give genes of {other} and --assembly {other}"
            )
    return [
        f"{first.name}: {chrom} has {reference[chrom]:,} bases, which is not {assembly}; "
        "check that tracks and genes are of one assembly"
    ]


def _differing(sizes: Mapping[str, int], official: pd.Series[int]) -> list[str]:
    """Return the chromosomes whose size is not the assembly's."""
    return [chrom for chrom in sizes if chrom in official and official[chrom] != sizes[chrom]]


def _explain_windows(
    reason: np.ndarray,
    table: pd.DataFrame,
    window: Window,
    orientation: str,
    sizes: Sequence[Mapping[str, int]],
) -> None:
    """Say in place, for windows that no track can fill, what keeps them empty."""
    if orientation == "strand":
        reason[table["strand"].to_numpy(object) == "."] = "strand unknown"
    start, end = window_bounds(table, window)
    size = np.array([max(track.get(name, -1) for track in sizes) for name in table["chrom"]])
    reason[(start < 0) | (end > size)] = "window leaves the chromosome"
    reason[size < 0] = "chromosome not in the tracks"


def _describe_use(
    label: np.ndarray, used: np.ndarray, depth: Mapping[str, np.ndarray]
) -> list[str]:
    """Say how many usable genes are ON and OFF, and how many genes each track covers."""
    on, off = int((label[used] == 1).sum()), int((label[used] == 0).sum())
    notes = [f"of the genes that models use, {on:,} are ON and {off:,} OFF"]
    if not on or not off:
        notes[0] += "; nothing can be trained on one state alone"
    for track, values in depth.items():
        covered = ~np.isnan(values).any(axis=1)
        both = int((covered & (label == 1)).sum())
        notes.append(
            f"{track} covers the whole window of {int(covered.sum()):,} genes, {both:,} of them ON"
        )
        if not both:
            notes[-1] += "; without an ON gene among them nothing can be compared with it"
    return notes


def _same_files(sources: Sequence[Mapping[str, str]]) -> list[str]:
    """Note tracks with the same content, which are nearly always a slip."""
    by_hash: dict[str, list[str]] = {}
    for source in sources:
        if source["name"]:
            by_hash.setdefault(source["sha256"], []).append(source["name"])
    return [
        f"{' and '.join(names)} are the same file; check the paths"
        for names in by_hash.values()
        if len(names) > 1
    ]

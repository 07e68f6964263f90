"""Tracks or reads, annotation and expression of one cell type to a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance, schema
from chromviz.data import preflight
from chromviz.data.choices import Choices
from chromviz.data.genes.annotation import read_genes
from chromviz.data.genes.expression import Expression, read_expression
from chromviz.data.genes.ids import match_expression
from chromviz.data.measure import read_tracks, unit_of
from chromviz.data.names import cell_name, named_marks, named_units
from chromviz.data.preflight import Finding, note, warning
from chromviz.data.shapes import check_shapes
from chromviz.data.signal.chromosomes import Assembly, find_assembly, name_officially
from chromviz.data.signal.sources import find_source
from chromviz.data.signal.windows import orient
from chromviz.data.text import is_file
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import SPLITS

#: Share of the annotated genes below which those that are used may be no fair sample.
_FEW = 0.5
#: Genes of a state in a part of the split below which a figure is mostly chance.
_FEWEST = 10


def prepare(
    cell: str,
    signal: Mapping[str, str | Path],
    genes: Path,
    expression: Path,
    *,
    coverage: Mapping[str, str | Path] | None = None,
    choices: Choices | None = None,
    assembly: str = "hg19",
    chrom_sizes: Path | None = None,
    column: str | None = None,
    units: Mapping[str, str] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[xr.Dataset, list[Finding]]:
    """Make the dataset of one cell type.

    Every annotated gene is in it. Models use those whose whole window has signal of every mark
    and whose label is known; by default a gene is ON above the median of the cell type's whole
    column (section 5 of the paper, "Dataset"). Coverage tracks never decide which genes are used.

    Parameters
    ----------
    cell
        EID or common name, or any other name that can name a file.
    signal
        Source by input mark: bigWig (a path or an address), BAM, tagAlign or BED of reads, mixed
        freely. Marks keep this order, but the five core marks that of
        :data:`chromviz.vocabulary.MARKS`.
    genes
        Annotation, see :func:`chromviz.data.genes.annotation.read_genes`.
    expression
        Table, see :func:`chromviz.data.genes.expression.read_expression`.
    coverage
        Source by reference track; never inputs of a model.
    choices
        Window, missing data, label, split, reads; the paper's if not given.
    assembly
        Name of the genome assembly of sources and genes.
    chrom_sizes
        Sizes of its chromosomes, where chromviz does not know the assembly.
    column
        Column of the expression table; found by the cell type's name if not given.
    units
        Units by mark or track, for labels; ``""`` stands for all others. Reads have their own.
    seed
        Seed of the three folds.
    progress
        Told of windows read.

    Returns
    -------
    dataset : xarray.Dataset
        Follows the format of :mod:`chromviz.schema`.
    findings : list of Finding
        What the user should know about the inputs.

    Raises
    ------
    ChromvizError
        If the inputs are missing, damaged, contradict one another, or leave no gene to use.
    """
    choices = choices or Choices()
    name = cell_name(cell)
    signal = named_marks(signal, "signal")
    coverage = named_marks(coverage or {}, "coverage")
    units = named_units(units or {}, [*signal, *coverage])
    findings = preflight.check_marks(list(signal), list(coverage), choices.allow_reference_input)
    check_files({"genes": genes, "expression": expression, "blacklist": choices.blacklist})
    sources = [find_source("signal", mark, where) for mark, where in signal.items()]
    sources += [find_source("coverage", track, where) for track, where in coverage.items()]
    build = find_assembly(assembly, chrom_sizes)
    table, said_of_genes = read_table(genes, choices, build)
    findings += said_of_genes
    measured, level, said = match_levels(expression, cell, table, column)
    findings += [note("expression", line) for line in said]
    label = choices.label.label(level, measured.every)

    tracks = read_tracks(sources, table, choices, build, progress)
    findings += tracks.findings
    strand = table["strand"].to_numpy(object)
    findings += check_shapes(tracks.as_measured(), label, strand, choices.window)

    values = np.stack(
        [orient(tracks.signal[mark], strand, choices.orientation) for mark in signal], axis=1
    )
    left_out = schema.reasons(values, list(signal), label)
    between = (left_out == "expression unknown") & ~np.isnan(level)
    left_out[between] = "expression between the two levels of the label"
    left_out[tracks.why != ""] = tracks.why[tracks.why != ""]
    if choices.orientation == "strand":
        left_out[(strand == ".") & (tracks.why == "")] = "strand unknown"
    used = left_out == ""
    if not used.any():
        counts = pd.Series(left_out).value_counts()
        raise ChromvizError(
            f"no gene of {genes} can be used for {name}: "
            + ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
            + f"; check that tracks and genes are of one assembly ({assembly}) and the tracks whole"
        )
    split = choices.split.split(table, used, seed)
    left_out[used & (split == "none")] = f"in no part of the split {choices.split.describe()}"
    used = left_out == ""
    findings += preflight.check_genes(table[used], choices.split.kind)
    low, high = choices.label.levels(measured.every)
    level_text = f"{choices.label.describe()}: {high:.4g} {measured.unit}".rstrip()
    findings += describe_use(label, split, used, tracks.coverage, level_text)
    dataset = schema.build_dataset(
        cell=name,
        genes=table,
        marks=list(signal),
        signal=values,
        expression=level,
        label=label,
        split=split,
        reason=left_out,
        window=choices.window,
        coverage={
            track: orient(found, strand, choices.orientation)
            for track, found in tracks.coverage.items()
        },
        assembly=assembly,
        orientation=choices.orientation,
        signal_unit=unit_of("signal", sources, units),
        label_rule=choices.label.describe(),
        label_threshold=high,
        missing=choices.missing,
        sources=[
            *tracks.records,
            file_record("genes", genes),
            file_record("expression", expression),
            *([file_record("blacklist", choices.blacklist)] if choices.blacklist else []),
        ],
        seed=seed,
        expression_unit=measured.unit,
        expression_column=measured.column,
        coverage_unit=unit_of("coverage", sources, units),
        label_off_threshold=low,
        split_rule=choices.split.describe(),
        choices=json.dumps(asdict(choices), default=str),
        preflight=json.dumps([asdict(finding) for finding in findings]),
    )
    return dataset, findings


def read_table(
    genes: Path, choices: Choices, assembly: Assembly
) -> tuple[pd.DataFrame, list[Finding]]:
    """Read the genes, their chromosomes named as the assembly names them."""
    annotated = read_genes(genes, tss=choices.tss, biotype=choices.biotype)
    table, renamed = name_officially(annotated.table, assembly)
    findings = [note("genes", line) for line in annotated.notes]
    return table, findings + [note("chromosomes", line) for line in renamed]


def check_files(files: Mapping[str, Path | None]) -> None:
    """Refuse files that are not there, before anything is read.

    Parameters
    ----------
    files
        By what they are; None for one that is not given.
    """
    for role, path in files.items():
        if path is not None and not is_file(path):
            problem = "is a folder" if Path(path).is_dir() else "does not exist"
            raise ChromvizError(f"no file {path} ({role}): it {problem}")


def match_levels(
    expression: Path, cell: str, table: pd.DataFrame, column: str | None
) -> tuple[Expression, np.ndarray, list[str]]:
    """Read expression and find each gene's: its float64 (gene,), NaN where there is none."""
    measured = read_expression(expression, cell, column=column)
    level, said = match_expression(table["gene"], measured.values, table["symbol"])
    notes = [*measured.notes, *said]
    unknown = int(np.isnan(level).sum())
    if unknown:
        notes.append(
            f"{Path(expression).name}: {unknown:,} of {len(table):,} genes have no expression; "
            "models leave them out"
        )
    return measured, level, notes


def describe_use(
    label: np.ndarray,
    split: np.ndarray,
    used: np.ndarray,
    depth: Mapping[str, np.ndarray],
    rule: str = "",
) -> list[Finding]:
    """Say how many genes are ON and OFF in each part, and how many genes each track covers.

    Parameters
    ----------
    label, split, used
        (gene,): label, part of the split, and whether models use the gene.
    depth
        (gene, bin) by reference track.
    rule
        What makes a gene ON, in words.
    """
    on, off = int((label[used] == 1).sum()), int((label[used] == 0).sum())
    told = f"of the genes that models use, {on:,} are ON{f' ({rule})' if rule else ''}, {off:,} OFF"
    findings = [
        note("labels", told)
        if on and off
        else warning("labels", f"{told}; nothing can be trained on one state alone")
    ]
    if used.mean() < _FEW:
        findings.append(
            warning(
                "labels",
                f"models use {int(used.sum()):,} of {len(used):,} genes ({100 * used.mean():.1f} "
                "%): what holds for them need not hold for the others, and intervals will be wide",
            )
        )
    parts = {
        part: [int((used & (split == part) & (label == state)).sum()) for state in (1, 0)]
        for part in SPLITS[:3]
    }
    told = ", ".join(f"{part} {sum(n):,} ({n[0]:,} ON, {n[1]:,} OFF)" for part, n in parts.items())
    few = [part for part, numbers in parts.items() if min(numbers) < _FEWEST]
    findings.append(
        warning(
            "split",
            f"split: {told}; fewer than {_FEWEST} of a state in {' and '.join(few)}: what is "
            "chosen or measured on so few is mostly chance",
        )
        if few
        else note("split", f"split: {told}")
    )
    for track, values in depth.items():
        covered = ~np.isnan(values).any(axis=1)
        both = int((covered & (label == 1)).sum())
        told = (
            f"{track} covers the whole window of {int(covered.sum()):,} genes: {both:,} ON, on "
            f"which Table 3 rests; models use {int((covered & used).sum()):,} of them"
        )
        findings.append(
            note("coverage", told)
            if both
            else warning(
                "coverage",
                f"{told}; without an ON gene among them nothing can be compared with it",
            )
        )
    return findings


def file_record(role: str, path: Path) -> dict[str, str]:
    """Return what a dataset records of a file that is no track."""
    digest = provenance.hash_file(Path(path))
    return {"role": role, "name": "", "path": str(path), "sha256": digest}

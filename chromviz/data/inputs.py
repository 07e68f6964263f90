"""The reading of a cell type's files that both ways to a dataset share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chromviz import provenance
from chromviz.data import preflight
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.genes.annotation import read_genes
from chromviz.data.genes.expression import Expression, read_expression
from chromviz.data.genes.ids import match_expression
from chromviz.data.names import named_marks, named_units
from chromviz.data.preflight import Finding, note
from chromviz.data.signal.chromosomes import Assembly, find_assembly, name_officially
from chromviz.data.signal.sources import Source, find_source
from chromviz.data.text import is_file
from chromviz.errors import ChromvizError


@dataclass(frozen=True)
class CheckedInputs:
    """Inputs that exist and do not contradict one another.

    `marks` are in the order of the dataset, and the chromosomes of `genes` are named as in the
    assembly.
    """

    marks: list[str]
    sources: list[Source]
    units: dict[str, str]
    assembly: Assembly
    genes: pd.DataFrame
    findings: list[Finding]


def check_inputs(
    files: InputFiles, choices: Choices, marks: Sequence[str] | None = None
) -> CheckedInputs:
    """Check that all files exist and fit together, and read the genes.

    `marks` are the input marks if they come from matrices and not from ``files.signal``.
    """
    signal = named_marks(files.signal, "signal")
    coverage = named_marks(files.coverage, "coverage")
    inputs = list(signal) if marks is None else list(marks)
    units = named_units(choices.units, [*signal, *coverage])
    findings = preflight.check_marks(inputs, list(coverage), choices.allow_reference_input)
    _check_files(
        {
            "genes": files.genes,
            "expression": files.expression,
            "blacklist": choices.blacklist,
        }
    )
    sources = [find_source("signal", mark, where) for mark, where in signal.items()]
    sources += [find_source("coverage", track, where) for track, where in coverage.items()]
    assembly = find_assembly(choices.assembly, choices.chrom_sizes)
    annotated = read_genes(files.genes, tss=choices.tss, biotype=choices.biotype)
    table, renamed = name_officially(annotated.table, assembly)
    findings += [note("genes", line) for line in annotated.notes]
    findings += [note("chromosomes", line) for line in renamed]
    return CheckedInputs(inputs, sources, units, assembly, table, findings)


def match_levels(
    measured: Expression, table: pd.DataFrame, source: Path
) -> tuple[np.ndarray, list[Finding]]:
    """Return the expression of each gene, float64 (gene,), NaN where unknown, and findings."""
    level, notes = match_expression(table["gene"], measured.values, table["symbol"])
    notes = [*measured.notes, *notes]
    unknown = int(np.isnan(level).sum())
    if unknown:
        notes.append(
            f"{Path(source).name}: {unknown:,} of {len(table):,} genes have no expression value"
        )
    return level, [note("expression", line) for line in notes]


def read_levels(files: InputFiles, choices: Choices, cell: str) -> Expression:
    """Read the expression of the cell type."""
    return read_expression(files.expression, cell, column=choices.expression_column)


def file_records(files: InputFiles, choices: Choices) -> list[dict[str, str]]:
    """Return what a dataset records about its files other than tracks."""
    paths = {"genes": files.genes, "expression": files.expression, "blacklist": choices.blacklist}
    return [
        {"role": role, "name": "", "path": str(path), "sha256": provenance.hash_file(Path(path))}
        for role, path in paths.items()
        if path is not None
    ]


def _check_files(paths: Mapping[str, Path | None]) -> None:
    """Raise if a file does not exist, before anything is read."""
    for role, path in paths.items():
        if path is not None and not is_file(path):
            problem = "is a folder" if Path(path).is_dir() else "does not exist"
            raise ChromvizError(f"no file {path} ({role}): it {problem}")

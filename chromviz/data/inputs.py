"""Names and files that a user gives for a cell type, checked before anything large is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance, schema
from chromviz.data import preflight
from chromviz.data.archives.http import is_address
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.genes.annotation import read_genes
from chromviz.data.genes.expression import Expression, read_expression
from chromviz.data.genes.ids import match_expression
from chromviz.data.preflight import Finding, note
from chromviz.data.signal.chromosomes import Assembly, find_assembly, name_officially
from chromviz.data.signal.read_files import BIGWIG
from chromviz.data.signal.sources import Source, find_source
from chromviz.data.text import is_file
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import MARKS, ROLES, find_eid

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TEMPLATE = "{mark}"


@dataclass(frozen=True)
class CheckedInputs:
    """Inputs of a cell type that exist and do not contradict one another.

    ``marks`` are in the order of the dataset, ``units`` are by mark or track. ``findings`` are
    added as more is read.
    """

    files: InputFiles
    choices: Choices
    cell: str
    marks: list[str]
    sources: list[Source]
    units: dict[str, str]
    assembly: Assembly
    genes: pd.DataFrame
    expression: Expression
    findings: list[Finding]

    def levels(self, table: pd.DataFrame) -> np.ndarray:
        """Return the expression of each gene of a table, float64 (gene,), NaN if unknown."""
        values = self.expression.values
        level, notes = match_expression(table["gene"], values, table["symbol"])
        notes = [*self.expression.notes, *notes]
        unknown = int(np.isnan(level).sum())
        if unknown:
            name = self.files.expression.name
            notes.append(f"{name}: {unknown:,} of {len(table):,} genes have no expression value")
        self.findings.extend(note("expression", line) for line in notes)
        return level

    def unit(self, role: str) -> str:
        """Return the unit of the sources in a role, or the unit of each if they differ.

        Reads have "reads". The unit of ``""`` stands for all bigWigs of signal that are not named.
        """
        found = {}
        for source in self.sources:
            if source.role == role:
                reads = source.kind != BIGWIG
                general = self.units.get("", "") if role == "signal" and not reads else ""
                unit = self.units.get(source.name, general)
                found[source.name] = unit or ("reads" if reads else "")
        if len(set(found.values())) <= 1:
            return next(iter(found.values()), "")
        return ", ".join(f"{name}: {unit or 'unknown'}" for name, unit in found.items())

    def build_dataset(self, *, sources: list[dict[str, str]], **given: Any) -> xr.Dataset:
        """Return the dataset of what is `given`, with the attributes that follow from the inputs.

        `sources` are the records of the tracks or matrices; those of other files are added.
        """
        others = [
            {"role": role, "name": "", "path": str(path), "sha256": provenance.hash_file(path)}
            for role, path in _tables(self.files, self.choices).items()
        ]
        return schema.build_dataset(
            cell=self.cell,
            marks=self.marks,
            window=self.choices.window,
            sources=sources + others,
            expression_unit=self.expression.unit,
            expression_column=self.expression.column,
            coverage_unit=self.unit("coverage"),
            assembly=self.choices.assembly,
            missing=self.choices.missing,
            choices=json.dumps(asdict(self.choices), default=str),
            preflight=json.dumps([asdict(finding) for finding in self.findings]),
            **given,
        )


def check_inputs(
    files: InputFiles, choices: Choices, cell: str, marks: Sequence[str] | None = None
) -> CheckedInputs:
    """Check that all files exist and fit together, and read genes and expression.

    `marks` are the input marks if they come from matrices rather than from ``files.signal``.
    """
    signal = named_marks(files.signal, "signal")
    coverage = named_marks(files.coverage, "coverage")
    inputs = list(signal) if marks is None else list(marks)
    units = _named_units(choices.units, [*signal, *coverage])
    findings = preflight.check_marks(inputs, list(coverage), choices.allow_reference_input)
    for role, path in _tables(files, choices).items():
        if not is_file(path):
            problem = "is a folder" if path.is_dir() else "does not exist"
            raise ChromvizError(f"no file {path} ({role}): it {problem}")
    sources = [find_source("signal", mark, where) for mark, where in signal.items()]
    sources += [find_source("coverage", track, where) for track, where in coverage.items()]
    assembly = find_assembly(choices.assembly, choices.chrom_sizes)
    annotated = read_genes(files.genes, tss=choices.tss, biotype=choices.biotype)
    table, renamed = name_officially(annotated.table, assembly)
    findings += [note("genes", line) for line in annotated.notes]
    findings += [note("chromosomes", line) for line in renamed]
    measured = read_expression(files.expression, cell, column=choices.expression_column)
    return CheckedInputs(
        files, choices, cell, inputs, sources, units, assembly, table, measured, findings
    )


def _tables(files: InputFiles, choices: Choices) -> dict[str, Path]:
    """Return the files other than tracks by their role."""
    tables = {"genes": files.genes, "expression": files.expression}
    if choices.blacklist is not None:
        tables["blacklist"] = choices.blacklist
    return {role: Path(path) for role, path in tables.items()}


def expand_signal(values: Sequence[str], option: str = "--signal") -> dict[str, str]:
    """Return files or addresses by mark, from several ``MARK=FILE`` or one with ``{mark}``."""
    template = next((value for value in values if _TEMPLATE in value), "")
    if template:
        if len(values) > 1:
            raise ChromvizError(
                f"{option} {template}: a path with {_TEMPLATE} must be the only value; give it "
                f"once, or {option} MARK=FILE for each mark"
            )
        paths = {mark: template.replace(_TEMPLATE, mark) for mark in MARKS}
        for mark, path in paths.items():
            if not is_address(path) and not is_file(path):
                raise ChromvizError(
                    f"no file {path} for {mark}; {option} with {_TEMPLATE} needs a file for each "
                    f"of {', '.join(MARKS)}; for other marks give {option} MARK=FILE"
                )
        return paths
    found: dict[str, str] = {}
    for value in values:
        mark, equals, file = (part.strip() for part in value.partition("="))
        # An address may contain an equals sign, which does not separate a mark from it.
        if not (mark and equals and file) or is_address(value.strip()):
            raise ChromvizError(
                f"{option} {value!r}: give MARK=FILE, for instance H3K4me3=H3K4me3.bigwig, or one "
                f"path with {_TEMPLATE}"
            )
        if mark in found:
            raise ChromvizError(f"{option} names {mark} twice; give each mark one file")
        found[mark] = file
    return found


def cell_name(cell: str) -> str:
    """Return the EID of a cell type, or the name given if it can be a file name."""
    name = find_eid(cell) or cell.strip()
    if not _SAFE_NAME.fullmatch(name):
        raise ChromvizError(
            f"{cell!r} is not a valid cell type name; use letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit, 100 at most"
        )
    return name


def _named_units(units: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """Return the units by mark, in the spelling of `known`; ``""`` stands for all others."""
    spelling = {"": "", **{name.lower(): name for name in known}}
    for name in units:
        if name.strip().lower() not in spelling:
            raise UnknownNameError("mark", name, known, "It has a unit but no file.")
    return {spelling[name.strip().lower()]: unit for name, unit in units.items()}


def named_marks(files: Mapping[str, str | Path], what: str) -> dict[str, str | Path]:
    """Return the files by mark, in the package's spelling and order of the marks it knows."""
    spelling = {mark.lower(): mark for mark in ROLES}
    named: dict[str, str | Path] = {}
    for given, path in files.items():
        mark = spelling.get(given.strip().lower(), given.strip())
        if not mark:
            raise ChromvizError(f"the {what} file {path} has no mark name; give MARK=FILE")
        if mark.lower() in (known.lower() for known in named):
            raise ChromvizError(f"{mark} is given twice as {what}; give each mark one file")
        named[mark] = path
    if what == "signal" and set(named) == set(MARKS):
        return {mark: named[mark] for mark in MARKS}
    return named

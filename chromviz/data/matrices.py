"""DeepChrome's matrices with what they lack: places, expression and a reference track.

The published matrices hold read counts, labels and splits, and nothing else. With a gene table,
the expression table and H3K27ac reads they make the dataset of the paper's Table 3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import schema
from chromviz.data import preflight
from chromviz.data.choices import Choices
from chromviz.data.genes.ids import without_version
from chromviz.data.measure import read_tracks, unit_of
from chromviz.data.names import named_marks, named_units
from chromviz.data.preflight import Finding, note, warning
from chromviz.data.prepare import check_files, describe_use, file_record, match_levels, read_table
from chromviz.data.shapes import check_shapes
from chromviz.data.signal.chromosomes import find_assembly
from chromviz.data.signal.sources import find_source
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent

# Labels were made from the same expression by the same rule: they agree but for rounding.
_EXPECTED_AGREEMENT = 0.95


def join_matrices(
    matrices: xr.Dataset,
    genes: Path,
    expression: Path,
    *,
    coverage: Mapping[str, str | Path] | None = None,
    choices: Choices | None = None,
    assembly: str = "hg19",
    chrom_sizes: Path | None = None,
    column: str | None = None,
    units: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> tuple[xr.Dataset, list[Finding]]:
    """Give the genes of DeepChrome's matrices a place, expression and coverage.

    Signal, labels and splits stay as they are. A gene that the table does not know keeps its
    matrix, and has no place and no coverage.

    Parameters
    ----------
    matrices
        As :func:`chromviz.data.deepchrome.read_deepchrome` gives it.
    genes, expression, coverage, assembly, chrom_sizes, column, units, progress
        As for :func:`chromviz.data.prepare.prepare`.
    choices
        Only how coverage is read is of use here: `reads`, `missing`, `blacklist`, `tss`.

    Returns
    -------
    dataset : xarray.Dataset
        Follows the format of :mod:`chromviz.schema`.
    findings : list of Finding
        What the user should know about the inputs.

    Raises
    ------
    ChromvizError
        If the inputs are missing or damaged, have no gene in common, or `choices` asks for what
        the matrices have fixed.
    """
    choices = choices or Choices()
    _refuse_fixed(choices)
    marks = [str(mark) for mark in matrices["mark"].values]
    cell = str(matrices.attrs["cell"])
    coverage = named_marks(coverage or {}, "coverage")
    units = named_units(units or {}, list(coverage))
    findings = preflight.check_marks(marks, list(coverage), allow_reference=False)
    check_files({"genes": genes, "expression": expression, "blacklist": choices.blacklist})
    sources = [find_source("coverage", track, where) for track, where in coverage.items()]
    build = find_assembly(assembly, chrom_sizes)
    named, said_of_genes = read_table(genes, choices, build)
    findings += said_of_genes
    table, placed = _place(matrices, named, genes)
    if not placed.all():
        findings.append(
            note(
                "genes",
                f"{Path(genes).name} does not know {int((~placed).sum()):,} of {len(table):,} "
                "genes; models use them, but they have no place and no coverage",
            )
        )
    measured, level, said = match_levels(expression, cell, table, column)
    findings += [note("expression", line) for line in said]
    label = matrices["label"].values
    findings += _check_labels(label, level, measured.threshold, cell)

    depth: dict[str, np.ndarray] = {}
    records = []
    if sources:
        tracks = read_tracks(sources, table[placed], choices, build, progress)
        findings += tracks.findings
        records = tracks.records
        for track, values in tracks.coverage.items():
            depth[track] = np.full((len(table), values.shape[1]), np.nan, dtype=np.float32)
            depth[track][placed] = values
    findings += preflight.check_genes(table[placed & schema.usable(matrices)], "given")
    signal = matrices["signal"].values
    by_mark = {mark: signal[:, column] for column, mark in enumerate(marks)}
    strand = table["strand"].to_numpy(object)
    findings += check_shapes(by_mark, label, strand, choices.window)
    used = schema.usable(matrices)
    findings += describe_use(label, matrices["split"].values, used, depth)
    kept = ("orientation", "signal_unit", "label_rule", "label_threshold")
    dataset = schema.build_dataset(
        cell=cell,
        genes=table,
        marks=marks,
        signal=signal,
        expression=level,
        label=label,
        split=matrices["split"].values,
        reason=matrices["reason"].values,
        window=choices.window,
        coverage=depth,
        assembly=assembly,
        missing=choices.missing,
        sources=[
            *json.loads(matrices.attrs["sources"]),
            *records,
            file_record("genes", genes),
            file_record("expression", expression),
        ],
        expression_unit=measured.unit,
        expression_column=measured.column,
        coverage_unit=unit_of("coverage", sources, units),
        split_rule="given by the source",
        choices=json.dumps(asdict(choices), default=str),
        preflight=json.dumps([asdict(finding) for finding in findings]),
        **{name: matrices.attrs[name] for name in kept},
    )
    return dataset, findings


def _refuse_fixed(choices: Choices) -> None:
    """Refuse choices that the matrices have made already."""
    default = Choices()
    for name in ("window", "orientation", "label", "split", "biotype"):
        if getattr(choices, name) != getattr(default, name):
            raise ChromvizError(
                f"the matrices have their own {name}, which cannot be chosen; leave it out, or "
                "prepare from tracks"
            )


def _place(
    matrices: xr.Dataset, table: pd.DataFrame, genes: Path
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the matrices' genes with their place, and which have one, bool (gene,)."""
    ids = [str(gene) for gene in matrices["gene"].values]
    exact = {gene: row for row, gene in enumerate(table["gene"])}
    bare: dict[str, int] = {}
    for gene, row in exact.items():
        # Of two versions of one id nothing tells which is meant.
        bare[without_version(gene)] = -1 if without_version(gene) in bare else row
    found = np.array([exact.get(gene, bare.get(without_version(gene), -1)) for gene in ids])
    placed = found >= 0
    if not placed.any():
        raise ChromvizError(
            f"the matrices and {genes} have no gene in common: they use {ids[0]!r} and "
            f"{table['gene'].iloc[0]!r}; give genes with ids of one kind"
        )
    at = np.where(placed, found, 0)
    joined = pd.DataFrame({"gene": ids})
    for name, unknown in (("symbol", ""), ("chrom", ""), ("tss", -1), ("strand", ".")):
        joined[name] = np.where(placed, table[name].to_numpy(object)[at], unknown)
    joined["tss"] = joined["tss"].astype("int64")
    return joined, placed


def _check_labels(
    label: np.ndarray, level: np.ndarray, threshold: float, cell: str
) -> list[Finding]:
    """Compare the labels given with those that the expression table gives."""
    known = ~np.isnan(level) & (label >= 0)
    if not known.any():
        return []
    share = float(((level > threshold) == (label == 1))[known].mean())
    told = f"labels of the matrices agree with the expression of {cell} for {100 * share:.1f} %"
    if share >= _EXPECTED_AGREEMENT:
        return [note("labels", f"{told} of {int(known.sum()):,} genes")]
    return [
        warning(
            "labels",
            f"{told} of {int(known.sum()):,} genes only: are they of one cell type? What a gene's "
            "expression is said to be would be another cell's",
        )
    ]

"""DeepChrome's matrices, completed with positions, expression and a reference track.

The published matrices hold read counts, labels and splits, and nothing else. With a gene table,
the expression table and H3K27ac reads they give the dataset behind the paper's Table 3.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import schema
from chromviz.data import preflight
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.deepchrome_csv import find_deepchrome, read_deepchrome
from chromviz.data.genes.expression import read_expression
from chromviz.data.genes.ids import expand_short_ids, without_version
from chromviz.data.inputs import check_inputs, file_records, match_levels, recorded
from chromviz.data.measure import read_tracks, unit_of
from chromviz.data.preflight import Finding, judged, note, warning
from chromviz.data.shapes import check_shapes
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import resolve_cell

# Labels were made from the same expression by the same rule, so they agree except for rounding.
_EXPECTED_AGREEMENT = 0.95


def from_matrices(
    files: InputFiles, choices: Choices, progress: Progress = silent
) -> tuple[xr.Dataset, list[Finding]]:
    """Build a dataset from matrices; see :func:`chromviz.data.prepare.prepare`.

    Signal, labels and splits are unchanged. A gene that the annotation lacks keeps its signal, and
    has no position and no coverage.
    """
    matrices = _read_matrices(files)
    _refuse_fixed(choices)
    cell = str(matrices.attrs["cell"])
    given = check_inputs(files, choices, [str(mark) for mark in matrices["mark"].values])
    findings = given.findings
    measured = read_expression(files.expression, cell, column=choices.expression_column)
    table, placed, found = _place(matrices, given.genes, measured.values.index, files)
    findings += found
    level, found = match_levels(measured, table, files.expression)
    findings += found
    label, split = matrices["label"].values, matrices["split"].values
    findings += _check_labels(label, level, measured.threshold, cell)
    coverage: dict[str, np.ndarray] = {}
    records: list[dict[str, Any]] = []
    if given.sources:
        tracks = read_tracks(given.sources, table[placed], choices, given.assembly, progress)
        findings += tracks.findings
        records = tracks.records
        for track, values in tracks.values.items():
            coverage[track] = np.full((len(table), values.shape[1]), np.nan, dtype=np.float32)
            coverage[track][placed] = values
    used = schema.usable(matrices)
    findings += preflight.check_genes(table[placed & used], "given")
    signal = matrices["signal"].values
    by_mark = {mark: signal[:, column] for column, mark in enumerate(given.marks)}
    strand = table["strand"].to_numpy(object)
    findings += check_shapes(by_mark, label, strand, choices.window)
    findings += preflight.describe_use(label, split, used, coverage)
    kept = ("orientation", "signal_unit", "label_rule", "label_threshold")
    dataset = schema.build_dataset(
        cell=cell,
        genes=table.assign(
            expression=level, label=label, split=split, reason=matrices["reason"].values
        ),
        marks=given.marks,
        signal=signal,
        window=choices.window,
        coverage=coverage,
        sources=json.loads(matrices.attrs["sources"]) + records + file_records(files, choices),
        expression_unit=measured.unit,
        expression_column=measured.column,
        coverage_unit=unit_of("coverage", given.sources, given.units),
        split_rule="given by the source",
        **{name: matrices.attrs[name] for name in kept},
        **recorded(choices, findings),
    )
    return dataset, findings


def _read_matrices(files: InputFiles) -> xr.Dataset:
    """Read the cell type's matrices."""
    if files.matrices is None:
        raise ChromvizError("no folder of matrices is given")
    folders = find_deepchrome(files.matrices)
    name = resolve_cell(files.cell, tuple(folders), str(files.matrices))
    return read_deepchrome(folders[name], name)


def _refuse_fixed(choices: Choices) -> None:
    """Raise if a choice is given that the matrices have already made."""
    default = Choices()
    for name in ("window", "orientation", "label", "split", "biotype"):
        if getattr(choices, name) != getattr(default, name):
            raise ChromvizError(
                f"the matrices have a fixed {name}; leave this option out, or prepare the dataset "
                "from tracks"
            )


def _place(
    matrices: xr.Dataset, genes: pd.DataFrame, levels: pd.Index, files: InputFiles
) -> tuple[pd.DataFrame, np.ndarray, list[Finding]]:
    """Return the genes of the matrices with position, which have one (gene,), and findings.

    `levels` are the gene ids of the expression table; `files` is for messages.
    """
    own = [str(gene) for gene in matrices["gene"].values]
    short = expand_short_ids(own, [*genes["gene"], *map(str, levels)])
    ids = short.names
    exact = {gene: row for row, gene in enumerate(genes["gene"])}
    bare: dict[str, int] = {}
    for gene, row in exact.items():
        # Of two versions of one id, it is unknown which is meant.
        bare[without_version(gene)] = -1 if without_version(gene) in bare else row
    found = np.array([exact.get(gene, bare.get(without_version(gene), -1)) for gene in ids])
    placed = found >= 0
    if not placed.any():
        raise ChromvizError(
            f"the matrices and {files.genes} have no gene in common: their ids look like "
            f"{own[0]!r} and {genes['gene'].iloc[0]!r}; give genes with the same kind of ids"
        )
    findings = []
    expanded = np.flatnonzero(short.expanded & placed)
    if len(expanded):
        first = expanded[0]
        message = (
            f"{len(expanded):,} of {len(ids):,} genes of the matrices are named by the last six "
            f"digits of their Ensembl id and were identified by them ({own[first]} is {ids[first]})"
        )
        findings.append(note("genes", message))
    if short.ambiguous:
        message = (
            f"{len(short.ambiguous):,} of {len(ids):,} genes of the matrices have a six-digit "
            f"id that more than one gene matches (such as {short.ambiguous[0]}); models use "
            "them, but they have no position, no coverage and no expression value"
        )
        findings.append(warning("genes", message))
    if not placed.all():
        message = (
            f"{Path(files.genes).name}: {int((~placed).sum()):,} of {len(ids):,} genes of the "
            "matrices cannot be identified in it; models use them, but they have no position and "
            "no coverage"
        )
        findings.append(note("genes", message))
    at = np.where(placed, found, 0)
    table = pd.DataFrame({"gene": ids})
    for name, unknown in (("symbol", ""), ("chrom", ""), ("tss", -1), ("strand", ".")):
        table[name] = np.where(placed, genes[name].to_numpy(object)[at], unknown)
    table["tss"] = table["tss"].astype("int64")
    return table, placed, findings


def _check_labels(
    label: np.ndarray, level: np.ndarray, threshold: float, cell: str
) -> list[Finding]:
    """Compare the labels of the matrices with those that the expression table gives."""
    known = ~np.isnan(level) & (label >= 0)
    if not known.any():
        return []
    share = float(((level > threshold) == (label == 1))[known].mean())
    told = (
        f"labels of the matrices agree with the expression of {cell} for {100 * share:.1f} % of "
        f"{int(known.sum()):,} genes"
    )
    otherwise = (
        ": check that both are from the same cell type; if not, the expression values of the "
        "dataset belong to another cell type"
    )
    return [judged("labels", told, share >= _EXPECTED_AGREEMENT, otherwise)]

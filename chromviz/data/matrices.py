"""DeepChrome's matrices, completed with positions, expression and a reference track.

The published matrices hold read counts, labels and splits, and nothing else. With a gene table,
the expression table and H3K27ac reads they give the dataset behind the paper's Table 3.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import schema
from chromviz.data import preflight
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.deepchrome_csv import find_deepchrome, read_deepchrome
from chromviz.data.genes.ids import expand_short_ids, without_version
from chromviz.data.inputs import CheckedInputs, check_inputs
from chromviz.data.measure import read_tracks
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
    """Build a dataset from matrices, whose signal, labels and splits are not changed."""
    if files.matrices is None:
        raise ChromvizError("no folder of matrices is given")
    folders = find_deepchrome(files.matrices)
    name = resolve_cell(files.cell, tuple(folders), str(files.matrices))
    matrices = read_deepchrome(folders[name], name)
    _refuse_fixed(choices)
    marks = [str(mark) for mark in matrices["mark"].values]
    given = check_inputs(files, choices, str(matrices.attrs["cell"]), marks)
    findings = given.findings
    table, placed = _place(matrices, given)
    level = given.levels(table)
    label, split = matrices["label"].values, matrices["split"].values
    findings += _check_labels(label, level, given)
    coverage: dict[str, np.ndarray] = {}
    records = json.loads(matrices.attrs["sources"])
    if given.sources:
        tracks = read_tracks(given.sources, table[placed], choices, given.assembly, progress)
        findings += tracks.findings
        records += tracks.records
        for track, values in tracks.values.items():
            coverage[track] = np.full((len(table), values.shape[1]), np.nan, dtype=np.float32)
            coverage[track][placed] = values
    used = schema.usable(matrices)
    findings += preflight.check_genes(table[placed & used], "given")
    signal, strand = matrices["signal"].values, table["strand"].to_numpy(object)
    by_mark = {mark: signal[:, column] for column, mark in enumerate(marks)}
    findings += check_shapes(by_mark, label, strand, choices.window)
    findings += preflight.describe_use(label, split, used, coverage)
    kept = ("orientation", "signal_unit", "label_rule", "label_threshold")
    dataset = given.build_dataset(
        genes=table.assign(
            expression=level, label=label, split=split, reason=matrices["reason"].values
        ),
        signal=signal,
        coverage=coverage,
        sources=records,
        split_rule="given by the source",
        **{name: matrices.attrs[name] for name in kept},
    )
    return dataset, findings


def _refuse_fixed(choices: Choices) -> None:
    """Raise if a choice is given that the matrices have already made."""
    default = Choices()
    for name in ("window", "orientation", "label", "split", "biotype"):
        if getattr(choices, name) != getattr(default, name):
            raise ChromvizError(
                f"the matrices have a fixed {name}; leave this option out, or prepare the dataset "
                "from tracks"
            )


def _place(matrices: xr.Dataset, given: CheckedInputs) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the genes of the matrices with position, and which of them have one, bool (gene,)."""
    genes = given.genes
    own = [str(gene) for gene in matrices["gene"].values]
    short = expand_short_ids(own, [*genes["gene"], *map(str, given.expression.values.index)])
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
            f"the matrices and {given.files.genes} have no gene in common: their ids look like "
            f"{own[0]!r} and {genes['gene'].iloc[0]!r}; give genes with the same kind of ids"
        )
    share = f"of {len(ids):,} genes of the matrices"
    expanded = np.flatnonzero(short.expanded & placed)
    if len(expanded):
        message = (
            f"{len(expanded):,} {share} are named by the last six digits of their Ensembl id and "
            f"were identified by them ({own[expanded[0]]} is {ids[expanded[0]]})"
        )
        given.findings.append(note("genes", message))
    if short.ambiguous:
        message = (
            f"{len(short.ambiguous):,} {share} have a six-digit id that more than one gene matches "
            f"(such as {short.ambiguous[0]}); models use them, but they have no position, no "
            "coverage and no expression value"
        )
        given.findings.append(warning("genes", message))
    if not placed.all():
        message = (
            f"{given.files.genes.name}: {int((~placed).sum()):,} {share} cannot be identified in "
            "it; models use them, but they have no position and no coverage"
        )
        given.findings.append(note("genes", message))
    table = pd.DataFrame({"gene": ids})
    for name, unknown in (("symbol", ""), ("chrom", ""), ("tss", -1), ("strand", ".")):
        table[name] = np.where(placed, genes[name].to_numpy(object)[found], unknown)
    return table.astype({"tss": "int64"}), placed


def _check_labels(label: np.ndarray, level: np.ndarray, given: CheckedInputs) -> list[Finding]:
    """Compare the labels of the matrices with those that the expression table gives."""
    known = ~np.isnan(level) & (label >= 0)
    if not known.any():
        return []
    share = float(((level > given.expression.threshold) == (label == 1))[known].mean())
    told = (
        f"labels of the matrices agree with the expression of {given.cell} for {100 * share:.1f} % "
        f"of {int(known.sum()):,} genes"
    )
    otherwise = (
        ": check that both are from the same cell type; if not, the expression values of the "
        "dataset belong to another cell type"
    )
    return [judged("labels", told, share >= _EXPECTED_AGREEMENT, otherwise)]

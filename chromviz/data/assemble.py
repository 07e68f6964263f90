"""From tracks or reads, an annotation and expression to the dataset of one cell type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import schema
from chromviz.data import preflight
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.genes.expression import read_expression
from chromviz.data.inputs import cell_name, check_inputs, file_records, match_levels
from chromviz.data.measure import Tracks, read_tracks, unit_of
from chromviz.data.preflight import Finding
from chromviz.data.shapes import check_shapes
from chromviz.data.signal.windows import orient
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent


def from_tracks(
    files: InputFiles, choices: Choices, progress: Progress = silent
) -> tuple[xr.Dataset, list[Finding]]:
    """Make a dataset from tracks or reads; see :func:`chromviz.data.prepare.prepare`."""
    cell = cell_name(files.cell)
    given = check_inputs(files, choices)
    table, marks, findings = given.genes, given.marks, given.findings
    measured = read_expression(files.expression, cell, column=choices.expression_column)
    level, found = match_levels(measured, table, files.expression)
    findings += found
    label = choices.label.label(level, measured.every)
    tracks = read_tracks(given.sources, table, choices, given.assembly, progress)
    findings += tracks.findings
    strand = table["strand"].to_numpy(object)
    findings += check_shapes(tracks.as_measured(), label, strand, choices.window)
    signal, coverage = (
        {name: orient(values, strand, choices.orientation) for name, values in layers.items()}
        for layers in (tracks.signal, tracks.coverage)
    )
    values = np.stack([signal[mark] for mark in marks], axis=1)
    left_out = _reasons(schema.reasons(values, marks, label), level, tracks, strand, choices)
    used = left_out == ""
    if not used.any():
        raise _none_usable(left_out, cell, files, choices)
    split = choices.split.split(table, used, choices.seed)
    left_out[used & (split == "none")] = f"in no part of the split {choices.split.describe()}"
    used = left_out == ""
    low, high = choices.label.levels(measured.every)
    rule = f"{choices.label.describe()}: {high:.4g} {measured.unit}".rstrip()
    findings += preflight.check_genes(table[used], choices.split.kind)
    findings += preflight.describe_use(label, split, used, coverage, rule)
    dataset = schema.build_dataset(
        cell=cell,
        genes=table.assign(expression=level, label=label, split=split, reason=left_out),
        marks=marks,
        signal=values,
        window=choices.window,
        coverage=coverage,
        orientation=choices.orientation,
        signal_unit=unit_of("signal", given.sources, given.units),
        label_rule=choices.label.describe(),
        label_threshold=high,
        sources=[*tracks.records, *file_records(files, choices)],
        seed=choices.seed,
        expression_unit=measured.unit,
        expression_column=measured.column,
        coverage_unit=unit_of("coverage", given.sources, given.units),
        label_off_threshold=low,
        split_rule=choices.split.describe(),
        **recorded(choices, findings),
    )
    return dataset, findings


def recorded(choices: Choices, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the attributes of a dataset that come from the choices and findings alone."""
    return {
        "assembly": choices.assembly,
        "missing": choices.missing,
        "choices": json.dumps(asdict(choices), default=str),
        "preflight": json.dumps([asdict(finding) for finding in findings]),
    }


def _reasons(
    reasons: np.ndarray, level: np.ndarray, tracks: Tracks, strand: np.ndarray, choices: Choices
) -> np.ndarray:
    """Return why models leave out each gene, object (gene,), empty where they do not."""
    between = (reasons == "expression unknown") & ~np.isnan(level)
    reasons[between] = "expression between the two levels of the label"
    reasons[tracks.why != ""] = tracks.why[tracks.why != ""]
    if choices.orientation == "strand":
        reasons[(strand == ".") & (tracks.why == "")] = "strand unknown"
    return reasons


def _none_usable(
    left_out: np.ndarray, cell: str, files: InputFiles, choices: Choices
) -> ChromvizError:
    counts = pd.Series(left_out).value_counts()
    told = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    return ChromvizError(
        f"no gene of {files.genes} can be used for {cell}: {told}; check that tracks and genes "
        f"are from the same assembly ({choices.assembly}) and that the tracks are complete"
    )

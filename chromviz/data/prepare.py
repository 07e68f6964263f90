"""Builds the dataset of one cell type, from tracks or from DeepChrome's matrices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance, schema
from chromviz.data import preflight
from chromviz.data.choices import Choices, InputFiles, read_choices
from chromviz.data.deepchrome_csv import find_deepchrome, read_deepchrome
from chromviz.data.genes.ids import expand_short_ids, without_version
from chromviz.data.inputs import CheckedInputs, cell_name, check_inputs, expand_signal
from chromviz.data.measure import read_tracks
from chromviz.data.preflight import Finding, findings_of, judged, note, warning
from chromviz.data.shapes import check_shapes
from chromviz.data.signal.windows import orient
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent
from chromviz.vocabulary import resolve_cell

# Labels were made from the same expression by the same rule, so they agree except for rounding.
_EXPECTED_AGREEMENT = 0.95


@dataclass(frozen=True)
class Prepared:
    """A dataset, notes and warnings about its inputs, and the file written, if any.

    ``str()`` of a finding is a line of text. The attribute ``preflight`` of the dataset holds the
    findings as JSON. ``replaced`` says whether the file existed before.
    """

    dataset: xr.Dataset
    findings: list[Finding]
    path: Path | None = None
    replaced: bool = False


def prepare(
    cell: str,
    *,
    genes: str | Path,
    expression: str | Path,
    signal: Mapping[str, str | Path] | str | None = None,
    matrices: str | Path | None = None,
    coverage: Mapping[str, str | Path] | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> Prepared:
    r"""Make the dataset of one cell type from tracks or reads, genes and expression.

    Every annotated gene is in the dataset. Models use the genes whose window has complete signal
    of every mark and whose label is known. By default a gene is ON if its expression is above the
    median of the cell type's column, and three equal folds are drawn (section 5 of the paper,
    "Dataset"). Coverage tracks never decide which genes are used.

    Parameters
    ----------
    cell
        EID or common name of a Roadmap epigenome, or any other name that can be a file name.
    genes
        Annotation in BED6, GTF, GFF3 or Roadmap's ``gene_info``.
    expression
        Table of expression: genes by cell types, two columns, or the output of salmon, kallisto,
        RSEM, StringTie or featureCounts.
    signal
        Source of each input mark: bigWig (a path or an http address), BAM, tagAlign or BED of
        reads. Or one path with ``{mark}``, which stands for the five core marks.
    matrices
        Folder in DeepChrome's CSV layout, in place of `signal`. Its read counts, labels and splits
        are used as they are. Genes may be named by the last six digits of their Ensembl id.
    coverage
        Source of each reference track, such as H3K27ac.
    out
        Folder for ``{cell}.nc``; if None, nothing is written.
    **options
        Options under the names that ``chromviz prepare --help`` lists, for instance
        ``assembly="hg38"``, ``flank=2500``, ``label="quantile:0.75"``, ``valid="chr8"``,
        ``test="chr9"``, ``unit="-log10 p"``, ``seed=1``.

    Returns
    -------
    Prepared
        With ``dataset``, ``findings`` and ``path``. ``dataset["signal"]`` is float32 (gene, mark,
        bin) in the unit of the source, NaN where it has no data; ``dataset["coverage"]`` is
        float32 (track, gene, bin).

    Raises
    ------
    ChromvizError
        If inputs are missing, damaged or contradict one another, or no gene can be used.

    Examples
    --------
    Three genes, one mark given as reads, and chromosome sizes for a made-up assembly:

    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> def write(name, *rows):
    ...     path = folder / name
    ...     _ = path.write_text("".join("\t".join(row.split()) + "\n" for row in rows))
    ...     return path
    >>> made = prepare(
    ...     "my-cell",
    ...     signal={"H3K4me3": write("reads.bed", "chr1 9950 10050 r1 0 +")},
    ...     genes=write("genes.bed", "chr1 10000 10001 A 0 +", "chr1 30000 30001 B 0 -",
    ...                 "chr1 50000 50001 C 0 +"),
    ...     expression=write("tpm.tsv", "gene my-cell", "A 9.5", "B 0.5", "C 0"),
    ...     assembly="toy",
    ...     chrom_sizes=write("toy.sizes", "chr1 100000"),
    ...     out=folder / "real",
    ... )
    >>> made.path.name
    'my-cell.nc'
    >>> made.dataset["signal"].sel(gene="A", mark="H3K4me3").values[48:52]
    array([0., 1., 1., 0.], dtype=float32)
    >>> made.dataset["label"].values
    array([1, 0, 0], dtype=int8)
    >>> [str(finding) for finding in made.findings if finding.check == "labels"]
    ['of the genes that models use, 1 are ON (expression > median of the cell: 0.5 TPM), 2 OFF']
    """
    if isinstance(signal, str):
        signal = expand_signal([signal])
    files = InputFiles(
        cell=cell,
        genes=Path(genes),
        expression=Path(expression),
        signal=signal or {},
        coverage=coverage or {},
        matrices=None if matrices is None else Path(matrices),
    )
    choices = read_choices(options, files.coverage)
    return prepare_dataset(files, choices, out=None if out is None else Path(out))


def prepare_dataset(
    files: InputFiles,
    choices: Choices | None = None,
    *,
    out: Path | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Build a dataset and, if `out` is given, write it; see :func:`prepare`."""
    if files.signal and files.matrices is not None:
        raise ChromvizError("signal and matrices are both given; give one of them")
    if not files.signal and files.matrices is None:
        raise ChromvizError("no input mark is given; give signal for each mark, or matrices")
    choices = choices or Choices()
    make = from_matrices if files.matrices is not None else from_tracks
    with provenance.output_folder(out) if out is not None else nullcontext():
        dataset = make(files, choices, progress)
        if out is None:
            return Prepared(dataset, findings_of(dataset))
        path = out / f"{dataset.attrs['cell']}.nc"
        replaced = path.exists()
        schema.save_dataset(dataset, path)
    return Prepared(dataset, findings_of(dataset), path, replaced)


def from_tracks(files: InputFiles, choices: Choices, progress: Progress) -> xr.Dataset:
    """Build a dataset from tracks or reads."""
    given = check_inputs(files, choices, cell_name(files.cell))
    table, findings = given.genes, given.findings
    level, every = given.levels(table), given.expression.every
    label = choices.label.label(level, every)
    tracks = read_tracks(given, table, progress)
    strand = table["strand"].to_numpy(object)
    as_measured = {
        mark: np.where(tracks.gaps[mark][:, None], np.float32(np.nan), tracks.values[mark])
        for mark in given.marks
    }
    findings += check_shapes(as_measured, label, strand, choices.window)
    coverage = {
        name: orient(values, strand, choices.orientation) for name, values in tracks.values.items()
    }
    signal = np.stack([coverage.pop(mark) for mark in given.marks], axis=1)
    left_out = schema.reasons(signal, given.marks, label)
    between = (left_out == "expression unknown") & ~np.isnan(level)
    left_out[between] = "expression between the two levels of the label"
    left_out[tracks.why != ""] = tracks.why[tracks.why != ""]
    if choices.orientation == "strand":
        left_out[(strand == ".") & (tracks.why == "")] = "strand unknown"
    used = left_out == ""
    if not used.any():
        raise _none_usable(left_out, given)
    split = choices.split.split(table, used, choices.seed)
    left_out[used & (split == "none")] = f"in no part of the split {choices.split.describe()}"
    used = left_out == ""
    low, high = choices.label.levels(every)
    rule = f"{choices.label.describe()}: {high:.4g} {given.expression.unit}".rstrip()
    findings += preflight.check_genes(table[used], choices.split.kind)
    findings += preflight.describe_use(label, split, used, coverage, rule)
    return given.build_dataset(
        genes=table.assign(expression=level, label=label, split=split, reason=left_out),
        signal=signal,
        coverage=coverage,
        sources=tracks.records,
        orientation=choices.orientation,
        signal_unit=given.unit("signal"),
        label_rule=choices.label.describe(),
        label_threshold=high,
        label_off_threshold=low,
        split_rule=choices.split.describe(),
        seed=choices.seed,
    )


def _none_usable(left_out: np.ndarray, given: CheckedInputs) -> ChromvizError:
    counts = pd.Series(left_out).value_counts()
    told = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    return ChromvizError(
        f"no gene of {given.files.genes} can be used for {given.cell}: {told}; check that tracks "
        f"and genes are from the same assembly ({given.choices.assembly}) and that the tracks are "
        "complete"
    )


def from_matrices(files: InputFiles, choices: Choices, progress: Progress) -> xr.Dataset:
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
        tracks = read_tracks(given, table[placed], progress)
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
    return given.build_dataset(
        genes=table.assign(
            expression=level, label=label, split=split, reason=matrices["reason"].values
        ),
        signal=signal,
        coverage=coverage,
        sources=records,
        split_rule="given by the source",
        **{name: matrices.attrs[name] for name in kept},
    )


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

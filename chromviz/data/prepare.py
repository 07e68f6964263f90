"""Builds the dataset of one cell type from files."""

from __future__ import annotations

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
from chromviz.data.inputs import CheckedInputs, cell_name, check_inputs, expand_signal
from chromviz.data.matrices import from_matrices
from chromviz.data.measure import read_tracks, unit_of
from chromviz.data.preflight import Finding
from chromviz.data.shapes import check_shapes
from chromviz.data.signal.windows import orient
from chromviz.errors import ChromvizError
from chromviz.progress import Progress, silent


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
        dataset, findings = make(files, choices, progress)
        if out is None:
            return Prepared(dataset, findings)
        path = out / f"{dataset.attrs['cell']}.nc"
        replaced = path.exists()
        schema.save_dataset(dataset, path)
    return Prepared(dataset, findings, path, replaced)


def from_tracks(
    files: InputFiles, choices: Choices, progress: Progress = silent
) -> tuple[xr.Dataset, list[Finding]]:
    """Build a dataset from tracks or reads."""
    given = check_inputs(files, choices, cell_name(files.cell))
    table, findings = given.genes, given.findings
    level, every = given.levels(table), given.expression.every
    label = choices.label.label(level, every)
    tracks = read_tracks(given.sources, table, choices, given.assembly, progress)
    findings += tracks.findings
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
    dataset = given.build_dataset(
        genes=table.assign(expression=level, label=label, split=split, reason=left_out),
        signal=signal,
        coverage=coverage,
        sources=tracks.records,
        orientation=choices.orientation,
        signal_unit=unit_of("signal", given.sources, given.units),
        label_rule=choices.label.describe(),
        label_threshold=high,
        label_off_threshold=low,
        split_rule=choices.split.describe(),
        seed=choices.seed,
    )
    return dataset, findings


def _none_usable(left_out: np.ndarray, given: CheckedInputs) -> ChromvizError:
    counts = pd.Series(left_out).value_counts()
    told = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    return ChromvizError(
        f"no gene of {given.files.genes} can be used for {given.cell}: {told}; check that tracks "
        f"and genes are from the same assembly ({given.choices.assembly}) and that the tracks are "
        "complete"
    )

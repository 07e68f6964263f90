"""Commands for data: prepare, fetch, cells."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromviz.cli.app import live, names, show
from chromviz.cli.options import (
    CHROM_SIZES,
    DATA,
    INPUT,
    JSON,
    MIRROR,
    OUTPUT,
    SEED,
    Cell,
    Shown,
    command,
    option,
)
from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    from chromviz.data.archives.published import FetchResult

_READING = "Annotation, expression and units"
_WINDOWS = "Windows and missing data"
_LABELS = "Labels and splits"
_READS = "Aligned reads (BAM, tagAlign, BED)"


@dataclass(frozen=True)
class Inputs:
    """The files of one cell type, and how a dataset is built from them."""

    cell: Cell
    genes: Path = option(INPUT, "Genes: BED6, GTF, GFF3 or gene_info.")
    expression: Path = option(
        INPUT,
        "Expression: a table of genes by cell types or of two columns, or the output of salmon, "
        "kallisto or featureCounts.",
    )
    signal: list[str] | None = option(
        INPUT,
        "MARK=SOURCE, once per mark; or one path with {mark}, which stands for the five core "
        "marks. A source is a bigWig (path or http address), BAM, tagAlign or BED of reads.",
        None,
    )
    matrices: Path | None = option(INPUT, "Folder of DeepChrome CSV, instead of --signal.", None)
    coverage: list[str] | None = option(INPUT, "TRACK=SOURCE; never an input of a model.", None)
    allow_reference_input: bool = option(INPUT, "Allow H3K27ac as an input mark (circular).", False)
    expression_column: str | None = option(
        _READING, "Column of --expression. Default: the cell type's.", None
    )
    tss: str = option(
        _READING,
        "TSS of genes in GTF and GFF3: gene (start of the gene), canonical (of its canonical "
        "transcript) or transcript (one entry per transcript).",
        "gene",
    )
    biotype: str | None = option(_READING, "Keep genes of this biotype, e.g. protein_coding.", None)
    assembly: str = option(_READING, "Genome assembly of all files.", "hg19")
    chrom_sizes: Path | None = CHROM_SIZES
    unit: list[str] | None = option(_READING, "Unit of the signal, or MARK=UNIT.", None)
    coverage_unit: str = option(_READING, "Unit of the coverage.", "")
    flank: int = option(_WINDOWS, "Bases on each side of the TSS.", 5000)
    bin_width: int = option(_WINDOWS, "Bases per bin.", 100)
    orientation: str = option(_WINDOWS, "genome (as in the paper) or strand (5' to 3').", "genome")
    missing: str = option(_WINDOWS, "Value of a bin without data: nan or zero.", "nan")
    blacklist: Path | None = option(_WINDOWS, "BED of regions to treat as missing data.", None)
    label: str = option(
        _LABELS,
        "Which genes are ON: above the median, quantile:Q, quantile:LOW,HIGH or above:LEVEL.",
        "median",
    )
    valid: str = option(_LABELS, "Validation chromosomes. Default: three random folds.", "")
    test: str = option(_LABELS, "Test chromosomes.", "")
    split_file: Path | None = option(_LABELS, "Table of gene and train, valid, test or none.", None)
    seed: int = SEED
    extent: str = option(
        _READS,
        "What a read covers: read (aligned bases), start (5' base), or N bases from the 5' end.",
        "read",
    )
    duplicates: str = option(
        _READS,
        "flagged (leave out reads that the aligner flagged), keep, or position (one read per "
        "position).",
        "flagged",
    )
    strand: str = option(_READS, "Strand of the reads: both, + or -.", "both")
    min_quality: int = option(_READS, "Minimum mapping quality (BAM).", 0, min=0)


@command(
    "Data",
    "chromviz prepare --cell K562 --signal {mark}.bw --coverage H3K27ac=H3K27ac.bw --genes "
    "genes.gtf --expression tpm.tsv --out mine",
    "chromviz prepare --cell K562 --matrices csv --genes genes.bed --expression tpm.tsv --check",
)
def prepare(
    inputs: Inputs,
    *,
    out: Path | None = option(OUTPUT, "Folder for {EID}.nc.", None),
    check: bool = option(OUTPUT, "Only check the input; write nothing.", False),
    shown: Shown,
) -> None:
    """Make a dataset from tracks or reads, genes and expression, and check them."""
    from chromviz.data.choices import InputFiles, read_choices
    from chromviz.data.inputs import expand_signal
    from chromviz.data.prepare import prepare_dataset
    from chromviz.reporting.terminal import counts_line
    from chromviz.schema import gene_counts

    if (inputs.signal is None) == (inputs.matrices is None):
        raise ChromvizError("give either --signal for each mark, or --matrices FOLDER")
    if out is None and not check:
        raise ChromvizError("give --out FOLDER for the dataset, or --check to write nothing")
    options = {**vars(inputs), "unit": _units(inputs.unit or [])}
    files = InputFiles(
        signal=expand_signal(options.pop("signal") or []),
        coverage=expand_signal(options.pop("coverage") or [], "--coverage"),
        **{name: options.pop(name) for name in ("cell", "genes", "expression", "matrices")},
    )
    choices = read_choices(options, files.coverage)
    with live(shown.quiet) as reporter:
        made = prepare_dataset(
            files, choices, out=None if check else out, progress=reporter.progress
        )
    record = {
        "file": made.path,
        "genes": gene_counts(made.dataset),
        "findings": [asdict(finding) for finding in made.findings],
    }
    end = "checked; nothing was written"
    if made.path is not None:
        replaced = " (replaced the previous file)" if made.replaced else ""
        end = f"dataset written to {made.path}{replaced}"
    lines = [*map(str, made.findings), counts_line(made.dataset), end]
    show(shown.as_json, record, "\n".join(lines))


def _units(values: list[str]) -> dict[str, str]:
    """Return units by mark; ``""`` stands for all that are not named."""
    pairs = [value.rpartition("=") for value in values]
    found = {mark.strip(): unit.strip() for mark, _, unit in pairs}
    if len(found) < len(pairs):
        raise ChromvizError("--unit is given twice for the same mark; give it once")
    return found


@command(
    "Data",
    "chromviz fetch --cells K562,GM12878 --out roadmap",
    "chromviz fetch --cells K562 --list",
)
def fetch(
    *,
    cells: str = option(INPUT, "Cell types, comma-separated, or all.", "", "--cells", "--cell"),
    kinds: str = option(
        INPUT, "Kinds of data, comma-separated; see --list. Default: those behind Table 3.", ""
    ),
    base_url: str | None = MIRROR,
    dry_run: bool = option(
        OUTPUT, "Show what would be downloaded; without --cells, the kinds.", False, "--list"
    ),
    out: Path | None = option(OUTPUT, "Folder for files and datasets.", None),
    keep_archives: bool = option(OUTPUT, "Keep the archive of all matrices.", False),
    shown: Shown,
) -> None:
    """Download published data and build the datasets behind the paper's Table 3."""
    from chromviz.data.archives.addresses import KINDS
    from chromviz.data.archives.published import TABLE3_KINDS
    from chromviz.data.archives.published import fetch as run
    from chromviz.reporting.terminal import plain_table

    wanted, chosen = names(cells), names(kinds) or TABLE3_KINDS
    if dry_run and not wanted:
        page = plain_table(
            "Kinds of data", ["kind", "content"], [list(item) for item in KINDS.items()]
        )
        show(shown.as_json, KINDS, page)
        return
    if not wanted or (out is None and not dry_run):
        raise ChromvizError(
            "give --cells and --out FOLDER; --list with --cells shows what would be downloaded, "
            "and --list alone the kinds of data"
        )
    if dry_run or out is None:
        _show_plan(wanted, chosen, out or Path(), base_url, shown.as_json)
        return
    with live(shown.quiet) as reporter:
        result = run(
            wanted,
            out,
            kinds=chosen,
            base_url=base_url,
            keep_archives=keep_archives,
            reporter=reporter,
        )
    _show_fetched(result, shown.as_json)


def _show_plan(
    cells: Sequence[str], kinds: Sequence[str], out: Path, base_url: str | None, as_json: bool
) -> None:
    """Show what would be downloaded, from where, and how large it is."""
    from chromviz.data.archives.fetch import plan_files
    from chromviz.reporting.terminal import plain_table

    planned = plan_files(cells, kinds, out, base_url=base_url)
    rows = [
        [
            item.kind,
            item.name,
            "present" if item.there else "to download",
            "unknown" if item.size is None else f"{item.size / 1e6:,.1f} MB",
            item.url,
        ]
        for item in planned
    ]
    page = plain_table("Files to fetch", ["kind", "file", "status", "download", "address"], rows)
    show(as_json, [asdict(item) for item in planned], page)


def _show_fetched(result: FetchResult, as_json: bool) -> None:
    """Show what was downloaded and built, and the command to continue with."""
    from chromviz.reporting.terminal import counts_line

    files = result.files
    record = {
        "files": [item.path for item in files.files],
        "fetched": files.downloaded,
        "kept": files.up_to_date,
        "missing": files.missing,
        "notes": files.notes,
        "datasets": result.paths,
        "findings": {
            cell: [asdict(item) for item in findings] for cell, findings in result.findings.items()
        },
    }
    # Notes were already shown during the download.
    lines = [f"warning: {line}" for line in files.missing]
    lines.append(f"{len(files.downloaded)} downloaded, {len(files.up_to_date)} up to date")
    for cell, path in result.paths.items():
        lines += map(str, result.findings[cell])
        lines += [counts_line(result.datasets[cell]), f"dataset in {path}"]
        # Without H3K27ac there is nothing to compare with.
        command = "compare" if result.datasets[cell].sizes["track"] else "train"
        data = shlex.quote(str(result.folder))
        lines.append(f"next: chromviz {command} --cell {cell} --data {data}")
    show(as_json, record, "\n".join(lines))


@command("Data", "chromviz cells --data roadmap")
def cells(data: Path | None = DATA, as_json: bool = JSON) -> None:
    """List the cell types: data available locally, and data that can be fetched."""
    from chromviz.data.archives.addresses import KINDS
    from chromviz.data.archives.published import list_cells
    from chromviz.reporting.terminal import SIMULATED, plain_table

    table = list_cells(data)
    columns = ["cell", "common name", "epigenome", "anatomy", "available locally", "fetchable"]
    count = int((table["local"] != "").sum())
    where = f"in {data}" if data else "embedded"
    page = plain_table(f"Cell types: {count or 'none'} {where}", columns, table.to_numpy().tolist())
    lines = [f"Kinds of data that can be fetched: {', '.join(KINDS)} (chromviz fetch --list)"]
    if data is None:
        lines.append(SIMULATED)
    show(as_json, table, page, *lines)

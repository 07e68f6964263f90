"""Commands for data: prepare, fetch, cells."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from chromviz.cli.app import Live, app, names, records, show
from chromviz.cli.options import Cell, Data, Json, Quiet, Seed
from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    from chromviz.data.archives.published import FetchResult

_INPUT = "Input"
_RULES = "Rules"
_READS = "Reads (BAM, tagAlign, BED)"


@app.command(
    epilog="Example: chromviz prepare --cell K562 --signal {mark}.bw --genes genes.gtf "
    "--expression tpm.tsv --out mine"
)
def prepare(
    cell: Cell,
    genes: Annotated[
        Path, typer.Option(help="Genes: BED6, GTF, GFF3 or gene_info.", rich_help_panel=_INPUT)
    ],
    expression: Annotated[
        Path,
        typer.Option(
            help="Expression: gene × cell table, two columns, salmon, kallisto, featureCounts.",
            rich_help_panel=_INPUT,
        ),
    ],
    signal: Annotated[
        list[str] | None,
        typer.Option(
            help="MARK=SOURCE for each mark, or one path with {mark} for the core five. A source "
            "is a bigWig (path or http address), BAM, tagAlign or BED of reads.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    matrices: Annotated[
        Path | None,
        typer.Option(
            help="Folder of DeepChrome CSV, in place of --signal.", rich_help_panel=_INPUT
        ),
    ] = None,
    coverage: Annotated[
        list[str] | None,
        typer.Option(help="TRACK=SOURCE; never an input of a model.", rich_help_panel=_INPUT),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for {EID}.nc.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check the input; write nothing.")
    ] = False,
    expression_column: Annotated[
        str | None,
        typer.Option(help="Column of the table. Default: the cell's.", rich_help_panel=_INPUT),
    ] = None,
    tss: Annotated[
        str,
        typer.Option(
            help="Of GTF and GFF3: gene, canonical (transcript) or transcript (each of its own).",
            rich_help_panel=_INPUT,
        ),
    ] = "gene",
    biotype: Annotated[
        str | None,
        typer.Option(help="Keep these genes, e.g. protein_coding.", rich_help_panel=_INPUT),
    ] = None,
    assembly: Annotated[
        str, typer.Option(help="Genome assembly of sources and genes.", rich_help_panel=_INPUT)
    ] = "hg19",
    chrom_sizes: Annotated[
        Path | None,
        typer.Option(help="chrom.sizes, if the assembly is not built in.", rich_help_panel=_INPUT),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="Unit of the signal, or MARK=UNIT, for labels.", rich_help_panel=_INPUT),
    ] = None,
    coverage_unit: Annotated[
        str, typer.Option(help="Unit of the coverage, for labels.", rich_help_panel=_INPUT)
    ] = "",
    allow_reference_input: Annotated[
        bool,
        typer.Option(
            "--allow-reference-input",
            help="Allow H3K27ac as an input mark (circular).",
            rich_help_panel=_INPUT,
        ),
    ] = False,
    flank: Annotated[
        int, typer.Option(help="Bases on each side of the TSS.", rich_help_panel=_RULES)
    ] = 5000,
    bin_width: Annotated[int, typer.Option(help="Bases in a bin.", rich_help_panel=_RULES)] = 100,
    orientation: Annotated[
        str,
        typer.Option(help="genome (as the paper) or strand (5' to 3').", rich_help_panel=_RULES),
    ] = "genome",
    missing: Annotated[
        str,
        typer.Option(help="A bin without data: nan or zero (recorded).", rich_help_panel=_RULES),
    ] = "nan",
    blacklist: Annotated[
        Path | None, typer.Option(help="BED of regions to leave out.", rich_help_panel=_RULES)
    ] = None,
    label: Annotated[
        str,
        typer.Option(
            help="ON: above median, quantile:Q, quantile:LOW,HIGH or above:LEVEL.",
            rich_help_panel=_RULES,
        ),
    ] = "median",
    valid: Annotated[
        str,
        typer.Option(
            help="Chromosomes to validate on. Default: three random folds.", rich_help_panel=_RULES
        ),
    ] = "",
    test: Annotated[str, typer.Option(help="Chromosomes to test on.", rich_help_panel=_RULES)] = "",
    split_file: Annotated[
        Path | None,
        typer.Option(help="Table of gene and train, valid, test, none.", rich_help_panel=_RULES),
    ] = None,
    extent: Annotated[
        str,
        typer.Option(
            help="read (aligned bases), start (5' base) or N bases from the 5' end.",
            rich_help_panel=_READS,
        ),
    ] = "read",
    duplicates: Annotated[
        str,
        typer.Option(
            help="flagged (by the aligner, left out), keep, or position (one read per position).",
            rich_help_panel=_READS,
        ),
    ] = "flagged",
    strand: Annotated[
        str, typer.Option(help="Of the reads: both, + or -.", rich_help_panel=_READS)
    ] = "both",
    min_quality: Annotated[
        int, typer.Option(min=0, help="Minimum mapping quality (BAM).", rich_help_panel=_READS)
    ] = 0,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a dataset from tracks or reads, genes and expression, and check them."""
    from chromviz.data.choices import InputFiles, PrepareOptions
    from chromviz.data.names import expand_signal
    from chromviz.data.prepare import prepare_dataset
    from chromviz.reporting.terminal import counts_line
    from chromviz.schema import gene_counts

    if (signal is None) == (matrices is None):
        raise ChromvizError("give either --signal for each mark, or --matrices FOLDER")
    if out is None and not check:
        raise ChromvizError("give --out FOLDER for the dataset, or --check to write nothing")
    files = InputFiles(
        cell=cell,
        genes=genes,
        expression=expression,
        signal=expand_signal(signal) if signal else {},
        coverage=expand_signal(coverage, "--coverage") if coverage else {},
        matrices=matrices,
    )
    options = PrepareOptions(
        assembly=assembly,
        chrom_sizes=chrom_sizes,
        tss=tss,
        biotype=biotype,
        expression_column=expression_column,
        unit=_units(unit or []),
        coverage_unit=coverage_unit,
        allow_reference_input=allow_reference_input,
        flank=flank,
        bin_width=bin_width,
        orientation=orientation,
        missing=missing,
        blacklist=blacklist,
        label=label,
        valid=valid,
        test=test,
        split_file=split_file,
        extent=extent,
        duplicates=duplicates,
        strand=strand,
        min_quality=min_quality,
        seed=seed,
    )
    choices = options.choices(files.coverage)
    with Live(quiet) as live:
        made = prepare_dataset(files, choices, out=None if check else out, progress=live.progress)
    record = {
        "file": None if made.path is None else str(made.path),
        "genes": gene_counts(made.dataset),
        "findings": [asdict(finding) for finding in made.findings],
    }
    lines = [*map(str, made.findings), counts_line(made.dataset)]
    if made.path is None:
        lines.append("checked; nothing was written")
    else:
        replaced = " (replaced the previous file)" if made.replaced else ""
        lines.append(f"dataset written to {made.path}{replaced}")
    show(Text("\n".join(lines)), record, as_json)


def _units(values: list[str]) -> dict[str, str]:
    """Return units by mark; ``""`` stands for all that are not named."""
    pairs = [value.rpartition("=") for value in values]
    found = {mark.strip(): unit.strip() for mark, _, unit in pairs}
    if len(found) < len(pairs):
        raise ChromvizError("--unit is given twice for the same mark; give it once")
    return found


_FETCH_WHAT, _FETCH_WHERE = "What to download", "Where from and to"


@app.command(epilog="Example: chromviz fetch --cells K562,GM12878 --out roadmap")
def fetch(
    cells: Annotated[
        str,
        typer.Option(
            "--cells",
            "--cell",
            help="Cell types, comma-separated, or all.",
            rich_help_panel=_FETCH_WHAT,
        ),
    ] = "",
    kinds: Annotated[
        str,
        typer.Option(
            help="Kinds of data, comma-separated; see --list. Default: those of Table 3.",
            rich_help_panel=_FETCH_WHAT,
        ),
    ] = "",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Show what would be downloaded; without --cells, the kinds of data.",
            rich_help_panel=_FETCH_WHAT,
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for files and datasets.", rich_help_panel=_FETCH_WHERE),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Mirror with each file at URL/HOST/PATH. Default: $CHROMVIZ_MIRROR, if set.",
            rich_help_panel=_FETCH_WHERE,
        ),
    ] = None,
    keep_archives: Annotated[
        bool,
        typer.Option(
            "--keep-archives",
            help="Keep the archive with the matrices of all cell types.",
            rich_help_panel=_FETCH_WHERE,
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
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
        show(page, KINDS, as_json)
        return
    if not wanted or (out is None and not dry_run):
        raise ChromvizError(
            "give --cells and --out FOLDER; --list with --cells shows what would be downloaded, "
            "and --list alone the kinds of data"
        )
    if dry_run or out is None:
        _show_plan(wanted, chosen, out or Path(), base_url, as_json)
        return
    with Live(quiet) as live:
        result = run(
            wanted,
            out,
            kinds=chosen,
            base_url=base_url,
            keep_archives=keep_archives,
            reporter=live.reporter,
        )
    _show_fetched(result, as_json)


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
    show(page, [asdict(item) for item in planned], as_json)


def _show_fetched(result: FetchResult, as_json: bool) -> None:
    """Show what was downloaded and built, and the command to continue with."""
    from chromviz.reporting.terminal import counts_line

    files = result.files
    record = {
        "files": [str(item.path) for item in files.files],
        "fetched": files.downloaded,
        "kept": files.up_to_date,
        "missing": files.missing,
        "notes": files.notes,
        "datasets": {cell: str(path) for cell, path in result.paths.items()},
        "findings": {
            cell: [asdict(item) for item in findings] for cell, findings in result.findings.items()
        },
    }
    # Notes were shown as they came.
    lines = [f"warning: {line}" for line in files.missing]
    lines.append(f"{len(files.downloaded)} downloaded, {len(files.up_to_date)} up to date")
    for cell, path in result.paths.items():
        lines += map(str, result.findings[cell])
        lines += [counts_line(result.datasets[cell]), f"dataset in {path}"]
        # Without H3K27ac there is nothing to compare with.
        command = "compare" if result.datasets[cell].sizes["track"] else "train"
        data = shlex.quote(str(result.folder))
        lines.append(f"next: chromviz {command} --cell {cell} --data {data}")
    show(Text("\n".join(lines)), record, as_json)


@app.command(epilog="Example: chromviz cells --data roadmap")
def cells(data: Data = None, as_json: Json = False) -> None:
    """List the cell types: data available locally, and data that can be fetched."""
    from chromviz.data.archives.addresses import KINDS
    from chromviz.data.archives.published import list_cells
    from chromviz.reporting.terminal import SIMULATED, plain_table

    table = list_cells(data)
    columns = ["cell", "common name", "epigenome", "anatomy", "available locally", "fetchable"]
    count = int((table["local"] != "").sum())
    where = f"in {data}" if data else "embedded"
    page = plain_table(f"Cell types: {count or 'none'} {where}", columns, table.to_numpy().tolist())
    show(page, records(table), as_json)
    if not as_json:
        typer.echo(f"Kinds of data that can be fetched: {', '.join(KINDS)} (chromviz fetch --list)")
    if data is None and not as_json:
        typer.echo(SIMULATED)

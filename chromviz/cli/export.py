"""The command that writes tracks and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from chromviz.cli.app import Live, app, names, show
from chromviz.cli.options import Cell, Data, Json, Out, Quiet


@app.command(epilog="Example: chromviz export --cell K562 --formats bigwig,bed")
def export(
    cell: Cell,
    data: Data = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Result folder with attributions. Default: results/{cell}."),
    ] = None,
    out: Out = None,
    methods: Annotated[
        str,
        typer.Option(help="Methods, comma-separated. Default: all that explain trained models."),
    ] = "",
    formats: Annotated[
        str, typer.Option(help="Formats: bigwig, bedgraph, bed, csv, parquet.")
    ] = "bigwig,bed,csv",
    chrom_sizes: Annotated[
        Path | None, typer.Option(help="Chromosome sizes, if the assembly is not built in.")
    ] = None,
    top: Annotated[int, typer.Option(help="Number of top bins of each gene, in BED.")] = 5,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write attributions, signal and coverage as genome tracks and tables."""
    from chromviz.recipes.export import export as run
    from chromviz.reporting.terminal import SIMULATED

    with Live(quiet) as live:
        found = run(
            cell,
            data=data,
            results=results,
            out=out,
            methods=names(methods) or None,
            formats=names(formats),
            chrom_sizes=chrom_sizes,
            top=top,
            reporter=live.reporter,
        )
    lines = [SIMULATED] if found.simulated else []
    lines += [*found.notes, f"{len(found.files)} files in {found.folder}"]
    record = {
        "folder": str(found.folder),
        "files": found.files,
        "notes": found.notes,
        "simulated": found.simulated,
    }
    show(Text("\n".join(lines)), record, as_json)

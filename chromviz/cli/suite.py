"""The command suite: the paper's tables of performance."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from chromviz.cli.app import Live, app, names, records, show
from chromviz.cli.options import Bootstrap, Data, Device, Json, Out, Quiet


@app.command(epilog="Example: chromviz suite --cells K562 --models deepchrome,lstm --seeds 3")
def suite(
    cells: Annotated[
        str, typer.Option(help="Cell types, comma-separated. Default: all available.")
    ] = "",
    models: Annotated[
        str,
        typer.Option(help="Models, comma-separated. Default: the seven networks and older models."),
    ] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, starting at 0.")] = 1,
    tables: Annotated[
        str, typer.Option(help="Tables of the paper, comma-separated.")
    ] = "2,s1,s2,s3",
    reference: Annotated[
        str, typer.Option(help="Model that the others are compared with.")
    ] = "deepchrome",
    data: Data = None,
    out: Out = None,
    bootstrap: Bootstrap = 2000,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train and test models on several cell types (Tables 2, S1, S2, S3)."""
    from chromviz.recipes.suite import MODELS
    from chromviz.recipes.suite import suite as run
    from chromviz.reporting.terminal import paired_page, suite_page

    with Live(quiet) as live:
        found = run(
            names(cells),
            models=names(models) or MODELS,
            seeds=seeds,
            tables=names(tables),
            reference=reference,
            data=data,
            out=out,
            n_bootstrap=bootstrap,
            device=device,
            reporter=live.reporter,
        )
    record = {
        "folder": str(found.folder),
        "units": records(found.units),
        "paired": records(found.paired),
        **{f"table{name}": records(table) for name, table in found.tables.items()},
    }
    end = Text(f"{found.steps_line}\nresults in {found.folder}")
    page = Group(suite_page(found.tables), paired_page(found.paired), end)
    show(page, record, as_json)

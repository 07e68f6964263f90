"""The command suite: the paper's tables of performance."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from chromviz.cli.app import Data, Device, Json, Live, Out, Quiet, app, names, records, show


@app.command()
def suite(
    cells: Annotated[
        str, typer.Option(help="Cell types, comma-separated. Default: all at hand.")
    ] = "",
    models: Annotated[
        str, typer.Option(help="Comma-separated. Default: the seven networks and the older models.")
    ] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Train each from so many seeds, from 0.")] = 1,
    tables: Annotated[str, typer.Option(help="Any of 2, s1, s2, s3.")] = "2,s1,s2,s3",
    reference: Annotated[
        str, typer.Option(help="Model that the others are compared with.")
    ] = "deepchrome",
    data: Data = None,
    out: Out = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of genes.")] = 2000,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train and test models on cell types: Tables 2, S1, S2 and S3, and paired comparisons."""
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
    end = Text(
        f"{len(found.made)} steps done, {len(found.kept)} found done\nresults in {found.folder}"
    )
    page = Group(suite_page(found.tables), paired_page(found.paired), end)
    show(page, record, as_json)

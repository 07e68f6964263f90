"""Commands that explain and test: compare, validate, audit, extract, methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from chromviz.cli.app import Live, app, names, pairs, records, show
from chromviz.cli.options import (
    Bootstrap,
    Cell,
    Data,
    Device,
    Json,
    Methods,
    Models,
    Out,
    Quiet,
    Seed,
    Seeds,
)
from chromviz.errors import ChromvizError

_MODELS = "lstm-alpha,lstm-alpha-beta,deepchrome"


@app.command(epilog="Example: chromviz compare --cell K562 --models lstm-alpha,deepchrome")
def compare(
    cell: Cell,
    data: Data = None,
    out: Out = None,
    models: Models = _MODELS,
    methods: Annotated[
        str, typer.Option(help="Methods, comma-separated. Default: those of the paper.")
    ] = "",
    gene: Annotated[str, typer.Option(help="Gene of Figure 2c. Default: PAX5.")] = "",
    seed: Seed = 0,
    seeds: Seeds = 1,
    bootstrap: Bootstrap = 2000,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train models, extract explanations and compare them with H3K27ac."""
    from chromviz.recipes.compare import compare as run
    from chromviz.reporting.terminal import counts_line, table3_page
    from chromviz.reporting.verdicts import verdict_sentences

    with Live(quiet) as live:
        found = run(
            cell,
            data=data,
            out=out,
            models=names(models),
            methods=names(methods) or None,
            gene=gene or None,
            seed=seed,
            seeds=seeds,
            n_bootstrap=bootstrap,
            device=device,
            reporter=live.reporter,
        )
    record = {
        "folder": str(found.folder),
        "simulated": bool(found.dataset.attrs["simulated"]),
        "genes": counts_line(found.dataset),
        "models": {model.card.name: model.card.metrics for model in found.models},
        "table3": records(found.table),
        "agreement": records(found.agreement),
    }
    show(table3_page(found.table, dict(found.dataset.attrs)), record, as_json)
    if not as_json:
        lines = verdict_sentences(found.verdicts)
        lines += [counts_line(found.dataset), *(model.line() for model in found.models)]
        lines.append(found.steps_line)
        lines.append(f"results in {found.folder}")
        show(Text("\n".join(lines)), None, as_json=False)


@app.command(epilog="Example: chromviz validate --cell K562 --tests agreement,faithfulness")
def validate(
    cell: Cell,
    data: Data = None,
    out: Out = None,
    models: Models = _MODELS,
    methods: Methods = "",
    tests: Annotated[
        str,
        typer.Option(help="Tests, comma-separated. Default: all.", show_default=False),
    ] = "agreement,truth,faithfulness,sanity,stability,consensus",
    seed: Seed = 0,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Number of seeds, starting at --seed, that stability compares."),
    ] = 2,
    genes: Annotated[
        int,
        typer.Option(min=1, help="Maximum number of test genes in tests that run a model often."),
    ] = 200,
    bootstrap: Bootstrap = 2000,
    null: Annotated[int, typer.Option(min=1, help="Number of draws of each null model.")] = 2000,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Test explanations for agreement, faithfulness, sanity, stability and truth."""
    from chromviz.recipes.validate import SampleSize, validate_cells
    from chromviz.recipes.validate import validate as run
    from chromviz.reporting.terminal import counts_line, verdict_page

    cells = names(cell)
    with Live(quiet) as live:
        options: dict[str, Any] = {
            "data": data,
            "out": out,
            "models": names(models),
            "methods": names(methods) or None,
            "tests": names(tests),
            "seed": seed,
            "seeds": seeds,
            "size": SampleSize(genes, null),
            "n_bootstrap": bootstrap,
            "device": device,
            "reporter": live.reporter,
        }
        lines = []
        if len(cells) > 1:
            folder, table, judged = validate_cells(cells, **options)
        else:
            found = run(cell, **options)
            folder, table, judged = found.folder, found.table, found.verdicts
            lines.append(counts_line(found.dataset))
            lines.append(found.steps_line)
    record = {
        "folder": str(folder),
        "simulated": bool(table["simulated"].any()),
        "verdicts": records(judged),
        "validation": records(table),
    }
    show(verdict_page(judged, table), record, as_json)
    if not as_json:
        show(Text("\n".join([*lines, f"results in {folder}"])), None, as_json=False)


@app.command(epilog="Example: chromviz audit PAX5 --cells H1-hESC,GM12878,K562")
def audit(
    gene: Annotated[str, typer.Argument(help="Symbol, id or locus; not with --differential.")] = "",
    cells: Annotated[
        str, typer.Option("--cells", help="Cell types, comma-separated.")
    ] = "H1-hESC,GM12878,K562",
    data: Data = None,
    out: Out = None,
    models: Models = "lstm-alpha-beta",
    methods: Methods = "",
    differential: Annotated[
        bool,
        typer.Option(
            "--differential", help="Rank all genes that change state by their change in β."
        ),
    ] = False,
    seed: Seed = 0,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of seeds, starting at --seed. Default: 1, or 3 with --differential."
        ),
    ] = None,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show one gene across cell types: signal, weights, predictions, warnings."""
    if differential:
        if methods:
            raise ChromvizError("--differential compares β only; omit --methods")
        _differential(gene, cells, data, out, models, seed, seeds or 3, device, quiet, as_json)
        return
    if not gene:
        raise ChromvizError("no gene to audit; name one, or use --differential")
    from chromviz.recipes.audit import audit as run
    from chromviz.reporting.terminal import audit_page

    with Live(quiet) as live:
        found = run(
            gene,
            names(cells),
            data=data,
            out=out,
            models=names(models),
            methods=names(methods) or None,
            seed=seed,
            seeds=seeds or 1,
            device=device,
            reporter=live.reporter,
        )
    record = {"folder": str(found.folder), "rows": records(found.table), "audit": found.record}
    show(audit_page(found.record), record, as_json)
    if not as_json:
        typer.echo(f"results in {found.folder}")


def _differential(
    gene: str,
    cells: str,
    data: Path | None,
    out: Path | None,
    model: str,
    seed: int,
    seeds: int,
    device: str,
    quiet: bool,
    as_json: bool,
) -> None:
    from chromviz.recipes.state_changes import differential as run
    from chromviz.reporting.terminal import differential_page

    if gene:
        raise ChromvizError(f"--differential ranks all genes; omit {gene}, or the option")
    with Live(quiet) as live:
        found = run(
            names(cells),
            data=data,
            out=out,
            model=model,
            seed=seed,
            seeds=seeds,
            device=device,
            reporter=live.reporter,
        )
    record = {
        "folder": str(found.folder),
        "changes": records(found.table),
        "recovery": records(found.recovery),
    }
    show(differential_page(found.table, found.recovery), record, as_json)
    if not as_json:
        typer.echo(f"results in {found.folder}")


@app.command(epilog="Example: chromviz report results/K562")
def report(
    results: Annotated[
        Path, typer.Argument(help="A folder that compare, validate or audit has finished.")
    ],
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The page. Default: RESULTS/report.html.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a result folder as one HTML page that needs no network."""
    from chromviz.reporting.results_page import report as run

    path = run(results, data=data, out=out)
    size = path.stat().st_size
    show(Text(f"{path}, {size / 1e6:.1f} MB"), {"page": str(path), "bytes": size}, as_json)


@app.command(epilog="Example: chromviz extract --cell K562 --methods alpha --model lstm-alpha")
def extract(
    cell: Cell,
    methods: Annotated[str, typer.Option(help="Methods, comma-separated.")] = "alpha",
    model: Annotated[
        str, typer.Option(help="Architecture, package.module:factory, or a model file.")
    ] = "lstm-alpha-beta",
    genes: Annotated[
        str, typer.Option(help="train, valid, test, all, or symbols or ids, comma-separated.")
    ] = "test",
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: results/{cell}/extract.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting of a method, NAME=VALUE; may be repeated."),
    ] = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Explain one model on one cell type; write the weights as NetCDF."""
    from chromviz.recipes.extract import explain
    from chromviz.reporting.terminal import SIMULATED

    with Live(quiet) as live:
        found = explain(
            cell,
            names(methods),
            model=model,
            data=data,
            out=out,
            genes=genes,
            settings=pairs(settings or []),
            seed=seed,
            seeds=seeds,
            device=device,
            reporter=live.reporter,
        )
    lines = [found.model.line()] if found.model else []
    lines += [f"{method}: {path}" for method, path in found.files.items()]
    lines += [f"  {note}" for note in found.notes]
    if found.dataset.attrs["simulated"]:
        lines.insert(0, SIMULATED)
    record = {
        "simulated": bool(found.dataset.attrs["simulated"]),
        "files": {method: str(path) for method, path in found.files.items()},
    }
    show(Text("\n".join(lines)), record, as_json)


@app.command(name="methods", epilog="Example: chromviz methods")
def list_methods(as_json: Json = False) -> None:
    """List the methods of explanation and the controls."""
    from chromviz.extractors import methods
    from chromviz.reporting.terminal import plain_table

    columns = ["method", "needs", "gives", "signed", "description"]
    rows = [
        [
            method.name,
            method.needs or "no model",
            " × ".join(method.dims),
            "yes" if method.signed else "no",
            method.description,
        ]
        for method in methods().values()
    ]
    records = [
        {**dict(zip(columns, row, strict=True)), "settings": dict(method.parameters)}
        for row, method in zip(rows, methods().values(), strict=True)
    ]
    show(plain_table("Methods", columns, rows), records, as_json)

"""Commands that explain, test and write results, and the scripts in ``figures/``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from chromviz.cli.app import names, refuse, show
from chromviz.cli.options import (
    CHROM_SIZES,
    DATA,
    INPUT,
    JSON,
    METHOD,
    OUTPUT,
    RUN,
    Cell,
    Computed,
    Job,
    Methods,
    Models,
    Resampled,
    command,
    option,
)
from chromviz.errors import ChromvizError

_MODELS = "lstm-alpha,lstm-alpha-beta,deepchrome"


@command(
    "Explain and test",
    "chromviz compare --cell K562",
    "chromviz compare --cell K562 --models lstm-alpha,deepchrome --seeds 5 --out mine",
)
def compare(
    cell: Cell,
    models: Models = _MODELS,
    methods: str = option(METHOD, "Methods, comma-separated. Default: those of the paper.", ""),
    gene: str = option(METHOD, "Gene of Figure 2c. Default: PAX5.", ""),
    *,
    job: Resampled,
) -> None:
    """Train models, extract explanations and compare them with H3K27ac."""
    from chromviz.recipes import compare as recipe
    from chromviz.reporting.tables import verdict_sentences
    from chromviz.reporting.terminal import counts_line, table3_page

    found = job.run(
        recipe.compare,
        cell,
        models=names(models),
        methods=names(methods) or None,
        gene=gene or None,
    )
    genes = counts_line(found.dataset)
    record = {
        "folder": found.folder,
        "simulated": bool(found.dataset.attrs["simulated"]),
        "genes": genes,
        "models": {model.card.name: model.card.metrics for model in found.models},
        "table3": found.table,
        "agreement": found.agreement,
    }
    lines = [*verdict_sentences(found.verdicts), genes, *(model.line() for model in found.models)]
    page = table3_page(found.table)
    show(job.as_json, record, page, *lines, found.steps_line, f"results in {found.folder}")


@command(
    "Explain and test",
    "chromviz validate --cell K562",
    "chromviz validate --cell K562 --models lstm-alpha --tests agreement,faithfulness",
    "chromviz validate --cell K562,GM12878 --data roadmap",
    seeds=option(RUN, "Number of seeds, starting at --seed, that stability compares.", 2, min=1),
)
def validate(
    cell: Annotated[
        str, option(INPUT, "Cell type, or several, comma-separated: EID or common name.")
    ],
    models: Models = _MODELS,
    methods: Methods = "",
    tests: str = option(
        METHOD,
        "Tests, comma-separated: agreement, truth, faithfulness, sanity, stability, consensus. "
        "Default: all.",
        "agreement,truth,faithfulness,sanity,stability,consensus",
        show_default=False,
    ),
    *,
    job: Resampled,
    genes: int = option(
        RUN, "Maximum number of test genes in tests that run a model repeatedly.", 200, min=1
    ),
    null: int = option(RUN, "Number of draws of each null model.", 2000, min=1),
) -> None:
    """Test explanations for agreement, faithfulness, sanity, stability and truth."""
    from chromviz.recipes import validate as recipe
    from chromviz.reporting.terminal import counts_line, verdict_page

    cells, lines = names(cell), []
    options = {
        "models": names(models),
        "methods": names(methods) or None,
        "tests": names(tests),
        "size": recipe.SampleSize(genes, null),
    }
    if len(cells) > 1:
        folder, table, judged = job.run(recipe.validate_cells, cells, **options)
    else:
        found = job.run(recipe.validate, cell, **options)
        folder, table, judged = found.folder, found.table, found.verdicts
        lines = [counts_line(found.dataset), found.steps_line]
    record = {
        "folder": folder,
        "simulated": bool(table["simulated"].any()),
        "verdicts": judged,
        "validation": table,
    }
    show(job.as_json, record, verdict_page(judged, table), *lines, f"results in {folder}")


@command(
    "Explain and test",
    "chromviz audit PAX5",
    "chromviz audit chr9:37034476 --cells H1-hESC,GM12878 --models lstm-alpha-beta,deepchrome",
    "chromviz audit --differential --cells H1-hESC,GM12878,K562",
    seeds=option(
        RUN, "Number of seeds from --seed on. Default: 1, or 3 with --differential.", None, min=1
    ),
)
def audit(
    gene: Annotated[
        str, typer.Argument(help="Gene: symbol, id or locus. Omit it with --differential.")
    ] = "",
    cells: str = option(INPUT, "Cell types, comma-separated.", "H1-hESC,GM12878,K562"),
    models: Models = "lstm-alpha-beta",
    methods: Methods = "",
    differential: bool = option(
        METHOD, "Rank all genes that change state by their change in β, instead of one gene.", False
    ),
    *,
    job: Computed,
) -> None:
    """Show one gene across cell types: signal, weights, predictions, warnings."""
    if differential and methods:
        raise ChromvizError("--differential compares β only; omit --methods")
    if differential and gene:
        raise ChromvizError(f"--differential ranks all genes; omit {gene}, or the option")
    if not (differential or gene):
        raise ChromvizError("no gene to audit; name one, or use --differential")
    from chromviz.recipes import audit as recipe
    from chromviz.recipes.state_changes import differential as rank
    from chromviz.reporting.terminal import audit_page, differential_page

    if differential:
        found = job.run(rank, names(cells), model=models)
        record = {"changes": found.table, "recovery": found.recovery}
        page = differential_page(found.table, found.recovery)
    else:
        found = job.run(
            recipe.audit,
            gene,
            names(cells),
            models=names(models),
            methods=names(methods) or None,
        )
        record = {"rows": found.table, "audit": found.record}
        page = audit_page(found.record)
    show(job.as_json, {"folder": found.folder, **record}, page, f"results in {found.folder}")


@command(
    "Explain and test",
    "chromviz suite --cells K562 --models deepchrome,lstm --seeds 3",
    "chromviz suite --data roadmap --tables 2,s3 --out roadmap/suite",
    seeds=option(RUN, "Trainings of each model, with seeds from --seed on.", 1, min=1),
)
def suite(
    cells: str = option(INPUT, "Cell types, comma-separated. Default: all available.", ""),
    models: str = option(
        METHOD, "Models, comma-separated. Default: the seven networks and older models.", ""
    ),
    tables: str = option(METHOD, "Tables of the paper, comma-separated.", "2,s1,s2,s3"),
    reference: str = option(METHOD, "Model that the others are compared with.", "deepchrome"),
    *,
    job: Resampled,
) -> None:
    """Train and test models on several cell types (Tables 2, S1, S2, S3)."""
    from chromviz.recipes import suite as recipe
    from chromviz.reporting.terminal import paired_page, suite_page

    found = job.run(
        recipe.suite,
        names(cells),
        models=names(models) or recipe.MODELS,
        tables=names(tables),
        reference=reference,
    )
    record = {
        "folder": found.folder,
        "units": found.units,
        "paired": found.paired,
        **{f"table{name}": table for name, table in found.tables.items()},
    }
    pages = suite_page(found.tables), paired_page(found.paired)
    show(job.as_json, record, *pages, found.steps_line, f"results in {found.folder}")


@command(
    "Explain and test",
    "chromviz extract --cell K562 --methods alpha,beta",
    "chromviz extract --cell K562 --model deepchrome --methods saliency --genes PAX5",
    "chromviz extract --cell K562 --methods integrated_gradients --set reference=mean",
)
def extract(
    cell: Cell,
    genes: str = option(INPUT, "train, valid, test, all, or symbols or ids (A,B).", "test"),
    model: str = option(
        METHOD, "Architecture, package.module:factory, or a model file.", "lstm-alpha-beta"
    ),
    methods: str = option(METHOD, "Methods, comma-separated.", "alpha"),
    settings: list[str] | None = option(
        METHOD, "Setting of a method, NAME=VALUE; may be repeated.", None, "--set"
    ),
    *,
    job: Computed,
) -> None:
    """Explain one model on one cell type; write the weights as NetCDF."""
    from chromviz.recipes.extract import explain
    from chromviz.reporting.terminal import SIMULATED

    given = _pairs(settings or [])
    found = job.run(explain, cell, names(methods), model=model, genes=genes, settings=given)
    simulated = bool(found.dataset.attrs["simulated"])
    lines = [SIMULATED] if simulated else []
    lines += [found.model.line()] if found.model else []
    lines += [f"{method}: {path}" for method, path in found.files.items()]
    lines += [f"  {note}" for note in found.notes]
    show(job.as_json, {"simulated": simulated, "files": found.files}, *lines)


def _pairs(texts: list[str]) -> dict[str, Any]:
    """Return NAME=VALUE texts as a dictionary; a value is a number, true, false or a text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise ChromvizError(
                f"{text!r} is not a setting; write NAME=VALUE, as in reference=mean"
            )
        try:
            found[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            found[name.strip()] = value
    return found


@command("Explain and test", "chromviz methods", name="methods")
def list_methods(as_json: bool = JSON) -> None:
    """List the methods of explanation and the controls."""
    from chromviz.catalog import list_methods as listed
    from chromviz.reporting.terminal import plain_table

    table = listed()
    table["needs"] = table["needs"].replace("", "no model")
    table["signed"] = table["signed"].map({True: "yes", False: "no"})
    rows = table.drop(columns="settings")
    show(as_json, table, plain_table("Methods", [*rows], rows.to_numpy().tolist()))


@command(
    "Pages and tracks",
    "chromviz export --cell K562 --formats bigwig,bed",
    "chromviz export --cell K562 --methods alpha --results results/K562/extract",
)
def export(
    cell: Cell,
    results: Path | None = option(
        INPUT, "Result folder with attributions. Default: results/{cell}.", None
    ),
    chrom_sizes: Path | None = CHROM_SIZES,
    methods: str = option(
        OUTPUT, "Methods, comma-separated. Default: all that explain trained models.", ""
    ),
    formats: str = option(OUTPUT, "bigwig, bedgraph, bed, csv or parquet.", "bigwig,bed,csv"),
    top: int = option(OUTPUT, "Number of top bins of each gene, in BED.", 5),
    *,
    job: Job,
) -> None:
    """Write attributions, signal and coverage as genome tracks and tables."""
    from chromviz.recipes.export import export as recipe
    from chromviz.reporting.terminal import SIMULATED

    found = job.run(
        recipe,
        cell,
        results=results,
        methods=names(methods) or None,
        formats=names(formats),
        chrom_sizes=chrom_sizes,
        top=top,
    )
    record = {name: getattr(found, name) for name in ("folder", "files", "notes", "simulated")}
    lines = [SIMULATED] if found.simulated else []
    show(job.as_json, record, *lines, *found.notes, f"{len(found.files)} files in {found.folder}")


@command(
    "Pages and tracks",
    "chromviz report results/K562",
    "chromviz report results/K562 --out page.html",
)
def report(
    results: Annotated[
        Path, typer.Argument(help="A folder that compare, validate or audit has finished.")
    ],
    data: Path | None = DATA,
    out: Path | None = option(OUTPUT, "File to write. Default: RESULTS/report.html.", None),
    as_json: bool = JSON,
) -> None:
    """Write a result folder as one HTML page that needs no network."""
    from chromviz.reporting.results_page import report as recipe

    path = recipe(results, data=data, out=out)
    size = path.stat().st_size
    show(as_json, {"page": path, "bytes": size}, f"{path}, {size / 1e6:.1f} MB")


def rebuild(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a script of ``figures/``, which makes one of the paper's items; return the exit code."""
    from chromviz.recipes import paper

    item = paper.ITEMS[name]
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=item.what)
    if item.command:
        parser.add_argument(
            "results",
            nargs="+" if item.several else 1,
            type=Path,
            metavar="RESULTS",
            help=f"result folder of 'chromviz {item.command}'",
        )
    parser.add_argument(
        "--out", type=Path, default=Path("results/figures"), help="folder to write to"
    )
    options = parser.parse_args(arguments)
    try:
        written = paper.rebuild(name, getattr(options, "results", []), options.out)
    except ChromvizError as error:
        return refuse(f"{name}.py", str(error))
    typer.echo(f"{item.what}\nwrote {', '.join(str(path) for path in written)}")
    return 0

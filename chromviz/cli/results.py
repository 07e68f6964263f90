"""Commands that explain, test and write results, and the scripts in ``figures/``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from chromviz.cli.app import live, names, records, show
from chromviz.cli.options import (
    CHROM_SIZES,
    DATA,
    INPUT,
    JSON,
    METHOD,
    OUTPUT,
    RUN,
    Cell,
    Compute,
    Folders,
    Methods,
    Models,
    Resampled,
    Shown,
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
    folders: Folders,
    models: Models = _MODELS,
    methods: str = option(METHOD, "Methods, comma-separated. Default: those of the paper.", ""),
    gene: str = option(METHOD, "Gene of Figure 2c. Default: PAX5.", ""),
    *,
    run: Resampled,
    shown: Shown,
) -> None:
    """Train models, extract explanations and compare them with H3K27ac."""
    from chromviz.recipes import compare as recipe
    from chromviz.reporting.tables import verdict_sentences
    from chromviz.reporting.terminal import counts_line, table3_page

    with live(shown.quiet) as reporter:
        found = recipe.compare(
            cell,
            models=names(models),
            methods=names(methods) or None,
            gene=gene or None,
            **vars(folders),
            **vars(run),
            reporter=reporter,
        )
    genes = counts_line(found.dataset)
    record = {
        "folder": str(found.folder),
        "simulated": bool(found.dataset.attrs["simulated"]),
        "genes": genes,
        "models": {model.card.name: model.card.metrics for model in found.models},
        "table3": records(found.table),
        "agreement": records(found.agreement),
    }
    lines = [*verdict_sentences(found.verdicts), genes, *(model.line() for model in found.models)]
    page = table3_page(found.table)
    show(shown.as_json, record, page, *lines, found.steps_line, _where(found))


def _where(found: Any) -> str:
    return f"results in {found.folder}"


@dataclass(frozen=True)
class TestOptions(Resampled):
    """How a validation is run."""

    seeds: int = option(
        RUN, "Number of seeds, starting at --seed, that stability compares.", 2, min=1
    )


@dataclass(frozen=True)
class Sample:
    """The fields of :class:`chromviz.recipes.validate.SampleSize`."""

    genes: int = option(
        RUN, "Maximum number of test genes in tests that run a model repeatedly.", 200, min=1
    )
    null: int = option(RUN, "Number of draws of each null model.", 2000, min=1)


@command(
    "Explain and test",
    "chromviz validate --cell K562",
    "chromviz validate --cell K562 --models lstm-alpha --tests agreement,faithfulness",
    "chromviz validate --cell K562,GM12878 --data roadmap",
)
def validate(
    cell: Annotated[
        str, option(INPUT, "Cell type, or several, comma-separated: EID or common name.")
    ],
    folders: Folders,
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
    run: TestOptions,
    sample: Sample,
    shown: Shown,
) -> None:
    """Test explanations for agreement, faithfulness, sanity, stability and truth."""
    from chromviz.recipes import validate as recipe
    from chromviz.reporting.terminal import counts_line, verdict_page

    cells, lines = names(cell), []
    with live(shown.quiet) as reporter:
        options: dict[str, Any] = {
            "models": names(models),
            "methods": names(methods) or None,
            "tests": names(tests),
            "size": recipe.SampleSize(**vars(sample)),
            **vars(folders),
            **vars(run),
            "reporter": reporter,
        }
        if len(cells) > 1:
            folder, table, judged = recipe.validate_cells(cells, **options)
        else:
            found = recipe.validate(cell, **options)
            folder, table, judged = found.folder, found.table, found.verdicts
            lines = [counts_line(found.dataset), found.steps_line]
    record = {
        "folder": str(folder),
        "simulated": bool(table["simulated"].any()),
        "verdicts": records(judged),
        "validation": records(table),
    }
    show(shown.as_json, record, verdict_page(judged, table), *lines, f"results in {folder}")


@dataclass(frozen=True)
class Audited(Compute):
    """How an audit is run."""

    seeds: int | None = option(  # type: ignore[assignment]
        RUN, "Number of seeds from --seed on. Default: 1, or 3 with --differential.", None, min=1
    )


@command(
    "Explain and test",
    "chromviz audit PAX5",
    "chromviz audit chr9:37034476 --cells H1-hESC,GM12878 --models lstm-alpha-beta,deepchrome",
    "chromviz audit --differential --cells H1-hESC,GM12878,K562",
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
    folders: Folders,
    run: Audited,
    shown: Shown,
) -> None:
    """Show one gene across cell types: signal, weights, predictions, warnings."""
    if differential and methods:
        raise ChromvizError("--differential compares β only; omit --methods")
    if differential and gene:
        raise ChromvizError(f"--differential ranks all genes; omit {gene}, or the option")
    if not (differential or gene):
        raise ChromvizError("no gene to audit; name one, or use --differential")
    options: dict[str, Any] = {**vars(folders), **vars(run)}
    options["seeds"] = run.seeds or (3 if differential else 1)
    if differential:
        _differential(names(cells), models, options, shown)
        return
    from chromviz.recipes import audit as recipe
    from chromviz.reporting.terminal import audit_page

    with live(shown.quiet) as reporter:
        found = recipe.audit(
            gene,
            names(cells),
            models=names(models),
            methods=names(methods) or None,
            **options,
            reporter=reporter,
        )
    record = {"folder": str(found.folder), "rows": records(found.table), "audit": found.record}
    show(shown.as_json, record, audit_page(found.record), _where(found))


def _differential(cells: list[str], model: str, options: dict[str, Any], shown: Shown) -> None:
    from chromviz.recipes.state_changes import differential as recipe
    from chromviz.reporting.terminal import differential_page

    with live(shown.quiet) as reporter:
        found = recipe(cells, model=model, **options, reporter=reporter)
    record = {
        "folder": str(found.folder),
        "changes": records(found.table),
        "recovery": records(found.recovery),
    }
    show(shown.as_json, record, differential_page(found.table, found.recovery), _where(found))


@dataclass(frozen=True)
class Trained(Resampled):
    """How a suite is run."""

    seeds: int = option(RUN, "Trainings of each model, with seeds from --seed on.", 1, min=1)


@command(
    "Explain and test",
    "chromviz suite --cells K562 --models deepchrome,lstm --seeds 3",
    "chromviz suite --data roadmap --tables 2,s3 --out roadmap/suite",
)
def suite(
    cells: str = option(INPUT, "Cell types, comma-separated. Default: all available.", ""),
    models: str = option(
        METHOD, "Models, comma-separated. Default: the seven networks and older models.", ""
    ),
    tables: str = option(METHOD, "Tables of the paper, comma-separated.", "2,s1,s2,s3"),
    reference: str = option(METHOD, "Model that the others are compared with.", "deepchrome"),
    *,
    folders: Folders,
    run: Trained,
    shown: Shown,
) -> None:
    """Train and test models on several cell types (Tables 2, S1, S2, S3)."""
    from chromviz.recipes import suite as recipe
    from chromviz.reporting.terminal import paired_page, suite_page

    with live(shown.quiet) as reporter:
        found = recipe.suite(
            names(cells),
            models=names(models) or recipe.MODELS,
            tables=names(tables),
            reference=reference,
            **vars(folders),
            **vars(run),
            reporter=reporter,
        )
    record = {
        "folder": str(found.folder),
        "units": records(found.units),
        "paired": records(found.paired),
        **{f"table{name}": records(table) for name, table in found.tables.items()},
    }
    pages = suite_page(found.tables), paired_page(found.paired)
    show(shown.as_json, record, *pages, found.steps_line, _where(found))


@command(
    "Explain and test",
    "chromviz extract --cell K562 --methods alpha,beta",
    "chromviz extract --cell K562 --model deepchrome --methods saliency --genes PAX5",
    "chromviz extract --cell K562 --methods integrated_gradients --set reference=mean",
)
def extract(
    cell: Cell,
    folders: Folders,
    genes: str = option(INPUT, "train, valid, test, all, or symbols or ids (A,B).", "test"),
    model: str = option(
        METHOD, "Architecture, package.module:factory, or a model file.", "lstm-alpha-beta"
    ),
    methods: str = option(METHOD, "Methods, comma-separated.", "alpha"),
    settings: list[str] | None = option(
        METHOD, "Setting of a method, NAME=VALUE; may be repeated.", None, "--set"
    ),
    *,
    run: Compute,
    shown: Shown,
) -> None:
    """Explain one model on one cell type; write the weights as NetCDF."""
    from chromviz.recipes.extract import explain
    from chromviz.reporting.terminal import SIMULATED

    with live(shown.quiet) as reporter:
        found = explain(
            cell,
            names(methods),
            model=model,
            genes=genes,
            settings=_pairs(settings or []),
            **vars(folders),
            **vars(run),
            reporter=reporter,
        )
    simulated = bool(found.dataset.attrs["simulated"])
    files = {method: str(path) for method, path in found.files.items()}
    lines = [SIMULATED] if simulated else []
    lines += [found.model.line()] if found.model else []
    lines += [f"{method}: {path}" for method, path in files.items()]
    lines += [f"  {note}" for note in found.notes]
    show(shown.as_json, {"simulated": simulated, "files": files}, *lines)


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
    show(as_json, records(table), plain_table("Methods", [*rows], rows.to_numpy().tolist()))


@command(
    "Pages and tracks",
    "chromviz export --cell K562 --formats bigwig,bed",
    "chromviz export --cell K562 --methods alpha --results results/K562/extract",
)
def export(
    cell: Cell,
    folders: Folders,
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
    shown: Shown,
) -> None:
    """Write attributions, signal and coverage as genome tracks and tables."""
    from chromviz.recipes.export import export as recipe
    from chromviz.reporting.terminal import SIMULATED

    with live(shown.quiet) as reporter:
        found = recipe(
            cell,
            results=results,
            methods=names(methods) or None,
            formats=names(formats),
            chrom_sizes=chrom_sizes,
            top=top,
            **vars(folders),
            reporter=reporter,
        )
    record = {
        "folder": str(found.folder),
        "files": found.files,
        "notes": found.notes,
        "simulated": found.simulated,
    }
    lines = [SIMULATED] if found.simulated else []
    lines += [*found.notes, f"{len(found.files)} files in {found.folder}"]
    show(shown.as_json, record, *lines)


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
    show(as_json, {"page": str(path), "bytes": size}, f"{path}, {size / 1e6:.1f} MB")


def rebuild(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a script of ``figures/``: make a figure or table of the paper from result folders.

    `name` is one of :data:`chromviz.recipes.paper.ITEMS`, `arguments` the command line. Returns
    the exit code: 0, or 2 for bad input, with one line on standard error.
    """
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
        typer.echo(f"{name}.py: {' '.join(str(error).split())}", err=True)
        return 2
    typer.echo(f"{item.what}\nwrote {', '.join(str(path) for path in written)}")
    return 0

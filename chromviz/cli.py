"""The command line: a thin face on the recipes; heavy libraries are imported where used."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from chromviz import __version__
from chromviz.errors import ChromvizError
from chromviz.progress import Reporter

app = typer.Typer(
    name="chromviz",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Cell = Annotated[str, typer.Option("--cell", help="Cell type: EID or common name, any case.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of datasets ({cell}.nc) or of DeepChrome CSV. Default: embedded, simulated.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Result folder.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything that is drawn.")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, …")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class _Live:
    """Progress on standard error: bars on a terminal, plain lines elsewhere."""

    #: Seconds between two plain lines.
    PAUSE = 15.0

    def __init__(self, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.bars = (
            Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}"),
                console=self.console,
                transient=True,
            )
            if self.console.is_terminal and not quiet
            else None
        )
        self.tasks: dict[str, Any] = {}
        self.last = time.monotonic()

    def __enter__(self) -> Self:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bars:
            self.bars.stop()
        if kind is KeyboardInterrupt:
            typer.echo("chromviz: interrupted; run the same command again to go on", err=True)
            sys.exit(130)

    @property
    def reporter(self) -> Reporter:
        return Reporter(self.progress, self.say)

    def say(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)

    def progress(self, what: str, done: int, total: int, detail: str = "") -> None:
        if self.bars:
            if what not in self.tasks:
                self.tasks[what] = self.bars.add_task(what, total=total, detail="")
            self.bars.update(self.tasks[what], completed=done, total=total, detail=detail)
            if done >= total:
                self.bars.remove_task(self.tasks.pop(what))
        elif time.monotonic() - self.last > self.PAUSE:
            self.last = time.monotonic()
            self.say(f"{what}: {done:,} of {total:,}{', ' + detail if detail else ''}")


def _names(value: str) -> list[str]:
    """Split a comma-separated list."""
    return [item for item in (part.strip() for part in value.split(",")) if item]


def _print(page: Any, record: Any, as_json: bool) -> None:
    """Print a result for a person, or as JSON for a program."""
    if as_json:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        console = Console()
        # A table keeps its columns in a file or a pipe; only a terminal's width is a limit.
        console = console if console.is_terminal else Console(width=160)
        console.print(page)


def _records(table: Any) -> list[dict[str, Any]]:
    """Return a table's rows as JSON takes them, NaN as null."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


@app.command()
def compare(
    cell: Cell,
    data: Data = None,
    out: Out = None,
    models: Annotated[
        str, typer.Option(help="Architectures, comma-separated.")
    ] = "lstm-alpha,lstm-alpha-beta,deepchrome",
    methods: Annotated[
        str, typer.Option(help="Methods, comma-separated. Default: those of the paper.")
    ] = "",
    gene: Annotated[str, typer.Option(help="Gene of Figure 2c. Default: PAX5.")] = "",
    seed: Seed = 0,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of genes.")] = 2000,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train models, explain them, and hold the explanations against H3K27ac (Table 3, Figure 2)."""
    from chromviz.recipes.compare import compare as run
    from chromviz.recipes.trained import describe
    from chromviz.report.terminal import counts_line, table3_page

    with _Live(quiet) as live:
        found = run(
            cell,
            data=data,
            out=out,
            models=_names(models),
            method_names=_names(methods) or None,
            gene=gene or None,
            seed=seed,
            n_bootstrap=bootstrap,
            device=device,
            reporter=live.reporter,
        )
    record = {
        "folder": str(found.folder),
        "simulated": bool(found.dataset.attrs["simulated"]),
        "genes": counts_line(found.dataset),
        "models": {model.card.name: model.card.metrics for model in found.models},
        "table3": _records(found.table),
    }
    _print(table3_page(found.table, dict(found.dataset.attrs)), record, as_json)
    if not as_json:
        lines = [counts_line(found.dataset), *map(describe, found.models)]
        lines.append(f"{len(found.made)} steps done, {len(found.kept)} found done")
        lines.append(f"results in {found.folder}")
        _print(Text("\n".join(lines)), None, as_json=False)


@app.command()
def audit(
    gene: Annotated[str, typer.Argument(help="Symbol or id.")],
    cells: Annotated[
        str, typer.Option("--cells", help="Cell types, comma-separated.")
    ] = "H1-hESC,GM12878,K562",
    data: Data = None,
    out: Out = None,
    seed: Seed = 0,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show one gene across cell types: β, prediction, label, expression (Figure 2c)."""
    from chromviz.recipes.gene import audit as run
    from chromviz.report.terminal import audit_page

    with _Live(quiet) as live:
        found = run(
            gene,
            _names(cells),
            data=data,
            out=out,
            seed=seed,
            device=device,
            reporter=live.reporter,
        )
    record = {"folder": str(found.folder), "rows": _records(found.table)}
    _print(audit_page(found.table), record, as_json)
    if not as_json:
        typer.echo(f"results in {found.folder}")


@app.command()
def prepare(
    cell: Cell,
    signal: Annotated[
        list[str],
        typer.Option(help="MARK=FILE for each mark, or one path with {mark} for the core five."),
    ],
    genes: Annotated[Path, typer.Option(help="BED6 of genes; the name is ID or ID|SYMBOL.")],
    expression: Annotated[Path, typer.Option(help="Gene × cell table of RPKM, gzipped or not.")],
    out: Annotated[Path, typer.Option(help="Folder for {EID}.nc.")],
    coverage: Annotated[
        list[str] | None, typer.Option(help="TRACK=FILE; never an input of a model.")
    ] = None,
    flank: Annotated[int, typer.Option(help="Bases on each side of the TSS.")] = 5000,
    bin_width: Annotated[int, typer.Option(help="Bases in a bin.")] = 100,
    orientation: Annotated[
        str, typer.Option(help="genome (as the paper) or strand (5' to 3').")
    ] = "genome",
    assembly: Annotated[str, typer.Option(help="Genome assembly of tracks and genes.")] = "hg19",
    unit: Annotated[str, typer.Option(help="Unit of the signal, for labels.")] = "",
    coverage_unit: Annotated[str, typer.Option(help="Unit of the coverage, for labels.")] = "",
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a dataset from bigWig tracks, genes and expression."""
    from chromviz import provenance, schema
    from chromviz.data.prepare import expand_signal
    from chromviz.data.prepare import prepare as run
    from chromviz.report.terminal import counts_line
    from chromviz.vocabulary import Window

    with provenance.output_folder(out), _Live(quiet) as live:
        dataset, notes = run(
            cell,
            expand_signal(signal),
            genes,
            expression,
            coverage=expand_signal(coverage or [], "--coverage") if coverage else {},
            window=Window(flank, bin_width),
            orientation=orientation,
            assembly=assembly,
            signal_unit=unit,
            coverage_unit=coverage_unit,
            seed=seed,
            progress=live.progress,
        )
        path = out / f"{dataset.attrs['cell']}.nc"
        schema.save_dataset(dataset, path)
    counts = schema.gene_counts(dataset)
    record = {"file": str(path), "genes": counts, "notes": notes}
    lines = [*notes, counts_line(dataset), f"dataset in {path}"]
    _print(Text("\n".join(lines)), record, as_json)


@app.command()
def train(
    cell: Cell,
    model: Annotated[str, typer.Option(help="Architecture.")] = "lstm-alpha-beta",
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the model to this folder, besides the cache.")
    ] = None,
    seed: Seed = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many epochs.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step size.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Genes a step.")] = None,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train one model on one cell type and keep it."""
    from dataclasses import asdict, replace

    from chromviz import provenance
    from chromviz.data.store import open_cell
    from chromviz.models import find_model
    from chromviz.models.checkpoint import save_model
    from chromviz.recipes.trained import describe, trained
    from chromviz.report.terminal import SIMULATED, counts_line

    spec = find_model(model)
    if learning_rate is not None and not learning_rate > 0:
        raise ChromvizError(f"--learning-rate must be above 0, not {learning_rate}")
    if out is not None:
        provenance.ensure_folder(out)
    chosen = {"max_epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    given = {name: value for name, value in chosen.items() if value is not None}
    settings = replace(spec.settings(), **given)  # type: ignore[arg-type]
    dataset = open_cell(data, cell)
    with _Live(quiet) as live:
        fitted, stem = trained(
            spec.name, dataset, settings=settings, seed=seed, device=device, reporter=live.reporter
        )
    if out is not None:
        stem = out / f"{fitted.card.cell}.{fitted.card.name}.seed{seed}"
        save_model(fitted, stem)
    lines = [counts_line(dataset), describe(fitted), f"model in {stem}.safetensors and .json"]
    if fitted.card.simulated:
        lines.insert(0, SIMULATED)
    _print(Text("\n".join(lines)), {"stem": str(stem), **asdict(fitted.card)}, as_json)


@app.command()
def cells(data: Data = None, as_json: Json = False) -> None:
    """List the cell types at hand."""
    from chromviz.data.store import list_cells
    from chromviz.report.terminal import SIMULATED, plain_table
    from chromviz.vocabulary import COMMON_NAMES, epigenomes

    rows = []
    for cell in list_cells(data):
        known = epigenomes().get(cell)
        name, anatomy = (known.name, known.anatomy) if known else ("", "")
        rows.append([cell, COMMON_NAMES.get(cell, ""), name, anatomy])
    columns = ["cell", "common name", "epigenome", "anatomy"]
    where = f"in {data}" if data else "embedded"
    page = plain_table(f"Cell types {where}", columns, rows)
    _print(page, [dict(zip(columns, row, strict=True)) for row in rows], as_json)
    if data is None and not as_json:
        typer.echo(SIMULATED)


@app.command(name="models")
def list_models(as_json: Json = False) -> None:
    """List the architectures."""
    from chromviz.models import models
    from chromviz.report.terminal import plain_table

    columns = ["model", "label", "attention", "source"]
    rows = [
        [spec.name, spec.label, " ".join(spec.attends) or "none", spec.source]
        for spec in models().values()
    ]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    _print(plain_table("Models", columns, rows), records, as_json)


@app.command(name="methods")
def list_methods(as_json: Json = False) -> None:
    """List the methods of explanation and the controls."""
    from chromviz.extract import methods
    from chromviz.report.terminal import plain_table

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
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    _print(plain_table("Methods", columns, rows), records, as_json)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chromviz {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Explain models of gene expression from chromatin, and judge the explanations."""


def main() -> None:
    """Run the command line: exit 0 done, 2 bad input or usage, 1 our fault, 130 interrupted."""
    # As for Ctrl-C, leave by the way that takes workers along and half-written files away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        app()
    except ChromvizError as error:
        typer.echo(f"chromviz: {' '.join(str(error).split())}", err=True)
        sys.exit(2)

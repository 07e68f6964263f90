"""Commands for models: train, models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from chromviz.cli.app import Cell, Data, Device, Json, Live, Quiet, Seed, app, show
from chromviz.errors import ChromvizError


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
    with Live(quiet) as live:
        fitted, stem = trained(
            spec.name, dataset, settings=settings, seed=seed, device=device, reporter=live.reporter
        )
    if out is not None:
        stem = out / f"{fitted.card.cell}.{fitted.card.name}.seed{seed}"
        save_model(fitted, stem)
    lines = [counts_line(dataset), describe(fitted), f"model in {stem}.safetensors and .json"]
    if fitted.card.simulated:
        lines.insert(0, SIMULATED)
    show(Text("\n".join(lines)), {"stem": str(stem), **asdict(fitted.card)}, as_json)


models_app = typer.Typer(help="List the architectures, or import trained weights.")
app.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the architectures."""
    if context.invoked_subcommand is not None:
        return
    from chromviz.models import models
    from chromviz.report.terminal import plain_table

    columns = ["model", "label", "attention", "source"]
    rows = [
        [spec.name, spec.label, " ".join(spec.attends) or "none", spec.source]
        for spec in models().values()
    ]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    show(plain_table("Models", columns, rows), records, as_json)


@models_app.command(name="import")
def import_weights(
    cell: Cell,
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="A released AttentiveChrome checkpoint. Default: fetch the cell's."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="A mirror to fetch from: it has each file at URL/HOST/PATH.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Bring weights trained elsewhere into chromviz's format; nothing in the file is run."""
    from dataclasses import asdict

    from chromviz import provenance
    from chromviz.models.checkpoint import save_model
    from chromviz.recipes.trained import describe, import_released

    with provenance.output_folder(out), Live(quiet) as live:
        model = import_released(cell, file, out, base_url=base_url, reporter=live.reporter)
        stem = out / f"{model.card.cell}.{model.card.name}"
        save_model(model, stem)
    lines = [describe(model), f"model in {stem}.safetensors and .json"]
    show(Text("\n".join(lines)), {"stem": str(stem), **asdict(model.card)}, as_json)

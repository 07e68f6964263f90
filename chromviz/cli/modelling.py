"""Commands for models: train, models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from chromviz.cli.app import Live, app, names, records, show
from chromviz.cli.options import Cell, Data, Device, Json, Quiet, Seed, Seeds, option
from chromviz.errors import ChromvizError


@app.command(epilog="Example: chromviz train --cell K562 --model lstm-alpha --epochs 5")
def train(
    cell: Annotated[
        str, typer.Option("--cell", help="Cell type: EID or common name, any case.")
    ] = "",
    cells: Annotated[
        str, typer.Option(help="Several cell types, comma-separated: one model is trained on all.")
    ] = "",
    leave_one_out: Annotated[
        bool,
        typer.Option("--leave-one-out", help="With --cells: train on all others and test on each."),
    ] = False,
    model: Annotated[
        str, typer.Option(help="Architecture, or package.module:factory of your own.")
    ] = "lstm-alpha-beta",
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write the model and its learning curve to this folder."),
    ] = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    preset: Annotated[
        str, option("Training", "Preset of settings: fast, or paper (the published settings).")
    ] = "fast",
    epochs: Annotated[int | None, option("Training", "Maximum number of epochs.", min=1)] = None,
    patience: Annotated[
        int | None,
        option("Training", "Number of epochs without improvement before training stops.", min=1),
    ] = None,
    learning_rate: Annotated[
        float | None, option("Training", "Step size of the optimizer.")
    ] = None,
    batch_size: Annotated[int | None, option("Training", "Genes per step.", min=1)] = None,
    optimizer: Annotated[str | None, option("Training", "adam or sgd.")] = None,
    class_weight: Annotated[
        bool | None,
        option("Training", "Give ON and OFF genes equal weight in the loss.", "--class-weight"),
    ] = None,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a model on one or several cell types, and store it."""
    from dataclasses import asdict, replace

    from chromviz import provenance
    from chromviz.data.pool import pool
    from chromviz.data.store import open_cell
    from chromviz.models import find_model
    from chromviz.models.inference import find_device
    from chromviz.models.store import Training, kept_at, trained
    from chromviz.models.training import takes_steps
    from chromviz.recipes.learning import write_model
    from chromviz.reporting.terminal import SIMULATED, counts_line

    spec = find_model(model)
    wanted = names(cells) or ([cell] if cell else [])
    if bool(cell) == bool(names(cells)):
        raise ChromvizError("give either --cell, one cell type, or --cells, several (A,B,C)")
    if leave_one_out and len(wanted) < 2:
        raise ChromvizError("--leave-one-out needs at least two cell types: --cells A,B,C")
    chosen = {
        "max_epochs": epochs,
        "patience": patience,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "optimizer": optimizer and optimizer.strip().lower(),
        "class_weight": class_weight,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    settings = replace(spec.settings(preset), **given)  # type: ignore[arg-type]
    find_device(device)
    datasets = [open_cell(name, data) for name in wanted]
    if not takes_steps(spec, datasets[0]) and (given or preset != "fast" or seeds > 1):
        raise ChromvizError(
            f"{spec.name} is fitted in one go: of the training options it takes only --seed, no "
            "preset and no ensemble"
        )
    if out is not None:
        provenance.ensure_folder(out)
    if leave_one_out:
        _leave_one_out(spec.name, datasets, settings, seed, seeds, device, out, quiet, as_json)
        return
    dataset = datasets[0] if len(datasets) == 1 else pool(datasets)
    training = Training(spec, dataset, seed, settings, seeds)
    with Live(quiet) as live:
        fitted = trained(training, device=device, reporter=live.reporter)
    stem = kept_at(training, device)
    where = (
        f"model in {stem}.safetensors and .json"
        if stem
        else "model not stored: its code cannot be identified"
    )
    lines = [counts_line(dataset), fitted.line(), where]
    if seeds > 1:
        lines[-1] = "the members are in the cache; --out writes the ensemble to a folder"
    if out is not None:
        many = f"{seed}-{seed + seeds - 1}" if seeds > 1 else f"{seed}"
        stem = out / f"{fitted.card.cell}.{spec.slug}.seed{many}"
        lines[-1] = f"in {out}: {', '.join(write_model(fitted, stem))}"
    if dataset.attrs.get("test_genes_seen"):
        lines.insert(
            1,
            f"{dataset.attrs['test_genes_seen']:,} test genes are training genes in another cell "
            "type, so the test AUC is too high; --leave-one-out avoids this",
        )
    if fitted.card.simulated:
        lines.insert(0, SIMULATED)
    show(Text("\n".join(lines)), {"stem": str(stem), **asdict(fitted.card)}, as_json)


def _leave_one_out(
    name: str,
    datasets: list[Any],
    settings: Any,
    seed: int,
    members: int,
    device: str,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """For each cell type, train on all others, and print the AUC on it."""
    from chromviz.models import find_model
    from chromviz.recipes.learning import leave_each_out, write_model
    from chromviz.recipes.run import Run
    from chromviz.reporting.terminal import left_out_page
    from chromviz.results.tables import write_csv

    with Live(quiet) as live:
        run = Run(seed=seed, seeds=members, device=device, reporter=live.reporter)
        table, models = leave_each_out(name, datasets, settings, run)
    if out is not None:
        for model in models:
            write_model(model, out / f"{model.card.cell}.{find_model(name).slug}.seed{seed}")
        write_csv(table, out / "leave_one_out.csv")
    show(left_out_page(table), records(table), as_json)


models_app = typer.Typer(help="List the architectures, or import trained weights.")
app.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the architectures."""
    if context.invoked_subcommand is not None:
        return
    from chromviz.models import models
    from chromviz.reporting.terminal import plain_table

    columns = ["model", "label", "attention", "source"]
    rows = [
        [spec.name, spec.label, " ".join(spec.attends) or "none", spec.source]
        for spec in models().values()
    ]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    show(plain_table("Models", columns, rows), records, as_json)


@models_app.command(
    name="import", epilog="Example: chromviz models import --cell K562 --out models"
)
def import_weights(
    cell: Cell,
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="A released AttentiveChrome checkpoint. Default: download it."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Mirror with each file at URL/HOST/PATH.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Convert weights trained elsewhere; no code in the file is run."""
    from dataclasses import asdict

    from chromviz import provenance
    from chromviz.models.checkpoint import save_model
    from chromviz.models.foreign import import_released

    with provenance.output_folder(out), Live(quiet) as live:
        model = import_released(cell, file, out, base_url=base_url, reporter=live.reporter)
        stem = out / f"{model.card.cell}.{model.card.name}"
        save_model(model, stem)
    lines = [model.line(), f"model in {stem}.safetensors and .json"]
    show(Text("\n".join(lines)), {"stem": str(stem), **asdict(model.card)}, as_json)

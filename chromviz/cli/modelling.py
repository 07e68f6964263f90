"""Commands for models: train, models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from chromviz.cli.app import app, live, names, show
from chromviz.cli.options import (
    DATA,
    INPUT,
    JSON,
    METHOD,
    MIRROR,
    OUTPUT,
    Cell,
    Compute,
    Shown,
    command,
    example_lines,
    option,
)
from chromviz.errors import ChromvizError

_TRAINING = "Training"


@dataclass(frozen=True)
class Cells:
    """The cell types to train on."""

    cell: str = option(INPUT, "Cell type: EID or common name, in any case.", "")
    cells: str = option(INPUT, "Cell types, comma-separated, to train one model on all.", "")
    leave_one_out: bool = option(
        INPUT, "For each of --cells, train on the others and test on it.", False
    )
    data: Path | None = DATA


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of the training, under the names of ``chromviz.train``; None for the preset's."""

    preset: str = option(_TRAINING, "Settings: fast or published.", "fast")
    input: str | None = option(
        _TRAINING, "How the signal is read: raw, arcsinh, log1p or standardized.", None
    )
    epochs: int | None = option(_TRAINING, "Maximum number of epochs.", None, min=1)
    patience: int | None = option(
        _TRAINING, "Number of epochs without improvement before training stops.", None, min=1
    )
    learning_rate: float | None = option(_TRAINING, "Step size of the optimizer.", None)
    batch_size: int | None = option(_TRAINING, "Genes per step.", None, min=1)
    optimizer: str | None = option(_TRAINING, "Optimizer: adam or sgd.", None)
    class_weight: bool | None = option(
        _TRAINING, "Give ON and OFF genes equal weight in the loss.", None, "--class-weight"
    )

    def given(self) -> dict[str, Any]:
        """Return the options that replace those of the preset."""
        found = {name: value for name, value in vars(self).items() if value is not None}
        del found["preset"]
        for name in ("optimizer", "input"):
            if name in found:
                found[name] = found[name].strip().lower()
        return found


@command(
    "Models",
    "chromviz train --cell K562 --model lstm-alpha --epochs 5",
    "chromviz train --cells K562,GM12878,H1-hESC --leave-one-out --out models",
)
def train(
    on: Cells,
    model: str = option(METHOD, "Architecture or package.module:factory.", "lstm-alpha-beta"),
    *,
    out: Path | None = option(OUTPUT, "Folder for the model and its learning curve.", None),
    training: TrainingOptions,
    run: Compute,
    shown: Shown,
) -> None:
    """Train a model on one or several cell types, and store it."""
    from dataclasses import asdict

    from chromviz import provenance
    from chromviz.data.cells import open_cell
    from chromviz.data.pool import pool
    from chromviz.models import find_model
    from chromviz.models.inference import find_device
    from chromviz.models.store import Training, settings_for, trained
    from chromviz.recipes.learning import keep_model, leave_each_out, write_folds
    from chromviz.recipes.run import Run
    from chromviz.reporting.terminal import SIMULATED, counts_line, left_out_page

    cells = names(on.cells)
    if bool(on.cell) == bool(cells):
        raise ChromvizError("give either --cell, one cell type, or --cells, several (A,B,C)")
    if on.leave_one_out and len(cells) < 2:
        raise ChromvizError("--leave-one-out needs at least two cell types: --cells A,B,C")
    spec = find_model(model)
    find_device(run.device)
    datasets = [open_cell(name, on.data) for name in cells or [on.cell]]
    settings = settings_for(
        spec, datasets[0], preset=training.preset, members=run.seeds, options=training.given()
    )
    if out is not None:
        provenance.ensure_folder(out)
    if on.leave_one_out:
        with live(shown.quiet) as reporter:
            table, models = leave_each_out(
                spec.name, datasets, settings, Run(**vars(run), reporter=reporter)
            )
        if out is not None:
            write_folds(table, models, out)
        show(shown.as_json, table, left_out_page(table))
        return
    dataset = datasets[0] if len(datasets) == 1 else pool(datasets)
    wanted = Training(spec, dataset, run.seed, settings, run.seeds)
    with live(shown.quiet) as reporter:
        fitted = trained(wanted, device=run.device, reporter=reporter)
    stem, where = keep_model(fitted, wanted, run.device, out)
    lines = [SIMULATED] if fitted.card.simulated else []
    lines.append(counts_line(dataset))
    if seen := dataset.attrs.get("test_genes_seen"):
        lines.append(
            f"{seen:,} test genes are training genes in another cell type, so the test AUC is too "
            "high; --leave-one-out avoids this"
        )
    lines += [fitted.line(), where]
    show(shown.as_json, {"stem": str(stem), **asdict(fitted.card)}, *lines)


models_app = typer.Typer(
    help="List the architectures, or import trained weights.",
    epilog=example_lines("chromviz models", "chromviz models import --cell K562 --out models"),
)
app.add_typer(models_app, name="models", rich_help_panel="Models")


@models_app.callback(invoke_without_command=True)
def list_models(context: typer.Context, as_json: bool = JSON) -> None:
    """List the architectures."""
    if context.invoked_subcommand is not None:
        return
    from chromviz.catalog import list_models as listed
    from chromviz.reporting.terminal import plain_table

    table = listed()[["model", "label", "attention", "source"]]
    table = table.replace({"attention": {"": "none"}})
    show(as_json, table, plain_table("Models", [*table], table.to_numpy().tolist()))


@command(
    "Models",
    "chromviz models import --cell K562 --out models",
    "chromviz models import model.pt --cell K562 --out models",
    name="import",
    to=models_app,
)
def import_weights(
    file: Annotated[
        Path | None,
        typer.Argument(help="A released AttentiveChrome checkpoint. Default: download it."),
    ] = None,
    *,
    cell: Cell,
    base_url: str | None = MIRROR,
    out: Path = option(OUTPUT, "Folder for the model."),
    shown: Shown,
) -> None:
    """Convert weights trained elsewhere; no code in the file is run."""
    from dataclasses import asdict

    from chromviz import provenance
    from chromviz.models.checkpoint import save_model
    from chromviz.models.foreign import import_released

    with provenance.output_folder(out), live(shown.quiet) as reporter:
        model = import_released(cell, file, out, base_url=base_url, reporter=reporter)
        stem = out / f"{model.card.cell}.{model.card.name}"
        save_model(model, stem)
    record = {"stem": stem, **asdict(model.card)}
    show(shown.as_json, record, model.line(), f"model in {stem}.safetensors and .json")

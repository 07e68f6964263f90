"""One gene under the magnifying glass: what each cell type's data and models say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.data.store import available_cells, open_cell
from chromviz.errors import CannotServeError, ChromvizError
from chromviz.extractors import Method, find_method, methods
from chromviz.extractors.run import serves
from chromviz.models import slug
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import Choice, choose_models, fitted_models, trainings_for
from chromviz.models.inference import find_device, logits, probabilities
from chromviz.models.store import train_missing
from chromviz.plot.gene_map import draw_audit
from chromviz.progress import SILENT, Reporter
from chromviz.recipes.attributions import explained
from chromviz.recipes.gene import BETA_MODEL, gene_rows, write_figure2c
from chromviz.reporting.figures import write_figure
from chromviz.reporting.gene_record import CellAudit, audit_record, audit_table
from chromviz.reporting.results_page import write_report
from chromviz.results.folder import ResultFolder, of_result
from chromviz.schema import Summarised, Summary, dataset_hash, find_gene, require_alike
from chromviz.schema.genes import reason_of
from chromviz.vocabulary import PAPER_CELLS, cell_label, resolve_cell


@dataclass(frozen=True, repr=False)
class Audit(Summarised):
    """What an audit found.

    Parameters
    ----------
    folder
        The result folder.
    table
        β: one row a cell type and mark, see :func:`chromviz.recipes.gene.gene_rows`; empty if no
        model gives β.
    record
        All of it, as ``audit.json`` holds it.
    cells
        The parts it was made from, one a cell type.
    made, kept
        Steps done now, and steps found done.
    """

    folder: Path
    table: pd.DataFrame
    record: dict[str, Any]
    cells: list[CellAudit]
    made: list[str]
    kept: list[str]

    def summary(self) -> Summary:
        """Return what was audited, in a few lines."""
        cells = self.record["cells"]
        models = dict.fromkeys(model["model"] for cell in cells for model in cell["models"])
        of_data = sum(len(cell["warnings"]) for cell in cells)
        of_models = sum(len(one["warnings"]) for cell in cells for one in cell["models"])
        rows = (
            ("cell types", ", ".join(f"{cell['label']}: {cell['state']}" for cell in cells)),
            ("models", ", ".join(models)),
            ("warnings", f"{of_data} of the data, {of_models} of models"),
            *of_result(self, self.record["simulated"]),
        )
        return Summary(f"Audit of {self.record['symbol'] or self.record['gene']}", rows)


def audit(
    gene: str,
    cells: Sequence[str] = PAPER_CELLS,
    *,
    data: Path | None = None,
    out: Path | None = None,
    models: Sequence[str] = (BETA_MODEL,),
    method_names: Sequence[str] | None = None,
    seed: int = 0,
    members: int = 1,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> Audit:
    """Show one gene across cell types: signal, every method's weights, prediction, warnings.

    Parameters
    ----------
    gene
        Symbol, id with or without version suffix, or locus, see
        :func:`chromviz.schema.find_gene`.
    cells
        Names of cell types; each model is trained (or found) for each.
    data
        A folder of datasets; None for the embedded simulated one.
    out
        The result folder; ``results/audit-{gene}`` if not given.
    models
        Architectures, users' own, or files, see :func:`chromviz.models.choice.choose_models`.
    method_names
        Methods; every one that explains genes and can serve a model if None.
    seed, members, device
        As for :func:`chromviz.models.store.trained`.
    reporter
        Told how it goes.

    Returns
    -------
    Audit
        The folder holds ``audit.{json,csv}``, ``audit.{model}.{pdf,png,csv}``, the
        ``attributions``, ``figure2c.{pdf,png,csv}`` where a model gives β, ``report.html`` and
        ``manifest.json``.

    Raises
    ------
    ChromvizError
        If a name is unknown or means several genes, a method can serve no model, the marks or
        windows of the cell types differ, or none has complete signal for the gene; before
        anything is trained.
    """
    find_device(device)
    available, where = available_cells(data), str(data or "the embedded dataset")
    names = list(dict.fromkeys(resolve_cell(cell, available, where) for cell in cells))
    if not names:
        raise ChromvizError("no cell type to audit; name them with --cells A,B,C")
    opened = [open_cell(name, data) for name in names]
    require_alike(opened)
    first = find_gene(opened[0], gene)
    known = str(opened[0]["gene"].values[first])
    # One gene in all: a symbol or a locus can mean another gene in another annotation.
    positions = [first, *(find_gene(other, known) for other in opened[1:])]
    chosen = [choose_models(models, dataset) for dataset in opened]
    if not chosen[0]:
        raise ChromvizError("no model to audit with; name one with --model")
    wanted = _methods(method_names, chosen[0])
    readable = [not reason_of(dataset, at) for dataset, at in zip(opened, positions, strict=True)]
    if not any(readable):
        reason = reason_of(opened[0], positions[0])
        raise ChromvizError(
            f"models cannot read {gene} in {', '.join(map(cell_label, names))} ({reason}); "
            "choose another gene or prepare tracks that cover it"
        )
    place = out or Path("results") / f"audit-{slug(gene)}"
    parts = []
    with provenance.output_folder(place):
        folder = ResultFolder(place, f"audit {gene}")
        folder["seed"] = seed
        folder["simulated"] = max(int(dataset.attrs["simulated"]) for dataset in opened)
        folder["cells"] = names
        _train(chosen, opened, readable, seed, members, device, reporter)
        for dataset, at, here, fine in zip(opened, positions, chosen, readable, strict=True):
            fitted = fitted_models(here, dataset, seed, members, device, reporter) if fine else {}
            parts.append(_explain(folder, dataset, at, fitted, wanted, seed, device, reporter))
        if not any(part.found for part in parts):
            # Each had its reason, which only the model's layers or the data could give.
            raise ChromvizError(next(why for part in parts for why in part.refused.values()))
    folder["models"] = {
        f"{name} in {part.dataset.attrs['cell']}": {**asdict(model.card), "curve": None}
        for part in parts
        for name, model in part.models.items()
    }
    table = _beta(folder, chosen[0], parts, seed, members, device, reporter)
    record = audit_record(parts, seed)
    _write(folder, record, parts)
    write_report(folder, [part.dataset for part in parts])
    folder.finish()
    return Audit(folder.path, table, record, parts, folder.made, folder.kept)


def _methods(names: Sequence[str] | None, chosen: Sequence[Choice]) -> list[Method]:
    """Return the methods that explain genes, refusing a name that can serve no model."""
    asked = [find_method(name) for name in dict.fromkeys(names or ())]
    for method in asked:
        if "gene" not in method.dims or method.is_control:
            raise ChromvizError(
                f"the method {method.name!r} explains no single gene; leave it out of --methods"
            )
        refusals = [method.refusal(one.name, one.spec.gives) for one in chosen]
        if all(refusals):
            raise ChromvizError(refusals[0])
    every = [one for one in methods().values() if "gene" in one.dims and not one.is_control]
    return asked or every


def _train(
    chosen: Sequence[Sequence[Choice]],
    opened: Sequence[xr.Dataset],
    readable: Sequence[bool],
    seed: int,
    members: int,
    device: str,
    reporter: Reporter,
) -> None:
    trainings = [
        training
        for dataset, models_here, fine in zip(opened, chosen, readable, strict=True)
        for training in (trainings_for(models_here, dataset, seed, members) if fine else ())
    ]
    train_missing(trainings, device=device, reporter=reporter)
    for note in dict.fromkeys(one.note for here in chosen for one in here if one.note):
        reporter.say(note)


def _explain(
    folder: ResultFolder,
    dataset: xr.Dataset,
    position: int,
    fitted: Mapping[str, TrainedModel],
    wanted: Sequence[Method],
    seed: int,
    device: str,
    reporter: Reporter,
) -> CellAudit:
    """Extract every method's weights of the gene in one cell type."""
    cell, data_hash = str(dataset.attrs["cell"]), dataset_hash(dataset)
    found: dict[tuple[str, str], xr.Dataset] = {}
    refused: dict[tuple[str, str], str] = {}
    pairs = [(name, method) for name in fitted for method in wanted]
    for done, (name, method) in enumerate(pairs, 1):
        model = fitted[name]
        refusal = serves(method, model)
        if refusal:
            refused[name, method.name] = refusal
            continue
        file = f"attributions/{cell}.{slug(name)}.{method.name}.nc"
        try:
            found[name, method.name] = explained(
                folder, method.name, model, dataset, data_hash, seed, device, SILENT,
                genes=[position], file=file,
            )  # fmt: skip
        except CannotServeError as error:
            refused[name, method.name] = str(error)
        reporter.progress(f"explaining {cell}", done, len(pairs), method.name)
    predicted = {
        name: _probability(
            model, [one for (of, _), one in found.items() if of == name], dataset, position, device
        )
        for name, model in fitted.items()
    }
    return CellAudit(dataset, position, fitted, predicted, found, refused)


def _probability(
    model: TrainedModel,
    found: Sequence[xr.Dataset],
    dataset: xr.Dataset,
    position: int,
    device: str,
) -> float:
    """Return a model's probability of ON, as its attributions have it; run it if it has none."""
    for one in found:
        return float(one["probability"].values[0])
    signal = dataset["signal"].values[[position]]
    return float(probabilities(logits(model.module, signal, device=device))[0])


def _beta(
    folder: ResultFolder,
    chosen: Sequence[Choice],
    parts: Sequence[CellAudit],
    seed: int,
    members: int,
    device: str,
    reporter: Reporter,
) -> pd.DataFrame:
    """Write Figure 2c of the first model with β that is trained here, if there is one."""
    able = [one.name for one in chosen if not one.model and "beta" in one.spec.attends]
    if not able:
        reporter.say("no Figure 2c: none of the models that are trained here gives β")
        return pd.DataFrame()
    rows = [
        gene_rows(
            part.dataset,
            part.position,
            model_name=able[0],
            seed=seed,
            members=members,
            device=device,
            reporter=reporter,
        )
        for part in parts
    ]
    table = pd.concat(rows, ignore_index=True)
    write_figure2c(folder, table)
    return table


def _write(folder: ResultFolder, record: Mapping[str, Any], parts: Sequence[CellAudit]) -> None:
    """Write the record as JSON and as a tidy table, and a figure for each model."""
    path = folder.path
    content = dict(record) | provenance.stamp(int(record["seed"]))
    key = provenance.hash_json(record)
    folder.once(
        "audit.json",
        key,
        ["audit.json"],
        lambda: provenance.write_json(path / "audit.json", content),
    )
    table = audit_table(record)
    folder.write_table("audit", "audit.csv", table)
    symbol = record["symbol"] or record["gene"]
    for name in dict.fromkeys(name for part in parts for name in part.models):
        shown = table[table["model"].isin(("", name))].reset_index(drop=True)
        write_figure(
            folder,
            f"audit.{slug(name)}",
            f"{symbol} by {name}",
            shown,
            partial(draw_audit, model=name),
        )

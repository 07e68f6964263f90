"""One gene under the magnifying glass: what each cell type's data and models say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.data.store import list_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.extract import Method, find_method, methods
from chromviz.extract.run import serves
from chromviz.models import slug
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.inference import find_device
from chromviz.models.training import takes_steps
from chromviz.plot.gene import draw_audit
from chromviz.progress import SILENT, Reporter
from chromviz.recipes.attributions import explained
from chromviz.recipes.choice import Choice, choose_models
from chromviz.recipes.figures import write_figure
from chromviz.recipes.folder import ResultFolder, of_result
from chromviz.recipes.gene import BETA_MODEL, gene_rows, reason_of, write_figure2c
from chromviz.recipes.report import write_report
from chromviz.recipes.trained import Job, train_missing, trained
from chromviz.schema import Summarised, Summary, dataset_hash, find_gene, require_alike
from chromviz.validate.caution import WARNINGS, gene_warnings, neighbours
from chromviz.vocabulary import PAPER_CELLS, cell_label, resolve_cell

#: What ``audit.json`` says it is.
AUDIT = "chromviz-audit"
AUDIT_VERSION = 1
COLUMNS = (
    *("gene", "symbol", "cell", "kind", "name", "model", "method", "signed"),
    *("bin_start", "value", "simulated", "missing"),
)
_STATES = {1: "ON", 0: "OFF", -1: "unknown"}


@dataclass(frozen=True)
class CellAudit:
    """One gene in one cell type.

    Parameters
    ----------
    dataset, position
        The cell type, and the gene's place in it.
    models
        The trained models by name; empty where they cannot read the gene.
    found
        The gene's attributions by model and method.
    refused
        Why a method gave none, by model and method.
    """

    dataset: xr.Dataset
    position: int
    models: Mapping[str, TrainedModel]
    found: Mapping[tuple[str, str], xr.Dataset]
    refused: Mapping[tuple[str, str], str]


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
        Architectures, users' own, or files, see :func:`chromviz.recipes.choice.choose_models`.
    method_names
        Methods; every one that explains genes and can serve a model if None.
    seed, members, device
        As for :func:`chromviz.recipes.trained.trained`.
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
    available, where = list_cells(data), str(data or "the embedded dataset")
    names = list(dict.fromkeys(resolve_cell(cell, available, where) for cell in cells))
    if not names:
        raise ChromvizError("no cell type to audit; name them with --cells A,B,C")
    opened = [open_cell(data, name) for name in names]
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
    folder = ResultFolder(out or Path("results") / f"audit-{slug(gene)}", f"audit {gene}")
    folder["seed"] = seed
    folder["simulated"] = max(int(dataset.attrs["simulated"]) for dataset in opened)
    folder["cells"] = names
    _train(chosen, opened, readable, seed, members, device, reporter)
    parts = []
    for dataset, at, models_here, fine in zip(opened, positions, chosen, readable, strict=True):
        fitted = _fitted(models_here, dataset, seed, members, device, reporter) if fine else {}
        parts.append(_explain(folder, dataset, at, fitted, wanted, seed, device, reporter))
    folder["models"] = {
        f"{name} in {part.dataset.attrs['cell']}": {**asdict(model.card), "curve": None}
        for part in parts
        for name, model in part.models.items()
    }
    table = _beta(folder, chosen[0], parts, seed, members, device, reporter)
    record = _record(parts, seed)
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
    jobs = [
        Job(one.name, dataset, seed, members=members if takes_steps(one.spec, dataset) else 1)
        for dataset, models_here, fine in zip(opened, chosen, readable, strict=True)
        for one in models_here
        if fine and not one.model
    ]
    train_missing(jobs, device=device, reporter=reporter)
    for note in dict.fromkeys(one.note for here in chosen for one in here if one.note):
        reporter.say(note)


def _fitted(
    chosen: Sequence[Choice],
    dataset: xr.Dataset,
    seed: int,
    members: int,
    device: str,
    reporter: Reporter,
) -> dict[str, TrainedModel]:
    return {
        one.name: one.model
        or trained(
            one.name,
            dataset,
            seed=seed,
            members=members if takes_steps(one.spec, dataset) else 1,
            device=device,
            reporter=reporter,
        )[0]
        for one in chosen
    }


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
        except ChromvizError as error:
            # A method can find out only on the model's layers that it has nothing to say.
            refused[name, method.name] = str(error)
        reporter.progress(f"explaining {cell}", done, len(pairs), method.name)
    return CellAudit(dataset, position, fitted, found, refused)


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


def _record(parts: Sequence[CellAudit], seed: int) -> dict[str, Any]:
    """Return all that is known of the gene, as JSON takes it."""
    first = parts[0].dataset.isel(gene=parts[0].position)
    return {
        "schema": AUDIT,
        "schema_version": AUDIT_VERSION,
        "gene": str(first["gene"].values),
        "symbol": str(first["symbol"].values),
        "simulated": bool(max(int(part.dataset.attrs["simulated"]) for part in parts)),
        "seed": seed,
        "cells": [_cell_record(part) for part in parts],
    }


def _cell_record(part: CellAudit) -> dict[str, Any]:
    dataset, position = part.dataset, part.position
    one = dataset.isel(gene=position)
    rows = np.array([position])
    near = neighbours(dataset, rows)
    general = gene_warnings(dataset, rows, beside=near)
    return {
        "cell": str(dataset.attrs["cell"]),
        "label": cell_label(str(dataset.attrs["cell"])),
        "dataset_sha256": dataset_hash(dataset),
        "assembly": str(dataset.attrs["assembly"]),
        "chrom": str(one["chrom"].values),
        "tss": int(one["tss"]),
        "strand": str(one["strand"].values),
        "state": _STATES[int(one["label"])],
        "expression": _number(float(one["expression"])),
        "threshold": _number(float(dataset.attrs["label_threshold"])),
        "split": str(one["split"].values),
        "unreadable": reason_of(dataset, position),
        "missing_policy": str(dataset.attrs["missing"]),
        "orientation": str(dataset.attrs["orientation"]),
        "bin_width": int(dataset.attrs["bin_width"]),
        "bin_start": [int(at) for at in dataset["bin_start"].values],
        "signal_unit": str(dataset.attrs["signal_unit"]),
        "signal": _by_name(dataset["mark"].values, dataset["signal"].values[position]),
        "coverage_unit": str(dataset.attrs.get("coverage_unit", "")),
        "coverage": _by_name(dataset["track"].values, dataset["coverage"].values[:, position]),
        "neighbours": [asdict(item) for item in near[0]],
        "warnings": _named(general),
        "models": [_model_record(part, name, near) for name in part.models],
    }


def _model_record(part: CellAudit, name: str, near: list[Any]) -> dict[str, Any]:
    mine = {method: one for (model, method), one in part.found.items() if model == name}
    p = next((float(one["probability"].values[0]) for one in mine.values()), np.nan)
    card = part.models[name].card
    flagged = any(bool(one["flagged"].values[0]) for one in mine.values() if "flagged" in one)
    rows = np.array([part.position])
    here = card.dataset_hash == dataset_hash(part.dataset)
    own = gene_warnings(
        part.dataset,
        rows,
        probability=np.array([p]),
        flagged=np.array([flagged]),
        trained_here=here,
        beside=near,
    )
    general = _named(gene_warnings(part.dataset, rows, beside=near))
    return {
        "model": name,
        "sha256": card.weights_hash,
        "probability": _number(p),
        "prediction": "" if np.isnan(p) else "ON" if p > 0.5 else "OFF",
        "warnings": [item for item in _named(own) if item not in general],
        "methods": [_method_record(method, one) for method, one in mine.items()],
        "refused": {method: why for (model, method), why in part.refused.items() if model == name},
    }


def _method_record(method: str, one: xr.Dataset) -> dict[str, Any]:
    weight = one["weight"].values[0]
    names = one["mark"].values if "mark" in one.coords else [""]
    record: dict[str, Any] = {
        "method": method,
        "parameters": one.attrs["parameters"],
        "signed": bool(one.attrs["signed"]),
        "weight": _by_name(names, weight.reshape(len(names), -1)),
    }
    if "delta" in one:
        record["completeness_error"] = _number(float(one["delta"].values[0]))
        record["difference"] = _number(float(one["difference"].values[0]))
        record["flagged"] = bool(one["flagged"].values[0])
    return record


def _by_name(names: Any, values: np.ndarray) -> dict[str, list[float | None]]:
    return {
        str(name): [_number(float(value)) for value in row]
        for name, row in zip(names, values, strict=True)
    }


def _number(value: float) -> float | None:
    """Return a number as JSON has it: NaN is null there."""
    return None if np.isnan(value) else value


def _named(found: Mapping[str, np.ndarray]) -> list[dict[str, str]]:
    return [{"code": code, "text": WARNINGS[code]} for code, holds in found.items() if holds[0]]


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
    table = pd.DataFrame(_rows(record, parts), columns=list(COLUMNS))
    csv = table.to_csv(index=False, lineterminator="\n")
    folder.once("audit", csv, ["audit.csv"], lambda: provenance.write_text(path / "audit.csv", csv))
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


def _rows(record: Mapping[str, Any], parts: Sequence[CellAudit]) -> list[dict[str, Any]]:
    """Return the record as rows: a number each, and what it is of."""
    rows: list[dict[str, Any]] = []
    for cell, part in zip(record["cells"], parts, strict=True):
        blank = {
            **dict.fromkeys(COLUMNS, ""),
            "gene": record["gene"],
            "symbol": record["symbol"],
            "cell": cell["cell"],
            "simulated": int(part.dataset.attrs["simulated"]),
            "missing": cell["missing_policy"],
            "bin_start": None,
            "value": None,
        }
        label = int(part.dataset["label"].values[part.position])
        found = [
            {"kind": "label", "value": None if label < 0 else label},
            {"kind": "expression", "value": cell["expression"]},
            {"kind": "threshold", "value": cell["threshold"]},
            {"kind": "split", "name": cell["split"]},
        ]
        found += [
            {"kind": "neighbour", "name": one["symbol"] or one["gene"], "bin_start": one["offset"]}
            for one in cell["neighbours"]
        ]
        for kind in ("signal", "coverage"):
            found += _values(cell[kind], cell["bin_start"], kind=kind)
        for model in cell["models"]:
            found += _model_rows(model, cell["bin_start"])
        rows += [blank | one for one in found]
    return rows


def _model_rows(model: Mapping[str, Any], starts: Sequence[int]) -> list[dict[str, Any]]:
    name = model["model"]
    rows: list[dict[str, Any]] = [
        {"kind": "probability", "value": model["probability"], "model": name}
    ]
    for method in model["methods"]:
        of = {"model": name, "method": method["method"], "signed": int(method["signed"])}
        if "completeness_error" in method:
            error = {"kind": "completeness_error", "value": method["completeness_error"]}
            rows.append({**of, **error})
        rows += _values(method["weight"], starts, kind="weight", **of)
    return rows


def _values(
    named: Mapping[str, Sequence[float | None]], starts: Sequence[int], **of: Any
) -> list[dict[str, Any]]:
    """Return a row a number; those of marks alone have no bin."""
    return [
        {**of, "name": name, "bin_start": start, "value": value}
        for name, values in named.items()
        for start, value in zip(
            starts if len(values) == len(starts) else [None], values, strict=True
        )
    ]

"""One gene in detail: what the data and the models of each cell type say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.catalog import Method, methods, slug
from chromviz.errors import CannotServeError, ChromvizError
from chromviz.extractors.explain import serves
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import Choice, fitted_models, trainings_for
from chromviz.models.inference import logits, probabilities
from chromviz.models.store import train_missing
from chromviz.plot.gene_map import draw_audit
from chromviz.recipes import resolve
from chromviz.recipes.attributions import FOLDER, CellRun, cards, model_key, named_methods
from chromviz.recipes.figure2c import BETA_MODEL, NO_BETA, beta_models, write_figure2c
from chromviz.recipes.run import Outcome, Run, RunOptions, finished, run_options
from chromviz.reporting.figures import write_figure
from chromviz.reporting.gene_record import CellAudit, audit_record, audit_table
from chromviz.reporting.results_page import write_report
from chromviz.results.folder import ResultFolder
from chromviz.schema import Summary, find_gene
from chromviz.schema.gene_names import reason_of
from chromviz.vocabulary import PAPER_CELLS, cell_label


@dataclass(frozen=True, repr=False)
class Audit(Outcome):
    """The result of :func:`audit`; `cells` has the datasets and attributions by cell type."""

    table: pd.DataFrame
    record: dict[str, Any]
    cells: list[CellAudit]

    def summary(self) -> Summary:
        """Return what was audited, in a few lines."""
        cells = self.record["cells"]
        models = dict.fromkeys(model["model"] for cell in cells for model in cell["models"])
        of_data = sum(len(cell["warnings"]) for cell in cells)
        of_models = sum(len(one["warnings"]) for cell in cells for one in cell["models"])
        return self.brief(
            f"Audit of {self.record['symbol'] or self.record['gene']}",
            self.record["simulated"],
            ("cell types", ", ".join(f"{cell['label']}: {cell['state']}" for cell in cells)),
            ("models", ", ".join(models)),
            ("warnings", f"{of_data} about the data, {of_models} about models"),
        )


def audit(
    gene: str,
    cells: Sequence[str] = PAPER_CELLS,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    models: Sequence[str] = (BETA_MODEL,),
    methods: Sequence[str] | None = None,
    **options: Unpack[RunOptions],
) -> Audit:
    """Show one gene across cell types: signal, weights of every method, prediction, warnings.

    Parameters
    ----------
    gene
        Symbol, id with or without version suffix, or locus (``chr9:37034476``).
    cells
        Names of cell types; each model is trained for each of them.
    data
        Folder of datasets; None for the embedded simulated ones.
    out
        The result folder; by default ``results/audit-{gene}``.
    models
        Names of architectures, your own (``package.module:factory``), or model files.
    methods
        Names of methods; by default every method that explains single genes and can explain the
        model.
    **options
        ``seed`` (default 0), ``seeds`` (above 1 for ensembles), ``device``, ``reporter``.

    Returns
    -------
    Audit
        ``table`` has β by cell type and mark, ``record`` everything, ``figures`` the PDF of each
        figure by name. ``folder`` holds ``audit.{json,csv}``, the figures,
        ``attributions/{cell}.{model}.{method}.nc`` (weight of shape (1, mark, bin)),
        ``report.html`` and ``manifest.json``.

    Raises
    ------
    ChromvizError
        If a name is unknown or ambiguous, a method can explain no model, the marks or windows of
        the cell types differ, or none has complete signal for the gene; before anything is
        trained.

    Notes
    -----
    β across cell types is Figure 2c of Singh et al., Attend and Predict, NeurIPS 2017.

    Examples
    --------
    >>> import chromviz as cv
    >>> found = cv.audit("PAX5", ["K562"], models=["deepchrome"], methods=["saliency"])
    >>> found.record["cells"][0]["state"]
    'OFF'
    """
    run = run_options(options)
    parts = _plan(gene, cells, data, models, methods)
    place = Path(out) if out else Path("results") / f"audit-{slug(gene)}"
    with provenance.output_folder(place):
        folder = ResultFolder(place, f"audit {gene}")
        folder["seed"] = run.seed
        folder["simulated"] = max(int(one.dataset.attrs["simulated"]) for one in parts)
        folder["cells"] = [str(one.dataset.attrs["cell"]) for one in parts]
        _train(parts, run)
        audits = [_explain(CellRun(folder, one.dataset, run), one) for one in parts]
        if not any(one.found for one in audits):
            # Only the layers of the models, or the data, showed this; give the first reason.
            raise ChromvizError(next(why for one in audits for why in one.refused.values()))
    folder["models"] = cards(
        {
            f"{name} in {one.dataset.attrs['cell']}": model
            for one in audits
            for name, model in one.models.items()
        }
    )
    table = pd.DataFrame()
    if able := beta_models(parts[0].chosen):
        genes = [(one.dataset, one.position) for one in parts]
        table = write_figure2c(folder, able[0], genes, run)
    else:
        run.reporter.say(NO_BETA)
    record = audit_record(audits, run.seed)
    _write(folder, record, audits)
    write_report(folder, [one.dataset for one in audits])
    return Audit(*finished(folder), table, record, audits)


@dataclass(frozen=True)
class _Part:
    """The gene in one cell type, with the models and methods, before anything is trained."""

    dataset: xr.Dataset
    position: int
    chosen: list[Choice]
    wanted: list[Method]

    @property
    def readable(self) -> bool:
        """Whether models can read the gene."""
        return not reason_of(self.dataset, self.position)


def _plan(
    gene: str,
    cells: Sequence[str],
    data: str | Path | None,
    models: Sequence[str],
    method_names: Sequence[str] | None,
) -> list[_Part]:
    """Check everything that can be checked before training."""
    names = resolve.resolve_cells(cells, data)
    if not names:
        raise ChromvizError("no cell type to audit; name some with --cells A,B,C")
    opened = resolve.open_cells(names, data)
    first = find_gene(opened[0], gene)
    known = str(opened[0]["gene"].values[first])
    # The others are searched by id: a symbol or locus may mean another gene in their annotation.
    positions = [first, *(find_gene(other, known) for other in opened[1:])]
    chosen = [resolve.require_models(models, dataset, "audit with") for dataset in opened]

    def suits(method: Method) -> bool:
        return "gene" in method.dims and not method.is_control

    asked = named_methods(method_names, chosen[0], suits, "does not explain single genes")
    wanted = asked or [method for method in methods().values() if suits(method)]
    parts = [
        _Part(dataset, at, here, wanted)
        for dataset, at, here in zip(opened, positions, chosen, strict=True)
    ]
    if not any(one.readable for one in parts):
        raise ChromvizError(
            f"{gene} lacks complete signal in {', '.join(map(cell_label, names))} "
            f"({reason_of(opened[0], first)}); choose another gene, or prepare tracks that cover it"
        )
    return parts


def _train(parts: Sequence[_Part], run: Run) -> None:
    trainings = [
        training
        for one in parts
        if one.readable
        for training in trainings_for(one.chosen, one.dataset, run.seed, run.seeds)
    ]
    train_missing(trainings, device=run.device, reporter=run.reporter)
    resolve.say_notes([choice for one in parts for choice in one.chosen], run)


def _explain(work: CellRun, one: _Part) -> CellAudit:
    """Extract the weights of every method for the gene in one cell type."""
    run, cell = work.run, str(work.dataset.attrs["cell"])
    # No model can read a gene without complete signal.
    chosen = one.chosen if one.readable else []
    fitted = fitted_models(chosen, work.dataset, run.seed, run.seeds, run.device, run.reporter)
    found: dict[tuple[str, str], xr.Dataset] = {}
    refused: dict[tuple[str, str], str] = {}
    pairs = [(name, method) for name in fitted for method in one.wanted]
    for done, (name, method) in enumerate(pairs, 1):
        model = fitted[name]
        if refusal := serves(method, model):
            refused[name, method.name] = refusal
            continue
        file = f"{FOLDER}/{cell}.{model_key(model)}.{method.name}.nc"
        try:
            found[name, method.name] = work.explain(
                method.name, model, genes=[one.position], file=file
            )
        except CannotServeError as error:
            refused[name, method.name] = str(error)
        run.reporter.progress(f"explaining {cell}", done, len(pairs), method.name)
    predicted = {
        name: _probability(work, one, model, [a for (of, _), a in found.items() if of == name])
        for name, model in fitted.items()
    }
    return CellAudit(work.dataset, one.position, fitted, predicted, found, refused)


def _probability(
    work: CellRun, one: _Part, model: TrainedModel, found: Sequence[xr.Dataset]
) -> float:
    """Return a model's probability of ON: that of its attributions, or from running it."""
    if found:
        return float(found[0]["probability"].values[0])
    signal = work.dataset["signal"].values[[one.position]]
    return float(probabilities(logits(model.module, signal, device=work.run.device))[0])


def _write(folder: ResultFolder, record: Mapping[str, Any], audits: Sequence[CellAudit]) -> None:
    """Write the record as JSON and as a tidy table, and a figure for each model."""
    content = dict(record) | provenance.stamp(int(record["seed"]))
    write = partial(provenance.write_json, folder.path / "audit.json", content)
    folder.once("audit.json", provenance.hash_json(record), ["audit.json"], write)
    table = audit_table(record)
    folder.write_table("audit", "audit.csv", table)
    symbol = record["symbol"] or record["gene"]
    for name in dict.fromkeys(name for one in audits for name in one.models):
        shown = table[table["model"].isin(("", name))].reset_index(drop=True)
        draw = partial(draw_audit, model=name)
        write_figure(folder, f"audit.{slug(name)}", f"{symbol} by {name}", shown, draw)

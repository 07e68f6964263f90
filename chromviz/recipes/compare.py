"""The main job: train models on one cell type, explain them, and compare with H3K27ac."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import slug
from chromviz.data.store import available_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.extractors import find_method
from chromviz.extractors.sanity import untrained
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import MODELS, Choice, choose_models, fitted_models, trainings_for
from chromviz.models.fitted import Fitted
from chromviz.models.store import Training, train_missing
from chromviz.plot.agreement import draw_table3
from chromviz.plot.profile_lines import draw_figure2a, draw_figure2b
from chromviz.provenance import hash_arrays
from chromviz.recipes.attributions import CellRun, plan
from chromviz.recipes.figure2c import BETA_MODEL, PAPER_GENE, beta_table, write_figure2c
from chromviz.recipes.options import Run, RunOptions, run_options
from chromviz.recipes.outcome import Outcome, finished
from chromviz.reporting.figures import write_curves, write_figure, write_gain, write_genes
from chromviz.reporting.results_page import write_report
from chromviz.reporting.tables import table3_latex, table3_markdown
from chromviz.results.folder import ResultFolder, default_folder
from chromviz.results.tables import to_csv
from chromviz.schema import Summary, find_gene
from chromviz.schema.genes import reason_of
from chromviz.validation import coverage_profile, table3, weight_profiles
from chromviz.validation.agreement import reference_genes
from chromviz.validation.association import association
from chromviz.validation.profiles import figure2b_table
from chromviz.validation.tidy import read_tidy
from chromviz.validation.verdict import verdicts
from chromviz.vocabulary import PAPER_CELLS, PROMOTER_MARK, REFERENCE_TRACK, cell_label, find_eid

#: The methods of Table 3, and the weights that older models have of their own. As in the paper,
#: class optimisation is run on models without either: on an LSTM its thousand steps take longer
#: than training, and for a linear model it ends in a corner of the cube.
METHODS = (
    *("alpha", "saliency", "saliency_absolute", "coefficients", "importances"),
    "class_optimization",
)


@dataclass(frozen=True, repr=False)
class Comparison(Outcome):
    """The result of :func:`compare`.

    Parameters
    ----------
    dataset
        The dataset of the cell type.
    table
        Table 3, see :func:`chromviz.validation.table3`.
    agreement
        The same weights compared with the raw signal and with chance, also of untrained
        networks, see :func:`chromviz.validation.association.association`.
    models
        The trained models.
    """

    dataset: xr.Dataset
    table: pd.DataFrame
    agreement: pd.DataFrame
    models: list[TrainedModel]

    @property
    def verdicts(self) -> pd.DataFrame:
        """The verdict for each explanation of a trained model, as far as agreement gives one."""
        found = verdicts(self.agreement)
        return found[found["variant"] == ""].reset_index(drop=True)

    def summary(self) -> Summary:
        """Return what was compared, in a few lines."""
        rows = (
            ("models", ", ".join(model.card.name for model in self.models)),
            ("table", f"{len(self.table)} rows of Table 3"),
            ("agreement", f"{len(self.agreement)} rows"),
            *self.rows(self.dataset.attrs["simulated"]),
        )
        return Summary(f"Comparison on {cell_label(str(self.dataset.attrs['cell']))}", rows)


def compare(
    cell: str,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    models: Sequence[str] = MODELS,
    methods: Sequence[str] | None = None,
    gene: str | None = None,
    **options: Unpack[RunOptions],
) -> Comparison:
    """Train models on one cell type, extract explanations and compare them with H3K27ac.

    Parameters
    ----------
    cell
        Cell type: EID, common name, or a dataset's own name, in any case.
    data
        Folder of datasets or of DeepChrome CSV; None for the embedded simulated dataset.
    out
        The result folder; by default ``results/{cell}``.
    models
        Names of architectures, your own (``package.module:factory``), or model files.
    methods
        Names of methods; by default those of Table 3, each on the models that it can explain.
        Controls are always included.
    gene
        The gene of Figure 2c. By default PAX5, as in the paper, or the test gene with the highest
        expression if models cannot read PAX5.
    **options
        ``seed`` (of training, of methods that draw random numbers, and of the bootstrap; default
        0), ``seeds`` (above 1, each network is an ensemble of this many trainings), ``n_bootstrap``
        (resamples of genes; default 2000), ``device`` (default ``cpu``) and ``reporter``.

    Returns
    -------
    Comparison
        ``table`` is Table 3 (one row per method and model), ``agreement`` and ``verdicts`` the
        tests behind it, ``figures`` the PDF of each figure by name, ``folder`` the result folder.
        It holds ``table3.{csv,md,tex}``, ``agreement.csv``, ``attributions/{model}.{method}.nc``
        (weight of shape (gene, mark, bin)), the figures ``figure2{a,b,c}``, ``methods``, ``gain``,
        ``genes`` and ``learning`` as PDF, PNG and CSV, ``report.html`` and ``manifest.json``.

    Raises
    ------
    ChromvizError
        If the cell type, a model, a method or the gene is unknown or unsuitable, the dataset lacks
        the reference track or the mark that is compared, or the folder cannot be written to; all
        of this before anything is trained.

    Notes
    -----
    Table 3 and Figure 2 of Singh et al., Attend and Predict, NeurIPS 2017, section 5.

    Examples
    --------
    >>> import chromviz as cv
    >>> run = cv.compare("K562", models=["linear-regression"], methods=["coefficients"])
    >>> run.table[["method", "model"]].values.tolist()[0]
    ['coefficients', 'linear-regression']
    >>> sorted(run.figures)
    ['gain', 'genes', 'methods']
    """
    run = run_options(options)
    task = _plan(cell, data, models, methods, gene)
    folder = ResultFolder(Path(out) if out else default_folder(task.label), f"compare {task.label}")
    work = CellRun(folder, task.dataset, run)
    for line in task.notes:
        run.reporter.say(line)
    fitted = _train(task, run)
    work.record(fitted, notes={one.name: one.note for one in task.chosen if one.note})
    found = {(method, name): work.explain(method, fitted.get(name)) for method, name in task.pairs}
    table = _write_table3(folder, list(found.values()), task.dataset, run)
    controls = _explain_untrained(work, task, fitted)
    agreement = _write_agreement(work, [*found.values(), *controls])
    write_figure(folder, "methods", f"Agreement with {REFERENCE_TRACK}", table, draw_table3)
    # A model from a file may have a learning curve on other data, which does not belong here.
    mine = [model for model in fitted.values() if model.card.dataset_hash == work.data_hash]
    write_curves(folder, mine)
    shown = _draw_profiles(work, task, fitted, found)
    by_gene = [one for one in found.values() if one["weight"].dims == ("gene", "mark", "bin")]
    if shown is not None or by_gene:
        write_genes(folder, by_gene[0] if shown is None else shown, task.dataset)
    if task.position is not None:
        write_figure2c(folder, _beta(task, run))
    _explain_for_page(work, task, fitted)
    write_report(folder, [task.dataset])
    return Comparison(*finished(folder), task.dataset, table, agreement, list(fitted.values()))


@dataclass(frozen=True)
class _Task:
    """What a comparison is going to do; nothing of it has been trained.

    Parameters
    ----------
    dataset
        The cell type.
    chosen, pairs
        The models, and which method explains which; the model is empty for a control.
    beta_model
        The model of Figure 2c, empty if there is none.
    position
        Place of the gene of Figure 2c in the dataset, None if there is no Figure 2c.
    others
        The other cell types of Figure 2c, by name, with the place of the gene.
    notes
        What the user should know about Figure 2c.
    """

    dataset: xr.Dataset
    chosen: list[Choice]
    pairs: list[tuple[str, str]]
    beta_model: str
    position: int | None
    others: dict[str, tuple[xr.Dataset, int]]
    notes: list[str]

    @property
    def label(self) -> str:
        return str(self.dataset.attrs["cell"])

    @property
    def cells(self) -> dict[str, tuple[xr.Dataset, int]]:
        """The cell types of Figure 2c, those of the paper last and in its order."""
        if self.position is None:
            return {}
        cells = {self.label: (self.dataset, self.position), **self.others}
        paper = [cell for cell in PAPER_CELLS if cell in cells]
        return {cell: cells[cell] for cell in [*(one for one in cells if one not in paper), *paper]}


def _plan(
    cell: str,
    data: str | Path | None,
    models: Sequence[str],
    methods: Sequence[str] | None,
    gene: str | None,
) -> _Task:
    """Check everything that can be checked before training."""
    dataset = open_cell(cell, data)
    chosen = choose_models(models, dataset)
    if not chosen:
        raise ChromvizError("no model to compare; name one with --models")
    pairs = plan(chosen, methods, _by_default)
    require_comparable(dataset)
    position = None if gene is None else _readable(dataset, gene)
    beta_model, notes = _beta_model(chosen), []
    if not beta_model:
        if position is not None:
            notes.append("no Figure 2c: none of the models trained here gives β")
        return _Task(dataset, chosen, pairs, "", None, {}, notes)
    if position is None:
        position = _default_gene(dataset, notes)
    others = _other_cells(dataset, position, data, notes)
    return _Task(dataset, chosen, pairs, beta_model, position, others, notes)


def require_comparable(dataset: xr.Dataset) -> None:
    """Refuse a dataset without the reference track, or without the mark that is compared with it.

    Raises
    ------
    ChromvizError
        Saying which is missing, and how to add it.
    """
    reference_genes(dataset, REFERENCE_TRACK)
    if PROMOTER_MARK not in dataset["mark"].values:
        raise ChromvizError(
            f"{cell_label(str(dataset.attrs['cell']))} has no signal of {PROMOTER_MARK}, whose "
            f"weights are compared with {REFERENCE_TRACK}; prepare it with --signal "
            f"{PROMOTER_MARK}=FILE"
        )


def _by_default(method: str, one: Choice) -> bool:
    """Return whether a method explains a model by default."""
    own = bool(one.spec.attends or one.spec.own)
    return method in METHODS and not (method == "class_optimization" and own)


def _train(task: _Task, run: Run) -> dict[str, TrainedModel]:
    """Return the models by name, trained unless they come from a file.

    Those of the other cell types of Figure 2c are put into the store: they take longest, and the
    last of the models that are trained side by side should be a short one.
    """
    readable = [other for other, at in task.others.values() if not reason_of(other, at)]
    first = [Training(task.beta_model, other, run.seed, members=run.seeds) for other in readable]
    own = trainings_for(task.chosen, task.dataset, run.seed, run.seeds)
    train_missing([*first, *own], device=run.device, reporter=run.reporter)
    for one in task.chosen:
        if one.note:
            run.reporter.say(one.note)
    return fitted_models(task.chosen, task.dataset, run.seed, run.seeds, run.device, run.reporter)


def untrained_controls(fitted: Mapping[str, TrainedModel], seed: int) -> dict[str, TrainedModel]:
    """Return the networks before training, by name: what they show, nobody has learned.

    Models that are fitted in one go and ensembles have none.
    """
    return {
        name: untrained(model, seed)
        for name, model in fitted.items()
        if not (isinstance(model.module, Fitted) or model.card.members)
    }


def _explain_untrained(
    work: CellRun, task: _Task, fitted: Mapping[str, TrainedModel]
) -> list[xr.Dataset]:
    fresh = untrained_controls(fitted, work.run.seed)
    return [
        work.explain(method, fresh[name])
        for method, name in task.pairs
        if name in fresh and method != "class_optimization"
    ]


def _write_table3(
    folder: ResultFolder, attributions: Sequence[xr.Dataset], dataset: xr.Dataset, run: Run
) -> pd.DataFrame:
    table = table3(attributions, dataset, n_bootstrap=run.n_bootstrap, seed=run.seed)
    texts = {
        "table3.csv": to_csv(table),
        "table3.md": table3_markdown(table),
        "table3.tex": table3_latex(table),
    }
    folder.write_texts("table3", texts)
    return table


def _write_agreement(work: CellRun, attributions: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Compare weights with the raw signal and chance; write the table and its figure."""
    run, file = work.run, "agreement.csv"
    hashes = [hash_arrays({"weight": one["weight"].values}) for one in attributions]
    named = [[str(one.attrs[name]) for name in ("model", "variant")] for one in attributions]

    def measured() -> list[pd.DataFrame]:
        marks, draws = [PROMOTER_MARK], run.n_bootstrap
        return [
            association(attributions, work.dataset, marks=marks, n_bootstrap=draws, seed=run.seed)
        ]

    key = [work.data_hash, hashes, named, run.n_bootstrap, run.seed]
    work.folder.tables("agreement", key, [file], measured)
    table = read_tidy(work.folder.path / file)
    write_gain(work.folder, table)
    return table


def _draw_profiles(
    work: CellRun,
    task: _Task,
    fitted: Mapping[str, TrainedModel],
    found: Mapping[tuple[str, str], xr.Dataset],
) -> xr.Dataset | None:
    """Draw Figures 2a and 2b of the first model with an α for each mark; return that α."""
    attending = [one.name for one in task.chosen if "alpha" in one.spec.attends]
    attending.sort(key=lambda name: name != BETA_MODEL)
    alphas = (
        found[key] if (key := ("alpha", name)) in found else work.explain("alpha", fitted[name])
        for name in attending
    )
    shown = next((alpha for alpha in alphas if "mark" in alpha["weight"].dims), None)
    if shown is None:
        if attending:
            work.run.reporter.say(
                "no Figures 2a and 2b: they show α for each mark, and the attention of "
                f"{' and '.join(attending)} covers the bins of all marks together"
            )
        return None
    profiles = weight_profiles(shown)
    title = "Figure 2a: mean α by mark and predicted state"
    write_figure(work.folder, "figure2a", title, profiles, draw_figure2a)
    table = figure2b_table(profiles, coverage_profile(work.dataset), work.dataset)
    title = "Figure 2b: mean H3K27ac coverage and mean α"
    write_figure(work.folder, "figure2b", title, table, draw_figure2b)
    return shown


def _beta(task: _Task, run: Run) -> pd.DataFrame:
    parts = [beta_table(*one, task.beta_model, run) for one in task.cells.values()]
    return pd.concat(parts, ignore_index=True)


def _explain_for_page(work: CellRun, task: _Task, fitted: Mapping[str, TrainedModel]) -> None:
    """Extract what only the page shows: β, and the gene of Figure 2c unless it is a test gene."""
    with_beta = [("beta", one.name) for one in task.chosen if "beta" in one.spec.attends]
    for method, name in with_beta:
        work.explain(method, fitted[name])
    at = task.position
    if at is None or task.dataset["split"].values[at] == "test":
        return
    for method, name in dict.fromkeys([*task.pairs, *with_beta]):
        if name and "gene" in find_method(method).dims:
            file = f"gene/{slug(name)}.{method}.nc"
            work.explain(method, fitted[name], genes=[at], file=file)


def _beta_model(chosen: Sequence[Choice]) -> str:
    """Return the model of Figure 2c: AttentiveChrome, another one with β, or none.

    It is trained on each cell type, so a model from a file cannot serve.
    """
    able = [one.name for one in chosen if not one.model and "beta" in one.spec.attends]
    return BETA_MODEL if BETA_MODEL in able else next(iter(able), "")


def _readable(dataset: xr.Dataset, gene: str) -> int:
    """Return a gene's place, refusing one that lacks complete signal."""
    position = find_gene(dataset, gene)
    reason = reason_of(dataset, position)
    if reason:
        raise ChromvizError(
            f"{gene} lacks complete signal in {cell_label(dataset.attrs['cell'])} ({reason}); "
            "choose another --gene"
        )
    return position


def _default_gene(dataset: xr.Dataset, notes: list[str]) -> int:
    """Return the place of PAX5, or of the test gene with the highest expression, and note it."""
    try:
        return _readable(dataset, PAPER_GENE)
    except ChromvizError as error:
        test = np.flatnonzero(dataset["split"].values == "test")
        if not len(test):
            raise ChromvizError(
                f"{cell_label(dataset.attrs['cell'])} has no test gene to explain; "
                "prepare it with more genes"
            ) from None
        expression = dataset["expression"].values[test]
        # DeepChrome CSV has no expression values; any test gene serves.
        known = bool(np.isfinite(expression).any())
        best = test[np.nanargmax(expression)] if known else test[0]
        symbol = dataset["symbol"].values[best] or dataset["gene"].values[best]
        which = "test gene with the highest expression" if known else "first test gene"
        notes.append(f"Figure 2c shows {symbol}, the {which}: {error}")
        return int(best)


def _other_cells(
    dataset: xr.Dataset, position: int, data: str | Path | None, notes: list[str]
) -> dict[str, tuple[xr.Dataset, int]]:
    """Return the paper's other cell types that are available and have a gene, with its place.

    They serve Figure 2c alone: one that cannot be read is left out of it, and this is reported.
    """
    gene, name = str(dataset["gene"].values[position]), str(dataset.attrs["cell"])
    available = [find_eid(item) for item in available_cells(data)]
    found = {}
    for cell in PAPER_CELLS:
        if cell != name and cell in available:
            try:
                other = open_cell(cell, data)
                found[cell] = (other, find_gene(other, gene))
            except ChromvizError as error:
                notes.append(f"Figure 2c leaves out {cell_label(cell)}: {error}")
    return found

"""The main job: train models on one cell type, explain them, and compare with H3K27ac."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import pandas as pd
import xarray as xr

from chromviz.catalog import find_method, slug
from chromviz.data.cells import open_cell
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import MODELS, Choice, fitted_models, trainings_for
from chromviz.models.store import Training, train_missing
from chromviz.plot.dots import draw_table3
from chromviz.plot.profile_lines import draw_figure2a, draw_figure2b
from chromviz.provenance import hash_arrays
from chromviz.recipes import resolve
from chromviz.recipes.attributions import CellRun, open_run, plan, untrained_controls
from chromviz.recipes.figure2c import BETA_MODEL, Figure2c, plan_figure2c, write_figure2c
from chromviz.recipes.run import Outcome, Run, RunOptions, finished, run_options
from chromviz.reporting.figures import write_curves, write_figure, write_gain, write_genes
from chromviz.reporting.grid import in_three_forms
from chromviz.reporting.results_page import write_report
from chromviz.reporting.tables import table3_grid
from chromviz.results.tables import to_csv
from chromviz.schema import Summary
from chromviz.schema.gene_names import reason_of
from chromviz.validation import coverage_profile, table3, weight_profiles
from chromviz.validation.association import association
from chromviz.validation.profiles import figure2b_table
from chromviz.validation.tidy import read_tidy
from chromviz.validation.verdict import verdicts
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, cell_label

#: The methods of Table 3, and the weights that are part of older models. As in the paper, class
#: optimisation explains only models without attention or such weights: on an LSTM its 1,000 steps
#: take longer than training, and on a linear model it ends at the bounds of the input.
METHODS = (
    *("alpha", "saliency", "saliency_absolute", "coefficients", "importances"),
    "class_optimization",
)


@dataclass(frozen=True, repr=False)
class Comparison(Outcome):
    """The result of :func:`compare`: see there for the tables."""

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
        return self.brief(
            f"Comparison on {cell_label(self.dataset.attrs['cell'])}",
            self.dataset.attrs["simulated"],
            ("models", ", ".join(model.card.name for model in self.models)),
            ("table", f"{len(self.table)} rows of Table 3"),
            ("agreement", f"{len(self.agreement)} rows"),
        )


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
        The gene of Figure 2c: by default PAX5, or if models cannot read it the test gene with the
        highest expression.
    **options
        ``seed`` (default 0), ``seeds`` (above 1, each network is an ensemble), ``n_bootstrap``
        (resamples of genes; default 2000), ``device`` (default ``cpu``) and ``reporter``.

    Returns
    -------
    Comparison
        ``table`` is Table 3 (one row per method and model), ``agreement`` and ``verdicts`` the
        tests behind it, ``figures`` the PDF of each figure by name. ``folder`` holds them, with
        ``attributions/{model}.{method}.nc`` (weight of shape (gene, mark, bin)), the figures as
        PDF, PNG and CSV, ``report.html`` and ``manifest.json``.

    Raises
    ------
    ChromvizError
        If a name is unknown or unsuitable, the dataset lacks the reference track or the mark that
        is compared, or the folder cannot be written to; before anything is trained.

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
    dataset = open_cell(cell, data)
    chosen = resolve.require_models(models, dataset, "compare")
    pairs = plan(chosen, dataset, methods, _by_default)
    notes: list[str] = []
    figure2c = plan_figure2c(chosen, dataset, gene, data, notes.append)
    work = open_run("compare", dataset, out, run)
    for note in notes:
        run.reporter.say(note)
    folder = work.folder
    fitted = _train(chosen, dataset, figure2c, run)
    work.record(fitted, notes={one.name: one.note for one in chosen if one.note})
    found = {(method, name): work.explain(method, fitted.get(name)) for method, name in pairs}
    draws: dict[str, Any] = {"n_bootstrap": run.n_bootstrap, "seed": run.seed}
    table = table3(list(found.values()), dataset, **draws)
    texts = in_three_forms("table3", to_csv(table), table3_grid(table))
    folder.write_texts("table3", texts)
    fresh = untrained_controls(fitted, run.seed)
    controls = [
        work.explain(method, fresh[name])
        for method, name in pairs
        if name in fresh and method != "class_optimization"
    ]
    agreement = _write_agreement(work, [*found.values(), *controls])
    write_figure(folder, "methods", f"Agreement with {REFERENCE_TRACK}", table, draw_table3)
    # A model from a file may have a learning curve on other data, which does not belong here.
    mine = [model for model in fitted.values() if model.card.dataset_hash == work.data_hash]
    write_curves(folder, mine)
    shown = _draw_profiles(work, chosen, fitted, found)
    by_gene = [one for one in found.values() if one["weight"].dims == ("gene", "mark", "bin")]
    if shown is not None or by_gene:
        write_genes(folder, by_gene[0] if shown is None else shown, dataset)
    if figure2c is not None:
        write_figure2c(folder, figure2c.model, figure2c.cells.values(), run)
    _explain_for_page(work, chosen, pairs, fitted, figure2c)
    write_report(folder, [dataset])
    return Comparison(*finished(folder), dataset, table, agreement, list(fitted.values()))


def _by_default(method: str, one: Choice) -> bool:
    """Return whether a method explains a model by default."""
    own = bool(one.spec.attends or one.spec.own)
    return method in METHODS and not (method == "class_optimization" and own)


def _train(
    chosen: Sequence[Choice], dataset: xr.Dataset, figure2c: Figure2c | None, run: Run
) -> dict[str, TrainedModel]:
    """Return the models by name, trained unless they come from a file.

    Those of the other cell types of Figure 2c come first because they take longest.
    """
    first = []
    if figure2c is not None:
        first = [
            Training(figure2c.model, other, run.seed, members=run.seeds)
            for cell, (other, at) in figure2c.cells.items()
            if cell != dataset.attrs["cell"] and not reason_of(other, at)
        ]
    own = trainings_for(chosen, dataset, run.seed, run.seeds)
    train_missing([*first, *own], device=run.device, reporter=run.reporter)
    resolve.say_notes(chosen, run)
    return fitted_models(chosen, dataset, run.seed, run.seeds, run.device, run.reporter)


def _write_agreement(work: CellRun, attributions: Sequence[xr.Dataset]) -> pd.DataFrame:
    """Compare weights with the raw signal and with chance; write the table and its figure."""
    run, file = work.run, "agreement.csv"
    hashes = [hash_arrays({"weight": one["weight"].values}) for one in attributions]
    named = [[str(one.attrs[name]) for name in ("model", "variant")] for one in attributions]

    draws: dict[str, Any] = {"n_bootstrap": run.n_bootstrap, "seed": run.seed}
    measured = partial(association, attributions, work.dataset, marks=[PROMOTER_MARK], **draws)
    work.folder.tables("agreement", [work.data_hash, hashes, named, draws], [file], measured)
    table = read_tidy(work.folder.path / file)
    write_gain(work.folder, table)
    return table


def _draw_profiles(
    work: CellRun,
    chosen: Sequence[Choice],
    fitted: Mapping[str, TrainedModel],
    found: Mapping[tuple[str, str], xr.Dataset],
) -> xr.Dataset | None:
    """Draw Figures 2a and 2b of the first model with an α for each mark; return that α."""
    attending = [one.name for one in chosen if "alpha" in one.spec.attends]
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


def _explain_for_page(
    work: CellRun,
    chosen: Sequence[Choice],
    pairs: Sequence[tuple[str, str]],
    fitted: Mapping[str, TrainedModel],
    figure2c: Figure2c | None,
) -> None:
    """Extract what only the page shows: β, and the gene of Figure 2c unless it is a test gene."""
    with_beta = [("beta", one.name) for one in chosen if "beta" in one.spec.attends]
    for method, name in with_beta:
        work.explain(method, fitted[name])
    if figure2c is None:
        return
    _, at = figure2c.cells[str(work.dataset.attrs["cell"])]
    if work.dataset["split"].values[at] == "test":
        return
    for method, name in dict.fromkeys([*pairs, *with_beta]):
        if name and "gene" in find_method(method).dims:
            file = f"gene/{slug(name)}.{method}.nc"
            work.explain(method, fitted[name], genes=[at], file=file)

"""Should explanations be believed? All tests on one cell type, as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import find_method, slug
from chromviz.data.cells import open_cell
from chromviz.data.labels import permute_labels
from chromviz.errors import ChromvizError, known_names
from chromviz.extractors.conditions import Conditions
from chromviz.extractors.explain import extract
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import MODELS, Choice
from chromviz.models.classical.base import Fitted
from chromviz.models.store import Training, train_missing, trained
from chromviz.models.training import takes_steps
from chromviz.plot.dots import draw_verdicts
from chromviz.recipes import model_tests, resolve
from chromviz.recipes.attributions import CellRun, model_key, open_run, plan, untrained_controls
from chromviz.recipes.run import Outcome, Run, RunOptions, finished, run_options
from chromviz.reporting.figures import write_figure, write_gain, write_panels
from chromviz.reporting.grid import to_latex
from chromviz.reporting.results_page import write_report
from chromviz.reporting.tables import verdict_grid, verdict_markdown
from chromviz.results.folder import ResultFolder
from chromviz.results.tables import to_csv
from chromviz.schema import Summary
from chromviz.validation.association import association
from chromviz.validation.planted import planted
from chromviz.validation.resample import Resampling
from chromviz.validation.tidy import adjust, read_tidy
from chromviz.validation.verdict import verdicts
from chromviz.vocabulary import cell_label

#: The default methods, each on the models that it can explain. Integrated gradients are not among
#: them because the tests run a method many times, and on LSTMs one gene takes about 20 ms.
METHODS = (
    *("alpha", "alpha_beta", "saliency", "saliency_absolute", "input_x_gradient"),
    *("occlusion", "coefficients", "importances"),
)

#: The tests, by the names that commands give them. ``truth`` needs planted truth.
TESTS = ("agreement", "truth", "faithfulness", "sanity", "stability", "consensus")

#: Attributions by method and by model and variant.
Explained = dict[tuple[str, str], xr.Dataset]

#: What a test returns: rows of the tidy table, or these and another table.
Tables = pd.DataFrame | tuple[pd.DataFrame, ...]


@dataclass(frozen=True, repr=False)
class Validation(Outcome):
    """The result of :func:`validate`: see there for the tables."""

    dataset: xr.Dataset
    table: pd.DataFrame
    verdicts: pd.DataFrame
    curves: pd.DataFrame | None = None

    def summary(self) -> Summary:
        """Return what was validated, in a few lines."""
        return self.brief(
            f"Validation on {cell_label(self.dataset.attrs['cell'])}",
            self.dataset.attrs["simulated"],
            ("table", f"{len(self.table)} rows"),
            ("verdicts", f"{len(self.verdicts)} rows"),
        )


def validate(
    cell: str,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    models: Sequence[str] = MODELS,
    methods: Sequence[str] | None = None,
    tests: Sequence[str] = TESTS,
    size: SampleSize | None = None,
    **options: Unpack[RunOptions],
) -> Validation:
    """Train models on one cell type, extract explanations and test them.

    Each network has two negative controls: itself before training, and itself trained on permuted
    labels.

    Parameters
    ----------
    cell, data, models, methods
        As for :func:`chromviz.compare`; by default the methods that can explain each model.
    out
        The result folder; by default ``results/{cell}/validation``.
    tests
        Any of ``agreement``, ``truth``, ``faithfulness``, ``sanity``, ``stability``,
        ``consensus``.
    size
        Numbers of genes and of draws; see :class:`SampleSize`.
    **options
        ``seed`` (default 0), ``seeds`` (trainings, from `seed` on, between which ``stability``
        compares explanations; default 2), ``n_bootstrap`` (default 2000), ``device``, ``reporter``.

    Returns
    -------
    Validation
        ``table`` is tidy, with one row per cell type, model, variant, method, mark and statistic;
        ``verdicts`` has one row per explanation. ``folder`` holds ``validation.csv``,
        ``verdicts.{csv,md,tex}``, figures, ``attributions/``, ``report.html`` and
        ``manifest.json``.

    Raises
    ------
    ChromvizError
        If a name is unknown, the dataset lacks the reference track, or the folder cannot be
        written to; before anything is trained.

    Notes
    -----
    Agreement with H3K27ac is that of Table 3 of Singh et al., Attend and Predict, NeurIPS 2017;
    randomised layers follow Adebayo et al. 2018.

    Examples
    --------
    >>> import chromviz as cv
    >>> found = cv.validate("K562", models=["linear-regression"], methods=["input_x_gradient"],
    ...                     tests=["agreement"], n_bootstrap=100)
    >>> found.verdicts[["model", "method", "predicts"]].values.tolist()
    [['linear-regression', 'input_x_gradient', 1]]
    """
    run = run_options(options, seeds=2)
    size = size or SampleSize()
    dataset = open_cell(cell, data)
    wanted = _tests(tests, dataset)
    chosen = resolve.require_models(models, dataset, "validate")
    pairs = plan(chosen, dataset, methods, lambda method, one: method in METHODS)
    work = open_run("validate", dataset, out, run, "validation")
    folder = work.folder
    all_models = _models(chosen, dataset, run, stability="stability" in wanted)
    work.record(all_models.everyone, seeds=run.seeds, tests=wanted)
    found: Explained = {
        (method, model_key(model)): work.explain(method, model)
        for method, name in pairs
        for model in all_models.explained_by(name)
    }
    conditions = Conditions(
        dataset, _sample(dataset, size.genes), run.seed, run.device, run.reporter.progress
    )
    resampling = Resampling(run.n_bootstrap, size.null, run.seed)
    table, curves = _run_tests(work, conditions, resampling, wanted, found, all_models)
    judged = verdicts(table)
    _write(folder, table, judged)
    write_panels(folder, table, curves)
    write_report(folder, [dataset])
    return Validation(*finished(folder), dataset, table, judged, curves)


def validate_cells(
    cells: Sequence[str], *, out: str | Path | None = None, **options: Any
) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    """Validate several cell types, and adjust p over all of them.

    Each is validated in its own folder in `out`, by default ``results/validation``, with `options`
    as for :func:`validate`. Returns the folder, the tidy table and the verdicts of all cell types.
    """
    place = Path(out) if out else Path("results") / "validation"
    labels = [str(open_cell(cell, options.get("data")).attrs["cell"]) for cell in cells]
    again = next((label for at, label in enumerate(labels) if label in labels[:at]), None)
    if again:
        raise ChromvizError(f"{cell_label(again)} is named twice in --cell")
    found = {label: validate(label, out=place / label, **options) for label in labels}
    table = adjust(pd.concat([one.table for one in found.values()], ignore_index=True))
    judged = verdicts(table)
    folder = ResultFolder(place, f"validate {', '.join(found)}")
    folder["seed"] = options.get("seed", 0)
    folder["simulated"] = int(table["simulated"].max())
    _write(folder, table, judged, figures=False)
    folder.finish()
    return folder.path, table, judged


@dataclass(frozen=True)
class SampleSize:
    """Numbers of genes and of draws in a validation, each at least 1.

    `genes` is the maximum number of test genes in tests that run a model repeatedly, evenly spaced
    along the genome; the most expensive tests draw 50 of them. `null` is the number of draws of
    each null model.
    """

    genes: int = 200
    null: int = 2000

    def __post_init__(self) -> None:
        for name in ("genes", "null"):
            if getattr(self, name) < 1:
                raise ChromvizError(f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class _Models:
    """The trained models by name, their trainings with other seeds, and the negative controls."""

    fitted: dict[str, TrainedModel]
    others: dict[str, list[TrainedModel]]
    controls: list[TrainedModel]

    @property
    def everyone(self) -> dict[str, TrainedModel]:
        """All models by name and variant, without the trainings with other seeds."""
        return {model_key(one): one for one in (*self.fitted.values(), *self.controls)}

    def explained_by(self, name: str) -> list[TrainedModel | None]:
        """Return the models that a method explains: the one of this name, and its variants."""
        if not name:
            return [None]
        return [model for model in self.everyone.values() if model.card.name == name]


def _tests(names: Sequence[str], dataset: xr.Dataset) -> list[str]:
    """Return the tests to run, without ``truth`` if the dataset has no planted truth."""
    wanted = known_names("test", names, TESTS)
    if not wanted:
        raise ChromvizError(f"no test to run; name some of {', '.join(TESTS)} with --tests")
    return [name for name in wanted if name != "truth" or "truth" in dataset]


def _models(chosen: Sequence[Choice], dataset: xr.Dataset, run: Run, *, stability: bool) -> _Models:
    """Return all models of a validation; those that come from no file are trained."""
    networks = [one.name for one in chosen if takes_steps(one.spec, dataset)]
    own: dict[str, list[Training]] = {one.name: [] for one in chosen}
    for one in chosen:
        if one.model is None:
            seeds = run.numbers if stability and one.name in networks else [run.seed]
            own[one.name] = [Training(one.spec, dataset, seed) for seed in seeds]
    shuffled = permute_labels(dataset, run.seed)
    permuted = {
        one.name: Training(one.spec, shuffled, run.seed) for one in chosen if one.name in networks
    }
    trainings = [training for several in own.values() for training in several]
    train_missing([*trainings, *permuted.values()], device=run.device, reporter=run.reporter)
    resolve.say_notes(chosen, run)
    fit = partial(trained, device=run.device, reporter=run.reporter)
    fitted: dict[str, TrainedModel] = {}
    others: dict[str, list[TrainedModel]] = {}
    for one in chosen:
        given = [] if one.model is None else [one.model]
        fitted[one.name], *others[one.name] = [*given, *map(fit, own[one.name])]
    controls = []
    for name, untrained in untrained_controls(fitted, run.seed).items():
        other = fit(permuted[name])
        card = replace(other.card, name=name, variant="permuted labels")
        controls += [untrained, TrainedModel(other.module, card)]
    return _Models(fitted, others, controls)


def _sample(dataset: xr.Dataset, n_genes: int) -> np.ndarray:
    """Return at most `n_genes` test genes, evenly spaced in the order of the dataset."""
    test = resolve.genes_to_explain(dataset)
    return np.asarray(test[np.unique(np.linspace(0, len(test) - 1, n_genes).round().astype(int))])


def _run_tests(
    work: CellRun,
    conditions: Conditions,
    resampling: Resampling,
    wanted: Sequence[str],
    found: Explained,
    models: _Models,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Run the tests that are not up to date; return their tidy table, and deletion curves."""
    everyone, dataset = models.everyone, work.dataset
    hashes = {
        f"{method} {key}": everyone[key].card.weights_hash if key else "" for method, key in found
    }
    settings = [work.data_hash, asdict(resampling), conditions.genes.tolist()]
    settings.append(conditions.device.split(":")[0])
    code = [extract, *(find_method(method).run for method, _ in found)]
    code += [type(model.module) for model in models.fitted.values()]
    rows: list[pd.DataFrame] = []
    curves: list[pd.DataFrame] = []

    def do(test: str, make: Callable[[], Tables], *of: Any, beside: str = "") -> None:
        # Rows of a test are in a file below parts; `of` is what else decides them.
        files = [f"parts/{slug(name)}.csv" for name in (test, beside) if name]
        _, *others = work.folder.tables(test, [hashes, settings, *of], files, make, code)
        rows.append(read_tidy(work.folder.path / files[0]))
        curves.extend(others)

    every = list(found.values())
    plain = {method: found[method, key] for method, key in found if not key}
    own = {
        name: {method: one for (method, key), one in found.items() if key == model_key(model)}
        for name, model in models.fitted.items()
    }
    if "agreement" in wanted:
        do("agreement", partial(association, every, dataset, **asdict(resampling)))
    if "truth" in wanted:
        draws = {"n_bootstrap": resampling.n_bootstrap, "seed": resampling.seed}
        do("truth", partial(planted, every, dataset, **draws))
    for name, model in models.fitted.items():
        tested = model_tests.Tested(model, own[name], conditions, resampling)
        if "faithfulness" in wanted:
            test = partial(model_tests.faithfulness, tested, plain)
            do(f"faithfulness {name}", test, beside=f"curves {name}")
        if "sanity" in wanted and not isinstance(model.module, Fitted):
            do(f"sanity {name}", partial(model_tests.sanity, tested))
        if "stability" in wanted:
            others = models.others[name]
            hashed = [other.card.weights_hash for other in others]
            do(f"stability {name}", partial(model_tests.stability, tested, others), hashed)
    if "consensus" in wanted:
        do("consensus", partial(model_tests.agreement_of_methods, dataset, own, plain))
    predicts = model_tests.prediction(conditions, resampling, list(everyone.values()))
    parts = [part for part in (predicts, *rows) if len(part)]
    table = adjust(pd.concat(parts, ignore_index=True))
    return table, pd.concat(curves, ignore_index=True) if curves else None


def _write(
    folder: ResultFolder, table: pd.DataFrame, judged: pd.DataFrame, *, figures: bool = True
) -> None:
    """Write the tidy table, the verdicts, and their figures."""
    shown = judged.assign(simulated=int(table["simulated"].max()))
    texts = {
        "validation.csv": to_csv(table),
        "verdicts.md": verdict_markdown(shown, table),
        "verdicts.tex": to_latex(verdict_grid(shown, table)),
    }
    folder.write_texts("tables", texts)
    if not figures or judged.empty:
        folder.write_table("verdicts", "verdicts.csv", shown)
    if figures:
        write_gain(folder, table)
    if figures and len(judged):
        write_figure(folder, "verdicts", "Verdict for each explanation", shown, draw_verdicts)

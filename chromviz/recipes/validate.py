"""Are explanations to be believed? All tests of one cell type, as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.data.labels import permute_labels
from chromviz.data.store import open_cell
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.extractors import find_method
from chromviz.extractors.conditions import Conditions
from chromviz.extractors.run import extract
from chromviz.extractors.sanity import untrained
from chromviz.models import slug
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import MODELS, Choice, choose_models
from chromviz.models.fitted import Fitted
from chromviz.models.inference import find_device
from chromviz.models.store import Training, train_missing, trained
from chromviz.models.training import takes_steps
from chromviz.plot.validation import draw_verdicts
from chromviz.progress import SILENT, Reporter
from chromviz.recipes import model_tests
from chromviz.recipes.attributions import explained, plan
from chromviz.reporting.figures import write_figure, write_gain, write_panels
from chromviz.reporting.results_page import write_report
from chromviz.reporting.verdicts import verdict_latex, verdict_markdown
from chromviz.results.folder import ResultFolder, default_folder, of_result
from chromviz.results.tables import to_csv
from chromviz.results.validity import Code
from chromviz.schema import Summarised, Summary, dataset_hash, gene_counts
from chromviz.validation.agreement import reference_genes
from chromviz.validation.association import association
from chromviz.validation.planted import planted
from chromviz.validation.resample import Resampling
from chromviz.validation.tidy import adjust, read_tidy
from chromviz.validation.verdict import verdicts
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, cell_label

#: Methods by default, each on the models that it can serve. Integrated gradients are not among
#: them: each test runs a method many times, and on LSTMs a gene takes them some 20 ms.
METHODS = (
    *("alpha", "alpha_beta", "saliency", "saliency_absolute", "input_x_gradient"),
    *("occlusion", "coefficients", "importances"),
)

#: The tests, by the names that commands give them. ``truth`` takes planted truth.
TESTS = ("agreement", "truth", "faithfulness", "sanity", "stability", "consensus")


@dataclass(frozen=True, repr=False)
class Validation(Summarised):
    """What a validation found.

    Parameters
    ----------
    folder
        The result folder.
    dataset
        The cell type.
    table
        The tidy table, see :data:`chromviz.validation.tidy.COLUMNS`.
    verdicts
        What follows, see :func:`chromviz.validation.verdict.verdicts`.
    made, kept
        Steps done now, and steps found done.
    """

    folder: Path
    dataset: xr.Dataset
    table: pd.DataFrame
    verdicts: pd.DataFrame
    made: list[str]
    kept: list[str]

    def summary(self) -> Summary:
        """Return what was validated, in a few lines."""
        rows = (
            ("table", f"{len(self.table)} rows"),
            ("verdicts", f"{len(self.verdicts)} rows"),
            *of_result(self, self.dataset.attrs["simulated"]),
        )
        return Summary(f"Validation on {cell_label(str(self.dataset.attrs['cell']))}", rows)


def validate(
    cell: str,
    *,
    data: Path | None = None,
    out: Path | None = None,
    models: Sequence[str] = MODELS,
    method_names: Sequence[str] | None = None,
    tests: Sequence[str] = TESTS,
    seed: int = 0,
    seeds: int = 2,
    n_genes: int = 200,
    n_bootstrap: int = 2000,
    n_null: int = 2000,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> Validation:
    """Train models on a cell type, explain them, and test the explanations.

    Beside each network stand two that must fail: the same before training, and the same trained
    on permuted labels.

    Parameters
    ----------
    cell, data, models, method_names, device, reporter
        As for :func:`chromviz.recipes.compare.compare`.
    out
        The result folder; ``results/{cell}/validation`` if not given.
    tests
        Any of :data:`TESTS`.
    seed
        Seed of training, of methods that draw, of resamples and of nulls.
    seeds
        Trainings, from `seed` on, between which ``stability`` compares explanations.
    n_genes
        Maximum number of test genes in the tests that run a model many times, evenly spaced along
        the genome. Re-randomised weights, infidelity and sensitivity take 50 of them, drawn with
        `seed`.
    n_bootstrap, n_null
        Resamples of genes, and draws of each null.

    Returns
    -------
    Validation
        The folder holds ``validation.csv``, ``verdicts.{md,tex}``, the figures ``verdicts``,
        ``gain``, ``deletion``, ``consensus_matrix`` and ``planted_truth`` (PDF, PNG, CSV),
        ``attributions/``, ``report.html`` and ``manifest.json``.

    Raises
    ------
    ChromvizError
        If a name is unknown, the dataset lacks the reference track, or the folder cannot be
        written to; before anything is trained.
    """
    wanted = _tests(tests)
    if seeds < 1 or n_genes < 1:
        raise ChromvizError("a validation takes at least one seed and one gene")
    find_device(device)
    dataset = open_cell(cell, data)
    chosen = choose_models(models, dataset)
    if not chosen:
        raise ChromvizError("no model to validate; name one with --models")
    planned = plan(chosen, method_names, lambda method, one: method in METHODS)
    _check(dataset)
    if "truth" not in dataset:
        wanted = [name for name in wanted if name != "truth"]
    label = str(dataset.attrs["cell"])
    folder = ResultFolder(out or default_folder(label) / "validation", f"validate {label}")
    folder["seed"], folder["seeds"], folder["tests"] = seed, seeds, wanted
    folder["simulated"] = int(dataset.attrs["simulated"])
    data_hash = dataset_hash(dataset)
    folder["dataset"] = {"cell": label, "sha256": data_hash, "genes": gene_counts(dataset)}
    asked = seeds if "stability" in wanted else 1
    fitted, others = _models(chosen, dataset, seed, asked, device, reporter)
    everyone = {**fitted, **_controls(fitted, dataset, seed, device, reporter)}
    folder["models"] = {
        name: {**asdict(model.card), "curve": None} for name, model in everyone.items()
    }
    found: Found = {}
    for method, name in planned:
        for model in _explained_by(name, everyone):
            found[method, _key(model)] = explained(
                folder, method, model, dataset, data_hash, seed, device, reporter
            )
    conditions = Conditions(dataset, _sample(dataset, n_genes), seed, device, reporter.progress)
    resampling = Resampling(n_bootstrap, n_null, seed)
    table, curves = _run_tests(
        folder, conditions, resampling, wanted, found, fitted, others, everyone, data_hash
    )
    found_verdicts = verdicts(table)
    _write(folder, table, found_verdicts)
    write_panels(folder, table, curves)
    write_report(folder, [dataset])
    folder.finish()
    return Validation(folder.path, dataset, table, found_verdicts, folder.made, folder.kept)


def validate_cells(
    cells: Sequence[str], *, out: Path | None = None, **options: Any
) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    """Validate several cell types, and adjust p over all of them.

    Parameters
    ----------
    cells
        Cell types, each validated in a folder of its own in `out`.
    out
        The result folder; ``results/validation`` if not given.
    **options
        As for :func:`validate`.

    Returns
    -------
    tuple
        The folder, which holds ``validation.csv`` and ``verdicts.{csv,md,tex}`` of all, the tidy
        table, and the verdicts.

    Raises
    ------
    ChromvizError
        As for :func:`validate`, or if a cell type is named twice.
    """
    folder_of_all = out or Path("results") / "validation"
    labels = [str(open_cell(cell, options.get("data")).attrs["cell"]) for cell in cells]
    again = next((label for at, label in enumerate(labels) if label in labels[:at]), None)
    if again:
        raise ChromvizError(f"{cell_label(again)} is named twice in --cell")
    found = {label: validate(label, out=folder_of_all / label, **options) for label in labels}
    table = adjust(pd.concat([one.table for one in found.values()], ignore_index=True))
    judged = verdicts(table)
    folder = ResultFolder(folder_of_all, f"validate {', '.join(found)}")
    folder["seed"] = options.get("seed", 0)
    folder["simulated"] = int(table["simulated"].max())
    _write(folder, table, judged, figures=False)
    folder.finish()
    return folder.path, table, judged


#: Attributions by method and model.
Found = dict[tuple[str, str], xr.Dataset]

#: What a test gives: rows of the tidy table, or these and a table beside them.
Made = pd.DataFrame | tuple[pd.DataFrame, ...]


def _check(dataset: xr.Dataset) -> None:
    """Refuse a dataset in which nothing can be held against the track."""
    reference_genes(dataset, REFERENCE_TRACK)
    if PROMOTER_MARK not in dataset["mark"].values:
        raise ChromvizError(
            f"{cell_label(str(dataset.attrs['cell']))} has no signal of {PROMOTER_MARK}, whose "
            f"weights are held against {REFERENCE_TRACK}; prepare it with --signal "
            f"{PROMOTER_MARK}=FILE"
        )


def _key(model: TrainedModel | None) -> str:
    """Return what a model is called among those of a validation: its name and variant."""
    if model is None:
        return ""
    return " ".join(filter(None, (model.card.name, model.card.variant)))


def _explained_by(name: str, everyone: dict[str, TrainedModel]) -> list[TrainedModel | None]:
    """Return the models that a method explains: the one of a name and those made from it."""
    if not name:
        return [None]
    return [model for model in everyone.values() if model.card.name == name]


@dataclass
class _Parts:
    """The tests that are done, each with its rows in a file below ``parts``.

    Parameters
    ----------
    folder
        The result folder.
    made_from
        What decides the result of every test.
    code
        The methods that the tests run, or whose attributions they take.
    rows
        Tidy, a table a test.
    beside
        Tables that tests give beside their rows.
    """

    folder: ResultFolder
    made_from: list[Any]
    code: list[Code]
    rows: list[pd.DataFrame] = field(default_factory=list)
    beside: list[pd.DataFrame] = field(default_factory=list)

    def do(self, test: str, make: Callable[[], Made], *of: Any, beside: str = "") -> None:
        """Do a test that is not done already; `of` is what else decides its result."""
        files = [f"parts/{slug(name)}.csv" for name in (test, beside) if name]

        def tables() -> tuple[pd.DataFrame, ...]:
            made = make()
            return made if isinstance(made, tuple) else (made,)

        found = self.folder.tables(test, [*self.made_from, *of], files, tables, self.code)
        self.rows.append(read_tidy(self.folder.path / files[0]))
        self.beside += found[1:]


def _run_tests(
    folder: ResultFolder,
    conditions: Conditions,
    resampling: Resampling,
    wanted: Sequence[str],
    found: Found,
    fitted: dict[str, TrainedModel],
    others: dict[str, list[TrainedModel]],
    everyone: dict[str, TrainedModel],
    data_hash: str,
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Do the tests that are not done already; return the tidy table of all, and deletion curves."""
    hashes = {
        f"{method} {name}": everyone[name].card.weights_hash if name else ""
        for method, name in found
    }
    settings = [data_hash, asdict(resampling), conditions.genes.tolist()]
    settings.append(conditions.device.split(":")[0])

    code = [extract, *(find_method(method).run for method, _ in found)]
    done = _Parts(folder, [hashes, settings], code)
    step = done.do
    every, dataset = list(found.values()), conditions.dataset
    plain = {method: found[method, ""] for method, owner in found if not owner}
    own = {
        name: {method: found[method, name] for method, owner in found if owner == name}
        for name in fitted
    }
    if "agreement" in wanted:
        step("agreement", partial(association, every, dataset, **asdict(resampling)))
    if "truth" in wanted:
        draws = {"n_bootstrap": resampling.n_bootstrap, "seed": resampling.seed}
        step("truth", partial(planted, every, dataset, **draws))
    for name, model in fitted.items():
        mine = own[name]
        if "faithfulness" in wanted:
            step(
                f"faithfulness {name}",
                partial(model_tests.faithfulness, conditions, resampling, model, mine, plain),
                beside=f"curves {name}",
            )
        if "sanity" in wanted and not isinstance(model.module, Fitted):
            step(f"sanity {name}", partial(model_tests.sanity, conditions, resampling, model, mine))
        if "stability" in wanted:
            hashed = [other.card.weights_hash for other in others[name]]
            step(
                f"stability {name}",
                partial(model_tests.stability, conditions, resampling, model, others[name], mine),
                hashed,
            )
    if "consensus" in wanted:
        step("consensus", partial(model_tests.agreement_of_methods, conditions, own, plain))
    predicts = model_tests.prediction(conditions, resampling, list(everyone.values()))
    parts = [part for part in (predicts, *done.rows) if len(part)]
    curves = pd.concat(done.beside, ignore_index=True) if done.beside else None
    return adjust(pd.concat(parts, ignore_index=True)), curves


def _tests(names: Sequence[str]) -> list[str]:
    wanted = [name.strip().lower() for name in names]
    for name in wanted:
        if name not in TESTS:
            raise UnknownNameError("test", name, TESTS)
    if not wanted:
        raise ChromvizError(f"no test to do; name some of {', '.join(TESTS)} with --tests")
    return list(dict.fromkeys(wanted))


def _models(
    chosen: Sequence[Choice],
    dataset: xr.Dataset,
    seed: int,
    seeds: int,
    device: str,
    reporter: Reporter,
) -> tuple[dict[str, TrainedModel], dict[str, list[TrainedModel]]]:
    """Return the models by name, and those of other seeds; trained where from no file."""
    networks = [one.name for one in chosen if takes_steps(one.spec, dataset)]
    trainings = [
        Training(one.spec, dataset, number)
        for one in chosen
        if one.model is None
        for number in range(seed, seed + (seeds if one.name in networks else 1))
    ]
    shuffled = permute_labels(dataset, seed)
    trainings += [Training(one.spec, shuffled, seed) for one in chosen if one.name in networks]
    train_missing(trainings, device=device, reporter=reporter)
    fitted: dict[str, TrainedModel] = {}
    others: dict[str, list[TrainedModel]] = {}
    for one in chosen:
        if one.note:
            reporter.say(one.note)
        if one.model is not None:
            fitted[one.name], others[one.name] = one.model, []
            continue
        found = [
            trained(training, device=device, reporter=reporter)
            for training in trainings
            if training.model is one.spec and training.dataset is dataset
        ]
        fitted[one.name], others[one.name] = found[0], found[1:]
    return fitted, others


def _controls(
    fitted: dict[str, TrainedModel],
    dataset: xr.Dataset,
    seed: int,
    device: str,
    reporter: Reporter,
) -> dict[str, TrainedModel]:
    """Return, for each network, the two that must fail: untrained, and of permuted labels."""
    shuffled = permute_labels(dataset, seed)
    found = {}
    for model in fitted.values():
        if isinstance(model.module, Fitted) or model.card.members:
            continue
        fresh = untrained(model, seed)
        found[_key(fresh)] = fresh
        name = model.card.name.partition("@")[0]
        other = trained(Training(name, shuffled, seed), device=device, reporter=reporter)
        card = replace(other.card, name=model.card.name, variant="permuted labels")
        shuffled_model = TrainedModel(other.module, card)
        found[_key(shuffled_model)] = shuffled_model
    return found


def _sample(dataset: xr.Dataset, n_genes: int) -> np.ndarray:
    """Return at most `n_genes` test genes, evenly spaced in the order of the dataset."""
    test = np.flatnonzero(dataset["split"].values == "test")
    if not len(test):
        raise ChromvizError(
            f"{cell_label(str(dataset.attrs['cell']))} has no test gene to explain; prepare it "
            "with more genes"
        )
    return np.asarray(test[np.unique(np.linspace(0, len(test) - 1, n_genes).round().astype(int))])


def _write(
    folder: ResultFolder, table: pd.DataFrame, found: pd.DataFrame, *, figures: bool = True
) -> None:
    """Write the tidy table, what follows from it, and the figures."""
    simulated = int(table["simulated"].max())
    shown = found.assign(simulated=simulated)
    texts = {
        "validation.csv": to_csv(table),
        "verdicts.md": verdict_markdown(shown, table),
        "verdicts.tex": verdict_latex(shown, table),
    }
    folder.write_texts("tables", texts)
    if not figures or found.empty:
        folder.write_table("verdicts", "verdicts.csv", shown)
    if figures:
        write_gain(folder, table)
    if figures and len(found):
        write_figure(folder, "verdicts", "What follows for each explanation", shown, draw_verdicts)

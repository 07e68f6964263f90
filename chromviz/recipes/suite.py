"""Tables 2, S1, S2 and S3 for any cell types, models and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.catalog import slug
from chromviz.data.cells import available_cells, open_cell
from chromviz.errors import ChromvizError, known_names
from chromviz.models import find_model
from chromviz.models.inference import logits, probabilities
from chromviz.models.store import Training, train_missing, trained, training_key
from chromviz.plot.dots import draw_calibration, draw_suite
from chromviz.recipes import resolve
from chromviz.recipes.run import Outcome, Run, RunOptions, finished, run_options
from chromviz.reporting.figures import write_figure
from chromviz.reporting.grid import in_three_forms
from chromviz.reporting.tables import TABLES, suite_grid
from chromviz.results.folder import ResultFolder
from chromviz.results.tables import read_csv, to_csv, write_csv
from chromviz.schema import Summary, dataset_hash, select_marks, usable
from chromviz.validation.performance import (
    ALL_MARKS,
    paired_table,
    reliability_table,
    shows,
    summarise,
    unit_row,
)
from chromviz.validation.tidy import origin

#: The networks of Table 2, in the paper's order, and the older models.
MODELS = (
    *("deepchrome", "lstm", "cnn-attn", "cnn-alpha-beta"),
    *("lstm-attn", "lstm-alpha", "lstm-alpha-beta"),
    *("linear-regression", "logistic-regression", "svm", "random-forest", "rules"),
)

#: The network of Table S1.
ONE_MARK_MODEL = "lstm-alpha-beta"


@dataclass(frozen=True, repr=False)
class Suite(Outcome):
    """The result of :func:`suite`: see there for the tables."""

    units: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    paired: pd.DataFrame

    def summary(self) -> Summary:
        """Return what was measured, in a few lines."""
        n_cells = self.units["cell"].nunique()
        return self.brief(
            "Suite of models",
            self.units["simulated"].max(),
            ("units", f"{len(self.units)} trained models of {n_cells} cell types"),
            ("tables", ", ".join(self.tables)),
            ("paired", f"{len(self.paired)} rows"),
        )


@dataclass(frozen=True)
class _Unit:
    """One model to train and test."""

    cell: str
    model: str
    seed: int
    marks: str

    @property
    def file(self) -> str:
        marks = "" if self.marks == ALL_MARKS else f".{slug(self.marks)}"
        return f"predictions/{self.cell}.{slug(self.model)}.seed{self.seed}{marks}.csv"


def suite(
    cells: Sequence[str] = (),
    *,
    models: Sequence[str] = MODELS,
    tables: Sequence[str] = TABLES,
    reference: str = "deepchrome",
    data: str | Path | None = None,
    out: str | Path | None = None,
    **options: Unpack[RunOptions],
) -> Suite:
    """Train and test models on several cell types, and write the paper's tables of performance.

    An interrupted suite continues where it stopped.

    Parameters
    ----------
    cells
        Names of cell types; by default all that are available.
    models
        Names of architectures, or your own (``package.module:factory``).
    tables
        Any of ``2``, ``s1``, ``s2``, ``s3``. ``s1`` also trains AttentiveChrome on one mark at a
        time.
    reference
        The model that the others are compared with.
    data
        Folder of datasets or of DeepChrome CSV; None for the embedded simulated dataset.
    out
        The result folder; by default ``results/suite``.
    **options
        ``seed`` and ``seeds`` (number of trainings of each model, with seeds from `seed` on),
        ``n_bootstrap`` (resamples of genes; default 2000), ``device`` and ``reporter``.

    Returns
    -------
    Suite
        ``units`` has one row per trained model, ``tables`` the paper's tables with the published
        values, ``paired`` the comparisons in pairs. ``folder`` holds them, figures, and
        ``predictions/``.

    Raises
    ------
    ChromvizError
        If a name is unknown or the folder cannot be written to; before anything is trained.

    Notes
    -----
    Tables 2, S1, S2 and S3 of Singh et al., Attend and Predict, NeurIPS 2017.

    Examples
    --------
    >>> import chromviz as cv
    >>> found = cv.suite(["K562"], models=["linear-regression"], tables=["s3"],
    ...                  reference="linear-regression")
    >>> found.units[["cell", "model"]].values.tolist()
    [['E123', 'linear-regression']]
    """
    run = run_options(options)
    reference = find_model(reference).name
    names = _names(models, reference)
    wanted = _tables(tables, names, run)
    chosen = resolve.resolve_cells(cells or available_cells(data), data)
    folder = ResultFolder(Path(out) if out else Path("results") / "suite", "suite")
    folder["seed"], folder["seeds"], folder["models"] = run.seed, run.seeds, names
    facts: dict[str, dict[str, Any]] = {}
    found: dict[_Unit, pd.DataFrame] = {}
    for cell in chosen:
        dataset = open_cell(cell, data)
        facts[str(dataset.attrs["cell"])] = {
            "sha256": dataset_hash(dataset),
            **origin(dataset),
        }
        folder["datasets"] = facts
        folder["simulated"] = max(one["simulated"] for one in facts.values())
        units_of_cell = _units(dataset, names, run.numbers, one_mark="s1" in wanted)
        found |= _predictions(folder, units_of_cell, run)
    predictions = [(asdict(unit), table) for unit, table in found.items()]
    units = pd.DataFrame(
        [unit_row(unit, table, facts[unit["cell"]]) for unit, table in predictions]
    )
    asked = units[units["model"].isin(names)]
    whole = [(unit, table) for unit, table in predictions if unit["marks"] == ALL_MARKS]
    paired = paired_table(whole, names, reference, run.n_bootstrap)
    summaries = {name: summarise(name, units if name == "s1" else asked) for name in wanted}
    _write(folder, units, paired, summaries)
    drawn = asked[asked["marks"] == ALL_MARKS]
    write_figure(folder, "suite_auc", "Test AUC by model", drawn, draw_suite)
    curves = reliability_table(whole)
    write_figure(folder, "calibration", "Calibration by model", curves, draw_calibration)
    return Suite(*finished(folder), units, summaries, paired)


def _names(models: Sequence[str], reference: str) -> list[str]:
    """Return the names of the models, which must include the reference."""
    names = list(dict.fromkeys(find_model(name).name for name in models))
    if not names:
        raise ChromvizError("a suite needs at least one model; name some with --models")
    if reference not in names:
        raise ChromvizError(
            f"the reference {reference} is not among the models ({', '.join(names)}); "
            "name another with --reference"
        )
    return names


def _tables(tables: Sequence[str], models: Sequence[str], run: Run) -> list[str]:
    """Return the tables to make, without those that show none of the models."""
    plain = (name.strip().lower().removeprefix("table") for name in tables)
    wanted = known_names("table", plain, TABLES)
    for name in wanted:
        if not shows(name, models):
            run.reporter.say(f"no Table {name.upper()}: it shows none of the models")
    return [name for name in wanted if shows(name, models)]


def _units(
    dataset: xr.Dataset, models: Sequence[str], seeds: Sequence[int], *, one_mark: bool
) -> dict[_Unit, xr.Dataset]:
    """Return the units of one cell type, each with the dataset to train on."""
    cell, marks = str(dataset.attrs["cell"]), [str(mark) for mark in dataset["mark"].values]
    on_all = dict.fromkeys([*models, ONE_MARK_MODEL] if one_mark else models)
    units = {_Unit(cell, name, seed, ALL_MARKS): dataset for name in on_all for seed in seeds}
    if one_mark and len(marks) > 1:
        for mark in marks:
            view = select_marks(dataset, [mark])
            units |= {_Unit(cell, ONE_MARK_MODEL, seed, mark): view for seed in seeds}
    return units


def _predictions(
    folder: ResultFolder, units: Mapping[_Unit, xr.Dataset], run: Run
) -> dict[_Unit, pd.DataFrame]:
    """Train and test units, unless they are up to date; return their predictions."""
    steps = {unit: _step(folder, unit, dataset, run) for unit, dataset in units.items()}
    missing = [unit for unit in units if not folder.has(**steps[unit])]
    # The longest trainings come first, so that none of them runs alone at the end.
    missing.sort(key=lambda unit: (unit.marks != ALL_MARKS, "lstm-alpha" not in unit.model))
    trainings = [Training(unit.model, units[unit], unit.seed) for unit in missing]
    # Each model is stored as soon as it is trained: an interruption loses none of those.
    train_missing(trainings, device=run.device, reporter=run.reporter)
    for step in steps.values():
        folder.once(**step)
    return {unit: read_csv(folder.path / unit.file) for unit in units}


def _step(folder: ResultFolder, unit: _Unit, dataset: xr.Dataset, run: Run) -> dict[str, Any]:
    """Return the step that writes a unit's predictions of the test genes."""
    spec = find_model(unit.model)
    settings = asdict(spec.settings())
    key = training_key(unit.model, dataset_hash(dataset), settings, unit.seed, run.device)

    def make() -> None:
        training = Training(unit.model, dataset, unit.seed)
        model = trained(training, device=run.device, reporter=run.reporter)
        rows = np.flatnonzero((dataset["split"].values == "test") & usable(dataset))
        logit = logits(model.module, dataset["signal"].values[rows], device=run.device)
        table = pd.DataFrame(
            {
                "gene": dataset["gene"].values[rows],
                "label": dataset["label"].values[rows],
                "probability": probabilities(logit),
                "n_train": model.card.genes["train"],
                "seconds": model.card.metrics["seconds"],
                "simulated": int(dataset.attrs["simulated"]),
            }
        )
        write_csv(table, folder.path / unit.file)

    return {
        "step": unit.file,
        "made_from": {"unit": asdict(unit), "training": key},
        "files": [unit.file],
        "make": make,
        "code": [spec.factory],
    }


def _write(
    folder: ResultFolder, units: pd.DataFrame, paired: pd.DataFrame, summaries: dict[str, Any]
) -> None:
    """Write the tables in all forms."""
    texts = {"suite.csv": to_csv(units), "paired.csv": to_csv(paired)}
    for name, table in summaries.items():
        texts |= in_three_forms(f"table{name}", to_csv(table), suite_grid(name, table))
    folder.write_texts("tables", texts)

"""Tables 2, S1, S2 and S3 over any cell types, models and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz.data.store import available_cells, open_cell
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.models import find_model, slug
from chromviz.models.inference import find_device, logits, probabilities
from chromviz.models.store import Training, train_missing, trained, training_key
from chromviz.plot.auc_dots import draw_calibration, draw_suite
from chromviz.progress import SILENT, Reporter
from chromviz.reporting.figures import write_figure
from chromviz.reporting.suite_tables import TABLES, latex, markdown
from chromviz.results.folder import ResultFolder, of_result
from chromviz.results.tables import read_csv, to_csv, write_csv
from chromviz.schema import Summarised, Summary, dataset_hash, select_marks, usable
from chromviz.validation.performance import (
    ALL_MARKS,
    paired_table,
    reliability_table,
    shows,
    summarise,
    unit_row,
)
from chromviz.vocabulary import resolve_cell

#: The networks of Table 2, in the paper's order, and the older models.
NETWORKS = (
    *("deepchrome", "lstm", "cnn-attn", "cnn-alpha-beta"),
    *("lstm-attn", "lstm-alpha", "lstm-alpha-beta"),
)
OLDER = ("linear-regression", "logistic-regression", "svm", "random-forest", "rules")
MODELS = (*NETWORKS, *OLDER)

#: The network of Table S1.
ONE_MARK_MODEL = "lstm-alpha-beta"


@dataclass(frozen=True, repr=False)
class Suite(Summarised):
    """What a suite found.

    Parameters
    ----------
    folder
        The result folder.
    units
        A row a trained model, see ``suite.csv``.
    tables
        The paper's tables that were asked for, by ``2``, ``s1``, ``s2``, ``s3``.
    paired
        Each model's AUC less the reference model's.
    made, kept
        Steps done now, and steps found done.
    """

    folder: Path
    units: pd.DataFrame
    tables: dict[str, pd.DataFrame]
    paired: pd.DataFrame
    made: list[str]
    kept: list[str]

    def summary(self) -> Summary:
        """Return what was measured, in a few lines."""
        cells = list(dict.fromkeys(map(str, self.units["cell"])))
        rows = (
            ("units", f"{len(self.units)} trained models of {len(cells)} cell types"),
            ("tables", ", ".join(self.tables)),
            ("paired", f"{len(self.paired)} rows"),
            *of_result(self, self.units["simulated"].max()),
        )
        return Summary("Suite of models", rows)


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
    seeds: int = 1,
    tables: Sequence[str] = TABLES,
    reference: str = "deepchrome",
    data: Path | None = None,
    out: Path | None = None,
    n_bootstrap: int = 2000,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> Suite:
    """Train and test models on cell types, and write the paper's tables of performance.

    Each trained model is kept as soon as it is there, and predictions by cell type: an interrupted
    suite goes on where it stood.

    Parameters
    ----------
    cells
        Names of cell types; all that are at hand if none is given.
    models
        Architectures, or users' own.
    seeds
        Each is trained from seeds 0 up to this number less 1.
    tables
        Any of ``2``, ``s1``, ``s2``, ``s3``. ``s1`` also trains AttentiveChrome on one mark at a
        time.
    reference
        The model that the others are compared with.
    data
        A folder of datasets or of DeepChrome CSV; None for the embedded simulated dataset.
    out
        The result folder; ``results/suite`` if not given.
    n_bootstrap
        Resamples of genes in the paired comparison.
    device, reporter
        As for training.

    Returns
    -------
    Suite
        The folder holds ``suite.csv``, ``paired.csv``, ``table{2,s1,s2,s3}.{csv,md,tex}``,
        ``suite_auc`` and ``calibration`` as PDF, PNG and CSV, and ``predictions/``.

    Raises
    ------
    ChromvizError
        If a name is unknown or the folder cannot be written to; before anything is trained.
    """
    names = list(dict.fromkeys(find_model(name).name for name in models))
    wanted = _tables(tables)
    reference = find_model(reference).name
    if not names or seeds < 1:
        raise ChromvizError("a suite needs at least one model and one seed")
    if reference not in names:
        raise ChromvizError(
            f"the reference {reference} is not among the models ({', '.join(names)}); "
            "name another with --reference"
        )
    for name in [name for name in wanted if not shows(name, names)]:
        reporter.say(f"no Table {name.upper()}: none of its models is among those asked for")
        wanted.remove(name)
    find_device(device)
    available, where = available_cells(data), str(data or "the embedded dataset")
    chosen = list(dict.fromkeys(resolve_cell(cell, available, where) for cell in cells))
    chosen = chosen or list(available)
    folder = ResultFolder(out or Path("results") / "suite", "suite")
    folder["seed"], folder["seeds"], folder["models"] = 0, seeds, names
    facts: dict[str, Any] = {}
    found: list[tuple[_Unit, pd.DataFrame]] = []
    for cell in chosen:
        dataset = open_cell(cell, data)
        facts[str(dataset.attrs["cell"])] = {
            "sha256": dataset_hash(dataset),
            "simulated": int(dataset.attrs["simulated"]),
            "missing": str(dataset.attrs["missing"]),
        }
        folder["datasets"] = facts
        folder["simulated"] = max(one["simulated"] for one in facts.values())
        found += _run_cell(folder, dataset, names, seeds, "s1" in wanted, device, reporter)
    predictions = [(asdict(unit), table) for unit, table in found]
    units = pd.DataFrame(
        [unit_row(unit, table, facts[unit["cell"]]) for unit, table in predictions]
    )
    asked = units[units["model"].isin(names)]
    paired = paired_table(predictions, names, reference, n_bootstrap)
    summaries = {name: summarise(name, units if name == "s1" else asked) for name in wanted}
    _write(folder, units, paired, summaries)
    drawn = asked[asked["marks"] == ALL_MARKS]
    write_figure(folder, "suite_auc", "Test AUC by model", drawn, draw_suite)
    curves = reliability_table(predictions)
    write_figure(folder, "calibration", "Calibration by model", curves, draw_calibration)
    folder.finish()
    return Suite(folder.path, units, summaries, paired, folder.made, folder.kept)


def _tables(names: Sequence[str]) -> list[str]:
    wanted = []
    for name in names:
        plain = name.strip().lower().removeprefix("table")
        if plain not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        wanted.append(plain)
    return list(dict.fromkeys(wanted))


def _run_cell(
    folder: ResultFolder,
    dataset: xr.Dataset,
    names: Sequence[str],
    seeds: int,
    one_mark: bool,
    device: str,
    reporter: Reporter,
) -> list[tuple[_Unit, pd.DataFrame]]:
    """Train and test all units of one cell type; return their predictions."""
    cell = str(dataset.attrs["cell"])
    marks = [str(mark) for mark in dataset["mark"].values]
    views = {ALL_MARKS: dataset}
    if one_mark and len(marks) > 1:
        views |= {mark: select_marks(dataset, [mark]) for mark in marks}
    hashes = {name: dataset_hash(view) for name, view in views.items()}
    models = {ALL_MARKS: [*names, ONE_MARK_MODEL] if one_mark else list(names)}
    units = [
        _Unit(cell, model, seed, view)
        for view in views
        for model in dict.fromkeys(models.get(view, [ONE_MARK_MODEL]))
        for seed in range(seeds)
    ]
    made_from = {unit: _origin(unit, hashes[unit.marks], device) for unit in units}
    steps = {
        unit: partial(_predict, folder.path / unit.file, unit, views[unit.marks], device, reporter)
        for unit in units
    }
    code = {unit: [find_model(unit.model).factory] for unit in units}
    missing = [
        unit
        for unit in units
        if not folder.has(unit.file, made_from[unit], [unit.file], steps[unit], code[unit])
    ]
    # Those that take longest first: the last one should not keep the others waiting.
    missing.sort(key=lambda unit: (unit.marks != ALL_MARKS, "lstm-alpha" not in unit.model))
    trainings = [Training(unit.model, views[unit.marks], unit.seed) for unit in missing]
    # Each model is in the cache as soon as it is trained: a kill loses those in work, no others.
    train_missing(trainings, device=device, reporter=reporter)
    for unit in units:
        folder.once(unit.file, made_from[unit], [unit.file], steps[unit], code[unit])
    return [(unit, read_csv(folder.path / unit.file)) for unit in units]


def _origin(unit: _Unit, data_hash: str, device: str) -> dict[str, Any]:
    """Return all that decides a unit's predictions."""
    settings = asdict(find_model(unit.model).settings())
    key = training_key(unit.model, data_hash, settings, unit.seed, device)
    return {"unit": asdict(unit), "training": key}


def _predict(path: Path, unit: _Unit, dataset: xr.Dataset, device: str, reporter: Reporter) -> None:
    """Write a unit's predictions of the test genes."""
    wanted = Training(unit.model, dataset, unit.seed)
    model = trained(wanted, device=device, reporter=reporter)
    rows = np.flatnonzero((dataset["split"].values == "test") & usable(dataset))
    logit = logits(model.module, dataset["signal"].values[rows], device=device)
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
    write_csv(table, path)


def _write(
    folder: ResultFolder,
    units: pd.DataFrame,
    paired: pd.DataFrame,
    summaries: Mapping[str, pd.DataFrame],
) -> None:
    """Write the tables, each form of them once."""
    texts = {"suite.csv": to_csv(units), "paired.csv": to_csv(paired)}
    for name, table in summaries.items():
        texts[f"table{name}.csv"] = to_csv(table)
        texts[f"table{name}.md"] = markdown(name, table)
        texts[f"table{name}.tex"] = latex(name, table)
    folder.write_texts("tables", texts)

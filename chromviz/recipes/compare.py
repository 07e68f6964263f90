"""The main job: train, explain, validate and draw one cell type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from chromviz import provenance
from chromviz.data.store import available_cells, open_cell
from chromviz.errors import ChromvizError
from chromviz.extractors import find_method
from chromviz.extractors.sanity import untrained
from chromviz.models import slug
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import MODELS, Choice, choose_models, fitted_models, trainings_for
from chromviz.models.fitted import Fitted
from chromviz.models.inference import find_device
from chromviz.models.store import Training, train_missing
from chromviz.plot.agreement import draw_table3
from chromviz.plot.profile_lines import draw_figure2a, draw_figure2b
from chromviz.progress import SILENT, Reporter
from chromviz.recipes.attributions import explained, plan
from chromviz.recipes.gene import (
    BETA_MODEL,
    PAPER_GENE,
    gene_rows,
    write_figure2c,
)
from chromviz.reporting.figures import write_curves, write_figure, write_gain, write_genes
from chromviz.reporting.results_page import write_report
from chromviz.reporting.tables import table3_latex, table3_markdown
from chromviz.results.folder import ResultFolder, default_folder, of_result
from chromviz.results.tables import to_csv
from chromviz.schema import Summarised, Summary, dataset_hash, find_gene, gene_counts
from chromviz.schema.genes import reason_of
from chromviz.validation import coverage_profile, table3, weight_profiles
from chromviz.validation.agreement import reference_genes
from chromviz.validation.association import association
from chromviz.validation.tidy import read_tidy
from chromviz.vocabulary import (
    PAPER_CELLS,
    PROMOTER_MARK,
    REFERENCE_TRACK,
    cell_label,
    find_eid,
)

#: The methods of Table 3, and the older models' own weights. Class optimisation runs on models
#: without either, as in the paper: on an LSTM its thousand steps take longer than training, and
#: of a linear model it finds a corner of the cube.
METHODS = (
    *("alpha", "saliency", "saliency_absolute", "coefficients", "importances"),
    "class_optimization",
)


_FIGURE2B = (
    *("cell", "model", "method", "role", "mark", "unit", "bin_start", "bin_width"),
    *("mean", "ci_low", "ci_high", "n_genes", "simulated", "missing"),
)


@dataclass(frozen=True, repr=False)
class Comparison(Summarised):
    """What a comparison found.

    Parameters
    ----------
    folder
        The result folder.
    dataset
        The cell type.
    table
        Table 3, see :func:`chromviz.validation.table3`.
    agreement
        What stands behind it, on H3K4me3, and for the networks before training, see
        :func:`chromviz.validation.association.association`.
    models
        The trained models.
    made, kept
        Steps done now, and steps found done.
    """

    folder: Path
    dataset: xr.Dataset
    table: pd.DataFrame
    agreement: pd.DataFrame
    models: list[TrainedModel]
    made: list[str]
    kept: list[str]

    def summary(self) -> Summary:
        """Return what was compared, in a few lines."""
        rows = (
            ("models", ", ".join(model.card.name for model in self.models)),
            ("table", f"{len(self.table)} rows of Table 3"),
            ("agreement", f"{len(self.agreement)} rows"),
            *of_result(self, self.dataset.attrs["simulated"]),
        )
        return Summary(f"Comparison on {cell_label(str(self.dataset.attrs['cell']))}", rows)


def compare(
    cell: str,
    *,
    data: Path | None = None,
    out: Path | None = None,
    models: Sequence[str] = MODELS,
    method_names: Sequence[str] | None = None,
    gene: str | None = None,
    seed: int = 0,
    members: int = 1,
    n_bootstrap: int = 2000,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> Comparison:
    """Train models on a cell type, explain them, and hold the explanations against H3K27ac.

    Parameters
    ----------
    cell
        EID, common name, or a dataset's own name.
    data
        A folder of datasets or DeepChrome CSV; None for the embedded simulated dataset.
    out
        The result folder; ``results/{cell}`` if not given.
    models
        Architectures, users' own, or files, see :func:`chromviz.models.choice.choose_models`.
    method_names
        Methods; by default those of the paper, each on the models it can serve. Controls are
        always there.
    gene
        The gene of Figure 2c. By default PAX5, as in the paper, or, where models cannot read it,
        the test gene with the highest expression.
    seed
        Seed of training, of methods that draw, and of the bootstrap.
    members
        More than 1 for ensembles: each network is trained from so many seeds, from `seed` on.
    n_bootstrap
        Resamples of genes.
    device
        Where to train and extract.
    reporter
        Told how it goes.

    Returns
    -------
    Comparison
        Table 3 and what it came from. The folder holds ``table3.{csv,md,tex}``,
        ``agreement.csv``, ``attributions/{model}.{method}.nc``, ``figure2{a,b,c}``, ``methods``,
        ``gain``, ``genes`` and ``learning`` as ``.{pdf,png,csv}``, ``report.html`` and
        ``manifest.json``.

    Raises
    ------
    ChromvizError
        If the cell type, a model, a method or the gene is unknown or cannot serve, the dataset
        lacks the reference track, or the folder cannot be written to.
    """
    find_device(device)
    dataset = open_cell(cell, data)
    chosen = choose_models(models, dataset)
    if not chosen:
        raise ChromvizError("no model to compare; name one with --models")
    planned = plan(chosen, method_names, _by_default)
    label = str(dataset.attrs["cell"])
    # What cannot be compared must fail before training, not after.
    reference_genes(dataset, REFERENCE_TRACK)
    if PROMOTER_MARK not in dataset["mark"].values:
        raise ChromvizError(
            f"{cell_label(label)} has no signal of {PROMOTER_MARK}, whose weights Table 3 "
            f"compares; prepare it with --signal {PROMOTER_MARK}=FILE"
        )
    asked = None if gene is None else _readable(dataset, gene)
    folder = ResultFolder(out or default_folder(label), f"compare {label}")
    position, others = None, {}
    beta_model = _beta_model(chosen)
    if beta_model:
        position = _default_gene(dataset, reporter) if asked is None else asked
        others = _other_cells(dataset, position, data, reporter)
    elif asked is not None:
        reporter.say("no Figure 2c: none of the models that are trained here gives β")
    data_hash = dataset_hash(dataset)
    folder["seed"] = seed
    folder["simulated"] = int(dataset.attrs["simulated"])
    folder["dataset"] = {
        "cell": label,
        "sha256": data_hash,
        "genes": gene_counts(dataset),
        "sources": dataset.attrs["sources"],
    }
    wanted = [other for other, at in others.values() if not reason_of(other, at)]
    fitted = _fit(chosen, dataset, beta_model, wanted, seed, members, device, reporter)
    folder["notes"] = {one.name: one.note for one in chosen if one.note}
    folder["models"] = {key: {**asdict(model.card), "curve": None} for key, model in fitted.items()}

    def explain(method: str, model: TrainedModel | None, **where: Any) -> xr.Dataset:
        return explained(folder, method, model, dataset, data_hash, seed, device, reporter, **where)

    found = {(method, name): explain(method, fitted.get(name)) for method, name in planned}
    table = _table(folder, list(found.values()), dataset, n_bootstrap, seed)
    fresh = _untrained(fitted, seed)
    without = [
        explain(method, fresh[name])
        for method, name in planned
        if name in fresh and method != "class_optimization"
    ]
    agreement = _agreement(
        folder, [*found.values(), *without], dataset, data_hash, n_bootstrap, seed
    )

    write_figure(folder, "methods", f"Agreement with {REFERENCE_TRACK}", table, draw_table3)
    # Curves of models from files may be of other data, which this figure is not about.
    write_curves(folder, [one for one in fitted.values() if one.card.dataset_hash == data_hash])

    def alpha_of(name: str) -> xr.Dataset:
        kept = found.get(("alpha", name))
        return explain("alpha", fitted[name]) if kept is None else kept

    attending = _attending(chosen)
    alphas = map(alpha_of, attending)
    shown = next((alpha for alpha in alphas if "mark" in alpha["weight"].dims), None)
    if shown is None and attending:
        reporter.say(
            "no Figures 2a and 2b: they show an α for each mark, and "
            f"{' and '.join(attending)} attend{'s' if len(attending) == 1 else ''} to the bins of "
            "all marks together"
        )
    if shown is not None:
        profiles = weight_profiles(shown)
        _write_figure2a(folder, profiles)
        _write_figure2b(folder, profiles, coverage_profile(dataset), dataset)
    by_gene = [one for one in found.values() if one["weight"].dims == ("gene", "mark", "bin")]
    write_genes(folder, by_gene[0] if shown is None else shown, dataset)
    if position is not None:
        cells = {label: (dataset, position), **others}
        order = [cell for cell in PAPER_CELLS if cell in cells]
        parts = [
            gene_rows(
                *cells[cell],
                model_name=beta_model,
                seed=seed,
                members=members,
                device=device,
                reporter=reporter,
            )
            for cell in [*(item for item in cells if item not in order), *order]
        ]
        write_figure2c(folder, pd.concat(parts, ignore_index=True))
    _explain_for_page(planned, chosen, fitted, dataset, position, explain)
    write_report(folder, [dataset])
    folder.finish()
    return Comparison(
        folder.path,
        dataset,
        table,
        agreement,
        list(fitted.values()),
        folder.made,
        folder.kept,
    )


def _explain_for_page(
    planned: Sequence[tuple[str, str]],
    chosen: Sequence[Choice],
    fitted: dict[str, TrainedModel],
    dataset: xr.Dataset,
    position: int | None,
    explain: Callable[..., xr.Dataset],
) -> None:
    """Extract what only the page shows: β, and Figure 2c's gene where it is no test gene."""
    with_beta = [("beta", one.name) for one in chosen if "beta" in one.spec.attends]
    for method, name in with_beta:
        explain(method, fitted[name])
    if position is None or dataset["split"].values[position] == "test":
        return
    for method, name in dict.fromkeys([*planned, *with_beta]):
        if name and "gene" in find_method(method).dims:
            file = f"gene/{slug(name)}.{method}.nc"
            explain(method, fitted[name], genes=[position], file=file)


def _fit(
    chosen: Sequence[Choice],
    dataset: xr.Dataset,
    beta_model: str,
    others: Sequence[xr.Dataset],
    seed: int,
    members: int,
    device: str,
    reporter: Reporter,
) -> dict[str, TrainedModel]:
    """Return the models by name, trained where they come from no file.

    Those of Figure 2c's other cell types are put into the cache: they take longest, and side by
    side the last one should be short.
    """
    own = trainings_for(chosen, dataset, seed, members)
    first = [Training(beta_model, other, seed, members=members) for other in others]
    train_missing([*first, *own], device=device, reporter=reporter)
    for one in chosen:
        if one.note:
            reporter.say(one.note)
    return fitted_models(chosen, dataset, seed, members, device, reporter)


def _by_default(method: str, one: Choice) -> bool:
    """Return whether a method runs on a model where none was asked for."""
    own = bool(one.spec.attends or one.spec.own)
    return method in METHODS and not (method == "class_optimization" and own)


def _table(
    folder: ResultFolder,
    attributions: Sequence[xr.Dataset],
    dataset: xr.Dataset,
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Write Table 3 in its three forms."""
    table = table3(attributions, dataset, n_bootstrap=n_bootstrap, seed=seed)
    forms = {
        "table3.csv": to_csv(table),
        "table3.md": table3_markdown(table),
        "table3.tex": table3_latex(table),
    }
    folder.write_texts("table3", forms)
    return table


def _untrained(fitted: dict[str, TrainedModel], seed: int) -> dict[str, TrainedModel]:
    """Return the networks before training: what their explanations show, nobody learned."""
    return {
        name: untrained(model, seed)
        for name, model in fitted.items()
        if not (isinstance(model.module, Fitted) or model.card.members)
    }


def _agreement(
    folder: ResultFolder,
    attributions: Sequence[xr.Dataset],
    dataset: xr.Dataset,
    data_hash: str,
    n_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Measure agreement against the raw signal and chance; write the table and its figure."""
    made_from = [provenance.hash_arrays({"weight": one["weight"].values}) for one in attributions]
    models = [[str(one.attrs[name]) for name in ("model", "variant")] for one in attributions]

    def measured() -> list[pd.DataFrame]:
        return [
            association(
                attributions, dataset, marks=[PROMOTER_MARK], n_bootstrap=n_bootstrap, seed=seed
            )
        ]

    key = [data_hash, made_from, models, n_bootstrap, seed]
    file = "agreement.csv"
    folder.tables("agreement", key, [file], measured)
    table = read_tidy(folder.path / file)
    write_gain(folder, table)
    return table


def _beta_model(chosen: Sequence[Choice]) -> str:
    """Return the model of Figure 2c: AttentiveChrome, or another that is trained here; or none.

    It is trained on each cell type anew, so that a model from a file cannot be it.
    """
    able = [one.name for one in chosen if not one.model and "beta" in one.spec.attends]
    return BETA_MODEL if BETA_MODEL in able else next(iter(able), "")


def _attending(chosen: Sequence[Choice]) -> list[str]:
    """Return the models with an α; AttentiveChrome, whose α Figures 2a and 2b show, first."""
    attending = [one.name for one in chosen if "alpha" in one.spec.attends]
    return sorted(attending, key=lambda name: name != BETA_MODEL)


def _write_figure2a(folder: ResultFolder, profiles: pd.DataFrame) -> None:
    title = "Figure 2a: mean α by mark and predicted state"
    write_figure(folder, "figure2a", title, profiles, draw_figure2a)


def _write_figure2b(
    folder: ResultFolder, profiles: pd.DataFrame, coverage: pd.DataFrame, dataset: xr.Dataset
) -> None:
    weights = profiles[profiles["state"] == "ON"].assign(role="weight", unit="")
    track = coverage.rename(columns={"track": "mark"}).assign(
        role="coverage", unit=str(dataset.attrs.get("coverage_unit", ""))
    )
    for name in ("model", "method"):
        track[name] = ""
    table = pd.concat([track, weights], ignore_index=True)[list(_FIGURE2B)]
    title = "Figure 2b: mean H3K27ac coverage and mean α"
    write_figure(folder, "figure2b", title, table, draw_figure2b)


def _readable(dataset: xr.Dataset, gene: str) -> int:
    """Return a gene's position, refusing one that models cannot read."""
    position = find_gene(dataset, gene)
    reason = reason_of(dataset, position)
    if reason:
        raise ChromvizError(
            f"models cannot read {gene} in {cell_label(dataset.attrs['cell'])} ({reason}); "
            "choose another --gene"
        )
    return position


def _default_gene(dataset: xr.Dataset, reporter: Reporter) -> int:
    """Return PAX5's position, or that of the most expressed test gene where PAX5 will not do."""
    try:
        return _readable(dataset, PAPER_GENE)
    except ChromvizError as error:
        test = np.flatnonzero(dataset["split"].values == "test")
        expression = dataset["expression"].values[test]
        # Without expression values (DeepChrome CSV) the first test gene will do.
        if not len(test):
            raise ChromvizError(
                f"{cell_label(dataset.attrs['cell'])} has no test gene to explain; "
                "prepare it with more genes"
            ) from None
        known = bool(np.isfinite(expression).any())
        best = test[np.nanargmax(expression)] if known else test[0]
        symbol = dataset["symbol"].values[best] or dataset["gene"].values[best]
        which = "test gene with the highest expression" if known else "first test gene"
        reporter.say(f"Figure 2c shows {symbol}, the {which}: {error}")
        return int(best)


def _other_cells(
    dataset: xr.Dataset, position: int, data: Path | None, reporter: Reporter
) -> dict[str, tuple[xr.Dataset, int]]:
    """Return the paper's other cell types that are at hand and have a gene, with its place.

    They are there for Figure 2c alone: one that cannot be read is left out of it, and said.
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
                reporter.say(f"Figure 2c is without {cell_label(cell)}: {error}")
    return found

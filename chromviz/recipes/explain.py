"""Train one model or extract its attributions: the verbs ``train`` and ``extract``, and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Unpack

import xarray as xr

from chromviz.catalog import find_method
from chromviz.data.store import open_cell
from chromviz.errors import ChromvizError
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import Choice, choose_models, fitted_models
from chromviz.recipes.attributions import CellRun, check_settings, file_name
from chromviz.recipes.options import Run, RunOptions, run_options
from chromviz.recipes.outcome import Outcome, finished
from chromviz.results.folder import ResultFolder, default_folder
from chromviz.schema import Summary, find_gene
from chromviz.vocabulary import SPLITS, cell_label


@dataclass(frozen=True, repr=False)
class Explanation(Outcome):
    """The attributions of one model on one cell type.

    Parameters
    ----------
    dataset
        What was explained.
    model
        The model; None if only controls were extracted.
    files
        The file of each method.
    notes
        What a reader must know about them.
    """

    dataset: xr.Dataset
    model: TrainedModel | None
    files: dict[str, Path]
    notes: list[str]

    def summary(self) -> Summary:
        """Return what was explained, in a few lines."""
        rows = (
            ("model", self.model.card.name if self.model else "none: controls"),
            *((method, str(path)) for method, path in self.files.items()),
            *(("note", note) for note in self.notes),
            *self.rows(self.dataset.attrs["simulated"]),
        )
        return Summary(f"Explanation of {cell_label(str(self.dataset.attrs['cell']))}", rows)


def explain(
    cell: str,
    methods: Sequence[str],
    *,
    model: str = "lstm-alpha-beta",
    data: str | Path | None = None,
    out: str | Path | None = None,
    genes: str = "test",
    settings: Mapping[str, Any] | None = None,
    **options: Unpack[RunOptions],
) -> Explanation:
    """Explain one model on one cell type, and write its attributions.

    Results of earlier calls with other methods, settings, genes or seeds stay in the folder.

    Parameters
    ----------
    cell, data
        As for :func:`chromviz.recipes.compare.compare`.
    methods
        Names of methods, at least one.
    model
        An architecture, your own, or a file; trained unless it is a file.
    out
        The result folder; by default ``results/{cell}/extract``.
    genes
        ``train``, ``valid``, ``test``, ``all``, or symbols or ids separated by commas.
    settings
        Settings of the methods; each goes to the methods that have it.
    **options
        ``seed``, ``seeds`` (above 1 for an ensemble), ``device``, ``reporter``.

    Raises
    ------
    ChromvizError
        If a name or setting is unknown, a method cannot explain the model, or a gene has no
        complete signal; before anything is trained.
    """
    run = run_options(options)
    wanted = [find_method(name) for name in dict.fromkeys(methods)]
    if not wanted:
        raise ChromvizError("no method to extract; 'chromviz methods' lists them")
    given = dict(settings or {})
    check_settings(given, wanted)
    dataset = open_cell(cell, data)
    (choice,) = choose_models([model], dataset)
    for method in wanted:
        if refusal := method.refusal(choice.name, choice.spec.gives):
            raise ChromvizError(refusal)
    rows = _rows(dataset, genes)
    label = str(dataset.attrs["cell"])
    folder = ResultFolder(
        Path(out) if out else default_folder(label) / "extract", f"extract {label}"
    )
    work = CellRun(folder, dataset, run)
    controls_only = all(method.is_control for method in wanted)
    fitted = None if controls_only else _fitted(choice, dataset, run)
    work.record({} if fitted is None else {choice.name: fitted})
    if choice.note:
        run.reporter.say(choice.note)
    files, notes = {}, []
    for method in wanted:
        mine = {name: value for name, value in given.items() if name in method.parameters}
        explained = None if method.is_control else fitted
        file = file_name(method, explained, mine, _more(rows, run))
        found = work.explain(method.name, explained, genes=rows, settings=mine, file=file)
        files[method.name] = folder.path / file
        notes += _flagged(method.name, found)
    return Explanation(*finished(folder, keep=True), dataset, fitted, files, notes)


def _fitted(choice: Choice, dataset: xr.Dataset, run: Run) -> TrainedModel:
    return fitted_models([choice], dataset, run.seed, run.seeds, run.device, run.reporter)[
        choice.name
    ]


def _rows(dataset: xr.Dataset, genes: str) -> str | list[int]:
    """Return the genes that a text names: a part of the split, all, or places in the dataset."""
    text = genes.strip()
    if text in (*SPLITS[:3], "all"):
        return text
    return [find_gene(dataset, name) for name in text.split(",") if name.strip()]


def _more(rows: str | Sequence[int], run: Run) -> str:
    """Return what tells an attribution of these genes and seeds apart, in its file's name."""
    parts = []
    if isinstance(rows, str):
        parts += [] if rows == "test" else [f"genes-{rows}"]
    else:
        parts.append(f"genes-{sha256(repr(list(rows)).encode()).hexdigest()[:8]}")
    if run.seed or run.seeds > 1:
        parts.append(f"seed-{run.seed}" + (f"-{run.numbers[-1]}" if run.seeds > 1 else ""))
    return "-".join(parts)


def _flagged(method: str, attribution: xr.Dataset) -> list[str]:
    """Return a note if weights of some genes fail the completeness check."""
    flagged = attribution.attrs.get("flagged_genes")
    if not flagged:
        return []
    return [
        f"{method}: the weights of {flagged} of {attribution.sizes['gene']} genes fail the "
        f"completeness check (error above {100 * attribution.attrs['delta_threshold']:g} %); they "
        "are flagged"
    ]

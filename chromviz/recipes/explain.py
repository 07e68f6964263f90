"""Explaining one model: its attributions as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from chromviz.data.store import open_cell
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.extractors import Method, find_method
from chromviz.extractors.run import extract
from chromviz.models import slug
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import choose_models
from chromviz.models.inference import find_device
from chromviz.models.store import Training, trained
from chromviz.models.training import takes_steps
from chromviz.progress import SILENT, Reporter
from chromviz.provenance import ensure_folder
from chromviz.results.folder import default_folder
from chromviz.schema import Summarised, Summary, find_gene, save_attribution
from chromviz.schema.summary import SIMULATED
from chromviz.vocabulary import cell_label


@dataclass(frozen=True, repr=False)
class Explanation(Summarised):
    """What explaining one model gave.

    Parameters
    ----------
    dataset
        What was explained.
    model
        The model, None where only controls were asked for.
    files
        The attribution of each method.
    notes
        What a reader must know of them.
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
            ("simulated", SIMULATED if self.dataset.attrs["simulated"] else ""),
        )
        return Summary(f"Explanation of {cell_label(str(self.dataset.attrs['cell']))}", rows)


def explain(
    cell: str,
    method_names: Sequence[str],
    *,
    model: str = "lstm-alpha-beta",
    data: Path | None = None,
    out: Path | None = None,
    genes: str = "test",
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    members: int = 1,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> Explanation:
    """Explain one model on one cell type, and write its attributions.

    Parameters
    ----------
    cell, data, seed, members, device, reporter
        As for :func:`chromviz.recipes.compare.compare`.
    method_names
        Methods, at least one.
    model
        An architecture, a user's own or a file, see
        :func:`chromviz.models.choice.choose_models`; trained if it comes from no file.
    out
        Folder of the files, ``{cell}.{model}.{method}.nc``; ``results/{cell}/attributions`` if
        not given.
    genes
        ``train``, ``valid``, ``test``, ``all``, or symbols or ids with commas between them.
    parameters
        Settings of the methods; each goes to those that have it.

    Raises
    ------
    ChromvizError
        If a name is unknown, a method cannot serve the model, or a gene has no complete signal.
    """
    methods = [find_method(name) for name in dict.fromkeys(method_names)]
    if not methods:
        raise ChromvizError("no method to explain with; 'chromviz methods' lists them")
    given = dict(parameters or {})
    _check_settings(given, methods)
    find_device(device)
    dataset = open_cell(cell, data)
    choice = choose_models([model], dataset)[0]
    for method in methods:
        refusal = method.refusal(choice.name, choice.spec.gives)
        if refusal:
            raise ChromvizError(refusal)
    where = genes.strip()
    chosen: str | list[int] = where
    if where not in ("train", "valid", "test", "all"):
        chosen = [find_gene(dataset, name) for name in where.split(",") if name.strip()]
    label = str(dataset.attrs["cell"])
    folder = out or default_folder(label) / "attributions"
    ensure_folder(folder)
    fitted = choice.model
    if fitted is None and not all(method.is_control for method in methods):
        number = members if takes_steps(choice.spec, dataset) else 1
        training = Training(choice.spec, dataset, seed, members=number)
        fitted = trained(training, device=device, reporter=reporter)
    if choice.note:
        reporter.say(choice.note)
    files, notes = {}, []
    for method in methods:
        attribution = extract(
            method.name,
            dataset,
            fitted,
            genes=chosen,
            device=device,
            seed=seed,
            progress=reporter.progress,
            **{key: value for key, value in given.items() if key in method.parameters},
        )
        owner = "control" if method.is_control else slug(choice.name)
        files[method.name] = folder / f"{label}.{owner}.{method.name}.nc"
        save_attribution(attribution, files[method.name])
        if attribution.attrs.get("flagged_genes"):
            notes.append(
                f"{method.name}: the weights of {attribution.attrs['flagged_genes']} of "
                f"{attribution.sizes['gene']} genes do not add up to the difference in logit "
                f"within {100 * attribution.attrs['delta_threshold']:g} %; they are flagged"
            )
    return Explanation(dataset, fitted, files, notes)


def _check_settings(given: Mapping[str, Any], methods: Sequence[Method]) -> None:
    """Refuse a setting that none of the methods has."""
    known = sorted({name for method in methods for name in method.parameters})
    for name in given:
        if name not in known:
            raise UnknownNameError("setting", name, known, "'chromviz methods --json' lists them.")

"""Which methods explain which models, and the attributions in a result folder.

They are in ``attributions/{model}.{method}.nc``. The variant of a model and settings that differ
from the default are part of the name: ``lstm-alpha.untrained.saliency.nc``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from chromviz.catalog import Method, controls, find_method, methods, slug
from chromviz.errors import ChromvizError
from chromviz.extractors.explain import extract
from chromviz.extractors.sanity import untrained
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import Choice
from chromviz.models.classical.base import Fitted
from chromviz.recipes.run import Run
from chromviz.results.folder import ResultFolder, default_folder
from chromviz.schema import dataset_hash, gene_counts, load_attribution, save_attribution
from chromviz.validation.agreement import reference_coverage
from chromviz.vocabulary import PROMOTER_MARK, REFERENCE_TRACK, cell_label

#: The folder of attributions in a result folder.
FOLDER = "attributions"


def plan(
    chosen: Sequence[Choice],
    dataset: xr.Dataset,
    names: Sequence[str] | None,
    by_default: Callable[[str, Choice], bool],
) -> list[tuple[str, str]]:
    """Return pairs of method and model to explain, and all controls with an empty model name.

    `names` are the methods that were asked for; if None, `by_default` decides. A dataset without
    the reference track or the mark compared with it is refused.
    """
    asked = named_methods(
        names,
        chosen,
        lambda method: "bin" in method.dims,
        "gives no weights over bins to compare with the reference track",
    )
    reference_coverage(dataset, REFERENCE_TRACK)
    if PROMOTER_MARK not in dataset["mark"].values:
        raise ChromvizError(
            f"{cell_label(str(dataset.attrs['cell']))} has no signal of {PROMOTER_MARK}, whose "
            f"weights are compared with {REFERENCE_TRACK}; prepare it with --signal "
            f"{PROMOTER_MARK}=FILE"
        )
    found = []
    for one in chosen:
        for method in asked or methods().values():
            wanted = bool(asked) or by_default(method.name, one)
            if wanted and not (method.is_control or method.refusal(one.spec.name, one.spec.gives)):
                found.append((method.name, one.name))
    return found + [(name, "") for name in controls()]


def named_methods(
    names: Sequence[str] | None,
    chosen: Sequence[Choice],
    suits: Callable[[Method], bool],
    reason: str,
) -> list[Method]:
    """Return methods by name; refuse one that does not suit or that can explain no model."""
    asked = [find_method(name) for name in dict.fromkeys(names or ())]
    for method in asked:
        if not suits(method):
            raise ChromvizError(f"the method {method.name!r} {reason}; leave it out of --methods")
        refusals = [method.refusal(one.name, one.spec.gives) for one in chosen]
        if refusals and all(refusals):
            raise ChromvizError(refusals[0])
    return asked


def untrained_controls(fitted: Mapping[str, TrainedModel], seed: int) -> dict[str, TrainedModel]:
    """Return by name the networks before training; ensembles and other models have none."""
    return {
        name: untrained(model, seed)
        for name, model in fitted.items()
        if not (isinstance(model.module, Fitted) or model.card.members)
    }


def open_run(
    command: str, dataset: xr.Dataset, out: str | Path | None, run: Run, below: str = ""
) -> CellRun:
    """Open the result folder of a command on one cell type, by default `below` that of the cell."""
    cell = str(dataset.attrs["cell"])
    place = Path(out) if out else default_folder(cell) / below
    return CellRun(ResultFolder(place, f"{command} {cell}"), dataset, run)


@dataclass(frozen=True)
class CellRun:
    """One cell type, the result folder that its explanations go to, and the options of the run."""

    folder: ResultFolder
    dataset: xr.Dataset
    run: Run

    @cached_property
    def data_hash(self) -> str:
        """Hash of the dataset."""
        return dataset_hash(self.dataset)

    def record(self, models: Mapping[str, TrainedModel], **facts: Any) -> None:
        """Write the dataset, the models and further facts into the manifest."""
        attrs = self.dataset.attrs
        self.folder["seed"] = self.run.seed
        self.folder["simulated"] = int(attrs["simulated"])
        self.folder["dataset"] = {
            "cell": str(attrs["cell"]),
            "sha256": self.data_hash,
            "genes": gene_counts(self.dataset),
            "sources": attrs["sources"],
        }
        self.folder["models"] = cards(models)
        for name, value in facts.items():
            self.folder[name] = value

    def explain(
        self,
        method: str,
        model: TrainedModel | None = None,
        *,
        genes: str | Sequence[int] = "test",
        settings: Mapping[str, Any] | None = None,
        file: str = "",
    ) -> xr.Dataset:
        """Return an attribution from the folder; extract and save it if it is not up to date.

        `genes` is a part of the split, ``all``, or positions. `settings` are those that differ from
        the method's defaults. The file is by default that of :func:`file_name`.
        """
        chosen = find_method(method)
        file = file or file_name(chosen, model, settings or {})
        parameters = {**chosen.parameters, **(settings or {})}
        rows = genes if isinstance(genes, str) else [int(at) for at in genes]
        made_from = {
            "method": method,
            "parameters": parameters,
            "model": [model.card.weights_hash, model.card.name, model.variant] if model else "",
            "dataset": self.data_hash,
            "genes": rows,
            "seed": self.run.seed,
            "device": self.run.device.split(":")[0],
        }

        def make() -> None:
            attribution = extract(
                method,
                self.dataset,
                model,
                genes=rows,
                seed=self.run.seed,
                device=self.run.device,
                progress=self.run.reporter.progress,
                **parameters,
            )
            save_attribution(attribution, self.folder.path / file)

        code = [chosen.run, *([type(model.module)] if model else [])]
        self.folder.once(file.removesuffix(".nc"), made_from, [file], make, code)
        return load_attribution(self.folder.path / file)


def cards(models: Mapping[str, TrainedModel]) -> dict[str, dict[str, Any]]:
    """Return the cards of models as a manifest keeps them: without the learning curve."""
    return {name: {**asdict(model.card), "curve": None} for name, model in models.items()}


def model_key(model: TrainedModel | None) -> str:
    """Return a model's name and variant as they appear in file names; empty for a control."""
    if model is None:
        return ""
    return ".".join(slug(part) for part in (model.card.name, model.variant) if part)


def file_name(
    method: Method, model: TrainedModel | None, settings: Mapping[str, Any], more: str = ""
) -> str:
    """Return the name of an attribution's file, with `more` to tell it apart from others."""
    changed = [
        f"{name}-{value}" for name, value in settings.items() if value != method.parameters[name]
    ]
    owner = model_key(model) or "control"
    parts = [owner, method.name, *(slug(part) for part in (*changed, more) if part)]
    return f"{FOLDER}/{'.'.join(parts)}.nc"

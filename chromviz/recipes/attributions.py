"""Which methods explain which models, and the attributions in a result folder.

There is one layout: ``attributions/{model}.{method}.nc``. What deviates from the default is part of
the name, so that nothing replaces anything else: the variant of a model
(``lstm-alpha.untrained.saliency.nc``) and settings of a method
(``lstm-alpha.integrated_gradients.reference-mean.nc``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import xarray as xr

from chromviz.catalog import Method, find_method, methods, slug
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.extractors.run import extract
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import Choice
from chromviz.recipes.options import Run
from chromviz.results.folder import ResultFolder
from chromviz.schema import dataset_hash, gene_counts, load_attribution, save_attribution

#: The folder of attributions in a result folder.
FOLDER = "attributions"


def plan(
    chosen: Sequence[Choice],
    names: Sequence[str] | None,
    by_default: Callable[[str, Choice], bool],
) -> list[tuple[str, str]]:
    """Return which methods explain which models; the controls come last.

    Parameters
    ----------
    chosen
        The models.
    names
        The methods that were asked for; None for the default ones.
    by_default
        Whether a method explains a model by default.

    Returns
    -------
    list of tuple
        Method and model; the model is empty for a control.

    Raises
    ------
    ChromvizError
        If a method is unknown, gives no weights over bins, or can explain none of the models.
    """
    asked = [find_method(name) for name in dict.fromkeys(names or ())]
    for method in asked:
        if "bin" not in method.dims:
            raise ChromvizError(
                f"the method {method.name!r} gives no weights over bins to compare with the "
                "reference track; leave it out of --methods"
            )
        require_one(method, chosen)
    found = []
    for one in chosen:
        for method in asked or methods().values():
            wanted = bool(asked) or by_default(method.name, one)
            if wanted and not (method.is_control or method.refusal(one.spec.name, one.spec.gives)):
                found.append((method.name, one.name))
    return found + [(name, "") for name, method in methods().items() if method.is_control]


def require_one(method: Method, chosen: Sequence[Choice]) -> None:
    """Refuse a method that can explain none of the models, with the reason for the first."""
    refusals = [method.refusal(one.name, one.spec.gives) for one in chosen]
    if refusals and all(refusals):
        raise ChromvizError(refusals[0])


def check_settings(given: Mapping[str, Any], wanted: Sequence[Method]) -> None:
    """Refuse settings that none of the methods has, or whose type is not that of the default.

    Raises
    ------
    UnknownNameError
        Naming the setting.
    ChromvizError
        If a number is given for a text, or the reverse.
    """
    known = {name: value for method in wanted for name, value in method.parameters.items()}
    for name, value in given.items():
        if name not in known:
            raise UnknownNameError(
                "setting", name, known, "'chromviz methods --json' lists the settings."
            )
        default = known[name]
        if _kind(value) != _kind(default):
            raise ChromvizError(
                f"the setting {name} cannot be {value!r}; its default is {default!r}"
            )


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "truth value"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


@dataclass(frozen=True)
class CellRun:
    """One cell type, the result folder that its explanations go to, and the options of the run.

    Parameters
    ----------
    folder
        The result folder.
    dataset
        The cell type.
    run
        Seed, device and reporter.
    """

    folder: ResultFolder
    dataset: xr.Dataset
    run: Run

    @cached_property
    def data_hash(self) -> str:
        """Hash of the dataset."""
        return dataset_hash(self.dataset)

    def record(self, models: Mapping[str, TrainedModel], **facts: Any) -> None:
        """Write into the manifest what the run is of."""
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

        Parameters
        ----------
        method, model
            As for :func:`chromviz.extractors.run.extract`.
        genes
            A part of the split, ``all``, or positions in the dataset.
        settings
            Settings of the method that differ from its defaults.
        file
            Its file in the folder; by default that of :func:`file_name`.
        """
        chosen = find_method(method)
        file = file or file_name(chosen, model, settings or {})
        parameters = {**chosen.parameters, **(settings or {})}
        made_from: dict[str, Any] = {
            "method": method,
            "parameters": parameters,
            "model": [model.card.weights_hash, model.card.name, model.variant] if model else "",
            "dataset": self.data_hash,
            "genes": genes if isinstance(genes, str) else [int(at) for at in genes],
            "seed": self.run.seed,
            "device": self.run.device.split(":")[0],
        }

        def make() -> None:
            attribution = extract(
                method,
                self.dataset,
                model,
                genes=genes if isinstance(genes, str) else list(genes),
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
    """Return the name of an attribution's file in a result folder.

    Parameters
    ----------
    method, model
        The method, and the model that it explains; None for a control.
    settings
        Settings of the method; those that differ from its defaults are part of the name.
    more
        Anything else that tells it apart from others, for instance the genes.
    """
    owner = model_key(model) or "control"
    changed = [
        f"{name}-{value}" for name, value in settings.items() if value != method.parameters[name]
    ]
    parts = [owner, method.name, *(slug(part) for part in (*changed, more) if part)]
    return f"{FOLDER}/{'.'.join(parts)}.nc"

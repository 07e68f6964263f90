"""Which methods run on which models, and their attributions in a result folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.extractors import find_method, methods
from chromviz.extractors.run import extract
from chromviz.models import slug
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.choice import Choice
from chromviz.progress import Reporter
from chromviz.results.folder import ResultFolder
from chromviz.schema import load_attribution, save_attribution


def plan(
    chosen: Sequence[Choice],
    names: Sequence[str] | None,
    by_default: Callable[[str, Choice], bool],
) -> list[tuple[str, str]]:
    """Return which methods run on which models: those that can serve, then the controls.

    Parameters
    ----------
    chosen
        The models.
    names
        The methods asked for; None for those by default.
    by_default
        Whether a method runs on a model where none was asked for.

    Returns
    -------
    list of tuple
        Method and model, with an empty model for a control.

    Raises
    ------
    ChromvizError
        If a method is unknown, gives no weights over bins, or can serve none of the models.
    """
    asked = [find_method(name) for name in dict.fromkeys(names or ())]
    for method in asked:
        if "bin" not in method.dims:
            raise ChromvizError(
                f"the method {method.name!r} gives no weights over bins, which are compared with "
                "the track; leave it out of --methods"
            )
        refusals = [method.refusal(one.name, one.spec.gives) for one in chosen]
        if all(refusals):
            raise ChromvizError(refusals[0])
    found = []
    for one in chosen:
        for method in asked or methods().values():
            wanted = bool(asked) or by_default(method.name, one)
            if wanted and not (method.is_control or method.refusal(one.spec.name, one.spec.gives)):
                found.append((method.name, one.name))
    return found + [(name, "") for name, method in methods().items() if method.is_control]


def owner_name(model: TrainedModel | None) -> str:
    """Return what stands for a model in the names of files: ``lstm-alpha.untrained``."""
    if model is None:
        return "control"
    variant = f".{slug(model.card.variant)}" if model.card.variant else ""
    return slug(model.card.name) + variant


def explained(
    folder: ResultFolder,
    method: str,
    model: TrainedModel | None,
    dataset: xr.Dataset,
    data_hash: str,
    seed: int,
    device: str,
    reporter: Reporter,
    *,
    genes: Sequence[int] | None = None,
    file: str = "",
) -> xr.Dataset:
    """Return an attribution from the folder, extracting it if need be.

    Parameters
    ----------
    folder
        Where it is kept, as ``attributions/{model}.{method}.nc``, of a variant
        as ``attributions/{model}.{variant}.{method}.nc``.
    method, model, dataset, seed, device
        As for :func:`chromviz.extractors.extract`.
    data_hash, reporter
        The dataset's hash; told how it goes.
    genes
        Positions in the dataset; the test genes if None.
    file
        Another name for it in the folder.
    """
    owner = owner_name(model)
    step = file.removesuffix(".nc") or f"{owner}.{method}"
    file = file or f"attributions/{owner}.{method}.nc"
    made_from: dict[str, Any] = {
        "method": method,
        "parameters": dict(find_method(method).parameters),
        "model": model.card.weights_hash if model else "",
        "dataset": data_hash,
        "seed": seed,
        "device": device.split(":")[0],
    }
    if genes is not None:
        made_from["genes"] = [int(at) for at in genes]

    def make() -> None:
        attribution = extract(
            method,
            dataset,
            model,
            genes="test" if genes is None else list(genes),
            seed=seed,
            device=device,
            progress=reporter.progress,
        )
        save_attribution(attribution, folder.path / file)

    folder.once(step, made_from, [file], make, [find_method(method).run])
    return load_attribution(folder.path / file)

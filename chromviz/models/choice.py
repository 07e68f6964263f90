"""The models that a user chose, however they were given."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from chromviz.catalog import ModelSpec
from chromviz.models import find_model
from chromviz.models.checkpoint import SUFFIXES, TrainedModel, check_input, load_model
from chromviz.models.store import Training, trained
from chromviz.models.training import takes_steps
from chromviz.progress import Reporter
from chromviz.schema import dataset_hash

#: The models of the paper's Table 3.
MODELS = ("lstm-alpha", "lstm-alpha-beta", "deepchrome")


@dataclass(frozen=True)
class Choice:
    """One model of a comparison, with a unique `name`.

    `model` is None if it has to be trained. `note` warns of one trained on other data.
    """

    name: str
    spec: ModelSpec
    model: TrainedModel | None = None
    note: str = ""


def choose_models(given: Any, dataset: xr.Dataset) -> list[Choice]:
    """Return the models that a user named, for use on a dataset.

    `given` is one model or several. Each is what :func:`chromviz.models.find_model` takes, a
    :class:`TrainedModel`, the path of a file that ``train --out`` or ``models import`` wrote (with
    or without suffix), or ``package.module:factory=path`` for a user-defined architecture.
    """
    chosen: list[Choice] = []
    each = list(given) if isinstance(given, (list, tuple)) else [given]
    each = [one.strip() if isinstance(one, str) else one for one in each]
    for place, one in enumerate(each):
        if isinstance(one, str) and one in each[:place]:
            continue
        choice = _choose(one, dataset)
        if choice.model or all(choice.name != other.name or other.model for other in chosen):
            chosen.append(choice)
    return _told_apart(chosen)


def _choose(given: Any, dataset: xr.Dataset) -> Choice:
    """Return one choice, named by its architecture."""
    spec, model = None, None
    if isinstance(given, TrainedModel):
        model = given
    elif isinstance(given, str):
        named, _, path = given.partition("=") if ":" in given.partition("=")[0] else ("", "", given)
        if (named and path) or _is_file(given):
            spec = find_model(named) if named else None
            model = load_model(path, spec)
        given = named or given
    if model is None:
        spec = find_model(given)
        return Choice(spec.name, spec)
    check_input(model.card, dataset)
    name = model.card.name
    spec = spec or find_model(model.module if ":" in name else name.partition("@")[0])
    return Choice(name, spec, model, _note(model, dataset))


def _is_file(text: str) -> bool:
    """Return whether a text is a path, and not a name."""
    return (
        text.endswith(SUFFIXES)
        or os.sep in text
        or (":" not in text and Path(f"{text}.json").is_file())
    )


def _note(model: TrainedModel, dataset: xr.Dataset) -> str:
    """Return what a reader must know of a model that was not trained on this dataset."""
    card, cell = model.card, str(dataset.attrs["cell"])
    if card.dataset_hash == dataset_hash(dataset):
        return ""
    whose = "unknown data" if not card.dataset_hash else "other data"
    if card.cell != cell:
        whose = f"{card.cell}, {whose}"
    return (
        f"{card.name} was trained on {whose}: its training genes may include test genes of {cell}"
    )


def _told_apart(chosen: Sequence[Choice]) -> list[Choice]:
    """Add the cell type to the names of trained models that share a name."""
    count = Counter(one.name for one in chosen)
    found: list[Choice] = []
    for one in chosen:
        name = one.name
        if one.model is not None and count[name] > 1:
            name = f"{name}@{one.model.card.cell}"
            taken = sum(other.name.startswith(name) for other in found)
            name = f"{name}-{taken + 1}" if taken else name
            model = TrainedModel(one.model.module, replace(one.model.card, name=name))
            one = replace(one, name=name, model=model)
        found.append(one)
    return found


def trainings_for(
    chosen: Sequence[Choice], dataset: xr.Dataset, seed: int, members: int
) -> list[Training]:
    """Return one training for each model that comes from no file, of `members` networks."""
    return [
        Training(one.spec, dataset, seed, members=members if takes_steps(one.spec, dataset) else 1)
        for one in chosen
        if not one.model
    ]


def fitted_models(
    chosen: Sequence[Choice],
    dataset: xr.Dataset,
    seed: int,
    members: int,
    device: str,
    reporter: Reporter,
) -> dict[str, TrainedModel]:
    """Return the models by name: from their files, or trained, see :func:`trainings_for`."""
    found = {one.name: one.model for one in chosen if one.model}
    for one in trainings_for(chosen, dataset, seed, members):
        found[one.spec.name] = trained(one, device=device, reporter=reporter)
    return {one.name: found[one.name] for one in chosen}

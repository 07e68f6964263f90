"""Models as users name them: by architecture, by their own module, or by a file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import xarray as xr

from chromviz.errors import ChromvizError
from chromviz.models import ModelSpec, find_model
from chromviz.models.checkpoint import TrainedModel, check_input, load_model
from chromviz.models.store import Training, trained
from chromviz.models.training import takes_steps
from chromviz.progress import Reporter
from chromviz.schema import dataset_hash

_SUFFIXES = (".safetensors", ".json")


#: The models of the paper's Table 3.
MODELS = ("lstm-alpha", "lstm-alpha-beta", "deepchrome")


@dataclass(frozen=True)
class Choice:
    """One model of a comparison.

    Parameters
    ----------
    name
        How its results are named; no two of a comparison are named alike.
    spec
        Its architecture.
    model
        The trained model, where a file was named; None where it is yet to be trained.
    note
        What a reader must know of a model from a file, empty if nothing.
    """

    name: str
    spec: ModelSpec
    model: TrainedModel | None = None
    note: str = ""


def choose_models(texts: Sequence[str], dataset: xr.Dataset) -> list[Choice]:
    """Return the models that a user named.

    Parameters
    ----------
    texts
        Each is the name of an architecture (``lstm-alpha``), a user's own
        (``package.module:factory``), the path of a model that ``train --out`` or ``models import``
        wrote (with or without suffix), or ``package.module:factory=path`` for such a file of a
        user's own architecture.
    dataset
        What they will be used on.

    Raises
    ------
    ChromvizError
        If a name is unknown, a file is missing or damaged, or its model cannot read the dataset.
    """
    chosen: list[Choice] = []
    for text in dict.fromkeys(text.strip() for text in texts):
        named, _, path = text.partition("=") if ":" in text.partition("=")[0] else ("", "", text)
        if (named and path) or _is_file(text):
            chosen.append(_from_file(path, find_model(named) if named else None, dataset))
        else:
            spec = find_model(named or text)
            if all(spec.name != one.name or one.model for one in chosen):
                chosen.append(Choice(spec.name, spec))
    return _told_apart(chosen)


def _is_file(text: str) -> bool:
    """Return whether a text is a path, not a name."""
    return (
        text.endswith(_SUFFIXES)
        or os.sep in text
        or (":" not in text and Path(f"{text}.json").is_file())
    )


def _from_file(path: str, spec: ModelSpec | None, dataset: xr.Dataset) -> Choice:
    suffix = next((item for item in _SUFFIXES if path.endswith(item)), "")
    stem = Path(path.removesuffix(suffix))
    if not Path(f"{stem}.json").is_file():
        raise ChromvizError(
            f"there is no model {stem}.json; 'chromviz train --out' and 'chromviz models import' "
            "write models"
        )
    model = load_model(stem, spec)
    check_input(model.card, dataset)
    return Choice(
        model.card.name, spec or find_model(model.card.name), model, _note(model, dataset)
    )


def _note(model: TrainedModel, dataset: xr.Dataset) -> str:
    """Return what a reader must know of a model that was not trained on this dataset."""
    card, cell = model.card, str(dataset.attrs["cell"])
    if card.dataset_hash == dataset_hash(dataset):
        return ""
    whose = "data that is not known" if not card.dataset_hash else "other data"
    if card.cell != cell:
        whose = f"{card.cell}, {whose}"
    return (
        f"{card.name} was trained on {whose}: it may have been trained on genes that are test "
        f"genes of {cell} here"
    )


def _told_apart(chosen: Sequence[Choice]) -> list[Choice]:
    """Name models from files that share a name after their cell type as well."""
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
    """Return the trainings that are needed: one for each model that comes from no file.

    Parameters
    ----------
    chosen, dataset
        The models, and the dataset to train them on.
    seed, members
        The first seed, and the number of networks in an ensemble. A model whose result does not
        depend on a seed is trained once.
    """
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

"""Train, load and list models: the verbs of the public API."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import xarray as xr

from chromviz.catalog import ModelSpec
from chromviz.data.cells import dataset_of
from chromviz.errors import ChromvizError
from chromviz.models import find_model
from chromviz.models.checkpoint import TrainedModel, stem_of
from chromviz.models.checkpoint import load_model as load
from chromviz.models.store import Training, trained
from chromviz.models.training import takes_steps
from chromviz.progress import SILENT, Reporter
from chromviz.settings import Settings

#: Options of training by the name that a user writes, with the field of the settings.
OPTIONS = {
    {"max_epochs": "epochs"}.get(field.name, field.name): field.name for field in fields(Settings)
}


def train(
    model: Any,
    data: xr.Dataset | str,
    *,
    seed: int = 0,
    members: int = 1,
    preset: str = "fast",
    device: str = "cpu",
    reporter: Reporter = SILENT,
    **options: Any,
) -> TrainedModel:
    """Train a model on the training genes of a dataset.

    Source: training as in Singh et al., "Attend and Predict", NeurIPS 2017, section 5, and the
    released code (preset ``"paper"``).

    A model that was trained before with the same code, data, settings and seed is taken from the
    store of trained models (``$CHROMVIZ_CACHE``, or the user's cache folder).

    Parameters
    ----------
    model
        The name of a model, see :func:`chromviz.list_models`; ``package.module:factory`` for one
        of your own, whose code then runs; or a class or an instance of ``torch.nn.Module`` that
        maps signal (batch, mark, bin) to one logit per gene (batch,). A class is called with the
        numbers of marks and bins. Training changes a copy of an instance. Models whose code
        cannot be identified (an instance, a class of a notebook) are trained on each call.
    data
        A dataset, or the name of an embedded cell type.
    seed
        Random seed: initial weights, order of the genes, dropout.
    members
        Number of networks in an ensemble, with seeds from `seed` on.
    preset
        ``"fast"`` or ``"paper"``, the published settings.
    device
        Where to train: ``"cpu"`` or ``"cuda"``.
    reporter
        Receives the progress.
    **options
        Single settings that replace those of the preset: ``epochs`` (the maximum), ``patience``,
        ``learning_rate``, ``batch_size``, ``optimizer``, ``class_weight``, ``loss_slack``,
        ``clip_norm``, see :class:`chromviz.settings.Settings`.

    Returns
    -------
    TrainedModel
        With ``predict(data)``, and its ``card``: metrics, learning curve, hashes.

    Raises
    ------
    ChromvizError
        If the model, an option or the preset is unknown, a value is out of range, or the data
        cannot be trained on.

    Examples
    --------
    >>> from chromviz.data.cells import open_cell
    >>> data = open_cell("K562").isel(gene=slice(0, 300))
    >>> model = train("lstm-alpha-beta", data, seed=0, epochs=1)
    >>> model.card.name, model.card.seed
    ('lstm-alpha-beta', 0)
    >>> bool(model.predict(data).between(0, 1).all())
    True
    """
    if isinstance(model, TrainedModel):
        raise ChromvizError(
            f"{model.card.name} is trained already; give train a model's name, class or module"
        )
    dataset = dataset_of(data)
    spec = find_model(model)
    settings = settings_for(spec, dataset, preset=preset, members=members, options=options)
    return trained(
        Training(spec, dataset, seed, settings, members), device=device, reporter=reporter
    )


def load_model(path: str | Path, model: Any = None) -> TrainedModel:
    """Read a trained model from its two files.

    Parameters
    ----------
    path
        The ``.safetensors`` or the ``.json`` file, or their path without suffix.
    model
        The architecture, as for :func:`train`; only needed for one of your own, because no code
        is imported that a file names.

    Returns
    -------
    TrainedModel
        The model, on the CPU in evaluation mode.

    Raises
    ------
    ChromvizError
        If a file is missing or damaged, or weights and card do not belong together.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from chromviz.data.cells import open_cell
    >>> from chromviz.models.checkpoint import save_model
    >>> model = train("cnn-attn", open_cell("K562").isel(gene=slice(0, 300)), epochs=1)
    >>> with TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "mine")
    ...     again = load_model(f"{folder}/mine.safetensors")
    >>> again.card == model.card
    True
    """
    return load(stem_of(path), None if model is None else find_model(model))


def settings_for(
    spec: ModelSpec,
    dataset: xr.Dataset,
    *,
    preset: str = "fast",
    members: int = 1,
    options: dict[str, Any] | None = None,
) -> Settings:
    """Return the training settings of a preset with single `options` replaced (:data:`OPTIONS`).

    An option that is unknown or out of range is an error, and any for a model fitted in one go.
    """
    options = options or {}
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ChromvizError(
            f"training has no option {unknown[0]!r}; its options are {', '.join(OPTIONS)}"
        )
    if (options or preset != "fast" or members > 1) and not takes_steps(spec, dataset):
        raise ChromvizError(
            f"{spec.name} is not trained by gradient steps: of the options of training it takes "
            "the seed only, no preset and no ensemble"
        )
    given = {OPTIONS[name]: value for name, value in options.items()}
    return replace(spec.settings(preset), **given)

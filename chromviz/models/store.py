"""The store of trained models: each is trained once and kept under all that decides its result."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import joblib
import platformdirs
import xarray as xr
from joblib.externals.loky import get_reusable_executor

from chromviz import provenance
from chromviz.catalog import ModelSpec
from chromviz.data.cells import dataset_of
from chromviz.errors import ChromvizError
from chromviz.models import find_model
from chromviz.models.checkpoint import TrainedModel, load_model, save_model
from chromviz.models.training import combine, fit, takes_steps, train_once
from chromviz.progress import SILENT, Reporter
from chromviz.results.validity import key
from chromviz.schema import dataset_hash
from chromviz.settings import Settings, is_whole

#: Environment variable that moves the store.
CACHE_VARIABLE = "CHROMVIZ_CACHE"

#: Options of training by the name that a user writes, with the field of the settings.
OPTIONS = {
    {"max_epochs": "epochs"}.get(field.name, field.name): field.name
    for field in fields(Settings)
    if field.name != "preset"
}


@dataclass(frozen=True)
class Training:
    """A training to run; `settings` None means those of the architecture.

    `model` is as for `find_model`. An ensemble has `members` networks, with seeds from `seed` on.
    """

    model: Any
    dataset: xr.Dataset
    seed: int = 0
    settings: Settings | None = None
    members: int = 1

    @property
    def spec(self) -> ModelSpec:
        """The architecture."""
        return find_model(self.model)

    def single(self) -> list[Training]:
        """Return the trainings of the members, each with the name and settings spelled out."""
        spec = self.spec
        if not is_whole(self.members) or self.members < 1:
            raise ChromvizError(f"an ensemble needs at least 1 seed, not {self.members!r}")
        if not is_whole(self.seed) or self.seed < 0:
            raise ChromvizError(f"a seed is a whole number from 0 on, not {self.seed!r}")
        if self.seed + self.members > 2**32:
            raise ChromvizError(
                f"the seeds of {spec.name} would exceed {2**32 - 1}; start with a lower seed"
            )
        settings = self.settings or spec.settings()
        return [
            Training(spec, self.dataset, seed, settings)
            for seed in range(self.seed, self.seed + self.members)
        ]


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
    released code (preset ``"published"``).

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
        ``"fast"`` or ``"published"``.
    device
        Where to train: ``"cpu"`` or ``"cuda"``.
    reporter
        Receives the progress.
    **options
        Single settings that replace those of the preset: ``epochs`` (the maximum), ``patience``,
        ``learning_rate``, ``batch_size``, ``optimizer``, ``class_weight``, ``loss_slack``,
        ``clip_norm``, ``input`` (how the network reads the signal), see
        :class:`chromviz.settings.Settings`.

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
    >>> import chromviz as cv
    >>> data = cv.open_cell("K562").isel(gene=slice(0, 300))
    >>> model = cv.train("lstm-alpha-beta", data, seed=0, epochs=1)
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


def settings_for(
    spec: ModelSpec,
    dataset: xr.Dataset,
    *,
    preset: str = "fast",
    members: int = 1,
    options: dict[str, Any] | None = None,
) -> Settings:
    """Return the training settings of a preset with single `options` replaced (:data:`OPTIONS`)."""
    options = options or {}
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ChromvizError(
            f"training has no option {unknown[0]!r}; its options are {', '.join(OPTIONS)}"
        )
    if (options or preset != "fast" or members > 1) and not takes_steps(spec, dataset):
        raise ChromvizError(
            f"{spec.name} is not trained by gradient steps: its only option of training is the "
            "seed; leave out the preset, the ensemble and other options"
        )
    given = {OPTIONS[name]: value for name, value in options.items()}
    if given.get("input") is not None and spec.input is None:
        raise ChromvizError(
            f"{spec.name} reads the signal in its own way; leave out the choice of input"
        )
    return replace(spec.settings(preset), **given)


def cache_folder() -> Path:
    """Return the folder of the store: below ``$CHROMVIZ_CACHE``, or in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (Path(chosen) if chosen else platformdirs.user_cache_path("chromviz")) / "models"


def training_key(
    model: Any,
    data_hash: str,
    settings: dict[str, float | int | str | None],
    seed: int,
    device: str = "cpu",
) -> str:
    """Return a hash of everything that determines the result of a training, including its code.

    Versions of libraries do not count (the card records them), and all GPUs count as one device.
    """
    spec = find_model(model)
    inputs = [spec.name, data_hash, settings, seed, device.split(":")[0], spec.version]
    # The version of a user's own model is a hash of its code as it was when it was imported.
    return key(inputs, fit, *([] if ":" in spec.name else [spec.factory]))[:16]


def kept_at(training: Training, device: str = "cpu") -> Path | None:
    """Return the path, without suffix, of a model in the store; of an ensemble, its first member.

    None for a model that is not stored, because its code cannot be identified.
    """
    one = training.single()[0]
    spec, settings = one.spec, one.settings or Settings()
    if not spec.is_identified:
        return None
    name = training_key(spec, dataset_hash(one.dataset), asdict(settings), one.seed, device)
    return cache_folder() / f"{one.dataset.attrs['cell']}.{spec.slug}.seed{one.seed}.{name}"


def trained(
    training: Training, *, device: str = "cpu", reporter: Reporter = SILENT
) -> TrainedModel:
    """Return a trained model from the store; train it and store it if it is not there.

    The members of an ensemble are stored one by one and joined on each call. A damaged stored model
    is an error; it is not replaced silently.
    """
    single = training.single()
    if len(single) > 1:
        train_missing(single, device=device, reporter=reporter)
        members = [trained(one, device=device) for one in single]
        return combine(members, training.dataset, device)
    return _trained(single[0], device, reporter)


def _trained(training: Training, device: str, reporter: Reporter) -> TrainedModel:
    """Do as :func:`trained` for one network."""
    spec, settings = training.spec, training.settings or Settings()
    stem = kept_at(training, device)
    if stem and _is_kept(stem):
        return load_model(stem, spec)
    if stem:
        provenance.ensure_folder(stem.parent, f"set {CACHE_VARIABLE} to another")
    what = f"training {spec.name} on {training.dataset.attrs['cell']}"

    def on_epoch(row: dict[str, float]) -> None:
        detail = f"loss {row['train_loss']:.3f}, validation AUC {row['valid_auc']:.3f}"
        reporter.progress(what, int(row["epoch"]), settings.max_epochs, detail)

    how: dict[str, Any] = {"settings": settings, "seed": training.seed, "device": device}
    model = train_once(spec, training.dataset, **how, on_epoch=on_epoch)
    reporter.progress(what, settings.max_epochs, settings.max_epochs, "stopped")
    if stem:
        save_model(model, stem)
    reporter.say(model.line())
    return model


def train_missing(
    trainings: Sequence[Training], *, device: str = "cpu", reporter: Reporter = SILENT
) -> None:
    """Train the models that the store does not hold yet, on a CPU one per core, in processes.

    Those that take longest should come first.
    """
    missing = {
        stem: one
        for training in trainings
        for one in training.single()
        if (stem := kept_at(one, device)) and not _is_kept(stem)
    }
    workers = min(len(missing), joblib.cpu_count()) if device == "cpu" else 1
    if workers < 2:
        for training in missing.values():
            _trained(training, device, reporter)
        return
    with tempfile.TemporaryDirectory() as folder:
        news, done = Path(folder) / "news", Event()
        news.touch()
        listener = Thread(target=_relay, args=(news, done, reporter), daemon=True)
        listener.start()
        try:
            with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
                joblib.Parallel(batch_size=1)(
                    # By name: a user's own code is imported again in the worker.
                    joblib.delayed(_train_elsewhere)(replace(one, model=one.spec.name), news)
                    for one in missing.values()
                )
        finally:
            done.set()
            listener.join()
            # Idle workers would keep their memory while the rest of the work needs it.
            get_reusable_executor().shutdown(wait=True)


def _is_kept(stem: Path) -> bool:
    """Return whether the store holds a model; the card is written last."""
    return Path(f"{stem}.json").is_file()


def _train_elsewhere(training: Training, news: Path) -> None:
    """Train in a worker process, which stores the model and reports by appending lines to a file.

    This needs no third process that could outlive an interruption.
    """

    def tell(*item: str | int) -> None:
        with news.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(item) + "\n")

    def progress(what: str, done: int, total: int, detail: str = "") -> None:
        tell("progress", what, done, total, detail)

    _trained(training, "cpu", Reporter(progress, lambda line: tell("say", line)))


def _relay(news: Path, done: Event, reporter: Reporter) -> None:
    """Pass on what workers report, until they are done."""
    with news.open(encoding="utf-8") as handle:
        while True:
            last = done.wait(timeout=0.2)
            for line in handle.readlines():
                kind, *arguments = json.loads(line)
                (reporter.progress if kind == "progress" else reporter.say)(*arguments)
            if last:
                return

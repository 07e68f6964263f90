"""Trained models, kept by what decides their result and trained only when there is none."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event, Thread

import joblib
import platformdirs
import xarray as xr
from joblib.externals.loky import get_reusable_executor

from chromviz import provenance
from chromviz.data.archives.fetch import fetch
from chromviz.data.names import cell_name
from chromviz.errors import ChromvizError
from chromviz.models import ModelSpec, find_model
from chromviz.models.checkpoint import TrainedModel, load_model, save_model, training_key
from chromviz.models.foreign import import_attentivechrome
from chromviz.models.training import Settings, combine, train
from chromviz.progress import SILENT, Reporter
from chromviz.schema import dataset_hash

#: Environment variable that moves the cache.
CACHE_VARIABLE = "CHROMVIZ_CACHE"


def cache_folder() -> Path:
    """Return where trained models are kept: ``$CHROMVIZ_CACHE``, or the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return (Path(chosen) if chosen else platformdirs.user_cache_path("chromviz")) / "models"


def trained(
    name: str,
    dataset: xr.Dataset,
    *,
    settings: Settings | None = None,
    seed: int = 0,
    members: int = 1,
    device: str = "cpu",
    reporter: Reporter = SILENT,
) -> tuple[TrainedModel, Path]:
    """Return a trained model from the cache, training and keeping it if it is not there.

    A kept model is used again only for the same architecture, data (by content), settings and
    seed. The members of an ensemble are kept as the models that they are, and joined anew.

    Parameters
    ----------
    name
        The architecture.
    dataset
        What to train on.
    settings, seed, device
        As for :func:`chromviz.models.training.train`.
    members
        More than 1 for an ensemble: so many models, of this seed and the following ones.
    reporter
        Told of epochs, and of what was trained or found.

    Returns
    -------
    model : TrainedModel
        The model.
    stem : Path
        Where it is kept, without suffix; of an ensemble, its first member.

    Raises
    ------
    ChromvizError
        If the kept model is damaged (it is not replaced in silence) or training fails.
    """
    spec = find_model(name)
    settings = settings or spec.settings()
    seeds = _member_seeds(spec, seed, members)
    if members > 1:
        jobs = [Job(spec.name, dataset, one, settings) for one in seeds]
        train_missing(jobs, device=device, reporter=reporter)
        found = [
            trained(spec.name, dataset, settings=settings, seed=job.seed, device=device)
            for job in jobs
        ]
        return combine([model for model, _ in found], dataset, device), found[0][1]
    stem = _stem(spec.name, dataset, settings, seed, device)
    if Path(f"{stem}.json").is_file():
        return load_model(stem, spec), stem
    provenance.ensure_folder(stem.parent, f"set {CACHE_VARIABLE} to another")
    what = f"training {spec.name} on {dataset.attrs['cell']}"

    def on_epoch(row: dict[str, float]) -> None:
        detail = f"loss {row['train_loss']:.3f}, validation AUC {row['valid_auc']:.3f}"
        reporter.progress(what, int(row["epoch"]), settings.max_epochs, detail)

    model = train(
        spec.name, dataset, settings=settings, seed=seed, device=device, on_epoch=on_epoch
    )
    reporter.progress(what, settings.max_epochs, settings.max_epochs, "stopped")
    save_model(model, stem)
    reporter.say(describe(model))
    return model, stem


@dataclass(frozen=True)
class Job:
    """A model that is wanted: what :func:`trained` takes.

    Parameters
    ----------
    name
        The architecture.
    dataset
        What to train on.
    seed
        The seed of its training.
    settings
        How to train it; None for the architecture's own settings.
    members
        More than 1 for an ensemble.
    """

    name: str
    dataset: xr.Dataset
    seed: int = 0
    settings: Settings | None = None
    members: int = 1


def train_missing(jobs: Sequence[Job], *, device: str = "cpu", reporter: Reporter = SILENT) -> None:
    """Train the models that are not in the cache yet, several at a time on a CPU.

    A network this small gains little from a second core, and loses much when that core is busy
    elsewhere; so each model gets one, in a process of its own.

    Parameters
    ----------
    jobs
        What is wanted; those that take longest should come first.
    device, reporter
        As for :func:`trained`.

    Raises
    ------
    ChromvizError
        If training fails.
    """
    missing = {}
    for job in jobs:
        spec = find_model(job.name)
        settings = job.settings or spec.settings()
        for seed in _member_seeds(spec, job.seed, job.members):
            stem = _stem(spec.name, job.dataset, settings, seed, device)
            if not Path(f"{stem}.json").is_file():
                missing[stem] = replace(job, seed=seed, members=1)
    workers = min(len(missing), joblib.cpu_count()) if device == "cpu" else 1
    if workers < 2:
        for job in missing.values():
            _train(job, device, reporter)
        return
    with tempfile.TemporaryDirectory() as folder:
        news, done = Path(folder) / "news", Event()
        news.touch()
        listener = Thread(target=_relay, args=(news, done, reporter), daemon=True)
        listener.start()
        try:
            with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
                joblib.Parallel(batch_size=1)(
                    joblib.delayed(_train_elsewhere)(job, news) for job in missing.values()
                )
        finally:
            done.set()
            listener.join()
            # Idle workers would keep their memory while the rest of the work needs it.
            get_reusable_executor().shutdown(wait=True)


def _member_seeds(spec: ModelSpec, seed: int, members: int) -> range:
    """Return the seeds of an ensemble's members."""
    if members < 1:
        raise ChromvizError(f"an ensemble needs at least 1 seed, not {members}")
    if seed + members > 2**32:
        raise ChromvizError(f"the seeds of {spec.name} end at {2**32 - 1}; begin with a lower one")
    return range(seed, seed + members)


def _train(job: Job, device: str, reporter: Reporter) -> None:
    trained(
        job.name,
        job.dataset,
        settings=job.settings,
        seed=job.seed,
        device=device,
        reporter=reporter,
    )


def _train_elsewhere(job: Job, news: Path) -> None:
    """Train in a worker process, which puts the model in the cache itself.

    It reports by appending lines to a file: that needs no third process to outlive an
    interruption, and a line this short is written whole.
    """

    def tell(*item: str | int) -> None:
        with news.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(item) + "\n")

    def progress(what: str, done: int, total: int, detail: str = "") -> None:
        tell("progress", what, done, total, detail)

    _train(job, "cpu", Reporter(progress, lambda line: tell("say", line)))


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


def _stem(name: str, dataset: xr.Dataset, settings: Settings, seed: int, device: str) -> Path:
    """Return where a model is kept, without suffix: its name says what, its hash from what."""
    key = training_key(name, dataset_hash(dataset), asdict(settings), seed, device)
    return cache_folder() / f"{dataset.attrs['cell']}.{find_model(name).slug}.seed{seed}.{key}"


def describe(model: TrainedModel) -> str:
    """Return one line about a trained model for people."""
    metrics = model.card.metrics
    if "source_file" in model.card.stamp:
        return (
            f"{model.card.name} for {model.card.cell}: trained elsewhere, from "
            f"{model.card.stamp['source_file']}; its AUC is not known"
        )
    test = metrics["test_auc"]
    epochs, members = metrics["epochs"], len(model.card.members)
    how = "fitted" if epochs is None else f"{epochs:.0f} epochs"
    how = f"an ensemble of {members}, trained" if members else how
    return (
        f"{model.card.name} on {model.card.cell}: {how} in "
        f"{metrics['seconds']:.0f} s, validation AUC {metrics['valid_auc']:.3f}, "
        f"test AUC {'undefined' if test is None else format(test, '.3f')}"
    )


def import_released(
    cell: str,
    file: Path | None,
    folder: Path,
    *,
    base_url: str | None = None,
    reporter: Reporter = SILENT,
) -> TrainedModel:
    """Import a released AttentiveChrome, from a file or from the archive.

    Parameters
    ----------
    cell
        EID or common name of what it was trained on.
    file
        The checkpoint; None to fetch the cell type's.
    folder
        Where a fetched checkpoint goes, below ``raw``.
    base_url, reporter
        As for :func:`chromviz.data.archives.fetch.fetch`.

    Raises
    ------
    ChromvizError
        If there are none for the cell type, or the file is no such checkpoint.
    """
    name = cell_name(cell)
    if file is None:
        found = fetch([name], ["weights"], folder, base_url=base_url, reporter=reporter)
        file = found.find("weights", name)[0].path
    return import_attentivechrome(file, cell=name)

"""Training: stops early, keeps the best weights, and gives the same from the same seed."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from sklearn.metrics import roc_auc_score
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import Callback, EpochScoring, GradientNormClipping
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from chromviz import provenance
from chromviz.errors import ChromvizError
from chromviz.models import find_model
from chromviz.models.checkpoint import Card, TrainedModel, weights_hash
from chromviz.models.inference import BATCH_SIZE, find_device, logits
from chromviz.schema import dataset_hash, usable

#: Called after each epoch with the epoch's record (epoch, train_loss, valid_loss, valid_auc).
OnEpoch = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    Parameters
    ----------
    learning_rate
        Adam's step size.
    batch_size
        Genes a step; None takes a 20th of the training genes, but between 16 and 64, so that
        small data still gets several steps an epoch.
    max_epochs
        At most so many passes over the training genes.
    patience
        Stop after so many epochs without a better validation AUC or a lower validation loss.
    loss_slack
        An epoch's weights may be kept if its validation loss is at most so much above the
        lowest, as a share of it.
    clip_norm
        Longest gradient; longer ones are scaled down to it (the released code's 1).
    """

    learning_rate: float = 1e-3
    batch_size: int | None = None
    max_epochs: int = 20
    patience: int = 5
    loss_slack: float = 0.05
    clip_norm: float = 1.0

    def batch_for(self, n_train: int) -> int:
        """Return the batch size for so many training genes."""
        return self.batch_size or int(np.clip(n_train // 20, 16, 64))


def train(
    name: str,
    dataset: xr.Dataset,
    *,
    settings: Settings | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: OnEpoch | None = None,
) -> TrainedModel:
    """Train an architecture on a dataset's training genes.

    The loss is the binary cross-entropy of the logit. After each epoch the AUC and the loss over
    the validation genes are taken. Training stops when neither has improved for some epochs, and
    the weights of the epoch with the best AUC are kept, among those whose loss is within
    `loss_slack` of the lowest. An epoch's AUC does not say on which side of 0.5 its probabilities
    lie, and explanations of genes *predicted* ON need that: after few steps a network may rank
    genes well while it calls none of them ON. Nothing of the global random state changes.

    Parameters
    ----------
    name
        The architecture's name, as in :func:`chromviz.models.models`.
    dataset
        A dataset with genes in ``train`` and ``valid``.
    settings
        Defaults to the architecture's own.
    seed
        Draws the initial weights, the order of the genes and dropout.
    device
        Where to train.
    on_epoch
        Called after each epoch with its record.

    Returns
    -------
    TrainedModel
        The module, on CPU in evaluation mode, with its card.

    Raises
    ------
    ChromvizError
        If a split lacks genes of either state, or training diverges.
    """
    spec = find_model(name)
    settings = settings or spec.settings()
    target = find_device(device)
    parts = {part: _part(dataset, part) for part in ("train", "valid", "test")}
    for part in ("train", "valid"):
        states = set(parts[part][1])
        if states != {0.0, 1.0}:
            raise ChromvizError(
                f"cannot train on {dataset.attrs['cell']}: its {part} genes "
                f"({len(parts[part][1])}) must include both ON and OFF ones; "
                "prepare it with more genes"
            )
    signal, label = parts["train"]
    started = time.perf_counter()
    keeper = _KeepBest(settings.patience, settings.loss_slack)
    devices = [target] if target.type == "cuda" else []
    with _one_thread(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        module = spec.build(dataset.sizes["mark"], dataset.sizes["bin"])
        fit_transform = getattr(getattr(module, "transform", None), "fit", None)
        if fit_transform is not None:
            fit_transform(signal)
        net = NeuralNetBinaryClassifier(
            module,
            criterion=nn.BCEWithLogitsLoss,
            optimizer=torch.optim.Adam,
            lr=settings.learning_rate,
            max_epochs=settings.max_epochs,
            batch_size=settings.batch_for(len(signal)),
            iterator_train=_Batches,
            iterator_train__shuffle=True,
            iterator_train__seed=seed,
            iterator_valid=_Batches,
            iterator_valid__batch_size=BATCH_SIZE,
            train_split=predefined_split(Dataset(*parts["valid"])),
            device=str(target),
            verbose=0,
            callbacks__train_acc=None,
            callbacks__valid_acc=None,
            callbacks__print_log=None,
            callbacks=[
                ("auc", EpochScoring(_auc, lower_is_better=False, name="valid_auc")),
                ("clip", GradientNormClipping(settings.clip_norm)),
                ("report", _Report(on_epoch)),
                ("keep", keeper),
            ],
        )
        net.fit(signal, label)
    if not keeper.stopped and keeper.epochs < settings.max_epochs:
        # skorch takes Ctrl-C for a wish to stop early; a model half-trained must not be kept.
        raise KeyboardInterrupt
    best = net.module_
    best.load_state_dict(keeper.weights())
    best = best.cpu().eval()
    curve = [
        {name: float(row[name]) for name in ("epoch", "train_loss", "valid_loss", "valid_auc")}
        for row in net.history
    ]
    metrics = {
        "valid_auc": curve[keeper.best]["valid_auc"],
        "valid_loss": curve[keeper.best]["valid_loss"],
        "best_epoch": keeper.best + 1.0,
        "test_auc": _auc_of(best, *parts["test"], device=device),
        "epochs": float(len(curve)),
        "seconds": round(time.perf_counter() - started, 2),
    }
    card = Card(
        name=spec.name,
        n_bins=dataset.sizes["bin"],
        bin_width=int(dataset.attrs["bin_width"]),
        marks=tuple(str(mark) for mark in dataset["mark"].values),
        cell=str(dataset.attrs["cell"]),
        signal_unit=str(dataset.attrs["signal_unit"]),
        simulated=int(dataset.attrs["simulated"]),
        dataset_hash=dataset_hash(dataset),
        settings=asdict(settings),
        seed=seed,
        device=str(target),
        genes={part: len(labels) for part, (_, labels) in parts.items()},
        metrics=metrics,
        curve=curve,
        weights_hash=weights_hash(best),
        stamp=provenance.stamp(seed),
    )
    return TrainedModel(best, card)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: sums then round the same on every machine, and a seed decides all.

    These networks are too small for more to pay; models that train at the same time do it in
    processes of their own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _part(dataset: xr.Dataset, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return signal float32 (gene, mark, bin) and label float32 (gene,) of a split."""
    rows = np.flatnonzero((dataset["split"].values == part) & usable(dataset))
    return dataset["signal"].values[rows], dataset["label"].values[rows].astype(np.float32)


def _auc_of(module: nn.Module, signal: np.ndarray, label: np.ndarray, device: str) -> float | None:
    """Return the AUC, None where there are not genes of both states."""
    if len(set(label)) < 2:
        return None
    return float(roc_auc_score(label, logits(module, signal, device=device)))


def _auc(net: NeuralNetBinaryClassifier, data: Any, label: Any) -> float:
    """Score an epoch; predictions come from skorch's validation pass, not a second one."""
    scores = net.predict_proba(data)[:, 1]
    if not np.isfinite(scores).all():
        raise ChromvizError(
            "training diverged: the model's outputs are no longer finite; "
            "lower the learning rate or look at the signal's largest values"
        )
    return float(roc_auc_score(np.asarray(label), scores))


class _Batches:
    """Batches cut from whole arrays; torch's loader would collate them gene by gene."""

    def __init__(
        self, dataset: Any, batch_size: int, *, shuffle: bool = False, seed: int = 0
    ) -> None:
        data, label = dataset.X, dataset.y
        self.signal, self.label = torch.from_numpy(data), torch.from_numpy(label)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Any:
        order = torch.arange(len(self.signal))
        if self.shuffle:
            order = torch.randperm(len(self.signal), generator=self.generator)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.signal[rows], self.label[rows]

    def __len__(self) -> int:
        return -(-len(self.signal) // self.batch_size)


class _Report(Callback):  # type: ignore[misc]  # skorch is untyped
    """Hand each epoch's record to the caller."""

    def __init__(self, on_epoch: OnEpoch | None) -> None:
        self.on_epoch = on_epoch

    def on_epoch_end(self, net: NeuralNetBinaryClassifier, **kwargs: Any) -> None:
        if self.on_epoch:
            row = net.history[-1]
            names = ("epoch", "train_loss", "valid_loss", "valid_auc")
            self.on_epoch({name: float(row[name]) for name in names})


class _KeepBest(Callback):  # type: ignore[misc]  # skorch is untyped
    """Keep the weights of the best epoch, and stop when no epoch gets better.

    Parameters
    ----------
    patience, slack
        See :class:`Settings`.
    """

    def __init__(self, patience: int, slack: float) -> None:
        self.patience, self.slack = patience, slack
        self.auc: list[float] = []
        self.loss: list[float] = []
        self.kept: dict[int, dict[str, torch.Tensor]] = {}
        self.stopped = False

    @property
    def epochs(self) -> int:
        """Number of epochs finished."""
        return len(self.auc)

    @property
    def best(self) -> int:
        """The kept epoch with the best AUC; the first of equals."""
        return max(self.kept, key=lambda epoch: self.auc[epoch])

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the best epoch's weights."""
        return self.kept[self.best]

    def on_epoch_end(self, net: NeuralNetBinaryClassifier, **kwargs: Any) -> None:
        row = net.history[-1]
        self.auc.append(row["valid_auc"])
        self.loss.append(row["valid_loss"])
        self.kept[self.epochs - 1] = copy.deepcopy(net.module_.state_dict())
        limit = min(self.loss) * (1 + self.slack)
        eligible = [epoch for epoch in self.kept if self.loss[epoch] <= limit]
        # The limit only falls, so an epoch once out, or outdone, need not be kept.
        champion = max(eligible, key=lambda epoch: self.auc[epoch])
        self.kept = {
            epoch: self.kept[epoch]
            for epoch in eligible
            if epoch == champion or self.loss[epoch] < self.loss[champion]
        }
        since = self.epochs - 1 - max(np.argmax(self.auc), np.argmin(self.loss))
        if since >= self.patience:
            self.stopped = True
            raise KeyboardInterrupt  # how skorch's own early stopping ends training

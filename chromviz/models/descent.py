"""Training by gradient steps: stops early, keeps the best weights, the same from the same seed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import Callback, EpochScoring, GradientNormClipping
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.models.fitted import Genes
from chromviz.models.inference import BATCH_SIZE
from chromviz.settings import Settings

#: Called after each epoch with the epoch's record (epoch, train_loss, valid_loss, valid_auc).
OnEpoch = Callable[[dict[str, float]], None]

_OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class Descent(NamedTuple):
    """What training by gradient steps gave.

    Attributes
    ----------
    module
        The module with the kept weights, on CPU in evaluation mode.
    curve
        One record an epoch: ``epoch``, ``train_loss``, ``valid_loss``, ``valid_auc``.
    best
        The kept epoch's place in it.
    """

    module: nn.Module
    curve: list[dict[str, float]]
    best: int


def descend(
    module: nn.Module,
    train: Genes,
    valid: Genes,
    *,
    settings: Settings,
    seed: int,
    device: torch.device,
    on_epoch: OnEpoch | None = None,
) -> Descent:
    """Train a network by gradient steps; dropout draws from torch's generator.

    The loss is the binary cross-entropy of the logit, weighted by state if the settings ask for
    it; the validation loss is weighted like the training loss. After each epoch the AUC and the
    loss over the validation genes are taken. Training stops when neither has improved for some
    epochs, and the weights of the epoch with the best AUC are kept, among those whose loss is
    within `loss_slack` of the lowest. An epoch's AUC does not say on which side of 0.5 its
    probabilities lie, and explanations of genes *predicted* ON need that: after few steps a
    network may rank genes well while it calls none of them ON.

    Parameters
    ----------
    module
        The untrained module.
    train, valid
        The genes.
    settings
        How to train.
    seed
        Decides the order of the genes.
    device
        Where to train.
    on_epoch
        Called after each epoch with its record.

    Raises
    ------
    ChromvizError
        If training diverges.
    """
    keeper = _KeepBest(settings.patience, settings.loss_slack)
    fit_transform = getattr(getattr(module, "transform", None), "fit", None)
    if fit_transform is not None:
        fit_transform(train.signal)
    net = NeuralNetBinaryClassifier(
        module,
        criterion=nn.BCEWithLogitsLoss,
        criterion__pos_weight=on_weight(train.label) if settings.class_weight else None,
        optimizer=_OPTIMIZERS[settings.optimizer],
        optimizer__fused=True,
        lr=settings.learning_rate,
        max_epochs=settings.max_epochs,
        batch_size=settings.batch_for(len(train.signal)),
        iterator_train=_Batches,
        iterator_train__shuffle=True,
        iterator_train__seed=seed,
        iterator_valid=_Batches,
        iterator_valid__batch_size=BATCH_SIZE,
        train_split=predefined_split(Dataset(*valid)),
        device=str(device),
        verbose=0,
        callbacks__train_acc=None,
        callbacks__valid_acc=None,
        callbacks__print_log=None,
        callbacks=[
            ("auc", EpochScoring(_auc, lower_is_better=False, name="valid_auc")),
            *([("clip", GradientNormClipping(settings.clip_norm))] if settings.clip_norm else []),
            ("report", _Report(on_epoch)),
            ("keep", keeper),
        ],
    )
    net.fit(*train)
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
    return Descent(best, curve, keeper.best)


def on_weight(label: np.ndarray) -> torch.Tensor:
    """Return what an ON gene weighs, for OFF genes that weigh 1, so that both states weigh alike.

    Parameters
    ----------
    label
        (gene,), 1 ON and 0 OFF, of both states.
    """
    on = float((label == 1).sum())
    return torch.tensor((len(label) - on) / on, dtype=torch.float32)


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

    def __init__(self, patience: int | None, slack: float | None) -> None:
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
        limit = np.inf if self.slack is None else min(self.loss) * (1 + self.slack)
        eligible = [epoch for epoch in self.kept if self.loss[epoch] <= limit]
        # The limit only falls, so an epoch once out, or outdone, need not be kept.
        champion = max(eligible, key=lambda epoch: self.auc[epoch])
        self.kept = {
            epoch: self.kept[epoch]
            for epoch in eligible
            if epoch == champion
            or (self.slack is not None and self.loss[epoch] < self.loss[champion])
        }
        since = self.epochs - 1 - max(np.argmax(self.auc), np.argmin(self.loss))
        if self.patience is not None and since >= self.patience:
            self.stopped = True
            raise KeyboardInterrupt  # how skorch's own early stopping ends training

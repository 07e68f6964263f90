"""Training by gradient steps: early stopping, the best epoch's weights, one result per seed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from chromviz.errors import ChromvizError
from chromviz.models.classical.base import LabelledGenes
from chromviz.models.inference import BATCH_SIZE, one_a_gene
from chromviz.settings import Settings

#: Called after each epoch with its record (epoch, train_loss, valid_loss, valid_auc).
OnEpoch = Callable[[dict[str, float]], None]


class Descent(NamedTuple):
    """A trained module, on the CPU in evaluation mode, and the records of its epochs.

    `curve` has one record per epoch, ``epoch, train_loss, valid_loss, valid_auc``. `kept` is that
    of the epoch whose weights were kept, with ``best_epoch`` and ``epochs``, their number.
    """

    module: nn.Module
    curve: list[dict[str, float]]
    kept: dict[str, float]


def descend(
    module: nn.Module,
    train: LabelledGenes,
    valid: LabelledGenes,
    *,
    settings: Settings,
    seed: int,
    device: torch.device,
    on_epoch: OnEpoch | None = None,
) -> Descent:
    """Train a network in place by gradient steps; dropout draws from torch's global generator.

    The loss is the binary cross-entropy of the logit, weighted by class if the settings ask for it.
    Training stops when neither loss nor AUC of the validation genes has improved for `patience`
    epochs. Of the epochs whose validation loss is within `loss_slack` of the lowest, the one with
    the best AUC is kept: the AUC does not say on which side of 0.5 the probabilities lie, and after
    a few steps a network may rank genes well and yet call none of them ON. `seed` determines the
    order of the genes.
    """
    fit_transform = getattr(getattr(module, "transform", None), "fit", None)
    if fit_transform is not None:
        fit_transform(train.signal)
    module.to(device)
    weight = on_weight(train.label) if settings.class_weight else None
    loss_of = nn.BCEWithLogitsLoss(pos_weight=weight).to(device)
    size = settings.batch_for(len(train.signal))
    compiled = getattr(module, "compiled_steps", None)
    steps: Any
    if compiled and _may_be_compiled(module, settings, device):
        steps = compiled(train, size, settings, 1.0 if weight is None else float(weight))
    else:
        steps = TorchSteps(module, train, loss_of, settings, device)
    order = torch.Generator().manual_seed(seed)
    keeper = BestEpoch(settings.patience, settings.loss_slack)
    curve: list[dict[str, float]] = []
    while len(curve) < settings.max_epochs and not keeper.stopped:
        rows = torch.randperm(len(train.label), generator=order).numpy()
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        record = {
            "epoch": len(curve) + 1.0,
            "train_loss": steps.epoch(batches),
            **_validate(module, valid, loss_of, device),
        }
        curve.append(record)
        if on_epoch:
            on_epoch(dict(record))
        keeper.see(record, module)
    best = keeper.best
    module.load_state_dict(keeper.kept[best])
    ran = {"best_epoch": best + 1.0, "epochs": float(len(curve))}
    return Descent(module.cpu().eval(), curve, {**curve[best], **ran})


def _may_be_compiled(module: nn.Module, settings: Settings, device: torch.device) -> bool:
    """Return whether a network is one of ours, whose steps are known; a subclass may differ."""
    ours = type(module).__module__.startswith("chromviz.models.")
    return ours and settings.optimizer == "adam" and device.type == "cpu"


class TorchSteps:
    """Steps of Adam or stochastic gradient descent, by torch's functions.

    The optimizer classes of torch do the same but import its compiler, which takes seconds in each
    process.
    """

    def __init__(
        self,
        module: nn.Module,
        train: LabelledGenes,
        loss_of: nn.Module,
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.module, self.loss_of = module, loss_of
        self.settings, self.device = settings, device
        self.signal, self.label = torch.from_numpy(train.signal), torch.from_numpy(train.label)
        self.parameters = list(module.parameters())
        self.moments: dict[nn.Parameter, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    def epoch(self, batches: Iterable[np.ndarray]) -> float:
        """Take a step for each batch of rows; return the mean loss over the genes."""
        losses, sizes = [], []
        self.module.train()
        for rows in batches:
            some = torch.from_numpy(rows)
            signal, label = self.signal[some].to(self.device), self.label[some].to(self.device)
            self.module.zero_grad()
            loss = self.loss_of(one_a_gene(self.module(signal), len(label)), label)
            loss.backward()
            self.step()
            losses.append(loss.item())
            sizes.append(len(label))
        return float(np.average(losses, weights=sizes))

    def step(self) -> None:
        """Clip the gradients if the settings ask for it, and change the parameters by them."""
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm)
        moved = [one for one in self.parameters if one.grad is not None]
        how: dict[str, Any] = {"lr": self.settings.learning_rate, "weight_decay": 0.0}
        how |= {"fused": True, "maximize": False}
        grads: Any = [one.grad for one in moved]
        with torch.no_grad():
            if self.settings.optimizer == "sgd":
                how |= {"momentum": 0.0, "dampening": 0.0, "nesterov": False}
                sgd(list(moved), grads, [None] * len(moved), **how)
            else:
                how |= {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False}
                means, squares, counts = zip(*map(self._moments, moved), strict=True)
                adam(list(moved), grads, list(means), list(squares), [], list(counts), **how)

    def _moments(self, one: nn.Parameter) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the means of a parameter's gradient and of its square, and its number of steps."""
        if one not in self.moments:
            count = torch.zeros((), device=one.device)
            self.moments[one] = (torch.zeros_like(one), torch.zeros_like(one), count)
        return self.moments[one]


def _validate(
    module: nn.Module, valid: LabelledGenes, loss_of: nn.Module, device: torch.device
) -> dict[str, float]:
    """Return loss and AUC of the validation genes."""
    losses, sizes, scores = [], [], []
    module.eval()
    with torch.no_grad():
        for start in range(0, len(valid.label), BATCH_SIZE):
            # torch's loader would collate them gene by gene.
            signal, label = (
                torch.from_numpy(part[start : start + BATCH_SIZE]).to(device) for part in valid
            )
            logit = one_a_gene(module(signal), len(label))
            losses.append(loss_of(logit, label).item())
            sizes.append(len(label))
            scores.append(torch.sigmoid(logit).cpu().numpy())
    score = np.concatenate(scores)
    if not np.isfinite(score).all():
        raise ChromvizError(
            "training diverged: the outputs of the model are no longer finite; lower the learning "
            "rate or check the largest values of the signal"
        )
    return {
        "valid_loss": float(np.average(losses, weights=sizes)),
        "valid_auc": float(roc_auc_score(valid.label, score)),
    }


def on_weight(label: np.ndarray) -> torch.Tensor:
    """Return the weight of an ON gene that gives both classes the same total weight."""
    on = float((label == 1).sum())
    return torch.tensor((len(label) - on) / on, dtype=torch.float32)


class BestEpoch:
    """Keep the weights of the best epoch, and say when training should stop."""

    def __init__(self, patience: int | None, slack: float | None) -> None:
        self.patience, self.slack = patience, slack
        self.auc: list[float] = []
        self.loss: list[float] = []
        self.kept: dict[int, dict[str, torch.Tensor]] = {}
        self.stopped = False

    @property
    def best(self) -> int:
        """The kept epoch with the best AUC; the first of equal ones."""
        return max(self.kept, key=lambda epoch: self.auc[epoch])

    def see(self, record: dict[str, float], module: nn.Module) -> None:
        """Take note of an epoch that has ended."""
        self.auc.append(record["valid_auc"])
        self.loss.append(record["valid_loss"])
        now = len(self.auc) - 1
        self.kept[now] = copy.deepcopy(module.state_dict())
        limit = np.inf if self.slack is None else min(self.loss) * (1 + self.slack)
        eligible = [epoch for epoch in self.kept if self.loss[epoch] <= limit]
        # The limit only falls: an epoch that is out, or surpassed, never comes back.
        champion = max(eligible, key=lambda epoch: self.auc[epoch])
        self.kept = {
            epoch: self.kept[epoch]
            for epoch in eligible
            if epoch == champion
            or (self.slack is not None and self.loss[epoch] < self.loss[champion])
        }
        since = now - max(np.argmax(self.auc), np.argmin(self.loss))
        self.stopped = self.patience is not None and bool(since >= self.patience)

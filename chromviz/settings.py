"""How networks are trained: the settings, and those that were published."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chromviz.errors import ChromvizError, UnknownNameError

#: What an architecture's settings can be asked for by name.
PRESETS = ("fast", "paper")
#: Adam, or plain stochastic gradient descent without momentum.
OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    Parameters
    ----------
    learning_rate
        The optimizer's step size.
    batch_size
        Genes a step; None takes a 20th of the training genes, but between 16 and 64, so that
        small data still gets several steps an epoch.
    max_epochs
        At most so many passes over the training genes.
    patience
        Stop after so many epochs without a better validation AUC or a lower validation loss;
        None never stops early.
    loss_slack
        An epoch's weights may be kept if its validation loss is at most so much above the
        lowest, as a share of it; None keeps the best AUC whatever its loss.
    clip_norm
        Longest gradient; longer ones are scaled down to it (the released code's 1). None leaves
        them as they are.
    optimizer
        One of :data:`OPTIMIZERS`.
    class_weight
        Whether each ON gene weighs (OFF genes / ON genes) in the loss, of the training genes, so
        that both states weigh the same. Probabilities then are those of a world with as many ON
        as OFF genes.

    Raises
    ------
    ChromvizError
        If a number is out of its range or the optimizer is unknown.
    """

    learning_rate: float = 1e-3
    batch_size: int | None = None
    max_epochs: int = 20
    patience: int | None = 5
    loss_slack: float | None = 0.05
    clip_norm: float | None = 1.0
    optimizer: str = "adam"
    class_weight: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ChromvizError(f"the learning rate must be above 0, not {self.learning_rate}")
        if self.max_epochs < 1:
            raise ChromvizError(f"training takes at least 1 epoch, not {self.max_epochs}")
        for what, value in (("batch size", self.batch_size), ("patience", self.patience)):
            if value is not None and value < 1:
                raise ChromvizError(f"the {what} must be at least 1, not {value}")
        if self.loss_slack is not None and not self.loss_slack >= 0:
            raise ChromvizError(f"the loss slack must be at least 0, not {self.loss_slack}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ChromvizError(f"the longest gradient must be above 0, not {self.clip_norm}")
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", self.optimizer, OPTIMIZERS)

    def batch_for(self, n_train: int) -> int:
        """Return the batch size for so many training genes."""
        return self.batch_size or min(max(n_train // 20, 16), 64)


# The published settings change the training, not the network: the released code reads raw counts,
# ours take the arcsinh inside (`attentivechrome-released` is the network without it).

#: The released AttentiveChrome: 30 epochs, the one with the best validation AUC is kept. The paper
#: says nothing about training; its other variants are taken to be trained alike.
PAPER = Settings(
    learning_rate=2e-4,
    batch_size=16,
    max_epochs=30,
    patience=None,
    loss_slack=None,
    clip_norm=1.0,
)

#: DeepChrome (Bioinformatics 2016): SGD one gene at a time, 100 epochs, gradients as they are.
#: Which epoch is kept, and momentum, are left open; here the best validation AUC, and none.
PAPER_DEEPCHROME = Settings(
    learning_rate=1e-3,
    batch_size=1,
    max_epochs=100,
    patience=None,
    loss_slack=None,
    clip_norm=None,
    optimizer="sgd",
)

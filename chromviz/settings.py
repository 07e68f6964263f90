"""Training settings: the defaults and the published ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from chromviz.errors import ChromvizError, UnknownNameError

#: Names of the settings that an architecture has; ``paper`` is an older name of the first.
PRESETS = ("published", "fast")
#: How a network may read the signal, see :class:`chromviz.models.layers.InputTransform`.
INPUTS = ("raw", "arcsinh", "log1p", "standardized")
#: Adam, or plain stochastic gradient descent without momentum.
OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    Parameters
    ----------
    learning_rate
        Step size of the optimizer.
    batch_size
        Genes per step; None takes a 20th of the training genes, but at least 16 and at most 64,
        so that an epoch on small data still has several steps.
    max_epochs
        Maximum number of passes over the training genes.
    patience
        Stop after this number of epochs without a better validation AUC or a lower validation
        loss; None never stops early.
    loss_slack
        The weights of an epoch may be kept if its validation loss exceeds the lowest by at most
        this fraction; None keeps the epoch with the best AUC whatever its loss.
    clip_norm
        Maximum norm of the gradient; longer gradients are scaled down to it (1 in the released
        code). None leaves them as they are.
    optimizer
        One of :data:`OPTIMIZERS`.
    class_weight
        Whether each ON gene has the weight (OFF genes / ON genes) in the loss, so that both
        classes have the same total weight. Probabilities are then calibrated to equal numbers of
        ON and OFF genes.
    input
        One of :data:`INPUTS`: how the network reads the signal; None as its own code does.
    preset
        The name of the settings that these are, or were before single ones were replaced.

    Raises
    ------
    ChromvizError
        If a value is out of range or of another type, or the optimizer is unknown.
    """

    learning_rate: float = 1e-3
    batch_size: int | None = None
    max_epochs: int = 20
    patience: int | None = 5
    loss_slack: float | None = 0.05
    clip_norm: float | None = 1.0
    optimizer: str = "adam"
    class_weight: bool = False
    input: str | None = None
    preset: str = "fast"

    def __post_init__(self) -> None:
        if not (_is_real(self.learning_rate) and self.learning_rate > 0):
            raise ChromvizError(f"the learning rate must be above 0, not {self.learning_rate!r}")
        if not (is_whole(self.max_epochs) and self.max_epochs >= 1):
            raise ChromvizError(f"training takes at least 1 epoch, not {self.max_epochs!r}")
        for what, count in (("batch size", self.batch_size), ("patience", self.patience)):
            if count is not None and not (is_whole(count) and count >= 1):
                raise ChromvizError(f"the {what} must be at least 1, not {count!r}")
        if self.loss_slack is not None and not (_is_real(self.loss_slack) and self.loss_slack >= 0):
            raise ChromvizError(f"the loss slack must be at least 0, not {self.loss_slack!r}")
        if self.clip_norm is not None and not (_is_real(self.clip_norm) and self.clip_norm > 0):
            raise ChromvizError(f"the gradient's norm must be above 0, not {self.clip_norm!r}")
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", str(self.optimizer), OPTIMIZERS)
        if self.input is not None and self.input not in INPUTS:
            raise UnknownNameError("input", str(self.input), INPUTS)
        if not isinstance(self.class_weight, bool):
            raise ChromvizError(f"class weight must be True or False, not {self.class_weight!r}")

    def batch_for(self, n_train: int) -> int:
        """Return the batch size for a number of training genes."""
        return self.batch_size or min(max(n_train // 20, 16), 64)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number."""
    return isinstance(value, Integral) and not isinstance(value, bool)


#: The released AttentiveChrome: 30 epochs, of which the one with the best validation AUC is kept.
#: The paper does not describe the training; its other variants are assumed to be trained alike.
PAPER = Settings(
    learning_rate=2e-4,
    batch_size=16,
    max_epochs=30,
    patience=None,
    loss_slack=None,
    clip_norm=1.0,
    preset="published",
)

#: DeepChrome (Bioinformatics 2016): SGD with one gene per step, 100 epochs, no gradient clipping.
#: The paper leaves open which epoch is kept, and the momentum: here the best validation AUC, and 0.
PAPER_DEEPCHROME = replace(
    PAPER, learning_rate=1e-3, batch_size=1, max_epochs=100, clip_norm=None, optimizer="sgd"
)


def preset_named(name: str) -> str:
    """Return the name of a preset as :data:`PRESETS` has it, by any of its names."""
    wanted = str(name).strip().lower()
    wanted = "published" if wanted == "paper" else wanted
    if wanted not in PRESETS:
        raise UnknownNameError("preset", str(name), PRESETS)
    return wanted

"""Models: the registry of architectures and the protocol that every model follows.

A model is any ``torch.nn.Module`` that maps signal (batch, mark, bin) float32 to the logit of ON
(batch,). One that attends also has ``attention(signal)``, which returns
:class:`~chromviz.models.layers.Attention`. What a model does to its input (logarithms, scaling)
is part of the module; a module whose ``transform`` has a ``fit(signal)`` gets the training genes'
signal before training. A model that is not trained by gradient steps is a
:class:`~chromviz.models.fitted.Fitted`, which is given the genes once.

A package adds an architecture through the entry point group ``chromviz.models``, which names a
:class:`ModelSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.models.settings import PAPER, PAPER_DEEPCHROME, PRESETS, Settings
from chromviz.plugins import with_plugins

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelSpec:
    """An architecture that can be built by name.

    Parameters
    ----------
    name
        How commands and files call it.
    label
        How people call it.
    build
        ``build(n_marks, n_bins)`` returns an untrained module.
    attends
        Which attention it gives: any of ``"alpha"`` and ``"beta"``.
    own
        Which weights it has of its own, apart from any gene: any of ``"coefficients"`` (signed)
        and ``"importances"``.
    differentiable
        Whether its logit has a gradient by the signal; a tree's has none.
    source
        Where it is described.
    learning_rate
        Adam's step size in the default training settings.
    version
        What decides its result besides its name: a plug-in's own version, or a hash of its source.
        A model that another version trained is not used again.
    paper
        The published training settings; None where there are none.
    """

    name: str
    label: str
    build: Callable[[int, int], nn.Module]
    attends: tuple[str, ...] = ()
    source: str = ""
    learning_rate: float = 1e-3
    aliases: tuple[str, ...] = field(default=())
    own: tuple[str, ...] = ()
    differentiable: bool = True
    version: str = ""
    paper: Settings | None = None

    @property
    def slug(self) -> str:
        """The name as files have it: of ``package.module:factory``, without what systems mind."""
        return slug(self.name)

    @property
    def gives(self) -> tuple[str, ...]:
        """What methods may ask of it: attention, weights of its own, ``gradient``, ``output``."""
        return (*self.attends, *self.own, *(("gradient",) if self.differentiable else ()), "output")

    def settings(self, preset: str = "fast") -> Settings:
        """Return the training settings that a preset stands for.

        Parameters
        ----------
        preset
            ``fast``, the default settings: a larger step and batch, and early stopping; or
            ``paper``, the published ones.

        Raises
        ------
        ChromvizError
            If there is no such preset, or nothing was published for this architecture.
        """
        wanted = preset.strip().lower()
        if wanted not in PRESETS:
            raise UnknownNameError("preset", preset, PRESETS)
        if wanted == "fast":
            return Settings(learning_rate=self.learning_rate)
        if self.paper is None:
            raise ChromvizError(
                f"no training settings were published for {self.name}; use --preset fast, or set "
                "the learning rate, batch size and epochs"
            )
        return self.paper


def _lstm_alpha(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.attentive import LSTMAlpha

    return LSTMAlpha(n_marks, n_bins)


def _lstm_alpha_beta(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.attentive import LSTMAlphaBeta

    return LSTMAlphaBeta(n_marks, n_bins)


def _lstm_attn(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.joint import JointLSTMAttention

    return JointLSTMAttention(n_marks, n_bins)


def _lstm(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.joint import JointLSTM

    return JointLSTM(n_marks, n_bins)


def _cnn_attn(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.convolutional import CNNAttention

    return CNNAttention(n_marks, n_bins)


def _cnn_alpha_beta(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.convolutional import CNNAlphaBeta

    return CNNAlphaBeta(n_marks, n_bins)


def _attentivechrome_released(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.foreign import ReleasedAttentiveChrome

    return ReleasedAttentiveChrome(n_marks, n_bins)


def _deepchrome(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.deepchrome import DeepChrome

    return DeepChrome(n_marks, n_bins)


def _linear_regression(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.classical.linear import LinearOnAverages

    return LinearOnAverages(n_marks, n_bins)


def _logistic_regression(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.classical.linear import LogisticOnAverages

    return LogisticOnAverages(n_marks, n_bins)


def _svm(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.classical.svm import SVMOnBins

    return SVMOnBins(n_marks, n_bins)


def _random_forest(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.classical.forest import ForestOnBestBins

    return ForestOnBestBins(n_marks, n_bins)


def _rules(n_marks: int, n_bins: int) -> nn.Module:
    from chromviz.models.classical.rules import RulesOnAverages

    return RulesOnAverages(n_marks, n_bins)


# Builders import torch only when called: the list of models must not.
_PAPER = "Singh et al., Attend and Predict, NeurIPS 2017, section 5"
_BUILT_IN = (
    ModelSpec("lstm-alpha", "LSTM-α", _lstm_alpha, ("alpha",), _PAPER, 2e-3, paper=PAPER),
    ModelSpec(
        "lstm-alpha-beta",
        "LSTM-α,β (AttentiveChrome)",
        _lstm_alpha_beta,
        ("alpha", "beta"),
        _PAPER,
        2e-3,
        ("attentivechrome",),
        paper=PAPER,
    ),
    ModelSpec(
        "attentivechrome-released",
        "AttentiveChrome as released (raw counts)",
        _attentivechrome_released,
        ("alpha", "beta"),
        "the authors' second release, in PyTorch: LSTM-α,β without a transform",
        2e-4,
        paper=PAPER,
    ),
    ModelSpec("lstm-attn", "LSTM-Attn", _lstm_attn, ("alpha",), _PAPER, 4e-3, paper=PAPER),
    ModelSpec("lstm", "LSTM", _lstm, (), _PAPER, 2e-3, paper=PAPER),
    ModelSpec("cnn-attn", "CNN-Attn", _cnn_attn, ("alpha",), _PAPER, 1e-3, paper=PAPER),
    ModelSpec(
        "cnn-alpha-beta",
        "CNN-α,β",
        _cnn_alpha_beta,
        ("alpha", "beta"),
        _PAPER,
        2e-3,
        paper=PAPER,
    ),
    ModelSpec(
        "deepchrome",
        "DeepChrome (CNN)",
        _deepchrome,
        (),
        "Singh et al., DeepChrome, Bioinformatics 32(17), 2016",
        1e-3,
        paper=PAPER_DEEPCHROME,
    ),
    ModelSpec(
        "linear-regression",
        "linear regression",
        _linear_regression,
        source="mark averages, after Karlić et al., PNAS 107(7), 2010",
        own=("coefficients",),
    ),
    ModelSpec(
        "logistic-regression",
        "logistic regression",
        _logistic_regression,
        source="mark averages, as linear regression",
        own=("coefficients",),
    ),
    ModelSpec(
        "svm",
        "SVM",
        _svm,
        source="all bins, radial kernel, after Cheng et al., Genome Biology 12, R15, 2011",
    ),
    ModelSpec(
        "random-forest",
        "random forest",
        _random_forest,
        source="best bins, after Dong et al., Genome Biology 13, R53, 2012",
        own=("importances",),
        differentiable=False,
    ),
    ModelSpec(
        "rules",
        "rules (RIPPER)",
        _rules,
        source="mark averages, after Ho et al., 2015 (the paper's reference 12)",
        own=("importances",),
        differentiable=False,
    ),
)


@cache
def models() -> dict[str, ModelSpec]:
    """Return the known architectures by name: the built-in ones, then plug-ins.

    Raises
    ------
    ChromvizError
        If a plug-in takes a name that exists.
    """
    return with_plugins(_BUILT_IN, "chromviz.models")


def slug(name: str) -> str:
    """Return a model's name as file names have it."""
    return re.sub(r"[^A-Za-z0-9_@-]+", "-", name)


def find_model(name: str) -> ModelSpec:
    """Return an architecture by name or alias, in any case, or a user's by where it lies.

    A name with a colon, ``package.module:factory``, is imported: its code runs.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are offered.
    ChromvizError
        If a user's module cannot be imported or is no model.
    """
    if ":" in name:
        from chromviz.models.custom import import_model

        return import_model(name.strip())
    wanted = name.strip().lower()
    for spec in models().values():
        if wanted in (spec.name, *spec.aliases):
            return spec
    raise UnknownNameError("model", name, models(), "'chromviz models' lists them.")

"""Every method, control and model by name: its label, what it needs, and where its code is.

Nothing here imports torch: code is named as ``"module:name"`` and imported when it is used. Other
packages add methods through the entry point group ``chromviz.methods``, which names a
:class:`Method`, and models through ``chromviz.models``, which names a :class:`ModelSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chromviz.errors import ChromvizError, UnknownNameError, require_text
from chromviz.plugins import with_plugins
from chromviz.settings import PAPER, PAPER_DEEPCHROME, Settings, preset_named

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

#: Dimensions of weights: of each bin, of each mark, and of each bin for all genes together.
GENE_MAP, BY_MARK, NO_GENE = ("gene", "mark", "bin"), ("gene", "mark"), ("mark", "bin")


def _code(where: Any) -> Any:
    """Return what ``"module:name"`` names; anything but text as it is."""
    if not isinstance(where, str):
        return where
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Method:
    """A method that assigns weights to bins and marks, or a control.

    Parameters
    ----------
    name, label
        Its name in commands and files, and in figures and tables (`name` if empty).
    run
        ``run(job)`` takes a :class:`chromviz.extractors.job.Job` and returns a
        :class:`chromviz.extractors.job.Found`; or where to find it, as ``"module:function"``.
    needs
        What a model must provide: ``"alpha"`` or ``"beta"`` (attention), ``"coefficients"`` or
        ``"importances"`` (weights of the model itself), ``"gradient"`` (a differentiable module),
        ``"output"`` (any model), or ``""`` for a control, which needs no model.
    description
        One line for people.
    dims, signed
        Dimensions of the weights, and whether their sign has a meaning.
    parameters
        The method's settings and their defaults.
    """

    name: str
    run: Callable[[Any], Any] | str
    needs: str
    description: str
    dims: tuple[str, ...] = GENE_MAP
    signed: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def is_control(self) -> bool:
        """Whether the method needs no model."""
        return not self.needs

    def refusal(self, model: str, gives: Collection[str]) -> str:
        """Return why the method cannot explain a model that `gives` this; empty if it can."""
        if self.is_control or self.needs in gives:
            return ""
        none = f"and {model} has none; use a method"
        if self.needs == "gradient":
            why = f"a gradient, {none} that works without one (occlusion, importances)"
        elif self.needs in ("coefficients", "importances"):
            why = f"a model that has {self.needs}, {none} for networks (saliency)"
        elif "alpha" in gives:
            why = (
                f"attention over marks, and {model} attends over bins only; use alpha, or "
                "lstm-alpha-beta"
            )
        else:
            why = f"attention, {none} such as saliency, or a model such as lstm-alpha-beta"
        return f"the method {self.name!r} needs {why}"

    def function(self) -> Callable[[Any], Any]:
        """Return the function that computes the weights."""
        function: Callable[[Any], Any] = _code(self.run)
        return function


@dataclass(frozen=True)
class ModelSpec:
    """A model architecture that can be built by name.

    Parameters
    ----------
    name, label, aliases
        Its name in commands and files, and in figures and tables; other names that are accepted.
    factory
        ``factory(n_marks, n_bins)`` returns an untrained module; or where to find it, as
        ``"module:name"``.
    attends
        The attention it gives: any of ``"alpha"`` and ``"beta"``.
    source
        Publication that describes it.
    learning_rate, published
        Step size of Adam in the settings ``fast``, and the published settings, if any.
    input
        How it reads the signal unless the user says otherwise, one of
        :data:`chromviz.settings.INPUTS`; None for a model that reads it in its own way only.
    own
        Weights of the model that do not depend on a gene: any of ``"coefficients"`` (signed) and
        ``"importances"``.
    differentiable
        Whether its logit has a gradient with respect to the signal; that of a tree has none.
    version
        The version of a plug-in, or a hash of the code of a user-defined model. Models trained
        with another version are not reused.
    """

    name: str
    label: str
    factory: Callable[[int, int], nn.Module] | str
    attends: tuple[str, ...] = ()
    source: str = ""
    learning_rate: float = 1e-3
    aliases: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    differentiable: bool = True
    version: str = ""
    published: Settings | None = None
    input: str | None = None

    def build(self, n_marks: int, n_bins: int) -> nn.Module:
        """Return an untrained module for signal of this shape."""
        module: nn.Module = _code(self.factory)(n_marks, n_bins)
        return module

    @property
    def slug(self) -> str:
        """The name as it appears in file names."""
        return slug(self.name)

    @property
    def is_identified(self) -> bool:
        """Whether the code of the model is known, so that trained models can be kept."""
        return bool(self.version) or ":" not in self.name

    @property
    def gives(self) -> tuple[str, ...]:
        """What it offers to methods: attention, its own weights, ``gradient``, ``output``."""
        return (*self.attends, *self.own, *(("gradient",) if self.differentiable else ()), "output")

    def settings(self, preset: str = "fast") -> Settings:
        """Return the training settings of a preset: ``fast`` or ``published``."""
        if preset_named(preset) == "fast":
            return Settings(learning_rate=self.learning_rate, input=self.input)
        if self.published is None:
            raise ChromvizError(
                f"no training settings were published for {self.name}; use the preset 'fast', or "
                "set the learning rate, batch size and epochs"
            )
        return replace(self.published, input=self.input)


def _family(module: str, needs: str, signed: bool = False) -> Callable[..., Method]:
    """Return a function that describes a method whose code is in a module of extractors."""

    def method(
        name: str, description: str, label: str = "", function: str = "", **traits: Any
    ) -> Method:
        run = f"chromviz.extractors.{module}:{function or name}"
        label = label or name.replace("_", " ")
        return Method(name, run, needs, description, **{"label": label, "signed": signed, **traits})

    return method


_alpha = _family("attention", "alpha")
_beta = _family("attention", "beta")
_gradient = _family("gradient", "gradient", signed=True)
_path = _family("path", "gradient", signed=True)
_perturbation = _family("perturbation", "output", signed=True)
_optimization = _family("optimization", "gradient")
_coefficients = _family("optimization", "coefficients", signed=True)
_importances = _family("optimization", "importances")
_control = _family("controls", "")

_METHODS = (
    _alpha("alpha", "attention over bins; sums to 1 over the bins of a mark", "α map"),
    _beta("beta", "attention over marks; sums to 1", "β map", dims=BY_MARK),
    _beta(
        "alpha_beta",
        "attention over bins times attention over marks; sums to 1 for each gene",
        "α × β map",
    ),
    _alpha(
        "attention_entropy",
        "entropy of attention over the bins of a mark: 1 if uniform, 0 if in one bin",
        dims=BY_MARK,
    ),
    _gradient(
        "saliency",
        "gradient of the logit with respect to the signal (captum)",
        "saliency (signed)",
        parameters={"absolute": False},
    ),
    _gradient(
        "saliency_absolute",
        "absolute value of the gradient (captum's default)",
        "saliency (absolute)",
        function="saliency",
        signed=False,
        parameters={"absolute": True},
    ),
    _gradient("input_x_gradient", "the signal times the gradient (captum)", "input × gradient"),
    _path(
        "integrated_gradients",
        "gradients integrated from the reference to the gene",
        parameters={"reference": "zero", "pieces": 4, "halvings": 8, "tolerance": 0.001},
    ),
    _gradient(
        "gradient_shap",
        "gradients at random points between several references and the gene",
        "GradientSHAP",
        parameters={"reference": "low_expression", "samples": 32},
    ),
    _gradient(
        "deep_lift",
        "contributions relative to the reference, layer by layer; not for LSTMs (captum)",
        "DeepLIFT",
        parameters={"reference": "zero"},
    ),
    _gradient(
        "smoothgrad",
        "mean gradient over noisy copies of the gene",
        "SmoothGrad",
        parameters={"noise": 0.1, "samples": 16},
    ),
    _gradient(
        "guided_backprop",
        "gradient without its negative parts at each ReLU (captum)",
        "guided backpropagation",
    ),
    _gradient(
        "deconvolution", "gradient that passes a ReLU where the gradient is positive (captum)"
    ),
    _perturbation(
        "occlusion",
        "decrease of the logit without a window of bins of a mark (captum)",
        parameters={"reference": "zero", "window": 5, "stride": 5},
    ),
    _perturbation(
        "feature_ablation",
        "decrease of the logit without a mark (captum)",
        dims=BY_MARK,
        parameters={"reference": "zero"},
    ),
    _perturbation(
        "shapley_sampling",
        "mean contribution of a mark over all sets of marks; exact up to 8 marks",
        "Shapley values",
        dims=BY_MARK,
        parameters={"reference": "zero", "samples": 64},
    ),
    _coefficients(
        "coefficients",
        "slope of the logit of a linear model with respect to the arcsinh of each bin",
        function="own_weights",
        dims=NO_GENE,
    ),
    _importances(
        "importances",
        "importance of each bin in a random forest or rule set",
        function="own_weights",
        dims=NO_GENE,
    ),
    _optimization(
        "class_optimization",
        "input that maximises the logit of ON (or OFF), as in DeepChrome",
        dims=NO_GENE,
        parameters={"state": "ON", "penalty": 0.009, "step": 0.1, "steps": 1000, "restarts": 1},
    ),
    _control("raw_signal", "control: the input signal", signed=True),
    _control(
        "tss_distance",
        "control: 1 at the TSS, decreasing linearly to 0 at the edges of the window",
        "distance to the TSS",
    ),
    _control("uniform", "control: the same weight for every bin"),
    _control("random", "control: independent draws from U(0, 1), from the seed and the gene's id"),
)

_ALPHA, _BOTH = ("alpha",), ("alpha", "beta")
_ATTEND_AND_PREDICT = "Singh et al., Attend and Predict, NeurIPS 2017, section 5"


def _network(name: str, label: str, code: str, learning_rate: float, **traits: Any) -> ModelSpec:
    """Describe a network of the paper, whose code is below ``chromviz.models``."""
    factory = f"chromviz.models.{code}"
    usual: dict[str, Any] = {"published": PAPER, "input": "arcsinh"}
    usual |= {"source": _ATTEND_AND_PREDICT, **traits}
    return ModelSpec(name, label, factory, learning_rate=learning_rate, **usual)


_MODELS = (
    _network("lstm-alpha", "LSTM-α", "attentive:LSTMAlpha", 2e-3, attends=_ALPHA),
    _network(
        "lstm-alpha-beta",
        "LSTM-α,β",
        "attentive:LSTMAlphaBeta",
        2e-3,
        attends=_BOTH,
        source=f"{_ATTEND_AND_PREDICT} (AttentiveChrome)",
        aliases=("attentivechrome",),
    ),
    _network(
        "attentivechrome-released",
        "AttentiveChrome (released)",
        "foreign:ReleasedAttentiveChrome",
        2e-4,
        attends=_BOTH,
        source="the authors' second release, in PyTorch: LSTM-α,β on raw counts",
        input=None,
    ),
    _network("lstm-attn", "LSTM-Attn", "joint:JointLSTMAttention", 4e-3, attends=_ALPHA),
    _network("lstm", "LSTM", "joint:JointLSTM", 2e-3),
    _network("cnn-attn", "CNN-Attn", "convolutional:CNNAttention", 1e-3, attends=_ALPHA),
    _network("cnn-alpha-beta", "CNN-α,β", "convolutional:CNNAlphaBeta", 2e-3, attends=_BOTH),
    _network(
        "deepchrome",
        "DeepChrome (CNN)",
        "convolutional:DeepChrome",
        1e-3,
        source="Singh et al., DeepChrome, Bioinformatics 32(17), 2016",
        published=PAPER_DEEPCHROME,
    ),
    ModelSpec(
        "linear-regression",
        "linear regression",
        "chromviz.models.classical.fits:LinearOnAverages",
        source="mark averages, after Karlić et al., PNAS 107(7), 2010",
        own=("coefficients",),
    ),
    ModelSpec(
        "logistic-regression",
        "logistic regression",
        "chromviz.models.classical.fits:LogisticOnAverages",
        source="mark averages, as linear regression",
        own=("coefficients",),
    ),
    ModelSpec(
        "svm",
        "SVM",
        "chromviz.models.classical.fits:SVMOnBins",
        source="all bins, radial kernel, after Cheng et al., Genome Biology 12, R15, 2011",
    ),
    ModelSpec(
        "random-forest",
        "random forest",
        "chromviz.models.classical.fits:ForestOnBestBins",
        source="best bins, after Dong et al., Genome Biology 13, R53, 2012",
        own=("importances",),
        differentiable=False,
    ),
    ModelSpec(
        "rules",
        "rules (RIPPER)",
        "chromviz.models.classical.rules:RulesOnAverages",
        source="mark averages, after Ho et al., 2015 (the paper's reference 12)",
        own=("importances",),
        differentiable=False,
    ),
)


@cache
def methods() -> dict[str, Method]:
    """Return all methods and controls by name: the built-in ones, then plug-ins."""
    return with_plugins(_METHODS, "chromviz.methods")


@cache
def models() -> dict[str, ModelSpec]:
    """Return all architectures by name: the built-in ones, then plug-ins."""
    return with_plugins(_MODELS, "chromviz.models")


def find_method(name: str) -> Method:
    """Return a method by name, in any case; ``-`` and ``_`` are interchangeable."""
    require_text(name, "a method")
    wanted = name.strip().lower().replace("-", "_")
    if wanted in methods():
        return methods()[wanted]
    raise UnknownNameError("method", name, methods(), "'chromviz methods' lists them.")


def list_models() -> pd.DataFrame:
    """Return the models that can be trained by name.

    Returns
    -------
    pandas.DataFrame
        One row per model: ``model``, its name; ``label``, its name in figures; ``attention``, any
        of ``alpha`` (over bins) and ``beta`` (over marks); ``published_settings``, whether
        ``preset="published"`` exists; ``source``.

    Examples
    --------
    >>> table = list_models()
    >>> table.loc[table["model"] == "lstm-alpha-beta", "attention"].item()
    'alpha beta'
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "model": spec.name,
            "label": spec.label,
            "attention": " ".join(spec.attends),
            "published_settings": spec.published is not None,
            "source": spec.source,
        }
        for spec in models().values()
    )


def list_methods() -> pd.DataFrame:
    """Return the methods of explanation and the controls.

    Returns
    -------
    pandas.DataFrame
        One row per method: ``method``, its name; ``needs``, what a model must offer, empty for a
        control; ``gives``, the dimensions of its weights; ``signed``, whether the sign has a
        meaning; ``settings``, a dictionary of settings and their defaults; ``description``.

    Examples
    --------
    >>> table = list_methods()
    >>> table.loc[table["method"] == "alpha", "needs"].item()
    'alpha'
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "method": method.name,
            "needs": method.needs,
            "gives": " × ".join(method.dims),
            "signed": method.signed,
            "settings": dict(method.parameters),
            "description": method.description,
        }
        for method in methods().values()
    )


def controls() -> list[str]:
    """Return the names of the controls, which need no model."""
    return [name for name, method in methods().items() if method.is_control]


def is_control(method: str) -> bool:
    """Return whether a name is that of a control; an unknown name is not."""
    return method in methods() and methods()[method].is_control


def slug(name: str) -> str:
    """Return a model's name as it appears in file names."""
    return re.sub(r"[^A-Za-z0-9_@-]+", "-", name)


def method_label(method: str) -> str:
    """Return a method's name for figures and tables; an unknown name as it is."""
    known = methods().get(method)
    return known.label or known.name if known else method


def model_label(model: str, variant: str = "") -> str:
    """Return a model's name for figures and tables, with its variant: ``LSTM-α (untrained)``."""
    known = models().get(model)
    label = known.label if known else model
    return f"{label} ({variant})" if variant else label

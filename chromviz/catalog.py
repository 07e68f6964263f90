"""Every method, control and model by name: its label, what it needs, and where its code is.

Nothing here imports torch: code is named as ``"module:name"`` and imported when it is used. Other
packages add methods through the entry point group ``chromviz.methods``, which names a
:class:`Method`, and models through ``chromviz.models``, which names a :class:`ModelSpec`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chromviz.errors import ChromvizError, UnknownNameError, require_text
from chromviz.plugins import with_plugins
from chromviz.settings import PAPER, PAPER_DEEPCHROME, PRESETS, Settings

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

GENE_MAP = ("gene", "mark", "bin")


def _code(where: str) -> Any:
    """Return what ``"module:name"`` names."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class Method:
    """A method that assigns weights to bins and marks, or a control.

    Parameters
    ----------
    name
        Its name in commands and files.
    run
        ``run(job)`` takes a :class:`chromviz.extractors.job.Job` and returns a
        :class:`chromviz.extractors.job.Found`; or where to find it, as ``"module:function"``.
    needs
        What a model must offer: ``"alpha"`` or ``"beta"`` (that attention), ``"coefficients"`` or
        ``"importances"`` (weights of its own), ``"gradient"`` (any differentiable module),
        ``"output"`` (any model), or ``""`` for a control, which needs no model.
    description
        One line for people.
    dims
        Dimensions of the weights.
    signed
        Whether the sign of a weight has a meaning.
    parameters
        The method's settings and their defaults.
    label
        Its name in figures and tables; `name` if empty.
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
        """Return why the method cannot serve a model with `gives`, empty if it can."""
        if self.is_control or self.needs in gives:
            return ""
        if self.needs == "gradient":
            return (
                f"the method {self.name!r} needs a gradient, and {model} has none: its output "
                "jumps; use a method that does not (importances)"
            )
        if self.needs in ("coefficients", "importances"):
            return (
                f"the method {self.name!r} needs a model with {self.needs} of its own, and "
                f"{model} has none; use a method for networks (saliency)"
            )
        if "alpha" in gives:
            return (
                f"the method {self.name!r} needs attention over marks, and {model} attends over "
                "bins only; use alpha, or lstm-alpha-beta"
            )
        return (
            f"the method {self.name!r} needs attention, and {model} has none; use a method that "
            "does not (saliency), or a model that attends (lstm-alpha-beta)"
        )

    def function(self) -> Callable[[Any], Any]:
        """Return the function that computes the weights."""
        function: Callable[[Any], Any] = _code(self.run) if isinstance(self.run, str) else self.run
        return function


@dataclass(frozen=True)
class ModelSpec:
    """A model architecture that can be built by name.

    Parameters
    ----------
    name
        Its name in commands and files.
    label
        Its name in figures and tables.
    factory
        ``factory(n_marks, n_bins)`` returns an untrained module; or where to find it, as
        ``"module:name"``.
    attends
        The attention it gives: any of ``"alpha"`` and ``"beta"``.
    source
        Publication that describes it.
    learning_rate
        Step size of Adam in the default training settings.
    aliases
        Other names that are accepted.
    own
        Weights of its own, independent of any gene: any of ``"coefficients"`` (signed) and
        ``"importances"``.
    differentiable
        Whether its logit has a gradient with respect to the signal; that of a tree has none.
    version
        The version of a plug-in, or a hash of the code of a user's own model. Trained models of
        another version are not reused.
    paper
        The published training settings; None if there are none.
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
    paper: Settings | None = None

    def build(self, n_marks: int, n_bins: int) -> nn.Module:
        """Return an untrained module for signal of this shape."""
        factory = _code(self.factory) if isinstance(self.factory, str) else self.factory
        module: nn.Module = factory(n_marks, n_bins)
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
        """What it offers to methods: attention, weights of its own, ``gradient``, ``output``."""
        return (*self.attends, *self.own, *(("gradient",) if self.differentiable else ()), "output")

    def settings(self, preset: str = "fast") -> Settings:
        """Return the training settings of a preset.

        ``fast``, the default, has a larger step and batch, and early stopping; ``paper`` has the
        published settings, an error if there are none.
        """
        wanted = str(preset).strip().lower()
        if wanted not in PRESETS:
            raise UnknownNameError("preset", str(preset), PRESETS)
        if wanted == "fast":
            return Settings(learning_rate=self.learning_rate)
        if self.paper is None:
            raise ChromvizError(
                f"no training settings were published for {self.name}; use the preset 'fast', or "
                "set the learning rate, batch size and epochs"
            )
        return self.paper


_METHODS = (
    Method(
        "alpha",
        "chromviz.extractors.attention:alpha",
        "alpha",
        "attention over bins; sums to 1 over a mark's bins",
        label="α map",
    ),
    Method(
        "beta",
        "chromviz.extractors.attention:beta",
        "beta",
        "attention over marks; sums to 1",
        label="β map",
        dims=("gene", "mark"),
    ),
    Method(
        "alpha_beta",
        "chromviz.extractors.attention:alpha_beta",
        "beta",
        "attention over bins times that over marks; sums to 1 over a gene's marks and bins",
        label="α × β map",
    ),
    Method(
        "attention_entropy",
        "chromviz.extractors.attention:attention_entropy",
        "alpha",
        "how evenly attention lies over a mark's bins: 1 evenly, 0 in one bin",
        label="attention entropy",
        dims=("gene", "mark"),
    ),
    Method(
        "saliency",
        "chromviz.extractors.gradient:saliency",
        "gradient",
        "gradient of the logit by the signal, with its sign (captum)",
        label="saliency (signed)",
        signed=True,
        parameters={"absolute": False},
    ),
    Method(
        "saliency_absolute",
        "chromviz.extractors.gradient:saliency",
        "gradient",
        "size of that gradient, without its sign (captum's default)",
        label="saliency (absolute)",
        parameters={"absolute": True},
    ),
    Method(
        "input_x_gradient",
        "chromviz.extractors.gradient:input_x_gradient",
        "gradient",
        "the signal times the gradient (captum)",
        label="input × gradient",
        signed=True,
    ),
    Method(
        "integrated_gradients",
        "chromviz.extractors.path:integrated_gradients",
        "gradient",
        "gradients integrated from the reference to the gene",
        label="integrated gradients",
        signed=True,
        parameters={"reference": "zero", "pieces": 4, "halvings": 8, "tolerance": 0.001},
    ),
    Method(
        "gradient_shap",
        "chromviz.extractors.gradient:gradient_shap",
        "gradient",
        "gradients at random points between several references and the gene",
        label="GradientSHAP",
        signed=True,
        parameters={"reference": "low_expression", "samples": 32},
    ),
    Method(
        "deep_lift",
        "chromviz.extractors.gradient:deep_lift",
        "gradient",
        "contributions against the reference, layer by layer; not through LSTMs (captum)",
        label="DeepLIFT",
        signed=True,
        parameters={"reference": "zero"},
    ),
    Method(
        "smoothgrad",
        "chromviz.extractors.gradient:smoothgrad",
        "gradient",
        "mean gradient over noisy copies of the gene",
        label="SmoothGrad",
        signed=True,
        parameters={"noise": 0.1, "samples": 16},
    ),
    Method(
        "guided_backprop",
        "chromviz.extractors.gradient:guided_backprop",
        "gradient",
        "gradient without its negative parts at each ReLU (captum)",
        label="guided backpropagation",
        signed=True,
    ),
    Method(
        "deconvolution",
        "chromviz.extractors.gradient:deconvolution",
        "gradient",
        "gradient that passes each ReLU by its own sign (captum)",
        label="deconvolution",
        signed=True,
    ),
    Method(
        "occlusion",
        "chromviz.extractors.perturbation:occlusion",
        "output",
        "what the logit loses without a window of bins of a mark (captum)",
        label="occlusion",
        signed=True,
        parameters={"reference": "zero", "window": 5, "stride": 5},
    ),
    Method(
        "feature_ablation",
        "chromviz.extractors.perturbation:feature_ablation",
        "output",
        "what the logit loses without a mark (captum)",
        label="feature ablation",
        dims=("gene", "mark"),
        signed=True,
        parameters={"reference": "zero"},
    ),
    Method(
        "shapley_sampling",
        "chromviz.extractors.perturbation:shapley_sampling",
        "output",
        "a mark's mean worth over all coalitions of marks; exact up to 8 marks",
        label="Shapley values",
        dims=("gene", "mark"),
        signed=True,
        parameters={"reference": "zero", "samples": 64},
    ),
    Method(
        "coefficients",
        "chromviz.extractors.own:own_weights",
        "coefficients",
        "a linear model's own: slope of the logit by the arcsinh of each bin",
        label="coefficients",
        dims=("mark", "bin"),
        signed=True,
    ),
    Method(
        "importances",
        "chromviz.extractors.own:own_weights",
        "importances",
        "a forest's or rules' own: how much of the model rests on each bin",
        label="importances",
        dims=("mark", "bin"),
    ),
    Method(
        "class_optimization",
        "chromviz.extractors.optimization:class_optimization",
        "gradient",
        "the input that the model finds most ON (or OFF), by DeepChrome's recipe",
        label="class optimization",
        dims=("mark", "bin"),
        parameters={"state": "ON", "penalty": 0.009, "step": 0.1, "steps": 1000, "restarts": 1},
    ),
    Method(
        "raw_signal",
        "chromviz.extractors.controls:raw_signal",
        "",
        "control: the input itself",
        label="raw signal",
        signed=True,
    ),
    Method(
        "tss_distance",
        "chromviz.extractors.controls:tss_distance",
        "",
        "control: 1 at the TSS, falling linearly to 0 at the window's edge",
        label="distance to the TSS",
    ),
    Method(
        "uniform",
        "chromviz.extractors.controls:uniform",
        "",
        "control: the same for every bin",
        label="uniform",
    ),
    Method(
        "random",
        "chromviz.extractors.controls:random",
        "",
        "control: independent draws from U(0, 1), from the seed and the gene's id",
        label="random",
    ),
)

_PAPER = "Singh et al., Attend and Predict, NeurIPS 2017, section 5"
_MODELS = (
    ModelSpec(
        "lstm-alpha",
        "LSTM-α",
        "chromviz.models.attentive:LSTMAlpha",
        ("alpha",),
        _PAPER,
        2e-3,
        paper=PAPER,
    ),
    ModelSpec(
        "lstm-alpha-beta",
        "LSTM-α,β",
        "chromviz.models.attentive:LSTMAlphaBeta",
        ("alpha", "beta"),
        f"{_PAPER} (AttentiveChrome)",
        2e-3,
        ("attentivechrome",),
        paper=PAPER,
    ),
    ModelSpec(
        "attentivechrome-released",
        "AttentiveChrome (released)",
        "chromviz.models.foreign:ReleasedAttentiveChrome",
        ("alpha", "beta"),
        "the authors' second release, in PyTorch: LSTM-α,β on raw counts",
        2e-4,
        paper=PAPER,
    ),
    ModelSpec(
        "lstm-attn",
        "LSTM-Attn",
        "chromviz.models.joint:JointLSTMAttention",
        ("alpha",),
        _PAPER,
        4e-3,
        paper=PAPER,
    ),
    ModelSpec("lstm", "LSTM", "chromviz.models.joint:JointLSTM", (), _PAPER, 2e-3, paper=PAPER),
    ModelSpec(
        "cnn-attn",
        "CNN-Attn",
        "chromviz.models.convolutional:CNNAttention",
        ("alpha",),
        _PAPER,
        1e-3,
        paper=PAPER,
    ),
    ModelSpec(
        "cnn-alpha-beta",
        "CNN-α,β",
        "chromviz.models.convolutional:CNNAlphaBeta",
        ("alpha", "beta"),
        _PAPER,
        2e-3,
        paper=PAPER,
    ),
    ModelSpec(
        "deepchrome",
        "DeepChrome (CNN)",
        "chromviz.models.deepchrome:DeepChrome",
        (),
        "Singh et al., DeepChrome, Bioinformatics 32(17), 2016",
        1e-3,
        paper=PAPER_DEEPCHROME,
    ),
    ModelSpec(
        "linear-regression",
        "linear regression",
        "chromviz.models.classical.linear:LinearOnAverages",
        source="mark averages, after Karlić et al., PNAS 107(7), 2010",
        own=("coefficients",),
    ),
    ModelSpec(
        "logistic-regression",
        "logistic regression",
        "chromviz.models.classical.linear:LogisticOnAverages",
        source="mark averages, as linear regression",
        own=("coefficients",),
    ),
    ModelSpec(
        "svm",
        "SVM",
        "chromviz.models.classical.svm:SVMOnBins",
        source="all bins, radial kernel, after Cheng et al., Genome Biology 12, R15, 2011",
    ),
    ModelSpec(
        "random-forest",
        "random forest",
        "chromviz.models.classical.forest:ForestOnBestBins",
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


def find_registered(name: str) -> ModelSpec:
    """Return a registered architecture by name or alias, in any case.

    :func:`chromviz.models.find_model` also takes a user's own, ``package.module:factory``.
    """
    wanted = name.strip().lower()
    for spec in models().values():
        if wanted in (spec.name, *spec.aliases):
            return spec
    raise UnknownNameError("model", name, models(), "'chromviz models' lists them.")


def list_models() -> pd.DataFrame:
    """Return the models that can be trained by name.

    Returns
    -------
    pandas.DataFrame
        One row per model: ``model``, its name; ``label``, its name in figures; ``attention``, any
        of ``alpha`` (over bins) and ``beta`` (over marks); ``published_settings``, whether
        ``preset="paper"`` exists; ``source``.

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
            "published_settings": spec.paper is not None,
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
    """Return the names of the methods that explain no model: what an explanation has to beat."""
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
    """Return a model's name for figures and tables; an unknown name as it is.

    A variant follows in brackets: ``LSTM-α (untrained)``.
    """
    known = models().get(model)
    label = known.label if known else model
    return f"{label} ({variant})" if variant else label

"""The methods by name: what each needs of a model, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chromviz.errors import UnknownNameError
from chromviz.plugins import with_plugins

if TYPE_CHECKING:
    from chromviz.extract.run import Found, Job

GENE_MAP = ("gene", "mark", "bin")


@dataclass(frozen=True)
class Method:
    """A way to give weights to bins and marks.

    Parameters
    ----------
    name
        How commands and files call it.
    run
        ``run(job)`` returns the weights; or where to find it, as ``"module:function"``, so that
        listing the methods imports none of their libraries.
    needs
        What a model must have: ``"alpha"`` or ``"beta"`` (that attention), ``"coefficients"`` or
        ``"importances"`` (weights of its own), ``"gradient"`` (any differentiable module),
        ``"output"`` (any model), or ``""`` for a control that needs no model.
    description
        One line for people.
    dims
        Dimensions of the weights.
    signed
        Whether the sign of a weight has a meaning.
    parameters
        The method's settings and their defaults.
    """

    name: str
    run: Callable[[Job], Found] | str
    needs: str
    description: str
    dims: tuple[str, ...] = GENE_MAP
    signed: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_control(self) -> bool:
        """Whether the method needs no model."""
        return not self.needs

    def refusal(self, model: str, gives: Collection[str]) -> str:
        """Return why the method cannot serve a model, empty if it can.

        Parameters
        ----------
        model
            The model's name, for the message.
        gives
            What the model has, as :attr:`chromviz.models.ModelSpec.gives` lists it.
        """
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

    def function(self) -> Callable[[Job], Found]:
        """Return the function that computes the weights."""
        if not isinstance(self.run, str):
            return self.run
        module, _, name = self.run.partition(":")
        function: Callable[[Job], Found] = getattr(import_module(module), name)
        return function


_BUILT_IN = (
    Method(
        "alpha",
        "chromviz.extract.attention:alpha",
        "alpha",
        "attention over bins; sums to 1 over a mark's bins",
    ),
    Method(
        "beta",
        "chromviz.extract.attention:beta",
        "beta",
        "attention over marks; sums to 1",
        dims=("gene", "mark"),
    ),
    Method(
        "alpha_beta",
        "chromviz.extract.attention:alpha_beta",
        "beta",
        "attention over bins times that over marks; sums to 1 over a gene's marks and bins",
    ),
    Method(
        "attention_entropy",
        "chromviz.extract.attention:attention_entropy",
        "alpha",
        "how evenly attention lies over a mark's bins: 1 evenly, 0 in one bin",
        dims=("gene", "mark"),
    ),
    Method(
        "saliency",
        "chromviz.extract.gradient:saliency",
        "gradient",
        "gradient of the logit by the signal, with its sign (captum)",
        signed=True,
        parameters={"absolute": False},
    ),
    Method(
        "saliency_absolute",
        "chromviz.extract.gradient:saliency",
        "gradient",
        "size of that gradient, without its sign (captum's default)",
        parameters={"absolute": True},
    ),
    Method(
        "input_x_gradient",
        "chromviz.extract.gradient:input_x_gradient",
        "gradient",
        "the signal times the gradient (captum)",
        signed=True,
    ),
    Method(
        "integrated_gradients",
        "chromviz.extract.path:integrated_gradients",
        "gradient",
        "gradients integrated from the reference to the gene",
        signed=True,
        parameters={
            "reference": "zero",
            "pieces": 4,
            "halvings": 8,
            "tolerance": 0.001,
        },
    ),
    Method(
        "gradient_shap",
        "chromviz.extract.gradient:gradient_shap",
        "gradient",
        "gradients at random points between several references and the gene",
        signed=True,
        parameters={"reference": "low_expression", "samples": 32},
    ),
    Method(
        "deep_lift",
        "chromviz.extract.gradient:deep_lift",
        "gradient",
        "contributions against the reference, layer by layer; not through LSTMs (captum)",
        signed=True,
        parameters={"reference": "zero"},
    ),
    Method(
        "smoothgrad",
        "chromviz.extract.gradient:smoothgrad",
        "gradient",
        "mean gradient over noisy copies of the gene",
        signed=True,
        parameters={"noise": 0.1, "samples": 16},
    ),
    Method(
        "guided_backprop",
        "chromviz.extract.gradient:guided_backprop",
        "gradient",
        "gradient without its negative parts at each ReLU (captum)",
        signed=True,
    ),
    Method(
        "deconvolution",
        "chromviz.extract.gradient:deconvolution",
        "gradient",
        "gradient that passes each ReLU by its own sign (captum)",
        signed=True,
    ),
    Method(
        "occlusion",
        "chromviz.extract.perturbation:occlusion",
        "output",
        "what the logit loses without a window of bins of a mark (captum)",
        signed=True,
        parameters={"reference": "zero", "window": 5, "stride": 5},
    ),
    Method(
        "feature_ablation",
        "chromviz.extract.perturbation:feature_ablation",
        "output",
        "what the logit loses without a mark (captum)",
        dims=("gene", "mark"),
        signed=True,
        parameters={"reference": "zero"},
    ),
    Method(
        "shapley_sampling",
        "chromviz.extract.perturbation:shapley_sampling",
        "output",
        "a mark's mean worth over all coalitions of marks; exact up to 8 marks",
        dims=("gene", "mark"),
        signed=True,
        parameters={"reference": "zero", "samples": 64},
    ),
    Method(
        "coefficients",
        "chromviz.extract.own:own_weights",
        "coefficients",
        "a linear model's own: slope of the logit by the arcsinh of each bin",
        dims=("mark", "bin"),
        signed=True,
    ),
    Method(
        "importances",
        "chromviz.extract.own:own_weights",
        "importances",
        "a forest's or rules' own: how much of the model rests on each bin",
        dims=("mark", "bin"),
    ),
    Method(
        "class_optimization",
        "chromviz.extract.optimization:class_optimization",
        "gradient",
        "the input that the model finds most ON (or OFF), by DeepChrome's recipe",
        dims=("mark", "bin"),
        parameters={
            "state": "ON",
            "penalty": 0.009,
            "step": 0.1,
            "steps": 1000,
            "restarts": 1,
        },
    ),
    Method(
        "raw_signal",
        "chromviz.extract.controls:raw_signal",
        "",
        "control: the input itself",
        signed=True,
    ),
    Method(
        "tss_distance",
        "chromviz.extract.controls:tss_distance",
        "",
        "control: 1 at the TSS, falling linearly to 0 at the window's edge",
    ),
    Method("uniform", "chromviz.extract.controls:uniform", "", "control: the same for every bin"),
    Method(
        "random",
        "chromviz.extract.controls:random",
        "",
        "control: independent draws from U(0, 1), from the seed and the gene's id",
    ),
)


@cache
def methods() -> dict[str, Method]:
    """Return the known methods by name: the built-in ones, then plug-ins.

    Raises
    ------
    ChromvizError
        If a plug-in takes a name that exists.
    """
    return with_plugins(_BUILT_IN, "chromviz.methods")


def find_method(name: str) -> Method:
    """Return a method by name, in any case, with ``-`` for ``_`` if you like.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are offered.
    """
    wanted = name.strip().lower().replace("-", "_")
    if wanted in methods():
        return methods()[wanted]
    raise UnknownNameError("method", name, methods(), "'chromviz methods' lists them.")

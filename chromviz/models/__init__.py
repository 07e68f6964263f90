"""Models: the protocol that every model follows.

A model is any ``torch.nn.Module`` that maps signal (batch, mark, bin) float32 to the logit of ON
(batch,). One that attends also has ``attention(signal)``, which returns
:class:`~chromviz.models.layers.Attention`. Input transforms (logarithms, scaling) are part of the
module; a module whose ``transform`` has ``fit(signal)`` gets the signal of the training genes
before training. A model that is not trained by gradient steps is a
:class:`~chromviz.models.classical.base.Fitted`, which is given all genes at once.

The architectures themselves are listed in :mod:`chromviz.catalog`.
"""

from typing import Any

from chromviz.catalog import ModelSpec, models
from chromviz.errors import UnknownNameError


def find_model(model: Any) -> ModelSpec:
    """Return an architecture by whatever a user gives for it.

    `model` is a name or alias, in any case; ``package.module:factory``, which is imported, so its
    code runs; a class, a function or an instance (:func:`chromviz.models.custom.own_model`); or an
    architecture.
    """
    if isinstance(model, ModelSpec):
        return model
    if isinstance(model, str) and ":" not in model:
        wanted = model.strip().lower()
        for spec in models().values():
            if wanted in (spec.name, *spec.aliases):
                return spec
        raise UnknownNameError("model", model, models(), "'chromviz models' lists them.")
    from chromviz.models.custom import import_model, own_model

    return import_model(model.strip()) if isinstance(model, str) else own_model(model)

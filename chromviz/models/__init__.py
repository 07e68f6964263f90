"""Models: the protocol that every model follows.

A model is any ``torch.nn.Module`` that maps signal (batch, mark, bin) float32 to the logit of ON
(batch,). One that attends also has ``attention(signal)``, which returns
:class:`~chromviz.models.layers.Attention`. Input transforms (logarithms, scaling) are part of the
module; a module whose ``transform`` has ``fit(signal)`` gets the signal of the training genes
before training. A model that is not trained by gradient steps is a
:class:`~chromviz.models.fitted.Fitted`, which is given all genes at once.

The architectures themselves are listed in :mod:`chromviz.catalog`.
"""

from chromviz.catalog import ModelSpec, find_registered, models, slug

__all__ = ["ModelSpec", "find_model", "models", "slug"]


def find_model(name: str | ModelSpec) -> ModelSpec:
    """Return an architecture by name or alias, in any case, or a user's own.

    A name with a colon, ``package.module:factory``, is imported: its code runs. An architecture
    is returned as it is.

    Raises
    ------
    UnknownNameError
        If there is none; the nearest names are offered.
    ChromvizError
        If a user's module cannot be imported or is not a model.
    """
    if isinstance(name, ModelSpec):
        return name
    if ":" in name:
        from chromviz.models.custom import import_model

        return import_model(name.strip())
    return find_registered(name)

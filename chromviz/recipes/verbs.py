"""The public verbs ``extract`` and ``list_methods``: names are resolved, then rooms are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from chromviz.catalog import find_method, methods
from chromviz.data.store import dataset_of
from chromviz.errors import ChromvizError

if TYPE_CHECKING:
    import pandas as pd

    from chromviz.extractors.run import Genes
    from chromviz.models.checkpoint import TrainedModel


def extract(
    method: str,
    data: xr.Dataset | str,
    model: Any = None,
    *,
    genes: Genes = "test",
    seed: int = 0,
    device: str = "cpu",
    batch_size: int | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Explain the predictions of a model, or compute the weights of a control.

    Parameters
    ----------
    method
        Name of a method or control, see :func:`chromviz.list_methods`: ``"alpha"``,
        ``"saliency"``, ``"raw_signal"``.
    data
        A dataset, or the name of an embedded cell type.
    model
        What :func:`chromviz.train` or :func:`chromviz.load_model` returns, or any
        ``torch.nn.Module`` that maps signal (batch, mark, bin) to one logit per gene (batch,),
        which is explained as it is. The name of a model, a class or ``package.module:factory``
        stands for a model trained on `data` with `seed`: it is taken from the store of trained
        models, or trained first. The path of a model file is read. None for a control.
    genes
        ``"train"``, ``"valid"`` or ``"test"`` for a part of the split, ``"all"`` for every gene
        that models can use, or a symbol, id or locus, or a list of them (``["PAX5"]``).
    seed
        Random seed, of methods that draw random numbers and of a model given by name.
    device
        Where to compute: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    batch_size
        Number of genes per pass; the result does not depend on it. None for a suitable number.
    **settings
        Settings of the method, for example ``reference="mean"``; ``list_methods`` shows them.

    Returns
    -------
    xarray.Dataset
        ``weight``, float32 over (gene, mark, bin), (gene, bin) or (gene, mark), or over (mark,
        bin) for the weights of a class, in the unit of the method; ``probability`` (gene,) of ON
        if there is a model; ``delta`` (gene,), the completeness error in logits, if the method
        has one. Attributes record method, settings, model, hashes, seed and versions.

    Raises
    ------
    ChromvizError
        If a name or setting is unknown, an argument has a wrong type, the method cannot explain
        the model, or a gene lacks complete signal.

    Notes
    -----
    α and β are defined in section 3 of Singh et al., *Attend and Predict*, NeurIPS 2017.

    Examples
    --------
    >>> import chromviz as cv
    >>> raw = cv.extract("raw_signal", "K562")
    >>> raw["weight"].dims
    ('gene', 'mark', 'bin')
    >>> data = cv.open_cell("K562").isel(gene=slice(0, 300))
    >>> weights = cv.extract("coefficients", data, "linear-regression")
    >>> weights.attrs["model"]
    'linear-regression'

    A module of your own is explained as it is:

    >>> import torch
    >>> class Mean(torch.nn.Module):
    ...     def forward(self, signal):
    ...         return signal.mean(dim=(1, 2))
    >>> saliency = cv.extract("saliency", data, Mean(), genes="all")
    >>> saliency["weight"].dtype
    dtype('float32')
    """
    from chromviz.extractors.run import check_settings_of, extract

    chosen = find_method(method)
    dataset = dataset_of(data)
    check_settings_of(chosen, settings)
    return extract(
        method,
        dataset,
        _resolved(model, method, dataset, seed, device),
        genes=genes,
        batch_size=batch_size,
        device=device,
        seed=seed,
        **settings,
    )


def _resolved(model: Any, method: str, dataset: xr.Dataset, seed: int, device: str) -> Any:
    """Return a model that can be run: as given, or trained if only its architecture is given."""
    from torch import nn

    from chromviz.models.checkpoint import TrainedModel
    from chromviz.models.choice import choose_models, fitted_models
    from chromviz.progress import SILENT

    if model is None or isinstance(model, (TrainedModel, nn.Module)):
        return model
    if isinstance(model, (list, tuple)):
        raise ChromvizError(f"extract explains one model at a time, not {len(model)}")
    (choice,) = choose_models(model, dataset)
    if refusal := find_method(method).refusal(choice.name, choice.spec.gives):
        raise ChromvizError(refusal)
    found: dict[str, TrainedModel] = fitted_models([choice], dataset, seed, 1, device, SILENT)
    return found[choice.name]


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
    >>> import chromviz as cv
    >>> table = cv.list_methods()
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

"""How a prediction changes when the top bins of an explanation are deleted or inserted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import nn

from chromviz.errors import ChromvizError
from chromviz.extractors.collect import gene_generator
from chromviz.extractors.reference import references
from chromviz.models.checkpoint import TrainedModel
from chromviz.models.inference import logits_of, logits_on, probabilities, session
from chromviz.models.layers import SoftAttention, attended_sum
from chromviz.progress import Progress, silent
from chromviz.schema import dataset_hash, explained_genes

#: Shares of a gene's bins that are deleted or inserted.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def perturbation_curves(
    attribution: xr.Dataset,
    model: TrainedModel,
    dataset: xr.Dataset,
    *,
    genes: Sequence[int] | np.ndarray | None = None,
    shares: Sequence[float] = SHARES,
    by: str = "bins",
    device: str = "cpu",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Return the logit while a gene's bins are deleted, or inserted, in the order of their weights.

    Deletion replaces the top bins by no signal, share by share; insertion starts from no signal.
    Signed weights are ordered by how much they support the prediction, unsigned weights by size. A
    weight without bins or marks is used for all of them, that of a class for every gene.

    `genes` are positions in `dataset`; if None, all that are explained (of a class: the test
    genes). `by` is ``bins``; or ``marks``, which are deleted as a whole by the mean weight of their
    bins. Returns one row per gene, way and share: ``gene, way`` (``deletion``, ``insertion``),
    ``share, logit``, and ``whole, empty``, the logits of the gene and of no signal.
    """
    shares = list(shares)
    if shares != sorted(shares) or not shares or not 0 <= shares[0] <= shares[-1] <= 1:
        raise ChromvizError(f"the shares must rise from 0 to 1, not {shares}")
    if by not in ("bins", "marks"):
        raise ChromvizError(f"bins or marks can be deleted, not {by!r}")
    rows = _genes(attribution, dataset, genes)
    base = references(dataset, "zero")
    signal = dataset["signal"].values[rows]
    module = model.module
    with session(module, device) as target:
        whole = logits_on(module, signal, target)
        empty = float(logits_of(module, torch.from_numpy(base).to(target))[0])
        place = order_of(attribution, dataset, rows, whole > 0, by)
        size = place.max() + 1
        curves = []
        steps = [(way, share) for way in ("deletion", "insertion") for share in shares]
        for done, (way, share) in enumerate(steps, 1):
            first = place < round(share * size)
            kept = ~first if way == "deletion" else first
            logit = logits_on(module, np.where(kept, signal, base), target)
            curves.append({"way": way, "share": share, "logit": logit})
            progress(f"{by} of {attribution.attrs['method']}", done, len(steps))
    same = {"gene": dataset["gene"].values[rows], "whole": whole, "empty": empty}
    columns = ["gene", "way", "share", "logit", "whole", "empty"]
    tables = [pd.DataFrame({**same, **curve}, columns=columns) for curve in curves]
    return pd.concat(tables, ignore_index=True)


def order_of(
    attribution: xr.Dataset,
    dataset: xr.Dataset,
    rows: np.ndarray,
    predicted_on: np.ndarray,
    by: str = "bins",
) -> np.ndarray:
    """Return the position of each bin in the order of deletion (gene, mark, bin), from 0.

    Ties are in an order that each gene draws from its id: an order by position would favour bins
    by their distance to the TSS.
    """
    shape = (len(rows), dataset.sizes["mark"], dataset.sizes["bin"])
    genes = dataset["gene"].values[rows]
    weight = attribution["weight"]
    values = weight.values.astype(np.float64)
    if "gene" in weight.dims:
        values = values[pd.Index(attribution["gene"].values).get_indexer(genes)]
    for axis, dim in enumerate(("gene", "mark", "bin")):
        if dim not in weight.dims:
            values = np.expand_dims(values, axis)
    if by == "marks":
        values = values.mean(axis=2, keepdims=True)
    values = np.broadcast_to(values, (*shape[:2], 1 if by == "marks" else shape[2]))
    sign = np.where(predicted_on, 1, -1)[:, None, None]
    support = sign * values if attribution.attrs["signed"] else np.abs(values)
    flat = support.reshape(len(rows), -1)
    tie = np.stack([gene_generator(0, gene).random(flat.shape[1]) for gene in genes])
    order = np.lexsort((tie, -flat), axis=1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(flat.shape[1]), flat.shape), 1)
    return np.asarray(np.broadcast_to(place.reshape(support.shape), shape))


@contextmanager
def altered_attention(module: nn.Module, how: str, seed: int = 0) -> Iterator[None]:
    """Replace a network's attention over bins while the context lasts.

    `how` is ``uniform``, the same weight for every bin, or ``permuted``: the weights move to other
    bins by one permutation for all genes, from the seed.
    """
    if how not in ("uniform", "permuted"):
        raise ChromvizError(f"attention can be made uniform or permuted, not {how!r}")
    layer = _bin_attention(module)

    def hook(part: nn.Module, given: Any, found: Any) -> tuple[torch.Tensor, torch.Tensor]:
        states, (_, weights) = given[0], found
        if how == "uniform":
            weights = torch.full_like(weights, 1 / len(weights))
        else:
            order = np.random.default_rng(seed).permutation(len(weights))
            weights = weights[torch.from_numpy(order).to(weights.device)]
        return attended_sum(states, weights).flatten(1, 2), weights

    with layer.register_forward_hook(hook):
        yield


def attention_moves(
    model: TrainedModel,
    dataset: xr.Dataset,
    genes: np.ndarray,
    *,
    n_permutations: int = 10,
    seed: int = 0,
    device: str = "cpu",
) -> pd.DataFrame:
    """Return how far predictions move when a model attends to other bins.

    Small moves mean that α says little about the prediction (Jain and Wallace 2019; Serrano and
    Smith 2019). One row per gene and way: ``gene, way`` (``uniform``, ``permuted``),
    ``probability``, ``moved`` (mean absolute change in probability) and ``flipped`` (share of draws
    in which the call changes).
    """
    signal = dataset["signal"].values[genes]
    parts = []
    with session(model.module, device) as target:
        before = probabilities(logits_on(model.module, signal, target))
        for way, draws in (("uniform", 1), ("permuted", n_permutations)):
            moved, flipped = np.zeros(len(genes)), np.zeros(len(genes))
            for draw in range(draws):
                with altered_attention(model.module, way, seed + draw):
                    after = probabilities(logits_on(model.module, signal, target))
                moved += np.abs(after - before) / draws
                flipped += ((after > 0.5) != (before > 0.5)) / draws
            parts.append(
                pd.DataFrame(
                    {
                        "gene": dataset["gene"].values[genes],
                        "way": way,
                        "probability": before,
                        "moved": moved,
                        "flipped": flipped,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def _bin_attention(module: nn.Module) -> SoftAttention:
    """Return a network's layer of attention over bins."""
    for holder, name in ((module, "bin_attention"), (getattr(module, "bins", None), "attention")):
        layer = getattr(holder, name, None)
        if isinstance(layer, SoftAttention):
            return layer
    raise ChromvizError(
        f"{type(module).__name__} has no attention over bins that can be altered; it takes a "
        "network with a chromviz.models.layers.SoftAttention named bin_attention"
    )


def _genes(
    attribution: xr.Dataset, dataset: xr.Dataset, genes: Sequence[int] | np.ndarray | None
) -> np.ndarray:
    needed = () if genes is None else genes
    explained = explained_genes(attribution, dataset, dataset_hash(dataset), needed=needed)
    if genes is not None:
        return np.asarray(genes)
    test = np.flatnonzero(dataset["split"].values == "test")
    return test if explained is None else explained

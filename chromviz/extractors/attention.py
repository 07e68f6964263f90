"""Attention as the model computed it: α over bins, β over marks (section 3)."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from scipy.special import xlogy

from chromviz.errors import CannotServeError, ChromvizError
from chromviz.extractors.job import Found, Job
from chromviz.models.inference import one_a_gene, over_batches


def alpha(job: Job) -> Found:
    """Return α (gene, mark, bin), or (gene, bin) if the model does not separate marks.

    An α of another shape, or that does not sum to 1 over bins, is an error.
    """
    return _collect(job, "alpha", (("gene", "mark", "bin"), ("gene", "bin")))


def beta(job: Job) -> Found:
    """Return β (gene, mark); a model without β, or β that does not sum to 1, is an error."""
    return _collect(job, "beta", (("gene", "mark"),))


def alpha_beta(job: Job) -> Found:
    """Return α·β (gene, mark, bin), the share of each bin in the attended sum of attended sums.

    β_j α_jt is the weight of bin t of mark j; over all marks and bins of a gene they sum to 1. The
    LSTM over marks lies between the two sums, so this is a weight and not a share of the logit.
    """
    bins = _collect(job, "alpha", (("gene", "mark", "bin"),))
    marks = _collect(job, "beta", (("gene", "mark"),))
    return Found(bins.weight * marks.weight[:, :, None], bins.logit)


def attention_entropy(job: Job) -> Found:
    """Return how evenly α is spread over a mark's bins (gene, mark): 1 if evenly, 0 if in one bin.

    It is -Σ_t α_t ln α_t / ln T for T bins. A model that does not separate marks, or has one bin
    only, raises `CannotServeError`.
    """
    found = alpha(job)
    n_bins = found.weight.shape[-1]
    if found.dims == ("gene", "bin"):
        raise CannotServeError(
            f"the method 'attention_entropy' is a mark's, and {type(job.module).__name__} attends "
            "to the bins of all marks at once; use a model that separates them (lstm-alpha)"
        )
    if n_bins < 2:
        raise CannotServeError("attention over one bin has no entropy; use more bins")
    entropy = -xlogy(found.weight, found.weight).sum(-1) / np.log(n_bins)
    return Found(entropy.clip(0, 1), found.logit)


def _collect(job: Job, name: str, allowed: tuple[tuple[str, ...], ...]) -> Found:
    """Run the model over the genes and keep one of its attentions, with the logits.

    The first batch determines which of the `allowed` dimensions it has.
    """
    module = cast("Any", job.module)
    sizes = dict(zip(("gene", "mark", "bin"), job.signal.shape, strict=True))
    shapes = {tuple(sizes[dim] for dim in dims[1:]): dims for dims in allowed}
    weight, shape = np.empty(0, dtype=np.float32), ()
    logit = np.empty(len(job.signal), dtype=np.float32)

    def run(batch: torch.Tensor, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            attention = module.attention(batch)
            found = getattr(attention, name)
            if found is None:
                raise ChromvizError(f"{type(module).__name__} gives no {name}")
            if found.shape not in [(len(batch), *shape) for shape in shapes]:
                expected = " or ".join(str((len(batch), *shape)) for shape in shapes)
                raise ChromvizError(
                    f"{type(module).__name__}'s {name} has the shape {tuple(found.shape)}; "
                    f"expected {expected}"
                )
            output = module(batch) if attention.logit is None else attention.logit
            return found.cpu().numpy(), one_a_gene(output, len(batch)).cpu().numpy()

    for rows, (found, output) in over_batches(
        run,
        job.signal,
        module,
        job.device,
        job.batch_size,
        what=name,
        progress=job.progress,
    ):
        if rows.start == 0:
            shape = found.shape[1:]
            weight = np.empty((len(logit), *shape), dtype=np.float32)
        if found.shape[1:] != shape:
            raise ChromvizError(
                f"{type(module).__name__}'s {name} has another shape for other genes: "
                f"{found.shape[1:]} after {shape}"
            )
        weight[rows], logit[rows] = found, output
    sums = weight.sum(axis=-1)
    if not np.allclose(sums, 1, atol=1e-4):
        raise ChromvizError(
            f"{type(module).__name__}'s {name} is not attention: it sums to "
            f"{sums.min():.3g} to {sums.max():.3g}, not to 1"
        )
    return Found(weight, logit, dims=shapes[shape])

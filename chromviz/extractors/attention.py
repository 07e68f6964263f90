"""Attention as the model computed it: α over bins, β over marks (section 3)."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import xlogy

from chromviz.errors import CannotServeError, ChromvizError
from chromviz.extractors.job import Found, Job
from chromviz.models.inference import joined, one_a_gene, over_batches


def alpha(job: Job) -> Found:
    """Return α (gene, mark, bin), or (gene, bin) if the model does not separate marks."""
    return _collect(job, "alpha", (("gene", "mark", "bin"), ("gene", "bin")))


def beta(job: Job) -> Found:
    """Return β (gene, mark)."""
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
    """Return -Σ_t α_t ln α_t / ln T for T bins (gene, mark): 1 if α is even, 0 if in one bin."""
    found = alpha(job)
    n_bins = found.weight.shape[-1]
    if found.dims == ("gene", "bin"):
        raise CannotServeError(
            "the method 'attention_entropy' needs attention over the bins of each mark, and "
            f"{type(job.module).__name__} attends to the bins of all marks at once; use a model "
            "that separates them (lstm-alpha)"
        )
    if n_bins < 2:
        raise CannotServeError("attention over one bin has no entropy; use more bins")
    entropy = -xlogy(found.weight, found.weight).sum(-1) / np.log(n_bins)
    return Found(entropy.clip(0, 1), found.logit)


def _collect(job: Job, name: str, allowed: tuple[tuple[str, ...], ...]) -> Found:
    """Return one of a model's attentions, whose dimensions are one of `allowed`, and the logits."""
    module = job.module
    kind = f"{type(module).__name__}'s {name}"
    sizes = dict(zip(("gene", "mark", "bin"), job.signal.shape, strict=True))
    shapes = {tuple(sizes[dim] for dim in dims[1:]): dims for dims in allowed}

    def run(batch: torch.Tensor, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode():
            attention = module.attention(batch)
            found = getattr(attention, name)
            if found is None:
                raise ChromvizError(f"{type(module).__name__} gives no {name}")
            expected = [(len(batch), *shape) for shape in shapes]
            if found.shape not in expected:
                raise ChromvizError(
                    f"{kind} has the shape {tuple(found.shape)}; "
                    f"expected {' or '.join(map(str, expected))}"
                )
            output = module(batch) if attention.logit is None else attention.logit
            return found.cpu().numpy(), one_a_gene(output, len(batch)).cpu().numpy()

    batches = over_batches(
        run, job.signal, module, job.device, job.batch_size, what=name, progress=job.progress
    )
    shape, *others = dict.fromkeys(found.shape[1:] for found, _ in batches)
    if others:
        raise ChromvizError(f"{kind} has another shape for other genes: {others[0]} after {shape}")
    weight, logit = joined(batches)
    sums = weight.sum(axis=-1)
    if not np.allclose(sums, 1, atol=1e-4):
        raise ChromvizError(
            f"{kind} is not attention: it sums to {sums.min():.3g} to {sums.max():.3g}, not to 1"
        )
    return Found(weight, logit, dims=shapes[shape])

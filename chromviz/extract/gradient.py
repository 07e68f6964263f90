"""Gradients of the logit by the signal, through captum."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from captum.attr import Saliency

from chromviz.extract.run import Found
from chromviz.models.inference import one_a_gene, over_batches

if TYPE_CHECKING:
    from chromviz.extract.run import Job


def saliency(job: Job) -> Found:
    """Return the gradient of the logit of ON by each bin of the signal (gene, mark, bin).

    The parameter ``absolute`` drops the sign. captum does so unless told otherwise, as the
    saliency map was first defined (Simonyan et al. 2013); the paper does not say which it used.
    """
    module = cast("torch.nn.Module", job.module)
    method = Saliency(module)
    weight = np.empty_like(job.signal)
    logit = np.empty(len(job.signal), dtype=np.float32)

    def run(batch: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            output = one_a_gene(module(batch), len(batch)).cpu().numpy()
        gradient = method.attribute(batch.requires_grad_(), abs=job.parameters["absolute"])
        return output, gradient.detach().cpu().numpy()

    # cuDNN has no backward pass for a recurrent layer in evaluation mode.
    with torch.backends.cudnn.flags(enabled=False):
        for rows, (output, gradient) in over_batches(
            run,
            job.signal,
            module,
            job.device,
            job.batch_size,
            what="saliency",
            progress=job.progress,
        ):
            logit[rows], weight[rows] = output, gradient
    return Found(weight, logit)

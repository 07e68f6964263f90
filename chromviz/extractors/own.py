"""Weights that a model has of its own, apart from any gene: coefficients, importances."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from chromviz.errors import ChromvizError
from chromviz.extractors.job import Found, Job


def own_weights(job: Job) -> Found:
    """Return a model's own weights (mark, bin), the same for every gene.

    Coefficients are slopes of the logit by the arcsinh of each bin; importances sum to 1. If a
    model reads the average of a mark, the mark's weight is divided among its bins: the map is flat
    because the model cannot separate them. The rules of a rule learner are in ``rules``.
    """
    module = cast("Any", job.module)
    weight = np.asarray(module.own_weights(), dtype=np.float32)
    if weight.shape != job.signal.shape[1:]:
        raise ChromvizError(
            f"{type(module).__name__}'s own weights have the shape {weight.shape}; expected "
            f"{job.signal.shape[1:]}, a weight a mark and bin"
        )
    describe = getattr(module, "describe", None)
    return Found(weight, notes={"rules": "\n".join(describe(job.marks))} if describe else None)

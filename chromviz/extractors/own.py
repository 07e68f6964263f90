"""Weights that a model has of its own, apart from any gene: coefficients, importances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chromviz.errors import ChromvizError
from chromviz.extractors.job import Found

if TYPE_CHECKING:
    from chromviz.extractors.job import Job


def own_weights(job: Job) -> Found:
    """Return a model's own weights (mark, bin), the same for every gene.

    Coefficients are the logit's slopes by the arcsinh of each bin; importances sum to 1. Where a
    model reads a mark's average, the mark's weight is shared among its bins: the map is flat
    because the model cannot tell them apart. The rules of a learner of rules are in ``rules``.

    Raises
    ------
    ChromvizError
        If they do not have the signal's marks and bins.
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

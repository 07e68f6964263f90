"""The input that a model finds most typical of a class."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch.nn import functional

from chromviz.errors import ChromvizError
from chromviz.extractors.collect import amount, count
from chromviz.extractors.job import Found, Job
from chromviz.models.inference import one_a_gene


def class_optimization(job: Job) -> Found:
    """Optimise an input for a class, as DeepChrome does, and return it (mark, bin).

    From X drawn from U(0, 1), minimise NLL(class | X) + penalty · ‖X‖² by RMSprop for a number of
    ``steps`` of size ``step``; then clamp X to [0, 1] and divide by its maximum. One input stands
    for the class (``state``, ``"ON"`` or ``"OFF"``); no genes are involved. Of several
    ``restarts``, each from its own draw, the one with the lowest loss is kept. Stored with the
    weights: ``probability_reached`` (if low, the input does not represent the class) and
    ``restart_r``, the mean correlation of the others with it (if low, there is no unique input).
    An optimisation that does not stay finite is an error.
    """
    module = cast("torch.nn.Module", job.module)
    state = job.parameters["state"]
    if state not in ("ON", "OFF"):
        raise ChromvizError(f"class_optimization's state is {state!r}; it must be ON or OFF")
    towards = 1.0 if state == "ON" else -1.0
    restarts = count(job, "restarts")
    generator = torch.Generator().manual_seed(job.seed)
    start = torch.rand(restarts, *job.signal.shape[1:], generator=generator)
    found = start.to(job.device).requires_grad_()
    optimizer = torch.optim.RMSprop([found], lr=amount(job, "step"))
    penalty = amount(job, "penalty", or_zero=True)
    steps = count(job, "steps")

    def losses(inputs: torch.Tensor) -> torch.Tensor:
        # -log softmax of two outputs is the softplus of their difference
        miss = functional.softplus(-towards * one_a_gene(module(inputs), restarts))
        total: torch.Tensor = miss + penalty * inputs.square().sum((1, 2))
        return total

    # Restarts do not touch one another: the gradient of a sum of losses is each one's own.
    with torch.backends.cudnn.flags(enabled=False):
        for done in range(steps):
            optimizer.zero_grad()
            loss = losses(found).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if (done + 1) % 100 == 0:
                job.progress("class_optimization", done + 1, steps)
    with torch.no_grad():
        if not torch.isfinite(found).all():
            raise ChromvizError(
                f"the input optimised for {state} is not finite; use a smaller step"
            )
        clamped = found.clamp(0, 1)
        best = int(losses(clamped).argmin())
        reached = torch.sigmoid(towards * module(clamped))[best].item()
        largest = clamped[best].max()
        weight = clamped[best] / (largest if largest > 0 else 1)
    notes: dict[str, str | float] = {"probability_reached": reached}
    if restarts > 1:
        r = np.corrcoef(clamped.flatten(1).cpu().numpy())[best]
        notes["restart_r"] = float(np.delete(r, best).mean())
    return Found(weight.cpu().numpy(), notes=notes)

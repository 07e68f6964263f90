"""Weights of a model apart from any gene: its own, or the input most typical of a class."""

from __future__ import annotations

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
    ``steps`` of size ``step``; then clamp X to [0, 1] and divide by its maximum. The class is the
    ``state``, ``ON`` or ``OFF``. Of several ``restarts``, the one with the lowest loss is kept.
    Stored with the weights: ``probability_reached`` (if low, the input does not represent the
    class) and ``restart_r``, the mean correlation of the others with it (if low, there is no unique
    input).
    """
    module, state = job.module, job.parameters["state"]
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

    # Restarts are independent: the gradient of the sum of losses is that of each loss.
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


def own_weights(job: Job) -> Found:
    """Return a model's own weights (mark, bin), the same for every gene.

    Coefficients are slopes of the logit by the arcsinh of each bin; importances sum to 1. A model
    that reads the average of a mark has the same weight for all its bins. The rules of a rule
    learner are in the note ``rules``.
    """
    weight = np.asarray(job.module.own_weights(), dtype=np.float32)
    if weight.shape != job.signal.shape[1:]:
        raise ChromvizError(
            f"{type(job.module).__name__}'s own weights have the shape {weight.shape}; expected "
            f"{job.signal.shape[1:]}, one weight for each mark and bin"
        )
    describe = getattr(job.module, "describe", None)
    return Found(weight, notes={"rules": "\n".join(describe(job.marks))} if describe else None)

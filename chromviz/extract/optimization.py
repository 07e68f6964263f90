"""The input that a model finds most typical of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch.nn import functional

from chromviz.errors import ChromvizError
from chromviz.extract.run import Found
from chromviz.models.inference import one_a_gene

if TYPE_CHECKING:
    from chromviz.extract.run import Job


def class_optimization(job: Job) -> Found:
    """Optimise an input for a class, as DeepChrome does, and return it (mark, bin).

    From X drawn from U(0, 1), minimise NLL(class | X) + penalty · ‖X‖² by RMSprop with the given
    step, so many steps; then clamp X to [0, 1] and divide by its maximum. One input stands for
    the class: there are no genes in it. The probability reached is recorded beside the weights
    (``probability_reached``): where it stays low the input does not show the class.

    Parameters
    ----------
    job
        Its parameters: ``state`` (``"ON"`` or ``"OFF"``), ``penalty``, ``step``, ``steps``.

    Raises
    ------
    ChromvizError
        If the state is neither, or the optimisation does not stay finite.
    """
    module = cast("torch.nn.Module", job.module)
    state = job.parameters["state"]
    if state not in ("ON", "OFF"):
        raise ChromvizError(f"class_optimization's state is {state!r}; it must be ON or OFF")
    towards = 1.0 if state == "ON" else -1.0
    generator = torch.Generator().manual_seed(job.seed)
    start = torch.rand(1, *job.signal.shape[1:], generator=generator)
    found = start.to(job.device).requires_grad_()
    optimizer = torch.optim.RMSprop([found], lr=job.parameters["step"])
    steps = job.parameters["steps"]
    with torch.backends.cudnn.flags(enabled=False):
        for done in range(steps):
            optimizer.zero_grad()
            logit = one_a_gene(module(found), 1)
            # -log softmax of two outputs is the softplus of their difference
            loss = functional.softplus(-towards * logit).sum()
            loss = loss + job.parameters["penalty"] * found.square().sum()
            loss.backward()
            optimizer.step()
            if (done + 1) % 100 == 0:
                job.progress("class_optimization", done + 1, steps)
    with torch.no_grad():
        if not torch.isfinite(found).all():
            raise ChromvizError(
                f"the input optimised for {state} is not finite; use a smaller step"
            )
        clamped = found.clamp(0, 1)
        reached = torch.sigmoid(towards * module(clamped)).item()
        largest = clamped.max()
        weight = clamped[0] / (largest if largest > 0 else 1)
    return Found(weight.cpu().numpy(), notes={"probability_reached": reached})

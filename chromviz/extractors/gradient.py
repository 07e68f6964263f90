"""Gradients of the logit with respect to the signal, and methods built on them, by captum."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from chromviz.errors import CannotServeError
from chromviz.extractors.collect import (
    amount,
    collect,
    count,
    gene_generator,
    notes_on,
    one_reference,
    spread_of,
)
from chromviz.extractors.engine import attr
from chromviz.extractors.job import Found, Job
from chromviz.extractors.reference import references
from chromviz.models.layers import InputTransform


def saliency(job: Job) -> Found:
    """Return the gradient of the logit of ON with respect to each bin (gene, mark, bin).

    The parameter ``absolute`` drops the sign, as in the first definition of saliency maps (Simonyan
    et al. 2013) and by default in captum; the paper does not say which it used.
    """
    return _by_captum(job, attr.Saliency, abs=job.parameters["absolute"])


def input_x_gradient(job: Job) -> Found:
    """Return the signal times the gradient (Shrikumar et al. 2016)."""
    return _by_captum(job, attr.InputXGradient)


def _by_captum(job: Job, rule: type, *, side_by_side: bool = True, **options: Any) -> Found:
    """Explain by a method of captum that needs no reference."""
    method = rule(job.module)
    return collect(
        job,
        lambda batch, rows: (method.attribute(batch, **options), None),
        side_by_side=side_by_side,
    )


def smoothgrad(job: Job) -> Found:
    """Return the mean gradient over noisy copies of each gene (Smilkov et al. 2017).

    Noise is Gaussian, with ``noise`` times the mark's standard deviation over the training genes. A
    gene draws its ``samples`` copies from the seed and its id.
    """
    method, samples = attr.Saliency(job.module), count(job, "samples")
    noise = amount(job, "noise", or_zero=True)
    size = torch.from_numpy(noise * spread_of(job.dataset)).to(job.device)

    def explain(batch: torch.Tensor, rows: slice) -> tuple[torch.Tensor, None]:
        drawn = _draw(job, rows, (samples, *batch.shape[1:]), normal=True)
        copies = (batch.unsqueeze(1) + drawn * size).flatten(0, 1).detach().requires_grad_()
        gradient = method.attribute(copies, abs=False)
        return gradient.view(-1, samples, *batch.shape[1:]).mean(1), None

    return collect(job, explain, rows_a_gene=samples)


def gradient_shap(job: Job) -> Found:
    """Return expected gradients: the mean over several references and random points on the path.

    The mean over ``samples`` of (x - r) · gradient at r + u (x - r), with r one of the references
    and u from U(0, 1) (Lundberg and Lee 2017; Erion et al. 2021). The completeness error refers to
    the mean logit of the references; it decreases with more samples.
    """
    method, samples = attr.Saliency(job.module), count(job, "samples")
    several = references(job.dataset, job.parameters["reference"], several=True)
    pool = torch.from_numpy(several).to(job.device)

    def explain(batch: torch.Tensor, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        drawn = _draw(job, rows, (samples, 2), normal=False)
        which = (drawn[..., 0] * len(pool)).long().clamp(max=len(pool) - 1)
        far = batch.detach().unsqueeze(1) - pool[which]
        points = pool[which] + drawn[..., 1, None, None] * far
        gradient = method.attribute(points.flatten(0, 1).requires_grad_(), abs=False)
        return (gradient.view_as(far) * far).mean(1), pool

    return collect(job, explain, rows_a_gene=samples, notes=notes_on(several))


#: Layers for which captum has a DeepLIFT rule; it matches them by their exact type.
_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_RULES = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softmax, *_POOLS)


def deep_lift(job: Job) -> Found:
    """Return DeepLIFT contributions against the reference, by the rescale rule.

    (Shrikumar et al. 2017.) An :class:`~chromviz.models.layers.InputTransform` transforms each bin
    separately, so a bin's contribution is that of its transformed signal. In recurrence and
    attention captum falls back to the gradient; the completeness error says how much is missing.
    """
    module, (base, notes) = job.module, one_reference(job)
    _check_layers(module, base)
    method, transform = attr.DeepLift(module), getattr(module, "transform", None)

    def explain(batch: torch.Tensor, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, others = batch, base.expand_as(batch)
        if not isinstance(transform, InputTransform):
            return method.attribute(inputs, others), base
        with torch.no_grad():
            inputs, others = transform(inputs), transform(others)
        with transform.register_forward_hook(lambda part, given, found: given[0]):
            return method.attribute(inputs.requires_grad_(), others), base

    with _hooks(), _own_inputs(module):
        return collect(job, explain, side_by_side=False, notes=notes)


@contextmanager
def _own_inputs(module: nn.Module) -> Iterator[None]:
    """Give each layer with a DeepLIFT rule a copy of its input.

    captum replaces the gradient at the tensor that enters a layer. If another such layer returned
    that tensor (a ReLU before a max-pooling), its contributions would be wrong.
    """

    def copied(part: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(one.clone() for one in given)

    # captum adds its hooks later, so that they run after these.
    with ExitStack() as hooks:
        for part in _ruled(module):
            hooks.enter_context(part.register_forward_pre_hook(copied))
        yield


def _ruled(module: nn.Module) -> list[nn.Module]:
    """Return the layers for which captum has a DeepLIFT rule."""
    return [part for part in module.modules() if type(part) in _RULES]


def _check_layers(module: nn.Module, signal: torch.Tensor) -> None:
    """Refuse a model for which captum's DeepLIFT fails or gives wrong contributions."""
    calls: list[nn.Module] = []
    with ExitStack() as hooks, torch.no_grad():
        for part in _ruled(module):
            hooks.enter_context(part.register_forward_hook(lambda part, *_: calls.append(part)))
        module(signal)
    for part in dict.fromkeys(calls):
        what = ""
        if calls.count(part) > 1:
            what = f"one {type(part).__name__} is used more than once; give each place its own"
        elif type(part) is nn.Softmax:
            what = "captum's rule for nn.Softmax mixes genes; use another method"
        elif isinstance(part, _POOLS) and _overlaps(part):
            # captum counts only one of them.
            what = f"the windows of {part} overlap; use a stride of at least the kernel size"
        if what:
            raise CannotServeError(
                f"the method 'deep_lift' cannot explain {type(module).__name__}: {what}"
            )


def _overlaps(pool: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d) -> bool:
    """Return whether windows of a max-pooling overlap, or may overlap."""
    sizes = (pool.kernel_size, pool.stride, pool.dilation)
    kernel, stride, dilation = (np.atleast_1d(size) for size in sizes)
    return bool((stride < kernel).any() or (dilation > 1).any())


def guided_backprop(job: Job) -> Found:
    """Return gradients whose negative parts are dropped at each ReLU (Springenberg et al. 2014)."""
    return _at_relu(job, attr.GuidedBackprop)


def deconvolution(job: Job) -> Found:
    """Return gradients that pass each ReLU by their own sign (Zeiler and Fergus 2014)."""
    return _at_relu(job, attr.Deconvolution)


def _at_relu(job: Job, rule: type) -> Found:
    """Explain by a rule for ReLU; refuse a model in which it would be the plain gradient."""
    if not any(isinstance(part, nn.ReLU) for part in job.module.modules()):
        raise CannotServeError(
            f"the method {job.method!r} changes the gradient at ReLU layers, and "
            f"{type(job.module).__name__} has none: it would be its saliency; use saliency"
        )
    with _hooks():
        return _by_captum(job, rule, side_by_side=False)


def _draw(job: Job, rows: slice, shape: tuple[int, ...], *, normal: bool) -> torch.Tensor:
    """Return what each gene of a batch draws, from N(0, 1) or U(0, 1), float32 (gene, *shape)."""
    drawn = np.empty((rows.stop - rows.start, *shape), np.float32)
    for row, gene in enumerate(job.genes[rows]):
        generator = gene_generator(job.seed, gene)
        draw = generator.standard_normal if normal else generator.random
        drawn[row] = draw(shape, dtype=np.float32)
    return torch.from_numpy(drawn).to(job.device)


@contextmanager
def _hooks() -> Iterator[None]:
    """Silence captum's warning that it adds hooks, which it removes after each call."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning)
        yield

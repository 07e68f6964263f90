"""Layers that several architectures use, and the attention that they return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.models import kernels
from chromviz.models.threads import by_group
from chromviz.settings import INPUTS


class Attention(NamedTuple):
    """Attention weights of a model, with its prediction.

    `alpha` is (batch, mark, bin), or (batch, bin) if the model has one attention for all marks, and
    sums to 1 over bins; `beta`, if any, is (batch, mark) and sums to 1 over marks; `logit` is
    (batch,), from the same pass, or None.
    """

    alpha: torch.Tensor
    beta: torch.Tensor | None = None
    logit: torch.Tensor | None = None


class AttendingNetwork(nn.Module):
    """A network whose logit comes from the same pass as its attention."""

    def attention(self, signal: torch.Tensor) -> Attention:
        """Return the attention and the logit, for signal (batch, mark, bin)."""
        raise NotImplementedError

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Return the logit of ON (batch,), for signal (batch, mark, bin)."""
        logit: torch.Tensor = self.attention(signal).logit  # type: ignore[assignment]
        return logit


class InputTransform(nn.Module):
    """How a network reads the signal, bin by bin; part of the module, so attributions are of bins.

    ``raw`` is the signal as it is, as the published networks read it; ``arcsinh`` its arcsinh,
    divided by the standard deviation of each mark, linear near 0 and logarithmic far from it;
    ``log1p`` the logarithm of 1 + x, with the sign of x; ``standardized`` the signal less the mean
    of each mark, over its standard deviation. Only the last moves zero.
    """

    scale: torch.Tensor
    center: torch.Tensor

    def __init__(self, n_marks: int, kind: str = "arcsinh") -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(n_marks, 1))
        self.read_as(kind)

    def read_as(self, kind: str) -> None:
        """Choose one of :data:`chromviz.settings.INPUTS`."""
        if kind not in INPUTS:
            raise UnknownNameError("input", kind, INPUTS)
        self.kind = kind
        if kind == "standardized":
            self.register_buffer("center", torch.zeros_like(self.scale))

    def fit(self, signal: np.ndarray) -> None:
        """Compute what the transform needs of each mark from the training genes."""
        if self.kind not in ("arcsinh", "standardized"):
            return
        values = np.arcsinh(signal) if self.kind == "arcsinh" else signal
        spread = values.std(axis=(0, 2), dtype=np.float64)
        spread[spread == 0] = 1  # a constant mark
        self.scale.copy_(torch.from_numpy(spread.astype(np.float32))[:, None])
        if self.kind == "standardized":
            mean = values.mean(axis=(0, 2), dtype=np.float64)
            self.center.copy_(torch.from_numpy(mean.astype(np.float32))[:, None])

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Transform (batch, mark, bin)."""
        if self.kind == "arcsinh":
            return torch.asinh(signal) / self.scale
        if self.kind == "log1p":
            return torch.sign(signal) * torch.log1p(signal.abs())
        if self.kind == "standardized":
            return (signal - self.center) / self.scale
        return signal


def input_of(module: nn.Module) -> str | None:
    """Return how a network reads the signal; None if in its own way."""
    kinds = [part.kind for part in module.modules() if isinstance(part, InputTransform)]
    return kinds[0] if kinds else None


def read_as(module: nn.Module, kind: str | None) -> None:
    """Let a network read its input in one of the ways of :class:`InputTransform`; None: its own."""
    if kind is None:
        return
    found = [part for part in module.modules() if isinstance(part, InputTransform)]
    if not found:
        raise ChromvizError(
            f"{type(module).__name__} reads the signal in its own way and not as {kind!r}; leave "
            "out the choice of input"
        )
    for part in found:
        part.read_as(kind)


class SoftAttention(nn.Module):
    """Soft attention over steps, one context vector per group (section 3, α- and β-attention).

    α_t = exp(w·h_t) / Σ_i exp(w·h_i) and m = Σ_t α_t h_t, where h_t is the forward state at t
    concatenated with the backward state at t. `hidden` is the size of a state in one direction;
    `directions` is 2 for a bidirectional LSTM, 1 for a convolution.
    """

    def __init__(self, groups: int, hidden: int, directions: int = 2) -> None:
        super().__init__()
        self.context = nn.Parameter(torch.empty(groups, directions * hidden))
        nn.init.uniform_(self.context, -0.1, 0.1)

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weighted sum (group, direction * hidden, batch) and weights of states.

        These are as from :class:`~chromviz.models.recurrent.BidirectionalLSTM`; the weights are
        (step, group, batch).
        """
        directions = states.shape[1]
        context = torch.stack(self.context.chunk(directions, 1), 1)
        if kernels.serve(states):
            weights, summed = _Attend.apply(  # type: ignore[no-untyped-call]
                states, context
            )
        else:
            weights, summed = _attend(states, context)
        return summed.flatten(1, 2), weights


def _attend(states: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the same as :class:`_Attend`, in any precision and on any device."""
    scores = (context.transpose(0, 1).unsqueeze(2) @ states).squeeze(3)
    forwards, *backwards = scores.unbind(1)
    weights = torch.softmax(forwards + backwards[0].flip(0) if backwards else forwards, 0)
    return weights, attended_sum(states, weights)


def attended_sum(states: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the sum (group, direction, hidden, batch) of states under weights."""
    by_direction = torch.stack([weights, weights.flip(0)][: states.shape[1]], 1)
    return (by_direction.unsqueeze(3) * states).sum(0).transpose(0, 1)


class _Attend(torch.autograd.Function):
    """Compiled attention: weights (step, group, batch), sum (group, direction, hidden, batch).

    In memory, the states of a gene lie together, as those of an LSTM do.
    """

    @staticmethod
    def forward(
        ctx: Any, states: torch.Tensor, context: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attend to (step, direction, group, hidden, batch) by (group, direction, hidden)."""
        steps, directions, groups, hidden, batch = states.shape
        states = states.permute(1, 2, 0, 4, 3).contiguous()
        weights = states.new_empty(groups, steps, batch)
        summed = states.new_empty(groups, batch, directions, hidden)
        arrays = (states, context.contiguous(), weights, summed)
        by_group(kernels.attend, arrays, groups, 10 * states.numel())
        ctx.save_for_backward(states, context, weights)
        return weights.transpose(0, 1), summed.permute(0, 2, 3, 1)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad_weights: torch.Tensor, grad_summed: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradients of the states and of the context."""
        states, context, weights = ctx.saved_tensors
        grad_states = torch.empty_like(states)
        grad_context = torch.zeros_like(context, memory_format=torch.contiguous_format)
        arrays = (
            grad_weights.transpose(0, 1).contiguous(),
            grad_summed.permute(0, 3, 1, 2).contiguous(),
            *(states, context.contiguous(), weights, grad_states, grad_context),
        )
        by_group(kernels.attend_back, arrays, states.shape[1], 20 * states.numel())
        return grad_states.permute(2, 0, 1, 4, 3), grad_context


def draw_uniform(module: nn.Module) -> None:
    """Draw all parameters from U(-0.1, 0.1), as the released AttentiveChrome does."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)

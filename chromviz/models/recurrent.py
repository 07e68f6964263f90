"""Bidirectional LSTMs over many marks at once.

The paper's networks read each mark with an LSTM of its own (section 3, "Bin-Level Encoder"), so
a step in the bins is ten small matrix products: five marks, two directions. Here their steps are
taken together, and the backward pass is written out by hand: by compiled loops where they serve
(:mod:`chromviz.models.kernels`), by torch on other devices and in other precisions. The numbers
are those of ``torch.nn.LSTM``, which tests check.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from chromviz.models import kernels
from chromviz.models.threads import by_group


class _Recurrence(torch.autograd.Function):
    """The LSTM recurrence of K independent LSTMs (supplement S:1.3).

    One product a step, over [h, x, 1], gives all gates.
    """

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, hidden: int) -> torch.Tensor:
        """Run the recurrence.

        Parameters
        ----------
        ctx
            What autograd keeps for the backward pass.
        inputs
            (step, K, feature + 1, batch); the last feature is 1 and carries the bias.
        weight
            (K, 4 * hidden, hidden + feature + 1), rows in torch's order i, f, g, o.
        hidden
            Size of the hidden state.

        Returns
        -------
        torch.Tensor
            Hidden states (step, K, hidden, batch).
        """
        steps, k, features, batch = inputs.shape
        keep = inputs.requires_grad or weight.requires_grad
        slots = steps if keep else 1
        states = inputs.new_empty(slots + 1, k, hidden + features, batch)
        states[0, :, :hidden] = 0
        gates = inputs.new_empty(slots, k, 4 * hidden, batch)
        cells = inputs.new_zeros(slots + 1, k, hidden, batch)
        squashed = inputs.new_empty(slots, k, hidden, batch)
        found = inputs.new_empty(steps, k, hidden, batch)
        filled = (inputs.contiguous(), states, weight.contiguous(), gates, cells, squashed, found)
        if kernels.serve(inputs):
            by_group(kernels.step_through, filled, k, steps * k * weight[0].numel() * batch)
        else:
            _step_through(*filled)
        if keep:
            ctx.save_for_backward(weight, states, gates, cells, squashed)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Backpropagate through the steps; gradients of the inputs and of the weight."""
        weight, states, gates, cells, squashed = ctx.saved_tensors
        steps, k, hidden, batch = grad.shape
        wants_inputs, wants_weight = ctx.needs_input_grad[:2]
        # From the gates back to [h, x, 1], or to h alone.
        back = weight.transpose(1, 2)[:, : None if wants_inputs else hidden].contiguous()
        features = states.shape[2] - hidden
        grad_inputs = grad.new_empty(steps if wants_inputs else 0, k, features, batch)
        grad_weight = torch.zeros_like(weight if wants_weight else weight[:0])
        arrays = (
            *(grad.contiguous(), states, gates, cells, squashed),
            *(back, grad_inputs, grad_weight),
        )
        if kernels.serve(grad):
            by_group(kernels.step_back, arrays, k, 2 * steps * k * weight[0].numel() * batch)
        else:
            _step_back(*arrays)
        return (
            grad_inputs if wants_inputs else None,
            grad_weight if wants_weight else None,
            None,
        )


def _step_through(
    inputs: torch.Tensor,
    states: torch.Tensor,
    weight: torch.Tensor,
    gates: torch.Tensor,
    cells: torch.Tensor,
    squashed: torch.Tensor,
    found: torch.Tensor,
) -> None:
    """Do as :func:`chromviz.models.kernels.step_through`, for all groups."""
    hidden = cells.shape[2]
    for t in range(len(inputs)):
        gate, squash = gates[t % len(gates)], squashed[t % len(gates)]
        before, after = t % len(cells), (t + 1) % len(cells)
        old, new = cells[before], cells[after]
        states[before, :, hidden:] = inputs[t]
        torch.bmm(weight, states[before], out=gate)
        i, f, g, o = gate.chunk(4, 1)
        gate[:, : 2 * hidden].sigmoid_()
        g.tanh_()
        o.sigmoid_()
        torch.mul(f, old, out=new).addcmul_(i, g)
        torch.tanh(new, out=squash)
        states[after, :, :hidden] = torch.mul(o, squash, out=found[t])


def _step_back(
    grad: torch.Tensor,
    states: torch.Tensor,
    gates: torch.Tensor,
    cells: torch.Tensor,
    squashed: torch.Tensor,
    back: torch.Tensor,
    grad_inputs: torch.Tensor,
    grad_weight: torch.Tensor,
) -> None:
    """Do as :func:`chromviz.models.kernels.step_back`, for all groups."""
    steps, k, hidden, batch = grad.shape
    carried = grad.new_zeros(k, back.shape[1], batch)
    of_c = grad.new_zeros(k, hidden, batch)
    for t in reversed(range(steps)):
        i, f, g, o = gates[t].chunk(4, 1)
        of_h = grad[t] + carried[:, :hidden]
        of_c += of_h * o * (1 - squashed[t].square())
        delta = torch.cat(
            [
                of_c * g * i * (1 - i),
                of_c * cells[t] * f * (1 - f),
                of_c * i * (1 - g.square()),
                of_h * squashed[t] * o * (1 - o),
            ],
            1,
        )
        of_c *= f
        torch.bmm(back, delta, out=carried)
        if len(grad_inputs):
            grad_inputs[t] = carried[:, hidden:]
        if len(grad_weight):
            grad_weight.baddbmm_(delta, states[t].transpose(1, 2))


class BidirectionalLSTM(nn.Module):
    """One bidirectional LSTM for each of several groups (marks), run together.

    Equal to `groups` separate ``nn.LSTM(features, hidden, bidirectional=True)``, with the same
    parameters in the same gate order, stacked over (direction, group).

    Parameters
    ----------
    groups
        Number of LSTMs.
    features
        Inputs of each at a step.
    hidden
        Size of the hidden state of each direction (d in the paper).
    """

    def __init__(self, groups: int, features: int, hidden: int) -> None:
        super().__init__()
        self.groups = groups
        self.hidden = hidden
        self.weight_ih = nn.Parameter(torch.empty(2, groups, 4 * hidden, features))
        self.weight_hh = nn.Parameter(torch.empty(2, groups, 4 * hidden, hidden))
        self.bias_ih = nn.Parameter(torch.empty(2, groups, 4 * hidden))
        self.bias_hh = nn.Parameter(torch.empty(2, groups, 4 * hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Encode each group's sequence.

        Parameters
        ----------
        inputs
            (step, group, feature, batch).

        Returns
        -------
        torch.Tensor
            States (step, 2, group, hidden, batch): forward ones by step from the first, backward
            ones by step from the last. :class:`~chromviz.models.layers.SoftAttention` takes them
            so; to turn the backward ones around would copy the largest tensor.
        """
        steps, groups, _, batch = inputs.shape
        ones = inputs.new_ones(steps, groups, 1, batch)
        forwards = torch.cat([inputs, ones], 2)
        both = torch.cat([forwards, forwards.flip(0)], 1)
        bias = (self.bias_ih + self.bias_hh).unsqueeze(-1)
        weight = torch.cat([self.weight_hh, self.weight_ih, bias], -1).flatten(0, 1)
        states: torch.Tensor = _Recurrence.apply(  # type: ignore[no-untyped-call]
            both, weight, self.hidden
        )
        return states.view(steps, 2, groups, self.hidden, batch)

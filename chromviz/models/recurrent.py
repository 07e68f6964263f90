"""Bidirectional LSTMs over many marks at once.

The paper's networks read each mark with an LSTM of its own (section 3, "Bin-Level Encoder"), so
a step in the bins is ten small matrix products: five marks, two directions. Here they are one
batched product, with the gates of all of them in one buffer, and the backward pass is written
out by hand. The numbers are those of ``torch.nn.LSTM``, which tests check.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable


class _Recurrence(torch.autograd.Function):
    """The LSTM recurrence of K independent LSTMs (supplement S:1.3).

    One product a step, over [h, x, 1], gives all gates. tanh is taken as 2·sigmoid(2a) - 1, so
    that one sigmoid over one buffer serves every gate: on CPU torch's tanh is several times
    slower than its sigmoid.
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
        scaled = weight.clone()
        scaled[:, 2 * hidden : 3 * hidden] *= 2  # the g gate's tanh, as above
        # states[t] is [h before step t, x at t, 1]; states[t + 1, :, :hidden] is h after it.
        states = inputs.new_empty(steps + 1, k, hidden + features, batch)
        states[0, :, :hidden] = 0
        states[:steps, :, hidden:] = inputs
        gates = inputs.new_empty(steps if keep else 1, k, 4 * hidden, batch)
        cells = inputs.new_zeros(steps + 1 if keep else 1, k, hidden, batch)
        squash = inputs.new_empty(k, hidden, batch)
        # One view a step, taken in one go: slicing inside the loop would cost as much as the work.
        before, after = states.unbind(0), states[:, :, :hidden].unbind(0)
        gate, cell = gates.unbind(0), cells.unbind(0)
        i, f, g, o = (part.unbind(0) for part in gates.chunk(4, 2))
        for t in range(steps):
            now, old, new = (t, t, t + 1) if keep else (0, 0, 0)
            torch.bmm(scaled, before[t], out=gate[now]).sigmoid_()
            torch.mul(f[now], cell[old], out=cell[new])
            cell[new].addcmul_(i[now], g[now], value=2).sub_(i[now])  # + i * (2 g - 1)
            torch.add(cell[new], cell[new], out=squash).sigmoid_()
            h = torch.mul(o[now], squash, out=after[t + 1])
            h.add_(h).sub_(o[now])  # o * (2 s - 1)
        if keep:
            ctx.hidden = hidden
            ctx.save_for_backward(scaled, states, gates, cells)
        return states[1:, :, :hidden]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Backpropagate through the steps; gradients of the inputs and of the weight."""
        scaled, states, gates, cells = ctx.saved_tensors
        hidden = ctx.hidden
        steps, k, _, batch = gates.shape
        wants_inputs, wants_weight = ctx.needs_input_grad[:2]
        transposed = scaled.transpose(1, 2).contiguous()
        columns = slice(None) if wants_inputs else slice(hidden)
        back = transposed[:, columns].contiguous()
        grad_inputs = (
            grad.new_empty(steps, k, states.shape[2] - hidden, batch) if wants_inputs else None
        )
        grad_weight = torch.zeros_like(scaled) if wants_weight else None
        delta = gates.new_empty(k, 4 * hidden, batch)
        slope = torch.empty_like(delta)
        to_i, to_f, to_g, to_o = delta.chunk(4, 1)
        carried = gates.new_empty(k, back.shape[1], batch)
        grad_h = gates.new_empty(k, hidden, batch)
        grad_c = gates.new_zeros(k, hidden, batch)
        scratch = torch.empty_like(grad_h)
        squash = torch.empty_like(grad_h)
        gate, cell = gates.unbind(0), cells.unbind(0)
        i, f, g, o = (part.unbind(0) for part in gates.chunk(4, 2))
        arriving, seen = grad.unbind(0), states.transpose(2, 3).unbind(0)
        carried_h, carried_inputs = carried[:, :hidden], carried[:, hidden:]
        for t in reversed(range(steps)):
            torch.add(cell[t + 1], cell[t + 1], out=squash).sigmoid_()
            if t == steps - 1:
                grad_h.copy_(arriving[t])
            else:
                torch.add(arriving[t], carried_h, out=grad_h)
            # h = o tanh(c), tanh(c) = 2 s - 1, whose slope is 4 s (1 - s)
            torch.mul(grad_h, squash, out=to_o)
            to_o.add_(to_o).sub_(grad_h)
            torch.mul(squash, squash, out=scratch)
            torch.sub(squash, scratch, out=scratch)
            grad_c.addcmul_(scratch.mul_(o[t]), grad_h, value=4)
            # c = f c' + i (2 g - 1); g's pre-activation was doubled, so its slope counts twice
            torch.mul(grad_c, g[t], out=to_i)
            to_i.add_(to_i).sub_(grad_c)
            torch.mul(grad_c, cell[t], out=to_f)
            torch.mul(grad_c, i[t], out=to_g)
            to_g.add_(to_g)
            torch.mul(gate[t], gate[t], out=slope)
            delta.mul_(torch.sub(gate[t], slope, out=slope))  # s (1 - s)
            grad_c.mul_(f[t])
            torch.bmm(back, delta, out=carried)
            if grad_inputs is not None:
                grad_inputs[t] = carried_inputs
            if grad_weight is not None:
                grad_weight.baddbmm_(delta, seen[t])
        if grad_weight is not None:
            grad_weight[:, 2 * hidden : 3 * hidden] *= 2
        return grad_inputs, grad_weight, None


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
            (step, group, 2 * hidden, batch): forward states above backward states.
        """
        steps, groups, _, batch = inputs.shape
        ones = inputs.new_ones(steps, groups, 1, batch)
        forwards = torch.cat([inputs, ones], 2)
        both = torch.cat([forwards, forwards.flip(0)], 1)
        bias = (self.bias_ih + self.bias_hh).unsqueeze(-1)
        weight = torch.cat([self.weight_hh, self.weight_ih, bias], -1).flatten(0, 1)
        states = _Recurrence.apply(both, weight, self.hidden)  # type: ignore[no-untyped-call]
        return torch.cat([states[:, :groups], states[:, groups:].flip(0)], 2)

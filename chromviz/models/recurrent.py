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

#: Steps whose factors the backward pass prepares together, to stay in a core's cache.
_CHUNK = 8

#: :class:`BidirectionalLSTM` gives half of each state; this times it is the state.
STATE_SCALE = 2.0


class _Recurrence(torch.autograd.Function):
    """The LSTM recurrence of K independent LSTMs (supplement S:1.3).

    One product a step, over [h, x, 1], gives all gates. tanh(a) is taken as 2·sigmoid(2a) - 1, so
    that one sigmoid over one buffer serves every gate: on CPU torch's tanh is several times
    slower than its sigmoid. Small batches spend their time on calls, not on numbers, so factors
    of 2 are folded into what is kept: 2c for the cell, h / 2 for the state.
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
            Half of each hidden state (step, K, hidden, batch): doubling them would copy the
            largest tensor there is.
        """
        steps, k, features, batch = inputs.shape
        keep = inputs.requires_grad or weight.requires_grad
        scaled = _double(weight.clone(), hidden)
        # states[t] is [h / 2 before step t, x at t, 1]; states[t + 1, :, :hidden] comes after it.
        states = inputs.new_empty(steps + 1, k, hidden + features, batch)
        states[0, :, :hidden] = 0
        states[:steps, :, hidden:] = inputs
        gates = inputs.new_empty(steps if keep else 1, k, 4 * hidden, batch)
        cells = inputs.new_zeros(steps + 1 if keep else 1, k, hidden, batch)
        squashed = inputs.new_empty(steps if keep else 1, k, hidden, batch)
        _step_through(states, gates, cells, squashed, scaled)
        if keep:
            ctx.hidden = hidden
            ctx.save_for_backward(scaled, states, gates, cells, squashed)
        return states[1:, :, :hidden]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Backpropagate through the steps; gradients of the inputs and of the weight."""
        scaled, states, gates, cells, squashed = ctx.saved_tensors
        hidden = ctx.hidden
        wants_inputs, wants_weight = ctx.needs_input_grad[:2]
        # From the gates back to [h, x, 1]; h enters halved.
        back = scaled.transpose(1, 2)[:, : None if wants_inputs else hidden].contiguous()
        back[:, :hidden] /= 2
        grad_inputs = torch.empty_like(states[:-1, :, hidden:]) if wants_inputs else None
        grad_weight = torch.zeros_like(scaled) if wants_weight else None
        _step_back(grad, states, gates, cells, squashed, back, grad_inputs, grad_weight)
        if grad_weight is not None:
            grad_weight = _double(grad_weight, hidden)
        return grad_inputs, grad_weight, None


def _step_back(
    grad: torch.Tensor,
    states: torch.Tensor,
    gates: torch.Tensor,
    cells: torch.Tensor,
    squashed: torch.Tensor,
    back: torch.Tensor,
    grad_inputs: torch.Tensor | None,
    grad_weight: torch.Tensor | None,
) -> None:
    """Fill the gradients, from the last step to the first.

    Parameters
    ----------
    grad
        Of what the forward pass gave, (step, K, hidden, batch).
    states, gates, cells, squashed
        As :func:`_step_through` left them.
    back
        From the gates to [h, x, 1], or to h alone, (K, hidden + feature + 1, 4 * hidden).
    grad_inputs, grad_weight
        To fill, and to add to; None where nobody asks.
    """
    steps, k, hidden, batch = squashed.shape
    delta = gates.new_empty(k, 4, hidden, batch)
    carried = gates.new_zeros(k, back.shape[1], batch)
    carried_h, carried_inputs = carried[:, :hidden], carried[:, hidden:]
    grad_h = gates.new_empty(k, hidden, batch)
    grad_c = gates.new_zeros(k, hidden, batch)
    by_cell, by_output, flat = delta[:, :3], delta[:, 3], delta.flatten(1, 2)
    arriving, seen = grad.unbind(0), states.transpose(2, 3).unbind(0)
    forget = gates[:, :, hidden : 2 * hidden].unbind(0)
    for start in reversed(range(0, steps, _CHUNK)):
        rows = slice(start, min(start + _CHUNK, steps))
        to_gates, to_cell = _factors(gates[rows], cells[rows], squashed[rows])
        of_cell, of_output = to_gates[:, :, :3].unbind(0), to_gates[:, :, 3].unbind(0)
        to_cell_at = to_cell.unbind(0)
        for t in reversed(range(rows.start, rows.stop)):
            torch.add(carried_h, arriving[t], alpha=0.5, out=grad_h)  # it is of h / 2
            grad_c.addcmul_(grad_h, to_cell_at[t - start], value=4)
            torch.mul(grad_c.unsqueeze(1), of_cell[t - start], out=by_cell)
            torch.mul(grad_h, of_output[t - start], out=by_output)
            grad_c.mul_(forget[t])
            torch.bmm(back, flat, out=carried)
            if grad_inputs is not None:
                grad_inputs[t] = carried_inputs
            if grad_weight is not None:
                grad_weight.baddbmm_(flat, seen[t])


def _step_through(
    states: torch.Tensor,
    gates: torch.Tensor,
    cells: torch.Tensor,
    squashed: torch.Tensor,
    scaled: torch.Tensor,
) -> None:
    """Fill the buffers of :class:`_Recurrence`, step by step.

    Parameters
    ----------
    states
        (step + 1, K, hidden + feature + 1, batch).
    gates, cells, squashed
        A step's, or one for all steps where nothing is kept for the backward pass.
    scaled
        The weights.
    """
    hidden, keep = cells.shape[2], len(cells) > 1
    # One view a step, taken in one go: slicing inside the loop would cost as much as the work.
    before, after = states.unbind(0), states[:, :, :hidden].unbind(0)
    gate, cell, squash = gates.unbind(0), cells.unbind(0), squashed.unbind(0)
    i, f, g, o = (part.unbind(0) for part in gates.chunk(4, 2))
    for t in range(len(states) - 1):
        now, new = (t, t + 1) if keep else (0, 0)
        torch.bmm(scaled, before[t], out=gate[now]).sigmoid_()
        # 2c = f 2c' + 2 i (2 g - 1)
        c = torch.mul(f[now], cell[t if keep else 0], out=cell[new])
        c.addcmul_(i[now], g[now], value=4).sub_(i[now], alpha=2)
        torch.sigmoid(c, out=squash[now])
        # h / 2 = o (2 s - 1) / 2
        torch.mul(o[now], squash[now], out=after[t + 1]).sub_(o[now], alpha=0.5)


def _double(weight: torch.Tensor, hidden: int) -> torch.Tensor:
    """Double, in place, the g gate's rows (its tanh) and the columns of h (kept halved)."""
    weight[:, 2 * hidden : 3 * hidden] *= 2
    weight[:, :, :hidden] *= 2
    return weight


def _factors(
    gates: torch.Tensor, cells: torch.Tensor, squashed: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what some steps' gradients are multiplied by on their way back.

    Parameters
    ----------
    gates
        (step, K, 4 * hidden, batch).
    cells, squashed
        2c before each step and sigmoid(2c) after it, (step, K, hidden, batch).

    Returns
    -------
    to_gates : torch.Tensor
        (step, K, 4, hidden, batch): from c to the pre-activations of i, f and g, and from h to
        that of o.
    to_cell : torch.Tensor
        A quarter of the factor from h to c, (step, K, hidden, batch).
    """
    gate = gates.view(*gates.shape[:2], 4, -1, gates.shape[3])
    i, _, g, o = gate.unbind(2)
    to_gates = torch.empty_like(gate)
    by_i, by_f, by_g, by_o = to_gates.unbind(2)
    minus_one = gates.new_tensor(-1)
    torch.add(minus_one, g, alpha=2, out=by_i)  # c = f c' + i (2 g - 1)
    torch.mul(cells, 0.5, out=by_f)
    torch.mul(i, 2, out=by_g)
    torch.add(minus_one, squashed, alpha=2, out=by_o)  # h = o (2 s - 1)
    # Each times s (1 - s), the sigmoid's slope.
    torch.ops.aten.sigmoid_backward(to_gates, gate, grad_input=to_gates)
    to_cell = torch.ops.aten.sigmoid_backward(o, squashed)
    return to_gates, to_cell


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
            (step, 2, group, hidden, batch), half of each state (:data:`STATE_SCALE`): forward
            states by step from the first, backward states by step from the last.
            :class:`~chromviz.models.layers.SoftAttention` takes them so; to double them, or to
            turn the backward ones around, would copy the largest tensor.
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

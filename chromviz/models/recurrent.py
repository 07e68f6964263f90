"""Bidirectional LSTMs over many marks at once, each with its own weights (section 3).

For float32 on a CPU, compiled loops (:mod:`chromviz.models.kernels`) take about half the time of
``torch.nn.LSTM`` (see ``benchmarks/training.py``); otherwise the function behind ``torch.nn.LSTM``
is called once per mark.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from chromviz.models import kernels
from chromviz.models.threads import by_group


class _Recurrence(torch.autograd.Function):
    """The LSTM recurrence of K independent LSTMs (supplement S:1.3), for float32 on a CPU."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, hidden: int) -> torch.Tensor:
        """Return the hidden states (step, K, hidden, batch).

        `inputs` are (step, K, feature + 1, batch), whose last feature is 1 and multiplies the bias;
        `weight` is (K, 4 * hidden, hidden + feature + 1), rows in torch's order i, f, g, o.
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
        by_group(kernels.step_through, filled, k, steps * k * weight[0].numel() * batch)
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
        by_group(kernels.step_back, arrays, k, 2 * steps * k * weight[0].numel() * batch)
        return (grad_inputs if wants_inputs else None, grad_weight if wants_weight else None, None)


class BidirectionalLSTM(nn.Module):
    """One bidirectional LSTM for each of several groups (marks), run together.

    Equal to `groups` separate ``nn.LSTM(features, hidden, bidirectional=True)``, with the same
    parameters in the same gate order, stacked over (direction, group).
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
        """Encode the sequence of each group: (step, group, feature, batch).

        Returns states (step, 2, group, hidden, batch): forward ones by step from the first,
        backward ones by step from the last. :class:`~chromviz.models.layers.SoftAttention` takes
        them in this order; to turn the backward ones around would copy the largest tensor.
        """
        return self._compiled(inputs) if kernels.serve(inputs) else self._by_torch(inputs)

    def _compiled(self, inputs: torch.Tensor) -> torch.Tensor:
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

    def _by_torch(self, inputs: torch.Tensor) -> torch.Tensor:
        steps, groups, _, batch = inputs.shape
        kinds = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        start = inputs.new_zeros(2, batch, self.hidden)
        found = []
        for group in range(groups):
            weights = [kind[direction, group] for direction in (0, 1) for kind in kinds]
            with warnings.catch_warnings():
                # cuDNN's remark that it copies the weights, which are small.
                warnings.filterwarnings("ignore", "RNN module weights")
                states, _, _ = torch.lstm(
                    inputs[:, group].transpose(1, 2),
                    (start, start),
                    weights,
                    has_biases=True,
                    num_layers=1,
                    dropout=0.0,
                    # cuDNN can go back only after a forward pass "in training".
                    train=torch.is_grad_enabled(),
                    bidirectional=True,
                    batch_first=False,
                )
            found.append(states.view(steps, batch, 2, self.hidden))
        forwards, backwards = torch.stack(found, 1).permute(3, 0, 1, 4, 2)
        return torch.stack([forwards, backwards.flip(0)], 1)

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
from torch.nn.functional import pad

from chromviz.models import kernels
from chromviz.models.threads import by_group


class _Recurrence(torch.autograd.Function):
    """The LSTM recurrence of K independent LSTMs (supplement S:1.3), for float32 on a CPU."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, hidden: int) -> torch.Tensor:
        """Return the hidden states (K, step, batch, hidden), of the latter half backwards.

        `inputs` are (K / 2, step, batch, feature); `weight` is (K, 4 * hidden, hidden + feature +
        1), rows in torch's order i, f, g, o, and its last column the bias.
        """
        _, steps, batch, features = inputs.shape
        k = len(weight)
        keep = inputs.requires_grad or weight.requires_grad
        slots, rows = steps if keep else 1, multiple(batch, kernels.ROWS)
        wide = multiple(hidden + features + 1, kernels.ROWS)
        filled = (
            pad(inputs, (0, 0, 0, rows - batch)).contiguous(),
            inputs.new_zeros(k, slots + 1, rows, wide),
            weight.transpose(1, 2).contiguous(),
            inputs.new_empty(k, slots, rows, 4 * hidden),
            inputs.new_zeros(k, slots + 1, rows, hidden),
            inputs.new_empty(k, slots, rows, hidden),
            inputs.new_empty(k, steps, rows, hidden),
        )
        by_group(kernels.step_through, filled, k, steps * weight.numel() * rows)
        _, states, _, gates, cells, squashed, found = filled
        if keep:
            ctx.save_for_backward(weight, states, gates, cells, squashed)
        return found[:, :, :batch]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Backpropagate through the steps; gradients of the inputs and of the weight."""
        weight, states, gates, cells, squashed = ctx.saved_tensors
        k, steps, batch, hidden = grad.shape
        rows, wide = states.shape[2:]
        size = weight.shape[2]
        features = size - hidden - 1
        wants_inputs, wants_weight = ctx.needs_input_grad[:2]
        # From the gates back to [h, x], or to h alone.
        columns = hidden + features if wants_inputs else hidden
        to_before = pad(weight[:, :, :columns], (0, multiple(columns, kernels.COLUMNS) - columns))
        arrays = (
            *(pad(grad, (0, 0, 0, rows - batch)).contiguous(), states, gates, cells, squashed),
            to_before.contiguous(),
            grad.new_empty(k if wants_inputs else 0, steps, rows, features),
            grad.new_zeros(k if wants_weight else 0, wide, 4 * hidden),
        )
        by_group(kernels.step_back, arrays, k, 2 * steps * weight.numel() * rows)
        of_inputs, of_weight = None, None
        if wants_inputs:
            forwards, backwards = arrays[-2][:, :, :batch].chunk(2)
            of_inputs = forwards + backwards.flip(1)
        if wants_weight:
            of_weight = arrays[-1][:, :size].transpose(1, 2)
        return of_inputs, of_weight, None


def multiple(number: int, of: int) -> int:
    """Return the least multiple that is not smaller."""
    return -(-number // of) * of


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
        served = kernels.serve(inputs) and self.hidden % kernels.ROWS == 0
        return self._compiled(inputs) if served else self._by_torch(inputs)

    def _compiled(self, inputs: torch.Tensor) -> torch.Tensor:
        bias = (self.bias_ih + self.bias_hh).unsqueeze(-1)
        weight = torch.cat([self.weight_hh, self.weight_ih, bias], -1).flatten(0, 1)
        states: torch.Tensor = _Recurrence.apply(  # type: ignore[no-untyped-call]
            inputs.permute(1, 0, 3, 2), weight, self.hidden
        )
        by_direction = states.view(2, self.groups, *states.shape[1:])
        return by_direction.permute(2, 0, 1, 4, 3)

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

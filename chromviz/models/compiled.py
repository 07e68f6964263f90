"""Training steps of LSTM-α and LSTM-α,β without torch: compiled loops on arrays that stay.

A step of sixteen genes takes milliseconds, of which torch would spend a third on finding memory and
on keeping track of operations. The numbers are those of torch's operations to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from chromviz.models import kernels, threads
from chromviz.models.layers import SoftAttention
from chromviz.models.recurrent import BidirectionalLSTM, multiple
from chromviz.settings import Settings

_Array = np.ndarray

#: Number of values below which a loop runs in one thread: a second would cost more than it saves.
SMALL = 2000


class Parameters:
    """All parameters in one vector, each laid out as the loops take it, and their gradients."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.steps = 0
        self._places: list[tuple[nn.Parameter, tuple[int, ...], slice]] = []
        self._size = 0

    def add(self, parameter: nn.Parameter, *axes: int) -> Callable[[], tuple[_Array, _Array]]:
        """Take a parameter, its axes in this order; return what gives its values and gradient."""
        place = slice(self._size, self._size + parameter.numel())
        axes = axes or tuple(range(parameter.ndim))
        shape = tuple(parameter.shape[axis] for axis in axes)
        self._places.append((parameter, axes, place))
        self._size = place.stop
        return lambda: (self.values[place].reshape(shape), self.grads[place].reshape(shape))

    def read(self) -> None:
        """Allocate the vectors, and copy the values from the module."""
        self.values, self.grads = (np.zeros(self._size, np.float32) for _ in range(2))
        self.means, self.squares = (np.zeros(self._size, np.float32) for _ in range(2))
        for parameter, axes, place in self._places:
            self.values[place] = parameter.detach().permute(axes).numpy().ravel()

    def write(self) -> None:
        """Copy the values to the module."""
        with torch.no_grad():
            for parameter, axes, place in self._places:
                values = torch.from_numpy(self.values[place])
                parameter.permute(axes).copy_(values.view([parameter.shape[axis] for axis in axes]))

    def step(self) -> None:
        """Clip the gradients and change the values, as Adam does."""
        self.steps += 1
        kernels.adam(
            *(self.values, self.grads, self.means, self.squares, self.steps),
            *(self.settings.learning_rate, self.settings.clip_norm or 0.0),
        )


class Level:
    """A bidirectional LSTM for each of some groups, and an attention over its states."""

    def __init__(
        self,
        lstm: BidirectionalLSTM,
        attention: SoftAttention,
        shape: tuple[int, int],
        parameters: Parameters,
        inputs: _Array | None = None,
    ) -> None:
        (steps, rows), groups, hidden = shape, lstm.groups, lstm.hidden
        features = lstm.weight_ih.shape[3]
        k, depth = 2 * groups, hidden + features + 1
        self.hidden, self.groups = hidden, groups
        self._weight_hh = parameters.add(lstm.weight_hh, 0, 1, 3, 2)
        self._weight_ih = parameters.add(lstm.weight_ih, 0, 1, 3, 2)
        self._biases = [parameters.add(lstm.bias_ih), parameters.add(lstm.bias_hh)]
        self._context = parameters.add(attention.context)
        # The lowest level needs no gradient of its inputs.
        columns = multiple(hidden if inputs is None else hidden + features, kernels.COLUMNS)

        def empty(*shape: int) -> _Array:
            return np.zeros(shape, np.float32)

        self.inputs = empty(groups, steps, rows, features) if inputs is None else inputs
        self.weight, self.back = empty(k, depth, 4 * hidden), empty(k, 4 * hidden, columns)
        self.states = empty(k, steps + 1, rows, multiple(depth, kernels.ROWS))
        self.gates, self.cells = (
            empty(k, steps, rows, 4 * hidden),
            empty(k, steps + 1, rows, hidden),
        )
        self.squashed, self.found = empty(k, steps, rows, hidden), empty(k, steps, rows, hidden)
        self.grad_found = empty(k, steps, rows, hidden)
        self.grad_inputs = empty(0 if inputs is None else k, steps, rows, features)
        self.grad_weight = empty(k, self.states.shape[3], 4 * hidden)
        self.shares, self.no_grad = empty(groups, steps, rows), empty(groups, steps, rows)
        self.summed, self.grad_summed = (empty(groups, rows, 2, hidden) for _ in range(2))

    def forward(self, run: Run) -> None:
        """Fill `summed` from `inputs`."""
        (hh, _), (ih, _) = self._weight_hh(), self._weight_ih()
        k, depth, hidden = len(self.weight), self.weight.shape[1], self.hidden
        self.weight[:, :hidden] = hh.reshape(k, hidden, -1)
        self.weight[:, hidden:-1] = ih.reshape(k, depth - hidden - 1, -1)
        self.weight[:, -1] = sum(one()[0].reshape(k, -1) for one in self._biases)
        used = min(self.back.shape[2], depth - 1)
        self.back[:, :, :used] = self.weight[:, :used].transpose(0, 2, 1)
        kept = (self.states, self.weight, self.gates, self.cells, self.squashed)
        run(kernels.step_through, (self.inputs, *kept, self.found), k)
        context = self._by_group(self._context()[0])
        filled = (self.shares, self.summed)
        run(kernels.attend, (self._by_direction(self.found), context, *filled), self.groups)

    def backward(self, run: Run) -> None:
        """Fill the gradients of the parameters, and of the inputs, from `grad_summed`."""
        context, of_context = self._context()
        of_context[:] = 0
        arrays = (
            *(self.no_grad, self.grad_summed, self._by_direction(self.found)),
            *(self._by_group(context), self.shares),
            *(self._by_direction(self.grad_found), self._by_group(of_context)),
        )
        run(kernels.attend_back, arrays, self.groups)
        self.grad_weight[:] = 0
        kept = (self.states, self.gates, self.cells, self.squashed, self.back)
        filled = (self.grad_inputs, self.grad_weight)
        run(kernels.step_back, (self.grad_found, *kept, *filled), len(self.back))
        hidden, bias = self.hidden, self.weight.shape[1] - 1
        for give, some in (
            *((self._weight_hh, slice(hidden)), (self._weight_ih, slice(hidden, bias))),
            *((one, slice(bias, bias + 1)) for one in self._biases),
        ):
            grad = give()[1]
            grad[:] = self.grad_weight[:, some].reshape(grad.shape)

    def _by_direction(self, states: _Array) -> _Array:
        return states.reshape(2, self.groups, *states.shape[1:])

    def _by_group(self, context: _Array) -> _Array:
        return context.reshape(self.groups, 2, self.hidden)


class Head(Protocol):
    """What follows the bin level: it fills ``bins.grad_summed`` from the gradient of the logit."""

    def forward(self, run: Run) -> _Array:
        """Return the logits."""

    def backward(self, grad: _Array, run: Run) -> None:
        """Fill the gradients."""


class MarkHead:
    """The head of LSTM-α,β: LSTM and attention over the marks, and a linear layer."""

    def __init__(self, module: Any, bins: Level, parameters: Parameters) -> None:
        marks, rows, _, _ = bins.summed.shape
        vectors = bins.summed.reshape(1, marks, rows, -1)
        shape = (marks, rows)
        self.bins = bins
        self.level = Level(module.lstm, module.mark_attention, shape, parameters, vectors)
        self._output = parameters.add(module.output.weight), parameters.add(module.output.bias)

    def forward(self, run: Run) -> _Array:
        """Return the logits (batch,)."""
        self.level.forward(run)
        (weight, _), (bias, _) = (give() for give in self._output)
        logit: _Array = (self._whole() * weight[0]).sum(1) + bias
        return logit

    def backward(self, grad: _Array, run: Run) -> None:
        """Fill the gradients from that of the logits."""
        (weight, of_weight), (_, of_bias) = (give() for give in self._output)
        of_weight[0] = (grad[:, None] * self._whole()).sum(0)
        of_bias[:] = grad.sum()
        into = self.level.grad_summed[0]
        into[:] = (grad[:, None] * weight[0]).reshape(into.shape)
        self.level.backward(run)
        forwards, backwards = self.level.grad_inputs
        self.bins.grad_summed[:] = (forwards + backwards[::-1]).reshape(self.bins.summed.shape)

    def _whole(self) -> _Array:
        whole: _Array = self.level.summed[0]
        return whole.reshape(len(whole), -1)


class ClassifierHead:
    """The head of LSTM-α: two linear layers on the vectors of all marks, a ReLU between them."""

    def __init__(self, module: Any, bins: Level, parameters: Parameters) -> None:
        first, _, second = module.mlp
        self.bins = bins
        self._first = parameters.add(first.weight, 1, 0), parameters.add(first.bias)
        self._second = parameters.add(second.weight), parameters.add(second.bias)
        rows, inner, outer = bins.summed.shape[1], first.out_features, first.in_features
        self.inputs, self.of_inputs = (np.zeros((rows, outer), np.float32) for _ in range(2))
        self.inner, self.of_inner = (np.zeros((rows, inner), np.float32) for _ in range(2))

    def forward(self, run: Run) -> _Array:
        """Return the logits (batch,)."""
        marks, rows, _, _ = self.bins.summed.shape
        by_gene = self.bins.summed.reshape(marks, rows, -1).transpose(1, 0, 2)
        self.inputs.reshape(rows, marks, -1)[:] = by_gene
        (weight, _), (bias, _) = (give() for give in self._first)
        kernels.multiply(self.inputs, weight, self.inner, len(weight))
        np.maximum(self.inner + bias, 0, out=self.inner)
        (weight, _), (bias, _) = (give() for give in self._second)
        logit: _Array = (self.inner * weight[0]).sum(1) + bias
        return logit

    def backward(self, grad: _Array, run: Run) -> None:
        """Fill the gradients from that of the logits."""
        (weight, of_weight), (_, of_bias) = (give() for give in self._second)
        of_weight[0] = (grad[:, None] * self.inner).sum(0)
        of_bias[:] = grad.sum()
        self.of_inner[:] = grad[:, None] * weight[0] * (self.inner > 0)
        (weight, of_weight), (_, of_bias) = (give() for give in self._first)
        of_weight[:] = 0
        kernels.add_outer(self.inputs, self.of_inner, of_weight)
        of_bias[:] = self.of_inner.sum(0)
        back = np.ascontiguousarray(weight.T)
        kernels.multiply(self.of_inner, back, self.of_inputs, len(back))
        marks, rows, _, _ = self.bins.summed.shape
        by_mark = self.of_inputs.reshape(rows, marks, -1).transpose(1, 0, 2)
        self.bins.grad_summed[:] = by_mark.reshape(self.bins.summed.shape)


class CompiledSteps:
    """Steps of Adam for a network whose bin level is followed by a :class:`Head`.

    `signal` is (gene, mark, bin), `label` (gene,), and `size` the largest number of genes in a
    step; `on_weight` is the weight of ON genes in the loss.
    """

    def __init__(
        self,
        module: Any,
        head: Callable[[Any, Level, Parameters], Head],
        genes: tuple[_Array, _Array],
        size: int,
        settings: Settings,
        on_weight: float = 1.0,
    ) -> None:
        signal, self.label = genes
        self.on_weight = on_weight
        self.parameters = Parameters(settings)
        with torch.no_grad():
            read = module.transform(torch.from_numpy(signal))
        self.signal = read.permute(1, 2, 0).contiguous().numpy()
        shape = (self.signal.shape[1], multiple(size, kernels.ROWS))
        self.bins = Level(module.bins.lstm, module.bins.attention, shape, self.parameters)
        self.head = head(module, self.bins, self.parameters)
        self.parameters.read()

    def epoch(self, batches: Iterable[_Array]) -> float:
        """Take a step for each batch of rows, and change the module; return the mean loss."""
        # Validation finds a training that diverges.
        with Run() as run, np.errstate(over="ignore", invalid="ignore"):
            losses = [self._step(rows, self.label[rows], run) for rows in batches]
        self.parameters.write()
        total, genes = np.sum(losses, axis=0)
        return float(total / genes)

    def _step(self, rows: _Array, label: _Array, run: Run) -> tuple[float, int]:
        """Take a step; return the sum of the losses and the number of genes."""
        self.bins.inputs[:, :, : len(rows), 0] = self.signal[:, :, rows]
        self.bins.inputs[:, :, len(rows) :] = 0
        self.bins.forward(run)
        logit = self.head.forward(run)
        found = logit[: len(rows)].astype(np.float64)
        weight = np.where(label == 1, self.on_weight, 1.0)
        loss = weight * (np.logaddexp(0, found) - label * found)
        grad = np.zeros(len(logit), np.float32)
        grad[: len(rows)] = weight * (1 / (1 + np.exp(-found)) - label) / len(rows)
        self.head.backward(grad, run)
        self.bins.backward(run)
        self.parameters.step()
        return float(loss.sum()), len(rows)


class Run:
    """Runs loops over groups, in threads where that pays."""

    def __enter__(self) -> Run:
        self.threads = threads.THREADS
        self.pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool:
            self.pool.shutdown()

    def __call__(self, loop: Callable[..., None], arrays: tuple[Any, ...], groups: int) -> None:
        """Run a loop of :mod:`chromviz.models.kernels` over all groups."""
        parts = min(groups, self.threads)
        if self.pool is None or parts < 2 or arrays[0].size < SMALL:
            loop(*arrays, 0, groups)
            return
        cuts = [groups * part // parts for part in range(parts + 1)]
        list(self.pool.map(lambda ends: loop(*arrays, *ends), pairwise(cuts)))

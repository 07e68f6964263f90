"""The loops of LSTM and attention, compiled by numba, for float32 on a CPU.

A step stays in the cache of a core, the whole sequence is one call, and the interpreter is
released meanwhile, so that groups run in parallel threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch

_F = np.float32
_LOG2_E = _F(1.4426950408889634)
# ln 2 in two parts (Cody and Waite): n times the first is exact for every n needed.
_LN2_HIGH = _F(0.693359375)
_LN2_LOW = _F(np.log(2) - 0.693359375)
# Taylor terms of exp; the next one is below 1.2e-7 of the sum for |r| <= ln 2 / 2.
_T2, _T3, _T4, _T5, _T6 = (_F(1 / factorial) for factorial in (2, 6, 24, 120, 720))
_ONE, _TWO, _LIMIT = _F(1), _F(2), _F(87)
_BIAS, _MANTISSA = np.int32(127), np.int32(23)


def serve(values: torch.Tensor) -> bool:
    """Return whether these loops accept a tensor; torch computes the same for others."""
    return values.device.type == "cpu" and values.dtype == torch.float32


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, cached on disk if possible."""
    # All of fastmath except the assumption that NaN does not occur: divergence must be visible.
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract", "reassoc", "arcp", "nsz"},
    }
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's nor the user's cache is writable
        return numba.njit(**options)(function)


def _inlined(function: Callable[..., Any]) -> Any:
    return numba.njit(inline="always", error_model="numpy")(function)


@_inlined
def _exp(x: Any) -> Any:
    """Return e**x to about two units in the last place, in operations that can be vectorised."""
    # Comparisons with NaN are false, so that NaN is passed on.
    x = _LIMIT if x > _LIMIT else x
    x = -_LIMIT if x < -_LIMIT else x
    n = np.rint(x * _LOG2_E)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = ((((_T6 * r + _T5) * r + _T4) * r + _T3) * r + _T2) * r + _ONE
    power = (np.int32(n) + _BIAS) << _MANTISSA  # the bits of 2**n
    return (p * r + _ONE) * np.int32(power).view(np.float32)


@_inlined
def _sigmoid(x: Any) -> Any:
    return _ONE / (_ONE + _exp(-x))


@_inlined
def _tanh(x: Any) -> Any:
    return _TWO / (_ONE + _exp(-_TWO * x)) - _ONE


@_compiled
def step_through(
    inputs: np.ndarray,
    states: np.ndarray,
    weight: np.ndarray,
    gates: np.ndarray,
    cells: np.ndarray,
    squashed: np.ndarray,
    found: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Run groups `first` to `last` (exclusive) through all steps.

    Read: `inputs` (step, K, feature + 1, batch), [x, 1], and `weight` (K, 4 * hidden, hidden +
    feature + 1), rows in torch's order i, f, g, o. Filled: `states` (step + 1, K, hidden + feature
    + 1, batch), [h before the step, x, 1], where h of the first is 0; `gates` (step, K, 4 * hidden,
    batch); `cells` c (step + 1, K, hidden, batch); `squashed`, tanh(c), and `found`, h, both (step,
    K, hidden, batch). Without a backward pass, one step of gates and tanh and two of states and
    cells suffice and stay in the cache.
    """
    hidden, batch = cells.shape[2], cells.shape[3]
    for t in range(len(inputs)):
        now, old, new = t % len(gates), t % len(cells), (t + 1) % len(cells)
        for k in range(first, last):
            gate = gates[now, k]
            for row in range(inputs.shape[2]):
                states[old, k, hidden + row] = inputs[t, k, row]
            np.dot(weight[k], states[old, k], gate)
            for j in range(hidden):
                i, f = gate[j], gate[hidden + j]
                g, o = gate[2 * hidden + j], gate[3 * hidden + j]
                before, after = cells[old, k, j], cells[new, k, j]
                squash, state, shown = squashed[now, k, j], states[new, k, j], found[t, k, j]
                for b in range(batch):
                    # Named first: a loop that reads what it has just written is not vectorised.
                    at_i, at_f = _sigmoid(i[b]), _sigmoid(f[b])
                    at_g, at_o = _tanh(g[b]), _sigmoid(o[b])
                    cell = at_f * before[b] + at_i * at_g
                    small = _tanh(cell)
                    i[b], f[b], g[b], o[b] = at_i, at_f, at_g, at_o
                    after[b], squash[b] = cell, small
                    state[b] = at_o * small
                    shown[b] = at_o * small


@_compiled
def step_back(
    grad: np.ndarray,
    states: np.ndarray,
    gates: np.ndarray,
    cells: np.ndarray,
    squashed: np.ndarray,
    back: np.ndarray,
    grad_inputs: np.ndarray,
    grad_weight: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Backpropagate through what :func:`step_through` filled, with `grad` that of the states h.

    `back` leads from the gates to [h, x, 1], or to h alone, (K, hidden + feature + 1, 4 * hidden).
    `grad_inputs` is filled, and `grad_weight` holds zeros to add to; they are empty if not needed.
    """
    steps, hidden, batch = grad.shape[0], grad.shape[2], grad.shape[3]
    delta = np.empty((4 * hidden, batch), np.float32)
    product = np.empty(grad_weight.shape[1:], np.float32)
    carried = np.zeros((last - first, back.shape[1], batch), np.float32)
    grad_c = np.zeros((last - first, hidden, batch), np.float32)
    for t in range(steps - 1, -1, -1):
        for k in range(first, last):
            gate, to_before = gates[t, k], carried[k - first]
            for j in range(hidden):
                i, f = gate[j], gate[hidden + j]
                g, o = gate[2 * hidden + j], gate[3 * hidden + j]
                of_i, of_f = delta[j], delta[hidden + j]
                of_g, of_o = delta[2 * hidden + j], delta[3 * hidden + j]
                arriving, kept = grad[t, k, j], to_before[j]
                squash, before, of_c = squashed[t, k, j], cells[t, k, j], grad_c[k - first, j]
                for b in range(batch):
                    of_h = arriving[b] + kept[b]
                    of_o[b] = of_h * squash[b] * o[b] * (_ONE - o[b])
                    of_c[b] += of_h * o[b] * (_ONE - squash[b] * squash[b])
                for b in range(batch):
                    of_i[b] = of_c[b] * g[b] * i[b] * (_ONE - i[b])
                    of_g[b] = of_c[b] * i[b] * (_ONE - g[b] * g[b])
                for b in range(batch):
                    of_f[b] = of_c[b] * before[b] * f[b] * (_ONE - f[b])
                    of_c[b] *= f[b]
            np.dot(back[k], delta, to_before)
            if len(grad_inputs):
                grad_inputs[t, k] = to_before[hidden:]
            if len(grad_weight):
                np.dot(delta, states[t, k].T, product)
                grad_weight[k] += product


@_compiled
def attend(
    states: np.ndarray,
    context: np.ndarray,
    weights: np.ndarray,
    summed: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Attend to the states of some groups: see :class:`chromviz.models.layers.SoftAttention`.

    `states` are (step, direction, group, hidden, batch), backward ones by step from the last, and
    `context` is (group, direction, hidden). Filled: `weights` (step, group, batch) and `summed`
    (group, direction, hidden, batch).
    """
    steps, directions, _, hidden, batch = states.shape
    largest = np.empty(batch, np.float32)
    total = np.empty(batch, np.float32)
    for group in range(first, last):
        largest[:] = -np.inf
        for t in range(steps):
            score = weights[t, group]
            score[:] = 0
            for d in range(directions):
                at = steps - 1 - t if d else t
                for j in range(hidden):
                    c, state = context[group, d, j], states[at, d, group, j]
                    for b in range(batch):
                        score[b] += c * state[b]
            for b in range(batch):
                largest[b] = score[b] if score[b] > largest[b] else largest[b]
        total[:] = 0
        for t in range(steps):
            score = weights[t, group]
            for b in range(batch):
                score[b] = _exp(score[b] - largest[b])
            for b in range(batch):
                total[b] += score[b]
        summed[group] = 0
        for t in range(steps):
            weight = weights[t, group]
            for b in range(batch):
                weight[b] /= total[b]
            for d in range(directions):
                at = steps - 1 - t if d else t
                for j in range(hidden):
                    state, into = states[at, d, group, j], summed[group, d, j]
                    for b in range(batch):
                        into[b] += weight[b] * state[b]


@_compiled
def attend_back(
    grad_weights: np.ndarray,
    grad_summed: np.ndarray,
    states: np.ndarray,
    context: np.ndarray,
    weights: np.ndarray,
    grad_states: np.ndarray,
    grad_context: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Backpropagate through the attention of some groups, with arrays as for :func:`attend`.

    `grad_states` is filled; `grad_context` holds zeros to add to.
    """
    steps, directions, _, hidden, batch = states.shape
    grads = np.empty((steps, batch), np.float32)
    mean = np.empty(batch, np.float32)
    for group in range(first, last):
        mean[:] = 0
        for t in range(steps):
            grad, weight = grads[t], weights[t, group]
            grad[:] = grad_weights[t, group]
            for d in range(directions):
                at = steps - 1 - t if d else t
                for j in range(hidden):
                    state, pull = states[at, d, group, j], grad_summed[group, d, j]
                    for b in range(batch):
                        grad[b] += pull[b] * state[b]
            for b in range(batch):
                mean[b] += weight[b] * grad[b]
        for t in range(steps):
            grad, weight = grads[t], weights[t, group]
            for b in range(batch):
                grad[b] = weight[b] * (grad[b] - mean[b])
            for d in range(directions):
                at = steps - 1 - t if d else t
                for j in range(hidden):
                    c, pull = context[group, d, j], grad_summed[group, d, j]
                    state, into = states[at, d, group, j], grad_states[at, d, group, j]
                    of_c = _F(0)
                    for b in range(batch):
                        into[b] = weight[b] * pull[b] + c * grad[b]
                        of_c += grad[b] * state[b]
                    grad_context[group, d, j] += of_c

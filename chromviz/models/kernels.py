"""The loops of LSTM and attention, compiled by numba, for float32 on a CPU.

A step stays in the cache of a core, the whole sequence is one call, and the interpreter is
released meanwhile, so that groups run in parallel threads. Matrix products go by tiles of 4 rows by
16 columns, whose sums stay in registers: for the 16 genes of a step that is twice as fast as BLAS,
and a row of the result is the same whatever the other rows are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_F = np.float32
_LOG2_E = _F(1.4426950408889634)
# ln 2 in two parts (Cody and Waite): n times the first is exact for every n needed.
_LN2_HIGH = _F(0.693359375)
_LN2_LOW = _F(np.log(2) - 0.693359375)
# Taylor terms of exp; the next one is below 1.2e-7 of the sum for |r| <= ln 2 / 2.
_T2, _T3, _T4, _T5, _T6 = (_F(1 / factorial) for factorial in (2, 6, 24, 120, 720))
_ONE, _TWO, _LIMIT = _F(1), _F(2), _F(87)
_BIAS, _MANTISSA = np.int32(127), np.int32(23)
#: Rows and columns of a tile, and the float32 in a register of AVX2.
ROWS, COLUMNS, LANES = 4, 16, 8


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


def _tile_of(
    typing: Any,
    left: Any,
    left_row: Any,
    left_column: Any,
    right: Any,
    right_row: Any,
    into: Any,
    into_row: Any,
    depth: Any,
    adds: Any,
) -> Any:
    """Compute a tile, (ROWS, COLUMNS) = left (ROWS, depth) times right (depth, COLUMNS).

    Matrices are given by address and strides, in float32; it adds to what the result holds unless
    `adds` is 0.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _write_tile(builder, *values)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), generate


_tile: Any = intrinsic(_tile_of)


def _write_tile(
    builder: Any,
    left: Any,
    left_row: Any,
    left_column: Any,
    right: Any,
    right_row: Any,
    into: Any,
    into_row: Any,
    depth: Any,
    adds: Any,
) -> None:
    """Write the instructions of a tile: a loop over the depth, the sums in registers."""
    word, single = ir.IntType(64), ir.FloatType()
    vector = ir.VectorType(single, LANES)
    undefined, zero = ir.Constant(vector, ir.Undefined), ir.Constant(vector, [0.0] * LANES)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

    def load(place: Any) -> Any:
        value = builder.load(place)
        value.align = 4
        return value

    def place(base: Any, stride: Any, count: Any, more: int, kind: Any) -> Any:
        offset = builder.add(builder.mul(stride, count), word(more))
        return builder.inttoptr(builder.add(base, builder.mul(offset, word(4))), kind.as_pointer())

    cells = [(row, column) for row in range(ROWS) for column in range(0, COLUMNS, LANES)]
    places = {cell: place(into, into_row, word(cell[0]), cell[1], vector) for cell in cells}
    start = builder.block
    found, loop, done = (builder.append_basic_block(name) for name in ("found", "loop", "done"))
    builder.cbranch(builder.icmp_signed("!=", adds, word(0)), found, loop)
    builder.position_at_end(found)
    before = {cell: load(places[cell]) for cell in cells}
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(word)
    sums = {cell: builder.phi(vector) for cell in cells}
    rights = {
        column: load(place(right, right_row, step, column, vector))
        for column in range(0, COLUMNS, LANES)
    }
    after = {}
    for row in range(ROWS):
        across = builder.add(left, builder.mul(builder.mul(left_row, word(row)), word(4)))
        one = load(place(across, left_column, step, 0, single))
        wide = builder.insert_element(undefined, one, ir.IntType(32)(0))
        wide = builder.shuffle_vector(wide, undefined, everywhere)
        for column, values in rights.items():
            # "contract" makes it one instruction where the processor has that.
            product = builder.fmul(wide, values, flags=("contract",))
            after[row, column] = builder.fadd(product, sums[row, column], flags=("contract",))
    following = builder.add(step, word(1))
    for where, count in ((start, word(0)), (found, word(0)), (loop, following)):
        step.add_incoming(count, where)
    for cell in cells:
        sums[cell].add_incoming(zero, start)
        sums[cell].add_incoming(before[cell], found)
        sums[cell].add_incoming(after[cell], loop)
    builder.cbranch(builder.icmp_signed("<", following, depth), loop, done)
    builder.position_at_end(done)
    for cell in cells:
        builder.store(after[cell], places[cell]).align = 4


@_compiled
def _by_tiles(
    left: np.ndarray,
    row: int,
    column: int,
    right: np.ndarray,
    into: np.ndarray,
    depth: int,
    adds: int,
) -> None:
    """Compute a product by tiles, with `row` and `column` the strides of left in float32."""
    one, other, result = left.ctypes.data, right.ctypes.data, into.ctypes.data
    down, along = right.strides[0] // 4, into.strides[0] // 4
    for across in range(0, into.shape[1], COLUMNS):
        for at in range(0, len(into), ROWS):
            _tile(
                *(one + 4 * row * at, row, column, other + 4 * across, down),
                *(result + 4 * (along * at + across), along, depth, adds),
            )


@_compiled
def multiply(left: np.ndarray, right: np.ndarray, into: np.ndarray, depth: int) -> None:
    """Fill a matrix with left times right, the first `depth` columns and rows of each.

    Rows are contiguous; those of `into` are a multiple of ROWS, its columns one of COLUMNS.
    """
    _by_tiles(left, left.strides[0] // 4, 1, right, into, depth, 0)


@_compiled
def add_outer(left: np.ndarray, right: np.ndarray, into: np.ndarray) -> None:
    """Add the transpose of left times right to a matrix; sizes as for :func:`multiply`."""
    _by_tiles(left, 1, left.strides[0] // 4, right, into, len(left), 1)


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
    """Run the LSTMs `first` to `last` (exclusive) of K through all steps.

    The first half of them reads the steps in their order, the other half from the last; the batch
    is a multiple of ROWS. Read: `inputs` (K / 2, step, batch, feature) and `weight` (K, hidden +
    feature + 1, 4 * hidden), columns in torch's order i, f, g, o. Filled: `states` (K, step + 1,
    batch, width), [h before the step, x, 1], where h of the first is 0, the width a multiple of
    ROWS, and what is left of it 0; `gates` (K, step, batch, 4 * hidden); `cells` c (K, step + 1,
    batch, hidden); `squashed`, tanh(c), and `found`, h, both (K, step, batch, hidden). Without a
    backward pass, one step of gates and tanh and two of states and cells suffice and stay in the
    cache.
    """
    _, steps, batch, hidden = found.shape
    features = inputs.shape[3]
    for k in range(first, last):
        backwards = k >= len(inputs)
        for t in range(steps):
            now, old, new = t % gates.shape[1], t % cells.shape[1], (t + 1) % cells.shape[1]
            read = inputs[k % len(inputs), steps - 1 - t if backwards else t]
            for b in range(batch):
                for x in range(features):
                    states[k, old, b, hidden + x] = read[b, x]
                states[k, old, b, hidden + features] = _ONE
            multiply(states[k, old], weight[k], gates[k, now], hidden + features + 1)
            for b in range(batch):
                gate = gates[k, now, b]
                i, f = gate[:hidden], gate[hidden : 2 * hidden]
                g, o = gate[2 * hidden : 3 * hidden], gate[3 * hidden :]
                before, after, squash = cells[k, old, b], cells[k, new, b], squashed[k, now, b]
                state, shown = states[k, new, b], found[k, t, b]
                for j in range(hidden):
                    # Named first: a loop that reads what it has just written is not vectorised.
                    at_i, at_f = _sigmoid(i[j]), _sigmoid(f[j])
                    at_g, at_o = _tanh(g[j]), _sigmoid(o[j])
                    cell = at_f * before[j] + at_i * at_g
                    small = _tanh(cell)
                    i[j], f[j], g[j], o[j] = at_i, at_f, at_g, at_o
                    after[j], squash[j] = cell, small
                    state[j] = at_o * small
                    shown[j] = at_o * small


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

    `back` leads from the gates to [h, x], or to h alone, (K, 4 * hidden, a multiple of COLUMNS).
    `grad_inputs` (K, step, batch, feature) is filled, by step from that which was read first, and
    `grad_weight` (K, width of the states, 4 * hidden) holds zeros to add to; they are empty if not
    needed.
    """
    _, steps, batch, hidden = grad.shape
    delta = np.empty((batch, 4 * hidden), np.float32)
    carried = np.empty((batch, back.shape[2]), np.float32)
    grad_c = np.empty((batch, hidden), np.float32)
    for k in range(first, last):
        carried[:] = 0
        grad_c[:] = 0
        for t in range(steps - 1, -1, -1):
            for b in range(batch):
                gate, of_gate = gates[k, t, b], delta[b]
                i, f = gate[:hidden], gate[hidden : 2 * hidden]
                g, o = gate[2 * hidden : 3 * hidden], gate[3 * hidden :]
                of_i, of_f = of_gate[:hidden], of_gate[hidden : 2 * hidden]
                of_g, of_o = of_gate[2 * hidden : 3 * hidden], of_gate[3 * hidden :]
                arriving, kept, of_c = grad[k, t, b], carried[b], grad_c[b]
                squash, before = squashed[k, t, b], cells[k, t, b]
                for j in range(hidden):
                    of_h = arriving[j] + kept[j]
                    of_o[j] = of_h * squash[j] * o[j] * (_ONE - o[j])
                    of_c[j] += of_h * o[j] * (_ONE - squash[j] * squash[j])
                for j in range(hidden):
                    of_i[j] = of_c[j] * g[j] * i[j] * (_ONE - i[j])
                    of_g[j] = of_c[j] * i[j] * (_ONE - g[j] * g[j])
                for j in range(hidden):
                    of_f[j] = of_c[j] * before[j] * f[j] * (_ONE - f[j])
                    of_c[j] *= f[j]
            multiply(delta, back[k], carried, 4 * hidden)
            if len(grad_inputs):
                grad_inputs[k, t] = carried[:, hidden : hidden + grad_inputs.shape[3]]
            if len(grad_weight):
                add_outer(states[k, t], delta, grad_weight[k])


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

    `states` are (direction, group, step, batch, hidden), backward ones by step from the last, and
    `context` is (group, direction, hidden). Filled: `weights` (group, step, batch) and `summed`
    (group, batch, direction, hidden).
    """
    directions, _, steps, batch, hidden = states.shape
    largest = np.empty(batch, np.float32)
    total = np.empty(batch, np.float32)
    for group in range(first, last):
        largest[:] = -np.inf
        for t in range(steps):
            score = weights[group, t]
            score[:] = 0
            for d in range(directions):
                at, c = steps - 1 - t if d else t, context[group, d]
                for b in range(batch):
                    state, product = states[d, group, at, b], _F(0)
                    for j in range(hidden):
                        product += c[j] * state[j]
                    score[b] += product
            for b in range(batch):
                largest[b] = score[b] if score[b] > largest[b] else largest[b]
        total[:] = 0
        for t in range(steps):
            score = weights[group, t]
            for b in range(batch):
                score[b] = _exp(score[b] - largest[b])
            for b in range(batch):
                total[b] += score[b]
        summed[group] = 0
        for t in range(steps):
            weight = weights[group, t]
            for b in range(batch):
                weight[b] /= total[b]
            for d in range(directions):
                at = steps - 1 - t if d else t
                for b in range(batch):
                    share, state, into = weight[b], states[d, group, at, b], summed[group, b, d]
                    for j in range(hidden):
                        into[j] += share * state[j]


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
    directions, _, steps, batch, hidden = states.shape
    grads = np.empty((steps, batch), np.float32)
    mean = np.empty(batch, np.float32)
    for group in range(first, last):
        mean[:] = 0
        for t in range(steps):
            grad, weight = grads[t], weights[group, t]
            grad[:] = grad_weights[group, t]
            for d in range(directions):
                at = steps - 1 - t if d else t
                for b in range(batch):
                    state, pull, product = states[d, group, at, b], grad_summed[group, b, d], _F(0)
                    for j in range(hidden):
                        product += pull[j] * state[j]
                    grad[b] += product
            for b in range(batch):
                mean[b] += weight[b] * grad[b]
        for t in range(steps):
            grad, weight = grads[t], weights[group, t]
            for b in range(batch):
                grad[b] = weight[b] * (grad[b] - mean[b])
            for d in range(directions):
                at, c, of_c = steps - 1 - t if d else t, context[group, d], grad_context[group, d]
                for b in range(batch):
                    share, one, pull = weight[b], grad[b], grad_summed[group, b, d]
                    state, into = states[d, group, at, b], grad_states[d, group, at, b]
                    for j in range(hidden):
                        into[j] = share * pull[j] + c[j] * one
                    for j in range(hidden):
                        of_c[j] += one * state[j]


@_compiled
def adam(
    values: np.ndarray,
    grads: np.ndarray,
    means: np.ndarray,
    squares: np.ndarray,
    steps: int,
    rate: float,
    longest: float,
) -> None:
    """Take a step of Adam (Kingma and Ba 2015, algorithm 1), the `steps`-th, for vectors.

    A gradient that is longer than `longest` is scaled down to it first, unless that is 0.
    """
    scale = 1.0
    if longest > 0:
        length = 0.0
        for i in range(len(grads)):
            length += float(grads[i]) * float(grads[i])
        length = np.sqrt(length)
        scale = min(1.0, longest / (length + 1e-6)) if length == length else length
    one, other = _F(1 - 0.9), _F(1 - 0.999)
    size, spread = _F(rate / (1 - 0.9**steps)), _F(1 / np.sqrt(1 - 0.999**steps))
    shrink, least = _F(scale), _F(1e-8)
    for i in range(len(values)):
        grad = grads[i] * shrink
        mean = means[i] + one * (grad - means[i])
        square = squares[i] + other * (grad * grad - squares[i])
        means[i], squares[i] = mean, square
        values[i] -= size * mean / (np.sqrt(square) * spread + least)

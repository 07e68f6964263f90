"""Arrays of the page, packed so that a browser can read single genes.

A layer is the signal, the coverage, or one method's weights of all genes. Layers are stored as
32-bit numbers, exactly, where that fits; else as steps between each gene's least and greatest
value, as fine as the room allows, and the layer says how fine.
"""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chromviz.errors import ChromvizError

#: Numbers of steps between a gene's minimum and maximum to try, finest first; 0 is exact.
LEVELS = (
    *(0, 65_534, 16_382, 4_094, 2_046, 1_022, 510),
    *(254, 200, 160, 126, 100, 80, 62, 50, 40, 30),
)

# Bytes up to which numbers are stored exactly: a page that is mailed should not be large for the
# seventh digit of its numbers.
EXACT = 5_000_000
# Genes on which sizes are estimated, and the margin of the estimate.
_SAMPLE, _SLACK = 100, 1.01


@dataclass(frozen=True)
class Layer:
    """One array of the page: its kind, the name that people read, and its values.

    `kind` is ``signal``, ``coverage``, ``weight`` or ``marks`` (weights without bins). `values` are
    float (row, name, bin), NaN where missing; `names` are marks or tracks, one empty name for
    weights over bins alone. `delta` is the completeness error in logits of each row and `flagged`
    whether it is above the threshold, None if the method has none. `absolute_of` is the index of
    the layer whose absolute values these are, which are not stored twice; else -1.
    """

    kind: str
    name: str
    values: np.ndarray
    names: Sequence[str]
    model: str = ""
    method: str = ""
    signed: bool = False
    delta: np.ndarray | None = None
    flagged: np.ndarray | None = None
    absolute_of: int = -1


@dataclass(frozen=True)
class Packed:
    """A layer as the page stores it.

    `levels` are the steps between a gene's minimum and maximum, 0 for exact numbers; `rising` says
    that each bin holds the difference from the previous one. `text` is base64 of the deflated
    bytes: for steps, the minimum and the step of each row as float32, then the steps; bytes of
    equal significance are stored together.
    """

    levels: int
    rising: bool
    text: str


def share_absolute(layers: Sequence[Layer]) -> list[Layer]:
    """Mark layers that are the absolute values of another, so that they are stored once."""
    found = list(layers)
    for at, layer in enumerate(layers):
        for other, signed in enumerate(layers):
            if (
                signed.signed
                and not layer.signed
                and signed.model == layer.model
                and signed.values.shape == layer.values.shape
                and np.array_equal(np.abs(signed.values), layer.values, equal_nan=True)
            ):
                found[at] = replace(layer, absolute_of=other)
                break
    return found


def pack(layers: Sequence[Layer], room: int) -> list[Packed | None]:
    """Pack layers with as many levels as `room` bytes allow, the same for all.

    Layers that are another's absolute values give None. Layers that do not fit are an error.
    """
    stored = [layer for layer in layers if layer.absolute_of < 0]

    def fits(levels: int, size: float) -> bool:
        return size <= (room if levels else min(room, EXACT))

    # Coarser is smaller: bisection finds the finest number of steps that fits.
    place = bisect_left(LEVELS, True, key=lambda levels: fits(levels, _estimate(stored, levels)))
    for levels in LEVELS[place:]:
        found = [None if one.absolute_of >= 0 else _pack(one.values, levels) for one in layers]
        if fits(levels, sum(len(one.text) for one in found if one)):
            return found
    genes = max((len(layer.values) for layer in layers), default=0)
    raise ChromvizError(
        f"{len(stored)} arrays of {genes:,} genes do not fit on one page; write a page of fewer "
        "methods or models with --methods"
    )


def _estimate(layers: Sequence[Layer], levels: int) -> float:
    """Estimate the length of the text from some genes of each layer."""
    total = 0.0
    for layer in layers:
        rows = len(layer.values)
        some = np.unique(np.linspace(0, rows - 1, min(rows, _SAMPLE)).round().astype(int))
        total += len(_pack(layer.values[some], levels).text) * rows / len(some) * _SLACK
    return total


def _pack(values: np.ndarray, levels: int) -> Packed:
    values = np.ascontiguousarray(values, dtype="<f4")
    if not levels:
        return Packed(0, False, _deflate(_planes(values)))
    axes = tuple(range(1, values.ndim))
    known = np.isfinite(values)
    least = np.min(values, axis=axes, initial=np.inf, where=known, keepdims=True)
    most = np.max(values, axis=axes, initial=-np.inf, where=known, keepdims=True)
    empty = ~known.any(axis=axes, keepdims=True)
    least, most = np.where(empty, 0, least), np.where(empty, 0, most)
    step = (most.astype(np.float64) - least) / levels
    width = 1 if levels < 0xFF else 2
    steps = np.round((values - least) / np.where(step > 0, step, 1))
    whole = np.where(known, steps, (1 << 8 * width) - 1).astype(f"<u{width}")
    scale = np.stack([least.ravel(), step.ravel()]).astype("<f4").tobytes()
    rises = np.diff(whole, axis=-1, prepend=whole.dtype.type(0))
    plain, steep = (len(_deflate(_planes(one[:_SAMPLE]))) for one in (whole, rises))
    rising = steep < plain
    return Packed(levels, rising, _deflate(scale + _planes(rises if rising else whole)))


def _planes(values: np.ndarray) -> bytes:
    """Return the bytes of numbers grouped by significance, which deflates better."""
    return np.ascontiguousarray(values).reshape(-1, 1).view(np.uint8).T.tobytes()


def _deflate(raw: bytes) -> str:
    # The numbers are noisy: Huffman codes help more than matching of repeats.
    # Level 9 takes six times as long, for 2 % less.
    squeeze = zlib.compressobj(6, wbits=-15, strategy=zlib.Z_FILTERED)
    return base64.b64encode(squeeze.compress(raw) + squeeze.flush()).decode("ascii")


def describe_precision(levels: int) -> str:
    """Return in words how exactly a page shows values."""
    if not levels:
        return "Values are those of the files, exactly."
    share = 100 * 0.5 / levels
    return (
        f"Values are those of the files to within {share:.2g} % of each gene's range "
        f"({levels:,} steps); the files have them exactly."
    )


def json_numbers(values: Iterable[float]) -> list[float | None]:
    """Return numbers for JSON, rounded; NaN becomes null."""
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values]


def layer_record(layer: Layer, packed: Packed | None) -> dict[str, Any]:
    """Return the description of a layer without its numbers, as JSON takes it."""
    return {
        "kind": layer.kind,
        "name": layer.name,
        "model": layer.model,
        "method": layer.method,
        "signed": layer.signed,
        "names": list(layer.names),
        "shape": list(layer.values.shape),
        "levels": packed.levels if packed else 0,
        "rising": bool(packed and packed.rising),
        "absoluteOf": layer.absolute_of,
        "delta": None if layer.delta is None else json_numbers(layer.delta),
        "flagged": None if layer.flagged is None else [int(one) for one in layer.flagged],
    }

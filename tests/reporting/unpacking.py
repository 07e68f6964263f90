"""Arrays of the page, as the browser reads them."""

import base64
import zlib

import numpy as np


def unpack(packed, shape):
    """Return a layer's values as the page shows them, float32; the inverse of `pack`."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed.text), -15), np.uint8)
    rows = shape[0]
    if not packed.levels:
        joined = np.ascontiguousarray(raw.reshape(4, -1).T).view("<f4")
        return np.array(joined.reshape(shape), dtype=np.float32)
    scale = raw[: 8 * rows].view("<f4").reshape(2, rows)
    width = 1 if packed.levels < 0xFF else 2
    steps = np.ascontiguousarray(raw[8 * rows :].reshape(width, -1).T).view(f"<u{width}")
    steps = steps.reshape(shape)
    if packed.rising:
        steps = np.cumsum(steps, axis=-1, dtype=steps.dtype)
    axes = (rows, *[1] * (len(shape) - 1))
    values = scale[0].reshape(axes) + steps * scale[1].reshape(axes)
    values[steps == (1 << 8 * width) - 1] = np.nan
    return np.asarray(values, dtype=np.float32)

"""Unpacking of deflate: ISA-L where there is a build of it, faster than zlib.

Both verify the checksums of what they unpack.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

_library: Any
try:
    _library = import_module("isal.isal_zlib")
except ImportError:  # there is none for this kind of processor
    _library = zlib

decompress: Callable[..., bytes] = _library.decompress
decompressobj: Callable[[int], Any] = _library.decompressobj
#: What damaged data raise.
FAULTS: tuple[type[Exception], ...] = (zlib.error, _library.error)

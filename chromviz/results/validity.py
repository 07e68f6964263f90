"""The one rule for whether a result is still valid: its inputs, options and code are unchanged.

Whatever chromviz keeps (steps of a result folder, trained models, prepared datasets) is kept with
its :func:`key`, a hash of the inputs, the options and the source code that makes it, and is made
again if the key differs or a file is not :func:`as_recorded`.

Code is found through every definition that a function uses (:mod:`chromviz.results.definitions`).
What is found only at run time has to be named. Comments, docstrings, types and the texts of errors
change no key; nor do modules that decide where a result is kept and not what it is.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from chromviz import provenance
from chromviz.results.definitions import ALL, Place, is_readable, reach

#: A function, class, partial or object with methods; or ``"module:name"``, or a module's name.
Code = Callable[..., Any] | str

# Code named in a text, as in the catalog.
_NAMED = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+:\w+")
_KEEPING = (
    *("chromviz.results.folder", "chromviz.results.validity", "chromviz.results.definitions"),
    *("chromviz.provenance", "chromviz.progress", "chromviz.errors", "chromviz.plugins"),
)
#: Packages whose version, not their source, tells one from another; manifests record it.
_LIBRARIES = (set(provenance.RECORDED_PACKAGES) | {"matplotlib", "sklearn", "builtins"}) - {
    "chromviz"
}


def key(inputs: Any, *code: Code, apart_from: Collection[str] = ()) -> str:
    """Return the SHA-256 under which a result is valid.

    `inputs` are everything besides code that determines the result, as JSON takes it. `code` and
    `apart_from` are as for :func:`code_hash`; modules that only store results never count.
    """
    return provenance.hash_json([inputs, code_hash(*code, apart_from=apart_from)])


def code_hash(*code: Code, apart_from: Collection[str] = ()) -> str:
    """Return a SHA-256 over the source of functions and of all of chromviz that they use.

    `code` are functions, classes, methods, partials and closures (with the functions that they
    hold), also of plug-ins and of the user's own files; or ``"module:name"`` or a module's name,
    which is not imported. A function without source, as in a notebook, is hashed by its bytecode.
    Modules in `apart_from` do not count.
    """
    places: set[Place] = set()
    compiled: set[str] = set()
    seen: set[int] = set()
    for one in code:
        for found in _places(one, seen):
            if isinstance(found, Place):
                places.add(found)
            else:
                compiled.add(found)
    source = reach(sorted(places), (*_KEEPING, *apart_from))
    return provenance.hash_json([source, sorted(compiled)]) if compiled else source


def as_recorded(folder: Path, files: Mapping[str, str]) -> bool:
    """Return whether files of a folder exist and have the recorded SHA-256, by name."""
    return all(
        (folder / name).is_file() and provenance.hash_file(folder / name) == digest
        for name, digest in files.items()
    )


def _places(code: Any, seen: set[int]) -> Iterator[Place | str]:
    """Return the definitions behind code, and the hashes of bytecode that has no source."""
    if isinstance(code, str):
        module, _, name = code.partition(":")
        yield Place(module, name or ALL)
        return
    if id(code) in seen:
        return
    seen.add(id(code))
    if isinstance(code, partial):
        yield from _places(code.func, seen)
        yield from _held((*code.args, *code.keywords.values()), seen)
    elif isinstance(code, MethodType):
        yield from _places(code.__func__, seen)
        yield from _held([code.__self__], seen)
    elif isinstance(code, type):
        yield from _named(code, None)
    elif callable(code) and isinstance(plain := inspect.unwrap(code), FunctionType):
        yield from _named(plain, plain.__code__)
        yield from _held((_content(cell) for cell in plain.__closure__ or ()), seen)
    else:
        yield from _named(type(code), None)
        if is_dataclass(code):
            yield from _held(vars(code).values(), seen)


def _named(code: Any, compiled: CodeType | None) -> Iterator[Place | str]:
    """Return the place of a function or class; of one without source, the hash of its bytecode."""
    top = code.__module__.partition(".")[0]
    if top in _LIBRARIES or is_readable(code.__module__):
        yield Place(f"library {top}" if top in _LIBRARIES else code.__module__, code.__qualname__)
    elif compiled is not None:
        yield _bytecode(compiled)
    else:
        for value in vars(code).values():
            if isinstance(value, FunctionType):
                yield _bytecode(value.__code__)


def _held(values: Iterable[Any], seen: set[int]) -> Iterator[Place | str]:
    """Return the code in what a partial or closure holds; data are inputs, and not its code."""
    for value in values:
        if isinstance(value, str):
            if _NAMED.fullmatch(value) and is_readable(value.partition(":")[0]):
                yield from _places(value, seen)
        elif isinstance(value, (list, tuple, set, frozenset)):
            yield from _held(value, seen)
        elif isinstance(value, dict):
            yield from _held(value.values(), seen)
        elif isinstance(value, ModuleType):
            yield Place(value.__name__, ALL)
        elif isinstance(value, (FunctionType, MethodType, partial, type)):
            yield from _places(value, seen)
        elif callable(modules := getattr(type(value), "modules", None)):  # a network and its parts
            yield from _held({type(part) for part in modules(value)}, seen)
        elif callable(value) or type(value).__module__.partition(".")[0] == "chromviz":
            yield from _places(value, seen)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _bytecode(code: CodeType) -> str:
    """Return a hash of compiled code: its instructions, constants and names."""
    inner = [_bytecode(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    parts = [code.co_code.hex(), *inner, *code.co_names]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

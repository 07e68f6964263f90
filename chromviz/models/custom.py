"""User-defined models: a class, an instance, a function, or ``package.module:factory``.

A name is imported, so its code runs. Only names given by the user are imported, never a name that
is read from a file.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import nn

from chromviz.catalog import ModelSpec
from chromviz.errors import ChromvizError, UnknownNameError, first_line
from chromviz.models.inference import one_a_gene, session
from chromviz.results.definitions import forget
from chromviz.results.validity import code_hash

#: Size of the input on which a module is tried before it is trained.
_USUAL = (5, 100)


def import_model(reference: str) -> ModelSpec:
    """Return the architecture that a user names as ``package.module:factory``.

    The factory is a :class:`~chromviz.catalog.ModelSpec`, or a function or class that is called
    with the numbers of marks and bins (or without arguments if it takes none). The current folder
    is searched first, as by ``python -m``. The version of the architecture is a hash of its code.
    """
    place, _, name = reference.partition(":")
    if not (name.isidentifier() and all(part.isidentifier() for part in place.split("."))):
        raise ChromvizError(
            f"{reference!r} does not name a model; write package.module:factory, for instance "
            "my_models:Net"
        )
    module = _import(place)
    if not hasattr(module, name):
        public = [item for item in vars(module) if not item.startswith("_")]
        raise UnknownNameError("factory", name, public, f"Looked in {module.__file__}.")
    factory = getattr(module, name)
    version = _version(factory, module)
    if isinstance(factory, ModelSpec):
        build = partial(_build, factory.build, reference)
        return replace(factory, name=reference, factory=build, version=version, aliases=())
    if not callable(factory):
        raise ChromvizError(
            f"{reference} is a {type(factory).__name__}; a model is a class, or a function that "
            "returns a torch.nn.Module"
        )
    return _spec(factory, reference, version, f"{Path(module.__file__ or '').name}, user's own")


def own_model(model: Any) -> ModelSpec:
    """Return the architecture of a class, a function or an instance, which is copied.

    The version is a hash of the code. It is empty, and trained models are not stored, if the code
    cannot be identified: for an instance, for code of a notebook or of ``__main__``, for a local
    class, and if the file was edited after its import.
    """
    if isinstance(model, nn.Module):
        kind = type(model)
        name = f"{kind.__module__}:{kind.__qualname__}"
        spec = _spec(lambda: copy.deepcopy(model), name, "", "an instance, user's own")
        return spec if hasattr(model, "attention") else replace(spec, attends=())
    is_class = isinstance(model, type)
    if not inspect.isfunction(model) and not (is_class and issubclass(model, nn.Module)):
        what = f"the class {model.__name__}" if is_class else f"a {type(model).__name__}"
        raise ChromvizError(
            "a model is given by its name, by package.module:factory, or as a class or an "
            f"instance of torch.nn.Module; this is {what}"
        )
    module = sys.modules.get(model.__module__)
    # A local class cannot be imported again under its name.
    at_name = reduce(
        lambda place, part: getattr(place, part, None), model.__qualname__.split("."), module
    )
    version = _version(model, module) if module and at_name is model else ""
    name = f"{model.__module__}:{model.__qualname__}"
    return _spec(model, name, version, f"{model.__module__}, user's own")


def _spec(factory: Callable[..., Any], name: str, version: str, source: str) -> ModelSpec:
    """Return the architecture that a factory builds."""
    build = partial(_build, _sized(factory), name)
    bare = isinstance(factory, type) and not hasattr(factory, "attention")
    label = name.rpartition(":")[2].rpartition(".")[2]
    attends = () if bare else _attends(build)
    return ModelSpec(name, label, build, attends, source, version=version)


def _version(factory: Any, module: ModuleType) -> str:
    """Return the hash of a factory's code, empty if the module's file is not the code that runs."""
    spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    if spec is None or file is None or module.__name__ == "__main__":
        return ""
    # Once per import of the module, because the file may be edited later.
    recorded_for, versions = vars(module).get("__chromviz_versions__", (None, {}))
    if recorded_for is not spec:
        forget()
        versions = {} if _is_current(module, file) else None
        vars(module)["__chromviz_versions__"] = (spec, versions)
    if versions is None:
        return ""
    name = getattr(factory, "__qualname__", "") or repr(factory)
    if name not in versions:
        versions[name] = code_hash(factory)
    return str(versions[name])


def _is_current(module: ModuleType, file: str) -> bool:
    """Return whether the functions of a module are those that its file holds now."""

    def codes(code: CodeType) -> Iterator[CodeType]:
        yield code
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from codes(constant)

    try:
        there = set(codes(compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)))
    except (OSError, SyntaxError, ValueError):
        return False
    holders = [module, *(item for item in vars(module).values() if isinstance(item, type))]
    functions = (item for one in holders for item in vars(one).values() if inspect.isfunction(item))
    live = (function.__code__ for function in functions)
    return all(code in there for code in live if code.co_filename == file)


def _import(place: str) -> ModuleType:
    """Import a module, the current folder first."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        importlib.invalidate_caches()
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise ChromvizError(_blame(f"the module {place} cannot be imported", error)) from None
        raise ChromvizError(
            f"the module {error.name!r} was not found in {here} or on Python's path; run chromviz "
            "from the folder that contains it, or install its package"
        ) from None
    # A user's module may raise anything.
    except Exception as error:  # noqa: BLE001
        raise ChromvizError(_blame(f"the module {place} cannot be imported", error)) from None
    finally:
        sys.path.remove(here)


def _sized(factory: Callable[..., Any]) -> Callable[[int, int], Any]:
    """Return a factory that takes the numbers of marks and bins."""
    try:
        inspect.signature(factory).bind(*_USUAL)
    except (TypeError, ValueError):
        return lambda n_marks, n_bins: factory()
    return factory


def _build(factory: Callable[[int, int], Any], name: str, n_marks: int, n_bins: int) -> nn.Module:
    """Build a module and try it on two genes without signal, before it is trained."""
    with _explained(f"{name} could not be built for {n_marks} marks and {n_bins} bins"):
        module = factory(n_marks, n_bins)
    if not isinstance(module, nn.Module):
        raise ChromvizError(
            f"{name} returned a {type(module).__name__}; it must return a torch.nn.Module"
        )
    if not any(True for _ in module.parameters()):
        raise ChromvizError(f"{name} has no parameters to train")
    with _tried(module):
        with _explained(f"{name} failed on signal of shape (2, {n_marks}, {n_bins})"):
            output = module(torch.zeros(2, n_marks, n_bins))
        if isinstance(output, torch.Tensor) and output.shape == (2, 1):
            raise ChromvizError(
                f"the output of {name} is (batch, 1); a model must return one logit per gene, "
                "shape (batch,): end its forward with .squeeze(-1)"
            )
        one_a_gene(output, 2)
        if not output.is_floating_point() or not bool(output.isfinite().all()):
            raise ChromvizError(
                f"the output of {name} is {str(output.dtype).removeprefix('torch.')}, or not "
                "finite, for a gene without signal; it must be a finite logit in floating point"
            )
    return module


def _attends(build: Callable[[int, int], nn.Module]) -> tuple[str, ...]:
    """Return which attention a module gives; assume both if it cannot be tried."""
    with torch.random.fork_rng(devices=[]):
        try:
            module = build(*_USUAL)
        except ChromvizError:
            # It is for another size, or broken, which building it for the data will tell.
            return ("alpha", "beta")
    attention = getattr(module, "attention", None)
    if not callable(attention):
        return ()
    with _tried(module), _explained(f"the attention of {type(module).__name__} failed"):
        found = attention(torch.zeros(2, *_USUAL))
    return tuple(name for name in ("alpha", "beta") if getattr(found, name, None) is not None)


@contextmanager
def _tried(module: nn.Module) -> Iterator[None]:
    """Run a module on the CPU and restore it, and torch's random state."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), session(module):
        yield


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn an error in a user's code into one line that says what went wrong, and where."""
    try:
        yield
    except ChromvizError:
        raise
    except Exception as error:  # noqa: BLE001
        raise ChromvizError(_blame(what, error)) from None


def _blame(what: str, error: Exception) -> str:
    """Return the kind and message of an error and the line of the user's code that caused it."""
    reason = f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, SyntaxError):
        return f"{what}: {reason}"  # its message has the file and the line
    others = [Path(file).parent for file in (torch.__file__, importlib.__file__)]
    not_theirs = (*map(str, [*others, Path(__file__).parents[1]]), "<")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(not_theirs)
    ]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{what}: {reason}{where}"

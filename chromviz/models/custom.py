"""A user's own architecture, named ``package.module:factory`` on the command line.

Its module is imported, so its code runs: only a name that the user gives does that, never one
that stands in a file.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from chromviz import provenance
from chromviz.errors import ChromvizError, UnknownNameError, first_line
from chromviz.models import ModelSpec
from chromviz.models.inference import one_a_gene

#: Size of the input on which a module is tried before anybody trains it.
_USUAL = (5, 100)


def import_model(reference: str) -> ModelSpec:
    """Return the architecture that a user names as ``package.module:factory``.

    Parameters
    ----------
    reference
        The factory is a :class:`~chromviz.models.ModelSpec`, or a function or class that is called
        with the numbers of marks and bins, or with nothing if it takes nothing, and returns a
        ``torch.nn.Module``. The module is looked for as ``python -m`` does: in the current folder
        first.

    Returns
    -------
    ModelSpec
        Named `reference`; its version is the SHA-256 of the module's file, so that an edited
        module is trained anew. Which attention it gives is found by trying it.

    Raises
    ------
    ChromvizError
        If there is no such module or factory, or the module cannot be imported.
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
    # Kept with the module: an edit after the import is not in the code that runs.
    version = vars(module).setdefault(
        "__chromviz_version__",
        provenance.hash_file(Path(module.__file__)) if module.__file__ else "",
    )
    if isinstance(factory, ModelSpec):
        build = partial(_build, factory.build, reference)
        return replace(factory, name=reference, factory=build, version=version, aliases=())
    if not callable(factory):
        raise ChromvizError(
            f"{reference} is a {type(factory).__name__}; a model is named by a class or function "
            "that returns a torch.nn.Module"
        )
    build = partial(_build, _sized(factory), reference)
    return ModelSpec(
        name=reference,
        label=name,
        factory=build,
        attends=_attends(build),
        source=f"{Path(module.__file__ or '').name}, the user's own",
        version=version,
    )


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
            f"there is no module {error.name!r} (looked in {here} and where Python looks); run "
            "chromviz from the folder that holds it, or install its package"
        ) from None
    # What a user's module raises, nobody can foresee.
    except Exception as error:  # noqa: BLE001
        raise ChromvizError(_blame(f"the module {place} cannot be imported", error)) from None
    finally:
        sys.path.remove(here)


def _sized(factory: Callable[..., Any]) -> Callable[[int, int], Any]:
    """Return a factory as one that takes the numbers of marks and bins."""
    try:
        inspect.signature(factory).bind(*_USUAL)
    except (TypeError, ValueError):
        return lambda n_marks, n_bins: factory()
    return factory


def _build(factory: Callable[[int, int], Any], name: str, n_marks: int, n_bins: int) -> nn.Module:
    """Build a module and try it on two genes without signal, before anybody trains it."""
    with _explained(f"{name} could not be built for {n_marks} marks and {n_bins} bins"):
        module = factory(n_marks, n_bins)
    if not isinstance(module, nn.Module):
        raise ChromvizError(
            f"{name} returned a {type(module).__name__}; it must return a torch.nn.Module"
        )
    if not any(True for _ in module.parameters()):
        raise ChromvizError(f"{name} has no parameters; there is nothing to train")
    with _tried(module):
        with _explained(f"{name} failed on signal of shape (2, {n_marks}, {n_bins})"):
            output = module(torch.zeros(2, n_marks, n_bins))
        if isinstance(output, torch.Tensor) and output.shape == (2, 1):
            raise ChromvizError(
                f"the output of {name} is (batch, 1); a model must return one logit a gene, shape "
                "(batch,): end its forward with .squeeze(-1)"
            )
        one_a_gene(output, 2)
        if not output.is_floating_point() or not bool(output.isfinite().all()):
            raise ChromvizError(
                f"the output of {name} is {str(output.dtype).removeprefix('torch.')}, or not "
                "finite, for a gene without signal; it must be a finite logit in floating point"
            )
    return module


def _attends(build: Callable[[int, int], nn.Module]) -> tuple[str, ...]:
    """Return which attention a module gives, believing it where it cannot be tried."""
    with torch.random.fork_rng(devices=[]):
        try:
            module = build(*_USUAL)
        except ChromvizError:
            return ("alpha", "beta")  # made for another size, or broken: building it will tell
    attention = getattr(module, "attention", None)
    if not callable(attention):
        return ()
    with _tried(module), _explained(f"the attention of {type(module).__name__} failed"):
        found = attention(torch.zeros(2, *_USUAL))
    return tuple(name for name in ("alpha", "beta") if getattr(found, name, None) is not None)


@contextmanager
def _tried(module: nn.Module) -> Iterator[None]:
    """Let a module run without a trace: its mode and torch's random numbers stay as they are."""
    modes = [(part, part.training) for part in module.modules()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        module.eval()
        try:
            yield
        finally:
            for part, training in modes:
                part.training = training


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Say in one line what went wrong in a user's code, and where."""
    try:
        yield
    except ChromvizError:
        raise
    except Exception as error:  # noqa: BLE001
        raise ChromvizError(_blame(what, error)) from None


def _blame(what: str, error: Exception) -> str:
    """Return an error's kind and message with the last line of the user's code that led to it."""
    reason = f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, SyntaxError):
        return f"{what}: {reason}"  # its message has the file and the line
    not_theirs = tuple(str(Path(file).parent) for file in (torch.__file__, importlib.__file__))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*not_theirs, str(_OURS), "<"))
    ]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{what}: {reason}{where}"


_OURS = Path(__file__).parents[1]

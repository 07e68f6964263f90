"""The options that recipes have in common: seeds, resamples, the device, where to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.progress import SILENT, Reporter

#: Seeds are unsigned 32-bit integers.
MAX_SEED = 2**32 - 1


class RunOptions(TypedDict, total=False):
    """The fields of :class:`Run` as keywords of a recipe."""

    seed: int
    seeds: int
    n_bootstrap: int
    device: str
    reporter: Reporter


@dataclass(frozen=True)
class Run:
    """How a recipe is run.

    Parameters
    ----------
    seed
        Seed of training, of methods that draw random numbers, and of the bootstrap.
    seeds
        Number of trainings, with seeds from `seed` on. What they are for depends on the recipe.
    n_bootstrap
        Number of resamples of genes.
    device
        Where to train and extract: ``cpu``, ``cuda``, ``cuda:1``.
    reporter
        Receives progress and lines for people.

    Raises
    ------
    ChromvizError
        If a number is out of range.
    """

    seed: int = 0
    seeds: int = 1
    n_bootstrap: int = 2000
    device: str = "cpu"
    reporter: Reporter = SILENT

    def __post_init__(self) -> None:
        least = {"seed": 0, "seeds": 1, "n_bootstrap": 0}
        for name, smallest in least.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
                raise ChromvizError(f"{name} must be an integer of at least {smallest}: {value!r}")
        if self.seed + self.seeds - 1 > MAX_SEED:
            raise ChromvizError(f"seeds cannot exceed {MAX_SEED}; start with a lower seed")
        if not isinstance(self.device, str):
            raise ChromvizError(f"device must be a text such as 'cpu' or 'cuda': {self.device!r}")

    def single(self) -> Run:
        """Return the same run with one training."""
        return replace(self, seeds=1)

    @property
    def numbers(self) -> range:
        """The seeds of the trainings."""
        return range(self.seed, self.seed + self.seeds)


def run_options(given: Mapping[str, Any], **defaults: Any) -> Run:
    """Return the options of a run, and check that its device exists.

    Parameters
    ----------
    given
        Keywords of the recipe.
    **defaults
        Defaults of this recipe that differ from those of :class:`Run`.

    Raises
    ------
    ChromvizError
        If a keyword is unknown, a value out of range, or the device not available.
    """
    from chromviz.models.inference import find_device

    known = [item.name for item in fields(Run)]
    for name in given:
        if name not in known:
            raise UnknownNameError("option", name, known, f"Options: {', '.join(known)}.")
    run = Run(**{**defaults, **given})
    find_device(run.device)
    return run

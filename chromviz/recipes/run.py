"""What all recipes share: the options of a run, and the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.models.inference import find_device
from chromviz.progress import SILENT, Reporter
from chromviz.results.folder import ResultFolder
from chromviz.schema import Summarised, Summary
from chromviz.schema.summary import SIMULATED

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

    `seed` is that of training, of methods that draw random numbers, and of the bootstrap; `seeds`
    is the number of trainings, with seeds from `seed` on; `n_bootstrap` that of resamples of genes.
    """

    seed: int = 0
    seeds: int = 1
    n_bootstrap: int = 2000
    device: str = "cpu"
    reporter: Reporter = SILENT

    def __post_init__(self) -> None:
        for name, smallest in {"seed": 0, "seeds": 1, "n_bootstrap": 0}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
                raise ChromvizError(f"{name} must be an integer of at least {smallest}: {value!r}")
        if self.seed + self.seeds - 1 > MAX_SEED:
            raise ChromvizError(f"seeds cannot exceed {MAX_SEED}; start with a lower seed")
        if not isinstance(self.device, str):
            raise ChromvizError(f"device must be a text such as 'cpu' or 'cuda': {self.device!r}")

    @property
    def numbers(self) -> range:
        """The seeds of the trainings."""
        return range(self.seed, self.seed + self.seeds)


def run_options(given: Mapping[str, Any], **defaults: Any) -> Run:
    """Return the options that a recipe was given; check names, values and the device."""
    known = [item.name for item in fields(Run)]
    for name in given:
        if name not in known:
            raise UnknownNameError("option", name, known, f"Options: {', '.join(known)}.")
    run = Run(**{**defaults, **given})
    find_device(run.device)
    return run


@dataclass(frozen=True, repr=False)
class Outcome(Summarised):
    """What every recipe returns: the result folder, and the PDF of each figure by name.

    Steps were run (`made`) or up to date (`kept`).
    """

    folder: Path
    figures: dict[str, Path]
    made: list[str]
    kept: list[str]

    @property
    def steps_line(self) -> str:
        """The numbers of steps that were run and that were up to date, in one line."""
        return f"{len(self.made)} steps run, {len(self.kept)} up to date"

    def brief(self, title: str, simulated: object, *rows: tuple[str, str]) -> Summary:
        """Return a summary with these rows, the folder, and whether the data are simulated."""
        last = (("folder", str(self.folder)), ("simulated", SIMULATED if simulated else ""))
        return Summary(title, (*rows, *last))


def finished(
    folder: ResultFolder, *, keep: bool = False
) -> tuple[Path, dict[str, Path], list[str], list[str]]:
    """Finish a result folder and return the fields of its :class:`Outcome`."""
    folder.finish(keep=keep)
    files = [name for step in folder.record()["steps"].values() for name in step["files"]]
    figures = {
        name.removesuffix(".pdf"): folder.path / name for name in files if name.endswith(".pdf")
    }
    return folder.path, figures, folder.made, folder.kept

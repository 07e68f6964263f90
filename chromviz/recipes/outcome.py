"""What every recipe returns: its result folder, and which steps were run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chromviz.results.folder import ResultFolder, of_result
from chromviz.schema import Summarised


@dataclass(frozen=True, repr=False)
class Outcome(Summarised):
    """The result folder of a recipe.

    Parameters
    ----------
    folder
        The result folder.
    figures
        PDF of each figure by name, for instance ``figures["figure2a"]``.
    made, kept
        Names of the steps that were run, and of those that were up to date.
    """

    folder: Path
    figures: dict[str, Path]
    made: list[str]
    kept: list[str]

    @property
    def steps_line(self) -> str:
        """One line about the steps, for people."""
        return f"{len(self.made)} steps run, {len(self.kept)} up to date"

    def rows(self, simulated: object) -> tuple[tuple[str, str], ...]:
        """Return the last rows of the summary."""
        return of_result(self, simulated)


def finished(
    folder: ResultFolder, *, keep: bool = False
) -> tuple[Path, dict[str, Path], list[str], list[str]]:
    """Finish a result folder and return the first fields of its :class:`Outcome`.

    Parameters
    ----------
    folder
        The result folder.
    keep
        Whether files of earlier runs stay that this one did not make.
    """
    folder.finish(keep=keep)
    files = [name for step in folder.record()["steps"].values() for name in step["files"]]
    figures = {
        name.removesuffix(".pdf"): folder.path / name for name in files if name.endswith(".pdf")
    }
    return folder.path, figures, folder.made, folder.kept

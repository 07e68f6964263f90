"""Result folders that are read again: whole, untouched, and of this version, or one clear line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from chromviz import provenance
from chromviz.errors import ChromvizError
from chromviz.results.folder import MANIFEST, read_manifest
from chromviz.results.tables import parse_csv


@dataclass(frozen=True)
class Results:
    """A result folder that a command has finished: its path, subject, seed and manifest."""

    path: Path
    subject: str
    seed: int
    record: dict[str, Any]

    @property
    def files(self) -> dict[str, str]:
        """Names of the files that the steps wrote, and their hashes."""
        return {
            file: digest
            for step in self.record["steps"].values()
            for file, digest in step["files"].items()
        }

    def file(self, name: str) -> Path:
        """Return the path of a file; one that no step wrote, is gone or was edited is an error."""
        recorded, path = self.files, self.path / name
        again = _again(self.subject, self.path)
        if name not in recorded or not path.is_file():
            raise ChromvizError(
                f"{self.path} is incomplete: it has no {name}; {again} to its end, with the "
                "default models and tables"
            )
        if provenance.hash_file(path) != recorded[name]:
            raise ChromvizError(f"{path} is not as it was written; {again}")
        return path

    def text(self, name: str) -> str:
        """Return a file of the folder as text."""
        return self.file(name).read_text("utf-8")

    def table(self, name: str) -> pd.DataFrame:
        """Return a table of the folder."""
        return parse_csv(self.text(name))


def open_results(path: Path, *commands: str) -> Results:
    """Open a finished result folder of this version, made by one of `commands`."""
    again = _again(commands[0], path)
    if not path.is_dir():
        raise ChromvizError(f"no result folder {path}; {again}")
    file = path / MANIFEST
    if not file.is_file():
        raise ChromvizError(f"{path} is no finished result folder: it has no {MANIFEST}; {again}")
    record = read_manifest(file, again)
    if "seed" not in record:
        raise ChromvizError(f"{file} is not a manifest of finished results: no seed; {again}")
    subject, version = record["subject"], record["chromviz_version"]
    if subject.partition(" ")[0] not in commands:
        raise ChromvizError(
            f"{path} holds the results of 'chromviz {subject}'; those of 'chromviz "
            f"{' or '.join(commands)}' are needed"
        )
    own = provenance.versions()["chromviz"]
    if version != own:
        raise ChromvizError(
            f"{path} was made by chromviz {version}, and this is {own}; {_again(subject, path)}"
        )
    return Results(path, subject, record["seed"], record)


def _again(subject: str, path: Path) -> str:
    """Return the command that makes a result folder again."""
    command, _, of = subject.partition(" ")
    # An audit is of a gene, the others are of cell types.
    named = f" {of}" if command == "audit" else f" --cell {of.replace(', ', ',')}"
    return f"run 'chromviz {command}{named if of else ''} --out {path}'"


def open_all(paths: Sequence[Path], command: str) -> list[Results]:
    """Open several result folders; none, or one subject twice, is an error."""
    found = [open_results(path, command) for path in paths]
    seen: dict[str, Path] = {}
    for one in found:
        if one.subject in seen:
            raise ChromvizError(
                f"{seen[one.subject]} and {one.path} both hold '{one.subject}'; name one of them"
            )
        seen[one.subject] = one.path
    return found

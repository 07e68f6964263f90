"""A result folder that knows what is in it, so that a second run continues the first.

``manifest.json`` records each step with a key over its inputs, its options and its code (see
:mod:`chromviz.results.validity`), and with the hashes of the files that it wrote. A step whose key
and files are as recorded is not run again. The manifest is written after each step, and every file
whole or not at all, so an interrupted run can be continued.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from chromviz import provenance
from chromviz.errors import ChromvizError
from chromviz.results import validity
from chromviz.results.tables import read_csv, to_csv, write_csv
from chromviz.results.validity import Code
from chromviz.vocabulary import COMMON_NAMES

MANIFEST = "manifest.json"
#: What a manifest says that it is.
SCHEMA = "chromviz-results"


def default_folder(cell: str) -> Path:
    """Return where the results of a cell type go if nobody says: ``results/K562`` for E123."""
    return Path("results") / COMMON_NAMES.get(cell, cell)


class ResultFolder:
    """A folder of results and its manifest.

    Parameters
    ----------
    path
        The folder; made if it is missing.
    subject
        What the results are of, for instance ``"compare E123"``; a folder has one subject, and one
        with results of another is refused.
    """

    def __init__(self, path: Path, subject: str) -> None:
        provenance.ensure_folder(path)
        self.path = path
        self.subject = subject
        self.made: list[str] = []
        self.kept: list[str] = []
        self._record = self._read(subject)
        self._record |= {"schema": SCHEMA, "subject": subject, **provenance.stamp()}
        self._record["versions"] = provenance.versions()

    def __setitem__(self, name: str, value: Any) -> None:
        """Record a fact about the run in the manifest."""
        self._record[name] = value

    def __getitem__(self, name: str) -> Any:
        """Return a fact that was recorded."""
        return self._record[name]

    def once(
        self,
        step: str,
        made_from: Any,
        files: Sequence[str],
        make: Callable[[], None],
        code: Sequence[Code] = (),
    ) -> None:
        """Run a step unless it is up to date.

        Parameters
        ----------
        step
            The step's name.
        made_from
            The inputs and options that determine the result, as JSON takes them.
        files
            Names of the files that the step writes, below the folder.
        make
            Writes them. Its code, and all that it uses, is part of the step's key.
        code
            What else runs and cannot be seen in `make`, such as a method's ``"module:function"``;
            see :func:`chromviz.results.validity.code_hash`.
        """
        key = validity.key(made_from, make, *code)
        if self._has(step, key, files):
            self.kept.append(step)
            return
        steps: dict[str, Any] = self._record.setdefault("steps", {})
        started = time.perf_counter()
        make()
        steps[step] = {
            "key": key,
            "seconds": round(time.perf_counter() - started, 2),
            "files": {name: provenance.hash_file(self.path / name) for name in files},
        }
        self.made.append(step)
        self.save()

    def write_texts(self, step: str, texts: Mapping[str, str]) -> None:
        """Write files of known content, by name, in one step; the content is the step's key."""

        def make() -> None:
            for name, text in texts.items():
                provenance.write_text(self.path / name, text)

        self.once(step, dict(texts), list(texts), make)

    def write_table(self, step: str, file: str, table: pd.DataFrame) -> None:
        """Write a table that is known as CSV; its content decides the step's key."""
        self.write_texts(step, {file: to_csv(table)})

    def tables(
        self,
        step: str,
        made_from: Any,
        files: Sequence[str],
        make: Callable[[], Sequence[pd.DataFrame]],
        code: Sequence[Code] = (),
    ) -> list[pd.DataFrame]:
        """Return tables from the folder; `make` computes them, one per CSV file, unless up to date.

        Other parameters are those of :meth:`once`.
        """
        self.once(step, made_from, files, partial(self._write_tables, files, make), code)
        return [read_csv(self.path / file) for file in files]

    def _write_tables(
        self, files: Sequence[str], make: Callable[[], Sequence[pd.DataFrame]]
    ) -> None:
        for file, table in zip(files, make(), strict=True):
            write_csv(table, self.path / file)

    def has(
        self,
        step: str,
        made_from: Any,
        files: Sequence[str],
        make: Callable[[], None],
        code: Sequence[Code] = (),
    ) -> bool:
        """Return whether a step is up to date; parameters as for :meth:`once`."""
        return self._has(step, validity.key(made_from, make, *code), files)

    def _has(self, step: str, key: str, files: Sequence[str]) -> bool:
        known = self._record.get("steps", {}).get(step, {"key": "", "files": {}})
        recorded: dict[str, str] = known["files"]
        same = known["key"] == key and set(recorded) == set(files)
        return same and validity.as_recorded(self.path, recorded)

    def finish(self, *, keep: bool = False) -> None:
        """Write the manifest, and remove what earlier runs left unless `keep`.

        The files that stay belong to one run: its data, its seed, its choice of models. Leftovers
        of an interrupted run are removed, too.
        """
        steps: dict[str, Any] = self._record.get("steps", {})
        done = set(steps) if keep else {*self.made, *self.kept}
        current = {file for name in done for file in steps[name]["files"]}
        for name in [name for name in steps if name not in done]:
            for file in set(steps.pop(name)["files"]) - current:
                stale = (self.path / file).resolve()
                if stale.is_relative_to(self.path.resolve()):  # a manifest may come from anyone
                    stale.unlink(missing_ok=True)
        for file in (*current, MANIFEST):
            provenance.remove_leftovers(self.path / file)
        self.save()

    def record(self) -> dict[str, Any]:
        """Return the manifest with the steps that this run did or found done, and no others."""
        steps: dict[str, Any] = self._record.get("steps", {})
        done = {*self.kept, *self.made}
        return {**self._record, "steps": {name: one for name, one in steps.items() if name in done}}

    def save(self) -> None:
        """Write the manifest."""
        provenance.write_json(self.path / MANIFEST, self._record)

    def _read(self, subject: str) -> dict[str, Any]:
        """Return the manifest of an earlier run here, empty if there is none to go on from."""
        path = self.path / MANIFEST
        if not path.is_file():
            return {}
        try:
            record = json.loads(path.read_text("utf-8"))
            found = {SCHEMA: record["subject"]}[record["schema"]]
            steps = {
                name: {"key": step["key"], "seconds": step["seconds"], "files": dict(step["files"])}
                for name, step in record.get("steps", {}).items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ChromvizError(
                f"{path} is not a manifest of chromviz; delete it, or choose another --out"
            ) from None
        if found != subject:
            raise ChromvizError(
                f"{self.path} holds the results of {found!r}, not of {subject!r}; "
                "choose another --out"
            )
        return {"steps": steps}

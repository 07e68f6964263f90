"""A result folder that knows what is in it, so that a second run continues the first.

``manifest.json`` records each step with a key over its inputs, options and code, and with the
hashes of its files. A step whose key and files are as recorded is not run again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
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
    """Return the default result folder of a cell type: ``results/K562`` for E123."""
    return Path("results") / COMMON_NAMES.get(cell, cell)


class ResultFolder:
    """A folder of results and its manifest, made if it is missing.

    `subject` is what the results are of, such as ``"compare E123"``; another subject is refused.
    """

    def __init__(self, path: Path, subject: str) -> None:
        provenance.ensure_folder(path)
        self.path = path
        self.subject = subject
        self.made: list[str] = []
        self.kept: list[str] = []
        self._steps = self._earlier_steps()
        self._record: dict[str, Any] = {"schema": SCHEMA, "subject": subject}
        self._record |= {**provenance.stamp(), "versions": provenance.versions()}

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

        `made_from` are the inputs and options that determine the result, as JSON takes them;
        `files` the names of the files that `make` writes, below the folder; `code` is what else
        runs and cannot be seen in `make`, see :func:`chromviz.results.validity.code_hash`.
        """
        key = validity.key(made_from, make, *code)
        if self._has(step, key, files):
            self.kept.append(step)
            return
        started = time.perf_counter()
        make()
        self._steps[step] = {
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
        make: Callable[[], pd.DataFrame | Sequence[pd.DataFrame]],
        code: Sequence[Code] = (),
    ) -> list[pd.DataFrame]:
        """Return tables from the folder; `make` computes one per CSV file, unless up to date."""

        def write() -> None:
            made = make()
            tables = [made] if isinstance(made, pd.DataFrame) else made
            for file, table in zip(files, tables, strict=True):
                write_csv(table, self.path / file)

        self.once(step, made_from, files, write, code)
        return [read_csv(self.path / file) for file in files]

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
        known = self._steps.get(step, {"key": "", "files": {}})
        same = known["key"] == key and set(known["files"]) == set(files)
        return same and validity.as_recorded(self.path, known["files"])

    def finish(self, *, keep: bool = False) -> None:
        """Write the manifest, and remove leftovers and, unless `keep`, steps of earlier runs."""
        done = set(self._steps) if keep else {*self.made, *self.kept}
        current = {file for name in done for file in self._steps[name]["files"]}
        for name in set(self._steps) - done:
            for file in set(self._steps.pop(name)["files"]) - current:
                stale = (self.path / file).resolve()
                if stale.is_relative_to(self.path.resolve()):  # a manifest may come from anyone
                    stale.unlink(missing_ok=True)
        for file in (*current, MANIFEST):
            provenance.remove_leftovers(self.path / file)
        self.save()

    def record(self) -> dict[str, Any]:
        """Return the manifest with the steps that this run did or found done, and no others."""
        done = {name: self._steps[name] for name in self._steps if name in {*self.kept, *self.made}}
        return {**self._record, "steps": done}

    def save(self) -> None:
        """Write the manifest."""
        provenance.write_json(self.path / MANIFEST, {**self._record, "steps": self._steps})

    def _earlier_steps(self) -> Any:
        """Return the steps of an earlier run in this folder."""
        path = self.path / MANIFEST
        if not path.is_file():
            return {}
        record = read_manifest(path, "delete it, or choose another --out")
        if record["subject"] != self.subject:
            raise ChromvizError(
                f"{self.path} holds the results of {record['subject']!r}, not of "
                f"{self.subject!r}; choose another --out"
            )
        return record["steps"]


def read_manifest(path: Path, remedy: str) -> dict[str, Any]:
    """Return a manifest; one that cannot be read is an error, for which there is a remedy."""
    try:
        record = json.loads(path.read_text("utf-8"))
        subject = {SCHEMA: str(record["subject"])}[record["schema"]]
        steps = {
            name: {"key": step["key"], "seconds": step["seconds"], "files": dict(step["files"])}
            for name, step in record["steps"].items()
        }
        version = str(record["chromviz_version"])
        seed = {"seed": int(record["seed"])} if "seed" in record else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ChromvizError(f"{path} is not a manifest of chromviz; {remedy}") from None
    known = {"subject": subject, "steps": steps, "chromviz_version": version}
    return {**record, **known, **seed}

"""What the user calls cell types, marks and their files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from chromviz.data.archives.http import is_address
from chromviz.data.text import is_file
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import MARKS, ROLES, find_eid

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TEMPLATE = "{mark}"


def expand_signal(values: Sequence[str], option: str = "--signal") -> dict[str, str]:
    """Return the files or addresses that the command line names, by mark.

    Each value is ``MARK=FILE``; or there is one path or address with ``{mark}``, which stands for
    the five core marks in turn.
    """
    templates = [value for value in values if _TEMPLATE in value]
    if templates:
        if len(values) > 1:
            raise ChromvizError(
                f"{option} {templates[0]}: a path with {_TEMPLATE} stands alone; give it once, or "
                f"{option} MARK=FILE for each mark"
            )
        found = {mark: templates[0].replace(_TEMPLATE, mark) for mark in MARKS}
        for mark, path in found.items():
            if not is_address(path) and not is_file(path):
                raise ChromvizError(
                    f"no file {path} for {mark}; {option} with {_TEMPLATE} needs a file for each "
                    f"of {', '.join(MARKS)}; for other marks give {option} MARK=FILE"
                )
        return found
    found = {}
    for value in values:
        mark, equals, file = value.partition("=")
        mark, file = mark.strip(), file.strip()
        # An address may hold an equals sign of its own, which names no mark.
        if not (mark and equals and file) or is_address(value.strip()):
            raise ChromvizError(
                f"{option} {value!r}: give MARK=FILE, for instance H3K4me3=H3K4me3.bigwig, or one "
                f"path with {_TEMPLATE}"
            )
        if mark in found:
            raise ChromvizError(f"{option} names {mark} twice; give each mark one file")
        found[mark] = file
    return found


def named_units(units: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """Return the units by mark, spelled as the marks are; ``""`` stands for all others.

    A unit of a mark or track that is not given is an error.
    """
    spelling = {"": "", **{name.lower(): name for name in known}}
    for name in units:
        if name.strip().lower() not in spelling:
            raise UnknownNameError("mark", name, known, "Its unit is given, but no file of it.")
    return {spelling[name.strip().lower()]: unit for name, unit in units.items()}


def cell_name(cell: str) -> str:
    """Return the EID, or the name itself if it can name a file."""
    name = find_eid(cell) or cell.strip()
    if not _SAFE_NAME.fullmatch(name):
        raise ChromvizError(
            f"{cell!r} cannot name a cell type; use letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit, 100 at most"
        )
    return name


def named_marks(files: Mapping[str, str | Path], what: str) -> dict[str, str | Path]:
    """Return the files by mark, known marks spelled as everywhere else."""
    spelling = {mark.lower(): mark for mark in ROLES}
    named: dict[str, str | Path] = {}
    for given, path in files.items():
        mark = spelling.get(given.strip().lower(), given.strip())
        if not mark:
            raise ChromvizError(f"the {what} {path} has no mark's name; give MARK=FILE")
        if mark.lower() in (known.lower() for known in named):
            raise ChromvizError(f"{mark} is given twice as {what}; give each mark one file")
        named[mark] = path
    if what == "signal" and set(named) == set(MARKS):
        return {mark: named[mark] for mark in MARKS}
    return named

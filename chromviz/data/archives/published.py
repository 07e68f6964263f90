"""The paper's own data, from the archives to datasets: what its Table 3 is made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import xarray as xr

from chromviz import schema
from chromviz.data.archives.addresses import (
    KINDS,
    MATRICES_FOLDER,
    SHARED_KINDS,
    available,
    remote_files,
)
from chromviz.data.archives.fetch import Fetched, fetch
from chromviz.data.choices import Choices
from chromviz.data.deepchrome import find_deepchrome, read_deepchrome
from chromviz.data.matrices import join_matrices
from chromviz.data.preflight import Finding
from chromviz.data.store import find_cells
from chromviz.errors import ChromvizError
from chromviz.progress import SILENT, Reporter
from chromviz.vocabulary import COMMON_NAMES, REFERENCE_TRACK, cell_label, epigenomes, find_eid

#: What the paper's Table 3 is made of.
TABLE3_KINDS = ("matrices", "coverage", "expression", "genes")
#: What a dataset cannot do without; without the coverage it can train, but not compare.
_NEEDED = ("matrices", "expression", "genes")
# The matrices of all cell types are one archive; those at hand are found by their folders.
_OF_ONE_CELL = tuple(kind for kind in KINDS if kind not in (*SHARED_KINDS, "matrices"))


@dataclass(frozen=True)
class Made:
    """What a run of :func:`fetch_datasets` left.

    Parameters
    ----------
    fetched
        The files.
    datasets, paths, findings
        By EID: the datasets made of them, where they are, and what to know about them.
    """

    fetched: Fetched
    datasets: dict[str, xr.Dataset] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    findings: dict[str, list[Finding]] = field(default_factory=dict)


@dataclass(frozen=True)
class Listed:
    """One cell type, and what there is of it.

    Parameters
    ----------
    cell, common_name, name, anatomy
        EID or the dataset's own name, and what the epigenome is.
    at_hand
        What the folder holds: ``dataset``, ``matrices``, ``embedded (simulated)``, and kinds of
        fetched files.
    kinds
        What the archives have, by kind: True, False, or None where only the server can tell.
    """

    cell: str
    common_name: str
    name: str
    anatomy: str
    at_hand: tuple[str, ...]
    kinds: dict[str, bool | None]

    @property
    def fetchable(self) -> str:
        """What can be fetched, for people."""
        if not self.kinds:
            return ""
        lacking = [kind for kind, there in self.kinds.items() if there is False]
        told = f"all but {', '.join(lacking)}" if lacking else "all"
        unsure = None in self.kinds.values()
        return f"{told}; {REFERENCE_TRACK} only if the server has it" if unsure else told


def all_cells() -> list[str]:
    """Return the EIDs of the paper's 56 epigenomes."""
    return list(epigenomes())


def fetch_datasets(
    cells: Sequence[str],
    kinds: Sequence[str],
    out: Path,
    *,
    base_url: str | None = None,
    keep_archives: bool = False,
    pause: float = 1.0,
    reporter: Reporter = SILENT,
) -> Made:
    """Fetch files, and make a dataset of each cell type whose matrices have come.

    A dataset that was made of these files, and perhaps of coverage that came earlier, is kept; one
    that was made of no matrices is someone's own, and refused before anything comes.

    Parameters
    ----------
    cells, kinds, out, base_url, keep_archives, pause, reporter
        As for :func:`chromviz.data.archives.fetch.fetch`.

    Raises
    ------
    ChromvizError
        If fetching fails, the files contradict one another, or a dataset of something else is in
        the way.
    """
    making = set(_NEEDED) <= set(kinds)
    if making:
        for cell in cells:
            _refuse_own(out / f"{find_eid(cell) or cell}.nc")
    made = Made(
        fetch(
            cells,
            kinds,
            out,
            base_url=base_url,
            keep_archives=keep_archives,
            pause=pause,
            reporter=reporter,
        )
    )
    if not making:
        return made
    for eid in dict.fromkeys(find_eid(cell) or cell for cell in cells):
        if not made.fetched.find("matrices", eid):
            continue
        path = out / f"{eid}.nc"
        kept = _still_made_of(path, made.fetched, eid)
        if kept is not None:
            made.datasets[eid], made.findings[eid] = kept, _findings(kept)
        else:
            reporter.say(f"making the dataset of {cell_label(eid)}")
            made.datasets[eid], made.findings[eid] = _join(made.fetched, eid, out, reporter)
            schema.save_dataset(made.datasets[eid], path)
        made.paths[eid] = path
    return made


def list_epigenomes(folder: Path | None) -> list[Listed]:
    """Return the 56 epigenomes and whatever else the folder holds, those at hand first.

    Parameters
    ----------
    folder
        As in :func:`chromviz.data.store.list_cells`; one that holds no dataset yet is fine.

    Raises
    ------
    ChromvizError
        If the folder does not exist.
    """
    here = find_cells(folder)
    by_eid: dict[str, list[str]] = {}
    for name, there in here.items():
        known_as = by_eid.setdefault(find_eid(name) or name, [])
        known_as += [kind for kind in there if kind not in known_as]
    rows = []
    for cell in [*by_eid, *(eid for eid in epigenomes() if eid not in by_eid)]:
        known = epigenomes().get(cell)
        at_hand = list(by_eid.get(cell, ()))
        if folder is not None and known:
            at_hand += [kind for kind in _OF_ONE_CELL if _have(folder, cell, kind)]
        rows.append(
            Listed(
                cell,
                COMMON_NAMES.get(cell, ""),
                known.name if known else "",
                known.anatomy if known else "",
                tuple(at_hand),
                available(cell) if known else {},
            )
        )
    return rows


def _have(folder: Path, cell: str, kind: str) -> bool:
    if available(cell)[kind] is False:
        return False
    return all((folder / remote.path).is_file() for remote in remote_files(cell, [kind]))


def _join(
    fetched: Fetched, eid: str, out: Path, reporter: Reporter
) -> tuple[xr.Dataset, list[Finding]]:
    """Make one cell type's dataset of its files."""
    folders = find_deepchrome(out / MATRICES_FOLDER)
    reads = fetched.find("coverage", eid)
    return join_matrices(
        read_deepchrome(folders[eid], eid),
        fetched.find("genes")[0].path,
        fetched.find("expression")[0].path,
        coverage={REFERENCE_TRACK: reads[0].path} if reads else {},
        choices=Choices(),
        assembly="hg19",
        progress=reporter.progress,
    )


def _refuse_own(path: Path) -> None:
    """Refuse to write over a dataset that was made of the user's own tracks."""
    try:
        sources = json.loads(schema.load_dataset(path).attrs["sources"])
        own = not any(source["role"] == "deepchrome" for source in sources)
    except (ChromvizError, KeyError, TypeError, ValueError):
        return  # there is none, or none that anyone can read
    if own:
        raise ChromvizError(
            f"{path} is a dataset of other files, which fetch would write over; choose another "
            "folder with --out, or move it away"
        )


def _still_made_of(path: Path, fetched: Fetched, eid: str) -> xr.Dataset | None:
    """Return the dataset in a file if it was made of the files that are there now."""
    if not path.is_file():
        return None
    try:
        dataset = schema.load_dataset(path)
        recorded = {source["sha256"] for source in json.loads(dataset.attrs["sources"])}
        default = dataset.attrs["choices"] == _recorded_choices(Choices())
    except (ChromvizError, KeyError, TypeError, ValueError):
        return None  # to be made again, and written over only when that is whole
    wanted = [("matrices", eid), ("coverage", eid), ("expression", ""), ("genes", "")]
    now = {item.sha256 for kind, cell in wanted for item in fetched.find(kind, cell)}
    # Coverage that was not asked for this time is no reason to lose it.
    return dataset if default and now <= recorded else None


def _recorded_choices(choices: Choices) -> str:
    """Return choices as a dataset keeps them."""
    return json.dumps(asdict(choices), default=str)


def _findings(dataset: xr.Dataset) -> list[Finding]:
    """Return what was found when the dataset was made."""
    return [Finding(**record) for record in json.loads(dataset.attrs.get("preflight", "[]"))]

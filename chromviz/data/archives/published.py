"""The data behind the paper's Table 3, from the archives to datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from chromviz import provenance, schema
from chromviz.data.archives.addresses import (
    KINDS,
    MATRICES_FOLDER,
    SHARED_KINDS,
    archive_files,
    available,
)
from chromviz.data.archives.fetch import FetchedFiles, PlannedFile, fetch_files, plan_files
from chromviz.data.cells import available_cells, find_cells
from chromviz.data.choices import Choices, InputFiles
from chromviz.data.preflight import Finding, findings_of
from chromviz.data.prepare import from_matrices
from chromviz.errors import ChromvizError, SchemaError
from chromviz.progress import SILENT, Reporter
from chromviz.results import validity
from chromviz.vocabulary import COMMON_NAMES, REFERENCE_TRACK, cell_label, epigenomes, find_eid

if TYPE_CHECKING:
    import pandas as pd

#: The kinds of data behind the paper's Table 3.
TABLE3_KINDS = ("matrices", "coverage", "expression", "genes")
# Required for a dataset; one without coverage can be used for training only.
_NEEDED = ("matrices", "expression", "genes")
# The attribute of a dataset that stores the key under which it is valid.
_VALIDITY = "validity"
# The matrices of all cell types are one archive; local ones are found by their folders.
_OF_ONE_CELL = tuple(kind for kind in KINDS if kind not in (*SHARED_KINDS, "matrices"))


@dataclass(frozen=True)
class FetchResult:
    """What :func:`fetch` downloaded and built.

    `folder` holds the datasets; ``data=`` of other functions accepts it. `files` are those that
    were downloaded or found, or `planned` after a dry run. `datasets`, `paths` and `findings` are
    by EID.
    """

    folder: Path
    planned: list[PlannedFile] = field(default_factory=list)
    files: FetchedFiles = field(default_factory=FetchedFiles)
    datasets: dict[str, xr.Dataset] = field(default_factory=dict, repr=False)
    paths: dict[str, Path] = field(default_factory=dict)
    findings: dict[str, list[Finding]] = field(default_factory=dict)


def fetch(
    cells: str | Sequence[str],
    out: str | Path,
    *,
    kinds: str | Sequence[str] = TABLE3_KINDS,
    base_url: str | None = None,
    keep_archives: bool = False,
    dry_run: bool = False,
    reporter: Reporter = SILENT,
) -> FetchResult:
    """Download published data and build the datasets behind the paper's Table 3.

    A dataset joins DeepChrome's matrices (signal, labels and splits) with the gene table, the
    expression and the H3K27ac reads of Roadmap. The matrices name a gene by the last six digits of
    its Ensembl id; a gene is placed only if exactly one gene of the table ends in them, and the
    number of such genes is among the findings. Datasets whose inputs, options and code have not
    changed are kept, and files that are complete are not downloaded again.

    Parameters
    ----------
    cells
        EID or common name of a cell type, in any case, or several; ``"all"`` for all 56.
    out
        Folder for the files (below ``raw``) and the datasets (``{EID}.nc``).
    kinds
        Kinds of data, see ``chromviz fetch --list``. Datasets are built if matrices, expression
        and genes are among them.
    base_url
        A mirror with each file at ``{base_url}/{host}/{path}``; by default ``$CHROMVIZ_MIRROR``,
        or the archives themselves.
    keep_archives
        Keep the archive with the matrices of all cell types.
    dry_run
        Only return what would be downloaded; no server is contacted and nothing is written.
    reporter
        Receives progress and messages.

    Returns
    -------
    FetchResult
        The files, the datasets and what was noticed about them.

    Raises
    ------
    ChromvizError
        If a cell type or kind is unknown, a download fails, the files contradict one another, or
        a dataset of other files is in the way.

    Examples
    --------
    >>> import chromviz as cv
    >>> result = cv.fetch("K562", "roadmap", kinds=["coverage", "genes"], dry_run=True)
    >>> [file.name for file in result.planned]
    ['H3K27ac reads of K562 (E123)', 'the gene table']
    """
    out, cells, kinds = Path(out), _names(cells), _names(kinds)
    if [name.strip().lower() for name in cells] == ["all"]:
        cells = list(epigenomes())
    if dry_run:
        planned = plan_files(cells, kinds, out, base_url=base_url, ask_sizes=False)
        return FetchResult(out, planned)
    building = set(_NEEDED) <= set(kinds)
    eids = list(dict.fromkeys(find_eid(cell) or cell for cell in cells)) if building else []
    result = FetchResult(out, paths={eid: out / f"{eid}.nc" for eid in eids})
    for path in result.paths.values():
        _refuse_other_dataset(path)
    files = fetch_files(
        cells, kinds, out, base_url=base_url, keep_archives=keep_archives, reporter=reporter
    )
    for eid, path in result.paths.items():
        result.datasets[eid] = _build(path, files, eid, reporter)
        result.findings[eid] = findings_of(result.datasets[eid])
    return replace(result, files=files)


def _names(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _refuse_other_dataset(path: Path) -> None:
    """Refuse to replace a dataset that :func:`fetch` did not build."""
    try:
        ours = _VALIDITY in schema.load_dataset(path).attrs
    except SchemaError:
        ours = False  # a file of another program
    except ChromvizError:
        return  # missing, or unreadable for everyone
    if not ours:
        raise ChromvizError(
            f"{path} was not built by fetch, which would overwrite it; choose another folder with "
            "--out, or move it away"
        )


def _build(path: Path, files: FetchedFiles, eid: str, reporter: Reporter) -> xr.Dataset:
    """Build one cell type's dataset, or return the one in the folder if it is still valid."""
    # Reads that were fetched earlier are used even if they were not requested this time.
    reads = [path.parent / remote.path for remote in archive_files("coverage", eid)]
    (genes,), (expression,) = files.find("genes"), files.find("expression")
    inputs = InputFiles(
        cell=eid,
        genes=genes.path,
        expression=expression.path,
        coverage={REFERENCE_TRACK: reads[0]} if reads[0].is_file() else {},
        matrices=path.parent / MATRICES_FOLDER,
    )
    choices = Choices()
    hashes = [item.sha256 for item in (*files.find("matrices", eid), expression, genes)]
    hashes += [provenance.hash_file(Path(read)) for read in inputs.coverage.values()]
    key = validity.key([hashes, asdict(choices)], from_matrices)
    try:
        dataset = schema.load_dataset(path)
        if dataset.attrs.get(_VALIDITY) == key:
            return dataset
    except ChromvizError:
        pass  # missing, or damaged: replaced once the new one is complete
    reporter.say(f"building the dataset of {cell_label(eid)}")
    dataset = from_matrices(inputs, choices, reporter.progress).assign_attrs({_VALIDITY: key})
    schema.save_dataset(dataset, path)
    return dataset


def list_cells(data: str | Path | None = None) -> pd.DataFrame:
    """List the cell types: which data are available locally, and which can be fetched.

    Parameters
    ----------
    data
        Folder of datasets or of DeepChrome CSV, which may be empty; None for the embedded
        simulated dataset.

    Returns
    -------
    pandas.DataFrame
        One row per cell type, local ones first: `cell` (EID or own name), `common_name`,
        `epigenome`, `anatomy`, `local` (dataset, matrices, embedded or kinds of fetched files) and
        `fetchable` (what the archives have).

    Raises
    ------
    ChromvizError
        If the folder does not exist.

    Examples
    --------
    >>> import chromviz as cv
    >>> cells = cv.list_cells()
    >>> cells[["cell", "common_name", "local"]].head(3)
       cell common_name                 local
    0  E003     H1-hESC  embedded (simulated)
    1  E116     GM12878  embedded (simulated)
    2  E123        K562  embedded (simulated)
    """
    # Imported here: no other function of this module needs it.
    import pandas as pd

    folder = None if data is None else Path(data)
    if folder is None:
        found = {name: ["embedded (simulated)"] for name in available_cells()}
    else:
        found = {name: list(files) for name, files in find_cells(folder).items()}
    local: dict[str, list[str]] = {}
    for name, kinds in found.items():
        # The same cell type may be there under two names.
        local.setdefault(find_eid(name) or name, []).extend(kinds)
    rows = []
    for cell in dict.fromkeys([*local, *epigenomes()]):
        known = epigenomes().get(cell)
        there = list(dict.fromkeys(local.get(cell, ())))
        if folder is not None and known:
            there += [kind for kind in _OF_ONE_CELL if _is_local(folder, cell, kind)]
        rows.append(
            {
                "cell": cell,
                "common_name": COMMON_NAMES.get(cell, ""),
                "epigenome": known.name if known else "",
                "anatomy": known.anatomy if known else "",
                "local": ", ".join(there),
                "fetchable": _fetchable(cell) if known else "",
            }
        )
    return pd.DataFrame(rows)


def _fetchable(cell: str) -> str:
    """Return a description of the kinds of data that the archives have."""
    kinds = available(cell)
    lacking = [kind for kind, there in kinds.items() if there is False]
    stated = f"all but {', '.join(lacking)}" if lacking else "all"
    unsure = None in kinds.values()
    return f"{stated}; {REFERENCE_TRACK} only if the server has it" if unsure else stated


def _is_local(folder: Path, cell: str, kind: str) -> bool:
    files = archive_files(kind, cell)
    return bool(files) and all((folder / remote.path).is_file() for remote in files)

"""Download published data into a folder: each file once, checked, resumed after a break.

Files are in the folders of :mod:`chromviz.data.archives.addresses`, and the SHA-256 of each in
``raw/checksums.json``. The matrices have a layout that ``--data`` accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from chromviz import provenance
from chromviz.data.archives import http
from chromviz.data.archives.addresses import (
    MATRICES_FOLDER,
    MATRICES_RECORD,
    ArchiveFile,
    matrix_files,
    mirror_base,
    mirrored,
    request_files,
    zenodo_file,
)
from chromviz.data.archives.archive import extract_members
from chromviz.data.archives.disk import ChecksumRecord, exclusive
from chromviz.data.archives.download import download
from chromviz.errors import ChromvizError
from chromviz.progress import SILENT, Reporter
from chromviz.vocabulary import cell_label


@dataclass(frozen=True)
class FetchedFile:
    """A complete file in the user's folder: what it is, where it is, its SHA-256 in hex."""

    remote: ArchiveFile
    path: Path
    sha256: str


@dataclass(frozen=True)
class FetchedFiles:
    """What a run of :func:`fetch_files` downloaded or found.

    Parameters
    ----------
    files
        All requested files that are in the folder.
    downloaded, up_to_date
        Descriptions of what was downloaded now, and of what was there already.
    missing, notes
        Messages about what the archives do not have; all messages.
    """

    files: list[FetchedFile] = field(default_factory=list)
    downloaded: list[str] = field(default_factory=list)
    up_to_date: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, kind: str, cell: str = "") -> list[FetchedFile]:
        """Return the files of a kind and cell type; `cell` is empty for kinds that all share."""
        wanted = (kind, cell)
        return [item for item in self.files if (item.remote.kind, item.remote.cell) == wanted]


@dataclass(frozen=True)
class PlannedFile:
    """A file that :func:`fetch_files` would download or check.

    `url` is its address in the archive or on the mirror. Nothing has to be downloaded if it is
    `there`; otherwise `size` is the number of bytes, None if unknown.
    """

    kind: str
    name: str
    url: str
    there: bool
    size: int | None


@dataclass(frozen=True)
class _Run:
    """The settings of one run of :func:`fetch_files`, and what it has found so far."""

    out: Path
    mirror: str
    attempts: int
    pause: float
    reporter: Reporter
    record: ChecksumRecord
    found: FetchedFiles = field(default_factory=FetchedFiles)

    def note(self, line: str) -> None:
        """Keep a message and show it."""
        self.found.notes.append(line)
        self.reporter.say(line)

    def note_missing(self, line: str) -> None:
        """Note that an archive does not have a file."""
        self.found.missing.append(line)
        self.note(line)

    def address(self, remote: ArchiveFile) -> str:
        """Return the address of a file in the archive or on the mirror."""
        return mirrored(remote.url, self.mirror)


def fetch_files(
    cells: Sequence[str],
    kinds: Sequence[str],
    out: Path,
    *,
    base_url: str | None = None,
    keep_archives: bool = False,
    attempts: int = 5,
    pause: float = 1.0,
    reporter: Reporter = SILENT,
) -> FetchedFiles:
    """Download published data into a folder; complete files are not downloaded again.

    A file without a published checksum is checked against the SHA-256 recorded when it was first
    downloaded: if it was changed in the folder, it is downloaded again; if it has changed in the
    archive, it is refused. An archive that was copied into the folder by hand is kept. Parameters
    are those of :func:`chromviz.data.archives.published.fetch` and
    :func:`chromviz.data.archives.download.download`.

    Raises
    ------
    ChromvizError
        If a cell type or kind is unknown, a file cannot be downloaded or is not the expected one,
        the folder cannot be written to, or none of the requested data exist.
    """
    request = request_files(cells, kinds)
    run = _Run(out, mirror_base(base_url), attempts, pause, reporter, ChecksumRecord(out))
    provenance.ensure_folder(run.record.path.parent)
    for line in request.missing:
        run.note_missing(line)
    for remote in request.files:
        if remote.kind == "matrices":
            _fetch_matrices(run, remote, request.cells, keep_archives)
        else:
            _fetch_file(run, remote)
    if not run.found.files:
        raise ChromvizError("; ".join(run.found.missing) + "; nothing was downloaded")
    return run.found


def plan_files(
    cells: Sequence[str],
    kinds: Sequence[str],
    out: Path,
    *,
    base_url: str | None = None,
    ask_sizes: bool = True,
) -> list[PlannedFile]:
    """Return what :func:`fetch_files` would download, without writing anything.

    With `ask_sizes`, servers are asked for sizes; after the first one that cannot be reached, no
    more are asked.

    Examples
    --------
    >>> for file in plan_files(["K562"], ["coverage", "genes"], Path("new"), ask_sizes=False):
    ...     print(file.kind, file.there, file.url.rpartition("/")[2])
    coverage False E123-H3K27ac.tagAlign.gz
    genes False Ensembl_v65.Gencode_v10.ENSG.gene_info
    """
    request, mirror = request_files(cells, kinds), mirror_base(base_url)
    record, planned, online = ChecksumRecord(out), [], ask_sizes
    with http.session(1, 0.0) as live:
        for remote in request.files:
            url = mirrored(remote.url, mirror)
            there = (out / remote.path).is_file()
            if remote.kind == "matrices" and not there:
                there = all(_have_matrices(record, eid) for eid in request.cells)
            size = 0 if there else None
            if online and not there:
                try:
                    answer = live.head(url, timeout=http.TIMEOUT, allow_redirects=True)
                    length = answer.headers.get("Content-Length", "")
                    size = int(length) if answer.ok and length.isdecimal() else None
                except http.failures():
                    online = False
            shown = http.without_credentials(url)
            planned.append(PlannedFile(remote.kind, remote.name, shown, there, size))
    return planned


def _fetch_file(run: _Run, remote: ArchiveFile) -> None:
    """Download or find one file that is used as it is."""
    path, shown = run.out / remote.path, http.without_credentials(run.address(remote))
    there = path.is_file()
    try:
        came = _download(run, remote)
    except http.MissingFileError:
        if remote.certain:
            raise
        run.note_missing(f"the archive does not have {remote.name} ({shown} does not exist)")
        return
    known = run.record[remote.path].get("sha256", "")
    if came or not known:
        if there and not came and not remote.checksum:
            run.note(f"{path} was there already, without a recorded checksum; it is used as it is")
        known = provenance.hash_file(path)
        run.record.add({remote.path: {"sha256": known, "url": shown}})
    (run.found.downloaded if came else run.found.up_to_date).append(remote.name)
    run.found.files.append(FetchedFile(remote, path, known))


def _download(run: _Run, remote: ArchiveFile) -> bool:
    """Download a file unless it is there, with its published checksum or else the recorded one."""
    first = run.record[remote.path].get("sha256", "")
    try:
        return download(
            run.address(remote),
            run.out / remote.path,
            checksum=remote.checksum or (f"sha256:{first}" if first else ""),
            size=remote.size,
            attempts=run.attempts,
            pause=run.pause,
            reporter=run.reporter,
        )
    except http.ChecksumError:
        if remote.checksum:
            raise
        raise ChromvizError(
            f"{http.without_credentials(run.address(remote))}: the file is not the one that was "
            "downloaded first, and no checksum is published to tell which is right; to accept the "
            f"new file, remove {remote.path} from {run.record.path}"
        ) from None


def _fetch_matrices(run: _Run, remote: ArchiveFile, eids: Sequence[str], keep: bool) -> None:
    """Download or find the CSV files of each cell type, which are in one archive."""
    provenance.ensure_folder(run.out / MATRICES_FOLDER)
    # Another process may be about to remove the archive, so the lock covers all of the work.
    with exclusive(run.out / MATRICES_FOLDER, "fetching matrices", run.reporter.say):
        there = [eid for eid in eids if _have_matrices(run.record, eid)]
        needed = [eid for eid in eids if eid not in there]
        if needed:
            _unpack(run, remote, needed, keep)
    for eid in eids:
        name = f"the matrices of {cell_label(eid)}"
        (run.found.up_to_date if eid in there else run.found.downloaded).append(name)
        run.found.files.extend(
            FetchedFile(replace(remote, cell=eid), run.out / path, run.record[path]["sha256"])
            for path in matrix_files(eid).values()
        )


def _have_matrices(record: ChecksumRecord, eid: str) -> bool:
    return all(map(record.holds, matrix_files(eid).values()))


def _unpack(run: _Run, remote: ArchiveFile, eids: Sequence[str], keep: bool) -> None:
    """Download the archive if it is not there, and extract the CSV files of some cell types."""
    path, shown = run.out / remote.path, http.without_credentials(run.address(remote))
    came = _download(run, _as_published(run, remote))
    known = run.record[remote.path]
    if came or not known:
        # One that was not downloaded was put there by someone, who may want to keep it.
        known = {"sha256": provenance.hash_file(path), "url": shown, "keep": not came}
    known = {**known, "keep": bool(known.get("keep") or keep)}
    run.record.add({remote.path: known})
    wanted = {name: place for eid in eids for name, place in matrix_files(eid).items()}
    places = {name: run.out / place for name, place in wanted.items()}
    hashes = extract_members(path, places, progress=run.reporter.progress)
    run.record.add(
        {
            place: {"sha256": hashes[run.out / place], "url": f"{shown}#{name}"}
            for name, place in wanted.items()
        }
    )
    if not known["keep"]:
        size = path.stat().st_size
        path.unlink()
        run.note(
            f"{path.name} ({size / 1e6:,.0f} MB) is no longer needed and was removed; keep it with "
            "--keep-archives to extract other cell types later"
        )


def _as_published(run: _Run, remote: ArchiveFile) -> ArchiveFile:
    """Return the archive of matrices with the size and MD5 in Zenodo's record, if available."""
    problem = "its record does not list the file"
    try:
        with http.session(1, 0.0) as live:
            answer = live.get(mirrored(MATRICES_RECORD, run.mirror), timeout=http.TIMEOUT)
        if answer.ok:
            stated = zenodo_file(answer.json(), Path(remote.path).name)
            if stated:
                return replace(remote, checksum=stated[0], size=stated[1])
        else:
            problem = f"it responded {answer.status_code}"
    except ValueError:
        problem = "its record is not JSON"
    except http.failures() as error:
        problem = http.describe_failure(error)
    run.note(
        f"no MD5 of {Path(remote.path).name} from Zenodo ({problem}); only its length and its own "
        "CRC are checked"
    )
    return remote

"""Data from the archives into a folder, each file once, checked, and taken up where it broke off.

Layout of the folder, all of it below ``raw/``; beside it is room for the datasets made of it:

- ``raw/deepchrome/{EID}/classification/{train,valid,test}.csv``: the matrices, which ``--data``
  takes as they are,
- ``raw/roadmap/{signal,fold-change,reads,expression}/``: tracks, reads, expression, gene table,
- ``raw/zenodo/``: trained weights, and the archive of matrices while it is needed,
- ``raw/checksums.json``: SHA-256 of each file when it came, and from where.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromviz import provenance
from chromviz.data.archives.addresses import (
    MATRICES_FOLDER,
    MATRICES_RECORD,
    SHARED_KINDS,
    Remote,
    available,
    check_kinds,
    find_epigenome,
    matrix_files,
    mirror_base,
    mirrored,
    none_published,
    remote_files,
    unique,
    zenodo_file,
)
from chromviz.data.archives.archive import extract_members
from chromviz.data.archives.download import ChecksumError, download, exclusive
from chromviz.data.archives.http import TIMEOUT, MissingFileError, session
from chromviz.errors import ChromvizError
from chromviz.progress import SILENT, Reporter
from chromviz.vocabulary import cell_label

if TYPE_CHECKING:
    import requests

RAW = "raw"
CHECKSUMS = f"{RAW}/checksums.json"


@dataclass(frozen=True)
class FetchedFile:
    """A file that is there, whole, as it came.

    Parameters
    ----------
    kind, cell, mark
        As in :class:`chromviz.data.archives.addresses.Remote`.
    path
        Where it is.
    url
        Where it came from.
    sha256
        Its SHA-256.
    """

    kind: str
    cell: str
    mark: str
    path: Path
    url: str
    sha256: str


@dataclass(frozen=True)
class Fetched:
    """What a run of :func:`fetch` left in the folder.

    Parameters
    ----------
    files
        All files that were asked for and are there.
    made, kept
        Names of what came now, and of what was there and whole.
    missing
        What the archives turned out not to have.
    notes
        What the user should know.
    """

    files: list[FetchedFile] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, kind: str, cell: str = "") -> list[FetchedFile]:
        """Return the files of one kind, of one cell type; those that serve all have cell ``""``."""
        return [item for item in self.files if (item.kind, item.cell) == (kind, cell)]


@dataclass(frozen=True)
class Planned:
    """A file that :func:`fetch` would see to.

    Parameters
    ----------
    remote
        The file.
    url
        Where it would come from: the archive or its mirror.
    there
        Whether it is in the folder already.
    size
        Bytes to come; None where they are not known.
    """

    remote: Remote
    url: str
    there: bool
    size: int | None


def fetch(
    cells: Sequence[str],
    kinds: Sequence[str],
    out: Path,
    *,
    base_url: str | None = None,
    keep_archives: bool = False,
    attempts: int = 5,
    pause: float = 1.0,
    reporter: Reporter = SILENT,
) -> Fetched:
    """Bring data from the archives into a folder; what is there and whole is not fetched again.

    Files without a published checksum are held to what they were when they first came: one that
    was changed in the folder is fetched again, and one that has changed in the archive is refused.

    Parameters
    ----------
    cells
        EIDs or common names, in any case.
    kinds
        Some of :data:`chromviz.data.archives.addresses.KINDS`.
    out
        The folder.
    base_url
        A mirror, which has each file at ``{base_url}/{host}/{path}``; by default
        ``$CHROMVIZ_MIRROR``, or else the archives themselves.
    keep_archives
        Keep the archive of matrices, from which one cell type is a small part. One that was
        copied here by hand is always kept.
    attempts, pause
        As for :func:`chromviz.data.archives.download.download`.
    reporter
        Told how it goes.

    Returns
    -------
    Fetched
        Where the files are, and what became of each.

    Raises
    ------
    ChromvizError
        If a cell type or kind is unknown, a file cannot be fetched or is not what it should be,
        the folder cannot be written to, or nothing of what was asked for exists.
    """
    found = Fetched()
    remotes, eids = _wanted(cells, kinds, found)
    base = mirror_base(base_url)
    for line in found.notes:
        reporter.say(line)
    provenance.ensure_folder(out / RAW)
    record = _Record(out)
    with session(attempts, min(pause, 0.5)) as live:
        job = _Job(out, base, live, attempts, pause, reporter, record, found)
        for remote in remotes:
            if remote.kind == "matrices":
                _fetch_matrices(job, remote, eids, keep_archives)
            else:
                _fetch_file(job, remote)
    if not found.files:
        raise ChromvizError("; ".join(found.missing) + "; nothing was fetched")
    return found


def plan(
    cells: Sequence[str],
    kinds: Sequence[str],
    out: Path,
    *,
    base_url: str | None = None,
) -> list[Planned]:
    """Return what :func:`fetch` would see to, with sizes as far as the servers tell them.

    Nothing is written. Once a server cannot be reached, no more sizes are asked for.

    Parameters
    ----------
    cells, kinds, out, base_url
        As for :func:`fetch`.

    Raises
    ------
    ChromvizError
        If a cell type or kind is unknown, or nothing of what was asked for exists.
    """
    # Imported here: only work over the network needs it.
    import requests

    remotes, eids = _wanted(cells, kinds, Fetched())
    base, record = mirror_base(base_url), _Record(out)
    planned, online = [], True
    with session(1, 0.0) as live:
        for remote in remotes:
            if remote.kind == "matrices":
                paths = [path for eid in eids for path in matrix_files(eid).values()]
                there = all(record.holds(path) for path in paths)
            else:
                there = (out / remote.path).is_file()
            url, size = mirrored(remote.url, base), None
            if (out / remote.path).is_file():
                size = 0
            elif online and not there:
                try:
                    answer = live.head(url, timeout=TIMEOUT, allow_redirects=True)
                    length = answer.headers.get("Content-Length", "")
                    size = int(length) if answer.ok and length.isdecimal() else None
                except requests.RequestException:
                    online = False
            planned.append(Planned(remote, url, there, size))
    return planned


@dataclass(frozen=True)
class _Job:
    """What every step of one run needs."""

    out: Path
    base: str
    live: requests.Session
    attempts: int
    pause: float
    reporter: Reporter
    record: _Record
    found: Fetched

    def note(self, line: str) -> None:
        """Keep a line and say it."""
        self.found.notes.append(line)
        self.reporter.say(line)


class _Record:
    """What each file was when it came: ``raw/checksums.json``.

    It is read again before each change, under a lock, so that processes may share a folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / CHECKSUMS

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return what is known of a file, by its path from the user's folder; may be empty."""
        return self._read().get(name, {})

    def holds(self, name: str) -> bool:
        """Return whether a file is there and as it was when it came."""
        path = self.out / name
        known = self[name].get("sha256")
        return bool(known) and path.is_file() and provenance.hash_file(path) == known

    def add(self, entries: dict[str, dict[str, Any]]) -> None:
        """Note what files are."""
        with exclusive(self.path, "writes checksums", SILENT.say):
            provenance.write_json(self.path, dict(sorted((self._read() | entries).items())))

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self.path.exists():
            return {}
        try:
            record = json.loads(self.path.read_text("utf-8"))
            return {
                name: {**entry, "sha256": str(entry["sha256"])} for name, entry in record.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ChromvizError(
                f"{self.path} is not a record of chromviz; delete it, and the files beside it are "
                "taken as they are"
            ) from None


def _wanted(
    cells: Sequence[str], kinds: Sequence[str], found: Fetched
) -> tuple[list[Remote], list[str]]:
    """Return the files to see to and the EIDs; what is known not to exist goes to `found`."""
    if not kinds:
        raise ChromvizError("no kind of data is named; give --kinds, for instance matrices")
    check_kinds(kinds)
    shared = [kind for kind in kinds if kind in SHARED_KINDS]
    own = [kind for kind in kinds if kind not in SHARED_KINDS]
    eids = [find_epigenome(cell, own[0]) for cell in cells or [""]] if own else []
    eids = list(dict.fromkeys(eids))
    remotes = remote_files("", shared)
    for eid in eids:
        have = available(eid)
        lacking = [none_published(kind, eid) for kind in own if have[kind] is False]
        found.missing.extend(lacking)
        found.notes.extend(lacking)
        remotes += remote_files(eid, [kind for kind in own if have[kind] is not False])
    if not remotes:
        raise ChromvizError("; ".join(found.missing) + "; nothing is there to fetch")
    return sorted(unique(remotes), key=lambda item: kinds.index(item.kind)), eids


def _fetch_file(job: _Job, remote: Remote) -> None:
    """See to one file that is used as it comes."""
    path, url = job.out / remote.path, mirrored(remote.url, job.base)
    there = path.is_file()
    try:
        came = _download(job, remote, url)
    except MissingFileError:
        if remote.certain:
            raise
        line = f"the archive has no {remote.name} ({url} is not there)"
        job.found.missing.append(line)
        job.note(line)
        return
    known = job.record[remote.path].get("sha256", "")
    if came or not known:
        if there and not came and not remote.checksum:
            job.note(
                f"{path} was there already and nothing is known of what it should be; it is taken "
                "as it is"
            )
        known = provenance.hash_file(path)
        job.record.add({remote.path: {"sha256": known, "url": url, "since": provenance.now()}})
    (job.found.made if came else job.found.kept).append(remote.name)
    job.found.files.append(
        FetchedFile(remote.kind, remote.cell, remote.mark, path, remote.url, known)
    )


def _download(job: _Job, remote: Remote, url: str) -> bool:
    """Fetch a file unless it is there, as published or, failing that, as it first came."""
    first = job.record[remote.path].get("sha256", "")
    checksum = remote.checksum or (f"sha256:{first}" if first else "")
    try:
        return download(
            url,
            job.out / remote.path,
            checksum=checksum,
            size=remote.size,
            opened=job.live,
            attempts=job.attempts,
            pause=job.pause,
            reporter=job.reporter,
        )
    except ChecksumError as error:
        if remote.checksum:
            raise
        raise ChromvizError(
            f"{url}: the file is not the one that first came ({error.problem}), and nothing is "
            f"published to hold it to; to take what there is now, remove {remote.path} from "
            f"{job.record.path}"
        ) from None


def _fetch_matrices(job: _Job, remote: Remote, eids: Sequence[str], keep: bool) -> None:
    """See to the CSV of each cell type, by way of the one archive of them all."""
    provenance.ensure_folder(job.out / MATRICES_FOLDER)
    # Another process may be about to take the archive away: whole cell types, one at a time.
    with exclusive(job.out / MATRICES_FOLDER, "fetches matrices", job.reporter.say):
        kept = [eid for eid in eids if all(map(job.record.holds, matrix_files(eid).values()))]
        missing = [eid for eid in eids if eid not in kept]
        if missing:
            _unpack(job, remote, missing, keep)
    for eid in eids:
        name = f"the matrices of {cell_label(eid)}"
        (job.found.kept if eid in kept else job.found.made).append(name)
        for path in matrix_files(eid).values():
            sha256 = job.record[path]["sha256"]
            job.found.files.append(
                FetchedFile("matrices", eid, "", job.out / path, remote.url, sha256)
            )


def _unpack(job: _Job, remote: Remote, eids: Sequence[str], keep: bool) -> None:
    """Fetch the archive if it is not there, and take the CSV of some cell types from it."""
    path, url = job.out / remote.path, mirrored(remote.url, job.base)
    remote = _published(job, remote)
    came = _download(job, remote, url)
    known = job.record[remote.path]
    if came or not known:
        # One that was not fetched was put there by someone, who may want it.
        known = {
            "sha256": provenance.hash_file(path),
            "url": url,
            "since": provenance.now(),
            "keep": not came,
        }
    known = {**known, "keep": bool(known.get("keep") or keep)}
    job.record.add({remote.path: known})
    wanted = {name: place for eid in eids for name, place in matrix_files(eid).items()}
    hashes = extract_members(
        path,
        {name: job.out / place for name, place in wanted.items()},
        progress=job.reporter.progress,
    )
    since = provenance.now()
    job.record.add(
        {
            place: {"sha256": hashes[job.out / place], "url": f"{url}#{name}", "since": since}
            for name, place in wanted.items()
        }
    )
    if not known["keep"]:
        size = path.stat().st_size
        path.unlink()
        job.note(
            f"{path.name} ({size / 1e6:,.0f} MB) is not needed any more and was removed; keep it "
            "with --keep-archives to take other cell types from it later"
        )


def _published(job: _Job, remote: Remote) -> Remote:
    """Return the archive of matrices with size and MD5 as Zenodo tells them, if it does."""
    # Imported here: only work over the network needs it.
    import requests

    problem = "its record does not name the file"
    try:
        with session(1, 0.0) as live:
            answer = live.get(mirrored(MATRICES_RECORD, job.base), timeout=TIMEOUT)
        told = zenodo_file(answer.json(), Path(remote.path).name) if answer.ok else None
        if not answer.ok:
            problem = f"it answered {answer.status_code}"
    except (requests.RequestException, ValueError) as error:
        told, problem = None, type(error).__name__
    if told:
        return replace(remote, checksum=told[0], size=told[1])
    job.note(
        f"Zenodo did not tell the MD5 of {Path(remote.path).name} ({problem}); it is checked by "
        "its length and its own CRC only"
    )
    return remote

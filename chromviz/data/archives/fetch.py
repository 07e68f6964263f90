"""Download published data into a folder: each file once, checked, resumed after a break.

Files are in the folders of :mod:`chromviz.data.archives.addresses`, and the SHA-256 of each in
``raw/checksums.json``. The matrices have a layout that ``--data`` accepts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
from chromviz.data.archives.download import download, exclusive
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

    `files` are all requested files that are in the folder. `downloaded` and `up_to_date` describe
    what was downloaded now and what was there already; `missing` says what the archives do not
    have, and `notes` are all messages.
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
    """A file that :func:`fetch_files` would download, or only check if it is `there`.

    `url` is its address in the archive or on the mirror, and `size` the number of bytes to
    download, None if unknown.
    """

    kind: str
    name: str
    url: str
    there: bool
    size: int | None


class _Checksums:
    """SHA-256 and address of each file when it was first downloaded: ``raw/checksums.json``.

    The file is read again before each change, under a lock, so that processes may share a folder.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / "raw/checksums.json"

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return the record of a file, by its path in the folder; empty if there is none."""
        return self._read().get(name, {})

    def have_matrices(self, eid: str) -> bool:
        """Return whether the CSV files of a cell type exist and have the recorded SHA-256."""
        known = {self.out / name: self[name].get("sha256") for name in matrix_files(eid).values()}
        return all(
            sha256 and path.is_file() and provenance.hash_file(path) == sha256
            for path, sha256 in known.items()
        )

    def add(self, entries: dict[str, dict[str, Any]]) -> None:
        """Record files with their ``sha256``, ``url`` and other facts."""
        since = {"since": provenance.now()}
        with exclusive(self.path, "recording checksums", lambda line: None):
            record = self._read() | {name: since | entry for name, entry in entries.items()}
            provenance.write_json(self.path, dict(sorted(record.items())))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            record = json.loads(self.path.read_text("utf-8"))
            return {name: {**item, "sha256": str(item["sha256"])} for name, item in record.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ChromvizError(
                f"{self.path} was not written by chromviz; delete it, and the files beside it are "
                "used as they are"
            ) from None


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
    archive, it is refused. An archive that was copied into the folder by hand is kept. `attempts`
    and `pause` are those of :func:`chromviz.data.archives.download.download`.
    """
    request = request_files(cells, kinds)
    options = {"attempts": attempts, "pause": pause, "reporter": reporter}
    fetcher = _Fetcher(out, mirror_base(base_url), options, reporter, _Checksums(out))
    provenance.ensure_folder(out / "raw")
    for line in request.missing:
        fetcher.note_missing(line)
    for remote in request.files:
        if remote.kind == "matrices":
            fetcher.fetch_matrices(remote, request.cells, keep_archives)
        else:
            fetcher.fetch_file(remote)
    if not fetcher.found.files:
        raise ChromvizError("; ".join(fetcher.found.missing) + "; nothing was downloaded")
    return fetcher.found


def plan_files(
    cells: Sequence[str],
    kinds: Sequence[str],
    out: Path,
    *,
    base_url: str | None = None,
    ask_sizes: bool = True,
) -> list[PlannedFile]:
    """Return what :func:`fetch_files` would download, without writing anything.

    With `ask_sizes`, servers are asked for sizes, until one cannot be reached.
    """
    request, mirror = request_files(cells, kinds), mirror_base(base_url)
    planned = []
    with http.session(1, 0.0) as live:
        for remote in request.files:
            url = mirrored(remote.url, mirror)
            there = (out / remote.path).is_file()
            if remote.kind == "matrices" and not there:
                there = all(map(_Checksums(out).have_matrices, request.cells))
            size = 0 if there else None
            if ask_sizes and not there:
                try:
                    answer = live.head(url, timeout=http.TIMEOUT, allow_redirects=True)
                    length = answer.headers.get("Content-Length", "")
                    size = int(length) if answer.ok and length.isdecimal() else None
                except http.failures():
                    ask_sizes = False
            shown = http.without_credentials(url)
            planned.append(PlannedFile(remote.kind, remote.name, shown, there, size))
    return planned


@dataclass(frozen=True)
class _Fetcher:
    """The settings of one run of :func:`fetch_files`, and what it has found so far."""

    out: Path
    mirror: str
    #: Of :func:`download`.
    options: dict[str, Any]
    reporter: Reporter
    record: _Checksums
    found: FetchedFiles = field(default_factory=FetchedFiles)

    def note(self, line: str) -> None:
        """Keep a message and show it."""
        self.found.notes.append(line)
        self.reporter.say(line)

    def note_missing(self, line: str) -> None:
        """Note that an archive does not have a file."""
        self.found.missing.append(line)
        self.note(line)

    def shown(self, remote: ArchiveFile) -> str:
        """Return the address of a file in the archive or on the mirror, for messages."""
        return http.without_credentials(mirrored(remote.url, self.mirror))

    def fetch_file(self, remote: ArchiveFile) -> None:
        """Download or find one file that is used as it is."""
        path, shown = self.out / remote.path, self.shown(remote)
        there = path.is_file()
        try:
            came = self.download(remote)
        except http.MissingFileError:
            if remote.certain:
                raise
            self.note_missing(f"the archive does not have {remote.name} ({shown} does not exist)")
            return
        known = self.record[remote.path].get("sha256", "")
        if there and not (came or known or remote.checksum):
            self.note(f"{path} was there already, without a recorded checksum; it is used as it is")
        if came or not known:
            known = provenance.hash_file(path)
            self.record.add({remote.path: {"sha256": known, "url": shown}})
        (self.found.downloaded if came else self.found.up_to_date).append(remote.name)
        self.found.files.append(FetchedFile(remote, path, known))

    def download(self, remote: ArchiveFile) -> bool:
        """Download a file unless it is there; its checksum is the published or recorded one."""
        first = self.record[remote.path].get("sha256", "")
        checksum = remote.checksum or (f"sha256:{first}" if first else "")
        url, path = mirrored(remote.url, self.mirror), self.out / remote.path
        try:
            return download(url, path, checksum=checksum, size=remote.size, **self.options)
        except http.ChecksumError:
            if remote.checksum:
                raise
            raise ChromvizError(
                f"{self.shown(remote)}: the file is not the one that was downloaded first, and no "
                "checksum is published to tell which is right; to accept the new file, remove "
                f"{remote.path} from {self.record.path}"
            ) from None

    def fetch_matrices(self, remote: ArchiveFile, eids: Sequence[str], keep: bool) -> None:
        """Download or find the CSV files of each cell type, which are in one archive."""
        folder = self.out / MATRICES_FOLDER
        provenance.ensure_folder(folder)
        # Another process may be about to remove the archive, so the lock covers all of the work.
        with exclusive(folder, "fetching matrices", self.reporter.say):
            there = [eid for eid in eids if self.record.have_matrices(eid)]
            needed = [eid for eid in eids if eid not in there]
            if needed:
                self._unpack(remote, needed, keep)
        for eid in eids:
            name = f"the matrices of {cell_label(eid)}"
            (self.found.up_to_date if eid in there else self.found.downloaded).append(name)
            self.found.files.extend(
                FetchedFile(replace(remote, cell=eid), self.out / path, self.record[path]["sha256"])
                for path in matrix_files(eid).values()
            )

    def _unpack(self, remote: ArchiveFile, eids: Sequence[str], keep: bool) -> None:
        """Download the archive if it is not there, and extract the files of some cell types."""
        path, shown = self.out / remote.path, self.shown(remote)
        came = self.download(self._as_published(remote))
        known = self.record[remote.path]
        if came or not known:
            # One that was not downloaded was put there by someone, who may want to keep it.
            known = {"sha256": provenance.hash_file(path), "url": shown, "keep": not came}
        known = {**known, "keep": bool(known.get("keep") or keep)}
        self.record.add({remote.path: known})
        wanted = {name: place for eid in eids for name, place in matrix_files(eid).items()}
        places = {name: self.out / place for name, place in wanted.items()}
        hashes = extract_members(path, places, progress=self.reporter.progress)
        self.record.add(
            {
                wanted[name]: {"sha256": sha256, "url": f"{shown}#{name}"}
                for name, sha256 in hashes.items()
            }
        )
        if not known["keep"]:
            size = path.stat().st_size
            path.unlink()
            self.note(
                f"{path.name} ({size / 1e6:,.0f} MB) is no longer needed and was removed; keep it "
                "with --keep-archives to extract other cell types later"
            )

    def _as_published(self, remote: ArchiveFile) -> ArchiveFile:
        """Return the archive with the size and MD5 in Zenodo's record, if it is available."""
        name, problem = Path(remote.path).name, "its record does not list the file"
        try:
            with http.session(1, 0.0) as live:
                answer = live.get(mirrored(MATRICES_RECORD, self.mirror), timeout=http.TIMEOUT)
            if not answer.ok:
                problem = f"it responded {answer.status_code}"
            elif stated := zenodo_file(answer.json(), name):
                return replace(remote, checksum=stated[0], size=stated[1])
        except ValueError:
            problem = "its record is not JSON"
        except http.failures() as error:
            problem = http.describe_failure(error)
        self.note(
            f"no MD5 of {name} from Zenodo ({problem}); only its length and its own CRC are checked"
        )
        return remote

"""Addresses of the data behind the paper, which are listed in ``addresses.tsv``.

Sources: Zenodo records 2652278 (matrices), 2640883 and 6492433 (example input and predictions);
Kipoi's model table for the trained AttentiveChrome, with MD5; the Roadmap Epigenomics web portal
(Nature 518, 317-330, 2015) for tracks, reads and expression, for which no checksums are published.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from chromviz.data.archives.http import is_address
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import MARKS, REFERENCE_TRACK, SPLITS, cell_label, epigenomes, find_eid

#: Environment variable with the address of a mirror.
MIRROR_VARIABLE = "CHROMVIZ_MIRROR"

#: The kinds of data that can be fetched.
KINDS: dict[str, str] = {
    "matrices": "read counts of the five core marks, as used by DeepChrome and AttentiveChrome",
    "weights": "AttentiveChrome (LSTM-α,β) as trained by its authors",
    "weights-example": "an example input, and the predictions of the E003 weights for it",
    "signal": "signal of the five core marks, -log10 p (bigWig)",
    "fold-change": "signal of the five core marks, fold change over control (bigWig)",
    "reads": "reads of the five core marks (tagAlign)",
    "coverage": f"reads of {REFERENCE_TRACK} (tagAlign), the reference track of Table 3",
    "coverage-signal": f"signal of {REFERENCE_TRACK}, -log10 p (bigWig)",
    "expression": "gene expression in 56 epigenomes, RPKM",
    "genes": "gene table of the expression data (GENCODE 10, hg19)",
}

#: Kinds that are the same for all cell types.
SHARED_KINDS = ("weights-example", "expression", "genes")

#: Epigenomes known to have H3K27ac; for the others only the server can tell.
KNOWN_REFERENCE = ("E003", "E116", "E123")

#: Folder of the matrices, below the user's folder.
MATRICES_FOLDER = "raw/deepchrome"

#: Zenodo's record of the matrices: JSON with the size and MD5 of its files.
MATRICES_RECORD = "https://zenodo.org/api/records/2652278"


@dataclass(frozen=True)
class ArchiveFile:
    """One file of an archive: its address there, and its path below the user's folder.

    `cell` is an EID, empty if the file serves all cell types. `checksum` (``md5:…``) and `size` (in
    bytes) are as published. Unless it is `certain` that the archive has the file, only the server
    can tell.
    """

    name: str
    kind: str
    cell: str
    url: str
    path: str
    checksum: str = ""
    size: int | None = None
    certain: bool = True


@dataclass(frozen=True)
class FetchRequest:
    """Requested files, EIDs, and a message for each kind that was not published."""

    files: list[ArchiveFile]
    cells: list[str]
    missing: list[str]


def request_files(cells: Sequence[str], kinds: Sequence[str]) -> FetchRequest:
    """Return the files of some kinds (:data:`KINDS`) and cell types (EIDs or common names)."""
    if not kinds:
        raise ChromvizError("no kind of data is given; give --kinds, for example matrices")
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("kind of data", kind, KINDS)
    own = [kind for kind in kinds if kind not in SHARED_KINDS]
    if own and not any(cell.strip() for cell in cells):
        raise ChromvizError(f"{own[0]} needs a cell type; give one with --cells")
    eids = list(dict.fromkeys(map(_epigenome, cells))) if own else []
    files: dict[str, ArchiveFile] = {}
    missing = []
    for kind in dict.fromkeys(kinds):
        for eid in [""] if kind in SHARED_KINDS else eids:
            found = archive_files(kind, eid)
            if not found:
                missing.append(f"no {kind} were published for {cell_label(eid)}")
            files |= {file.path: file for file in found}
    if not files:
        raise ChromvizError("; ".join(missing) + "; nothing to download")
    return FetchRequest(list(files.values()), eids, missing)


def available(cell: str) -> dict[str, bool | None]:
    """Return which kinds of data exist for a cell type: True, False, or None if not known.

    All 56 epigenomes have every kind, with two exceptions: H3K27ac, certain only for
    :data:`KNOWN_REFERENCE`, and trained weights, which were not published for E059.
    """
    eid = _epigenome(cell)
    files = {kind: archive_files(kind, eid) for kind in KINDS}
    return {
        kind: None if found and not found[0].certain else bool(found)
        for kind, found in files.items()
    }


def matrix_files(cell: str) -> dict[str, str]:
    """Return the paths of a cell type's three CSV files by their name in the archive."""
    names = [f"{cell}/classification/{split}.csv" for split in SPLITS[:3]]
    return {name: f"{MATRICES_FOLDER}/{name}" for name in names}


def mirror_base(base_url: str | None) -> str:
    """Return `base_url` or else the mirror in :data:`MIRROR_VARIABLE`; empty if there is none."""
    base = (base_url or os.environ.get(MIRROR_VARIABLE) or "").strip().rstrip("/")
    if base and not (is_address(base) and urlsplit(base).netloc and not urlsplit(base).query):
        shown = base.partition("?")[0].rpartition("@")[2]
        raise ChromvizError(
            f"the mirror {shown!r} is not an http(s) address without a query; give one with "
            f"--base-url or {MIRROR_VARIABLE}, for example http://localhost:8000"
        )
    return base


def mirrored(url: str, base: str) -> str:
    """Return ``{base}/{host}/{path}``, the file's address on a mirror; `url` if `base` is empty."""
    parts = urlsplit(url)
    return f"{base}/{parts.netloc}{parts.path}" if base else url


def zenodo_file(record: Any, name: str) -> tuple[str, int] | None:
    """Return a file's checksum (``md5:…``) and size in bytes from the JSON of a Zenodo record.

    None if it has no usable entry for the file.
    """
    try:
        (item,) = [item for item in record["files"] if item["key"] == name]
        md5 = re.fullmatch(r"(?:md5:)?([0-9a-f]{32})", item["checksum"].lower())
        if md5 and isinstance(item["size"], int) and item["size"] > 0:
            return f"md5:{md5[1]}", item["size"]
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    return None


def _epigenome(cell: str) -> str:
    """Return the EID of one of the 56 epigenomes."""
    eid = find_eid(cell)
    if eid is None:
        names = [name for item in epigenomes().values() for name in (item.eid, item.common_name)]
        raise UnknownNameError(
            "cell type", cell, dict.fromkeys(names), "The archives hold 56 epigenomes."
        )
    return eid


def archive_files(kind: str, cell: str) -> list[ArchiveFile]:
    """Return the published files of a kind; `cell` is an EID, or empty if the kind serves all."""
    return [
        ArchiveFile(
            row["name"].format(mark=mark, cell=cell_label(cell)),
            kind,
            cell if "{cell}" in row["name"] else "",
            url := row["url"].format(mark=mark, eid=cell),
            f"{row['folder']}/{PurePosixPath(urlsplit(url).path).name}",
            f"md5:{row['md5']}" if row["md5"] else "",
            certain="coverage" not in kind or cell in KNOWN_REFERENCE,
        )
        for row in _published()
        if row["kind"] == kind and row["eid"] in ("", cell)
        for mark in (MARKS if "{mark}" in row["url"] else ("",))
    ]


@cache
def _published() -> list[dict[str, str]]:
    """Return the rows of the table: files by kind, or patterns that stand for several."""
    with Path(__file__).with_suffix(".tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))

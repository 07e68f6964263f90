"""What is where on the network: the archives that the paper's data come from.

Sources: Zenodo records 2652278 (matrices), 2640883 and 6492433 (example input and predictions);
Kipoi's model table for the trained AttentiveChrome, with MD5 (``attentivechrome_weights.tsv``);
the Roadmap Epigenomics web portal (Nature 518, 317-330, 2015) for tracks, reads and expression,
which publishes no checksums that chromviz knows of.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from chromviz.data.archives.http import is_address
from chromviz.errors import ChromvizError, UnknownNameError
from chromviz.vocabulary import MARKS, REFERENCE_TRACK, cell_label, epigenomes, find_eid

#: Environment variable that names a mirror.
MIRROR_VARIABLE = "CHROMVIZ_MIRROR"

#: What there is to fetch, and what it is.
KINDS: dict[str, str] = {
    "matrices": "counts of the five core marks as DeepChrome and AttentiveChrome use them (CSV)",
    "weights": "AttentiveChrome (LSTM-α,β) as its authors trained it",
    "weights-example": "an example input of those weights, and what E003's give for it",
    "signal": "signal of the five core marks, -log10 p (bigWig)",
    "fold-change": "signal of the five core marks, fold change over the control (bigWig)",
    "reads": "reads of the five core marks (tagAlign)",
    "coverage": f"reads of {REFERENCE_TRACK} (tagAlign), whose coverage Table 3 compares with",
    "coverage-signal": f"signal of {REFERENCE_TRACK}, -log10 p (bigWig)",
    "expression": "expression of genes in 56 epigenomes, RPKM",
    "genes": "the gene table (GENCODE 10, hg19) of that expression",
}

#: Kinds that are one for all cell types.
SHARED_KINDS = ("weights-example", "expression", "genes")

#: Epigenomes known to have H3K27ac; for the others only the server can tell.
KNOWN_REFERENCE = ("E003", "E116", "E123")

#: Where the matrices go, below the user's folder.
MATRICES_FOLDER = "raw/deepchrome"

#: Zenodo's own word on the files of the matrices' record: JSON with sizes and MD5.
MATRICES_RECORD = "https://zenodo.org/api/records/2652278"

_REFERENCE_KINDS = ("coverage", "coverage-signal")
_ZENODO = "https://zenodo.org/record"
_ROADMAP = "https://egg2.wustl.edu/roadmap/data"
_PVAL = "byFileType/signal/consolidated/macs2signal/pval/{cell}-{mark}.pval.signal.bigwig"
_FOLD = "byFileType/signal/consolidated/macs2signal/foldChange/{cell}-{mark}.fc.signal.bigwig"
_READS = "byFileType/alignments/consolidated/{cell}-{mark}.tagAlign.gz"
#: By kind: the address below Roadmap's, the user's folder, marks, and words for one file.
_TRACKS: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "signal": (_PVAL, "signal", MARKS, "{mark} signal"),
    "fold-change": (_FOLD, "fold-change", MARKS, "{mark} fold change"),
    "reads": (_READS, "reads", MARKS, "{mark} reads"),
    "coverage": (_READS, "reads", (REFERENCE_TRACK,), "{mark} reads"),
    "coverage-signal": (_PVAL, "signal", (REFERENCE_TRACK,), "{mark} signal"),
}


@dataclass(frozen=True)
class Remote:
    """One file of an archive.

    Parameters
    ----------
    name
        What it is, for people.
    kind
        One of :data:`KINDS`.
    cell
        EID, empty for a file that serves all cell types.
    url
        Its address.
    path
        Where it goes, from the user's folder.
    checksum
        ``md5:…`` as published, empty where none is.
    size
        Bytes as published, None where they are not.
    mark
        The mark of a track or of reads, else empty.
    certain
        Whether the archive is known to have it; if not, only the server can tell.
    """

    name: str
    kind: str
    cell: str
    url: str
    path: str
    checksum: str = ""
    size: int | None = None
    mark: str = ""
    certain: bool = True


def remote_files(cell: str, kinds: Sequence[str]) -> list[Remote]:
    """Return the files of one cell type, with those that serve all.

    Parameters
    ----------
    cell
        EID or common name, in any case; may be empty if all `kinds` are :data:`SHARED_KINDS`.
    kinds
        Some of :data:`KINDS`.

    Returns
    -------
    list of Remote
        In the order of `kinds`. The matrices of all cell types are one archive.

    Raises
    ------
    UnknownNameError
        If the cell type or a kind is unknown.
    ChromvizError
        If a kind needs a cell type and none is named, or the archives have none of it for this
        one.
    """
    check_kinds(kinds)
    own = [kind for kind in kinds if kind not in SHARED_KINDS]
    eid = find_epigenome(cell, own[0]) if own else ""
    have = available(eid) if own else {}
    for kind in own:
        if have[kind] is False:
            raise ChromvizError(f"{none_published(kind, eid)}; name another cell type")
    return [remote for kind in dict.fromkeys(kinds) for remote in _files(kind, eid)]


def check_kinds(kinds: Iterable[str]) -> None:
    """Raise if a name is none of :data:`KINDS`."""
    for kind in kinds:
        if kind not in KINDS:
            raise UnknownNameError("kind of data", kind, KINDS)


def find_epigenome(cell: str, kind: str = "") -> str:
    """Return the EID of a cell type that the archives have.

    Parameters
    ----------
    cell
        EID or common name, in any case.
    kind
        What is wanted of it, for the message.

    Raises
    ------
    UnknownNameError
        If the archives do not have it.
    ChromvizError
        If it is empty.
    """
    if not cell.strip():
        raise ChromvizError(f"no cell type is named, and {kind or 'this'} needs one; give --cell")
    eid = find_eid(cell)
    if eid is None:
        names = [name for item in epigenomes().values() for name in (item.eid, item.common_name)]
        raise UnknownNameError(
            "cell type", cell, dict.fromkeys(names), "The archives have 56 epigenomes."
        )
    return eid


def none_published(kind: str, eid: str) -> str:
    """Return the line that says that the archives have none of a kind for a cell type."""
    return f"no {kind} were published for {cell_label(eid)}"


def available(cell: str) -> dict[str, bool | None]:
    """Return which kinds of data the archives have for a cell type.

    Parameters
    ----------
    cell
        EID or common name, in any case.

    Returns
    -------
    dict
        By kind: True if they do, False if not, None where only the server can tell. All 56
        epigenomes have all but two things: H3K27ac, which is known of :data:`KNOWN_REFERENCE`
        alone, and trained weights, which were published for 55 (E059 has none).

    Raises
    ------
    UnknownNameError
        If the archives do not have the cell type.
    """
    eid = find_epigenome(cell)
    found: dict[str, bool | None] = dict.fromkeys(KINDS, True)
    if eid not in KNOWN_REFERENCE:
        found |= dict.fromkeys(_REFERENCE_KINDS)
    found["weights"] = eid in _weights()
    return found


def matrix_files(cell: str) -> dict[str, str]:
    """Return where a cell type's three CSV files go, by their name in the archive of matrices.

    Parameters
    ----------
    cell
        EID.
    """
    names = [f"{cell}/classification/{split}.csv" for split in ("train", "valid", "test")]
    return {name: f"{MATRICES_FOLDER}/{name}" for name in names}


def mirror_base(base_url: str | None) -> str:
    """Return the mirror to use, without a slash at its end; empty for the archives themselves.

    Parameters
    ----------
    base_url
        As given; if None or empty, that of :data:`MIRROR_VARIABLE`.

    Raises
    ------
    ChromvizError
        If it is not an http(s) address.
    """
    base = (base_url or os.environ.get(MIRROR_VARIABLE) or "").strip().rstrip("/")
    if base and not (is_address(base) and urlsplit(base).netloc):
        raise ChromvizError(
            f"the mirror {base!r} is not an http(s) address; give one with --base-url or "
            f"{MIRROR_VARIABLE}, for instance http://localhost:8000"
        )
    return base


def mirrored(url: str, base: str) -> str:
    """Return where a mirror has a file: ``{base}/{host}/{path}``, without the query.

    Parameters
    ----------
    url
        The file's own address, which comes back if `base` is empty.
    base
        From :func:`mirror_base`.
    """
    parts = urlsplit(url)
    return f"{base}/{parts.netloc}{parts.path}" if base else url


def zenodo_file(record: object, name: str) -> tuple[str, int] | None:
    """Return a file's checksum (``md5:…``) and bytes from Zenodo's word on a record.

    Parameters
    ----------
    record
        What ``/api/records/{id}`` answers, JSON taken apart.
    name
        The file's name.

    Returns
    -------
    tuple or None
        None if the record says nothing (sensible) of the file.
    """
    files = record.get("files") if isinstance(record, dict) else None
    for item in files if isinstance(files, list) else []:
        if isinstance(item, dict) and item.get("key") == name:
            checksum, size = item.get("checksum"), item.get("size")
            if isinstance(checksum, str) and isinstance(size, int) and size > 0:
                algorithm, _, digest = checksum.rpartition(":")
                if (algorithm or "md5") == "md5" and len(digest) == 32 and digest.isalnum():
                    return f"md5:{digest.lower()}", size
    return None


def unique(remotes: Iterable[Remote]) -> list[Remote]:
    """Return the files without those that are to go where an earlier one goes, in order."""
    by_path: dict[str, Remote] = {}
    for remote in remotes:
        by_path.setdefault(remote.path, remote)
    return list(by_path.values())


def _files(kind: str, cell: str) -> list[Remote]:
    """Return the files of one kind."""
    if kind in _TRACKS:
        below, folder, marks, words = _TRACKS[kind]
        certain = kind not in _REFERENCE_KINDS or cell in KNOWN_REFERENCE
        return [
            Remote(
                f"{words.format(mark=mark)} of {cell_label(cell)}",
                kind,
                cell,
                url := f"{_ROADMAP}/{below.format(cell=cell, mark=mark)}",
                f"raw/roadmap/{folder}/{PurePosixPath(url).name}",
                mark=mark,
                certain=certain,
            )
            for mark in marks
        ]
    if kind == "weights":
        url, md5 = _weights()[cell]
        return [_zenodo(f"AttentiveChrome for {cell_label(cell)}", kind, cell, url, md5)]
    if kind == "weights-example":
        return [
            _zenodo(
                "an example input of AttentiveChrome",
                kind,
                "",
                f"{_ZENODO}/2640883/files/test.csv?download=1",
                "0468f46aa1a3864283e87c7714d0a4e2",
            ),
            _zenodo(
                "E003's predictions for that input",
                kind,
                "",
                f"{_ZENODO}/6492433/files/AttentiveChrome__E003.predictions.h5?download=1",
                "b23ee2431c25691ed3391ceceb1dc4dd",
            ),
        ]
    if kind == "matrices":
        url = f"{_ZENODO}/2652278/files/data.tar.gz?download=1"
        return [Remote("the matrices of 56 cell types", kind, "", url, "raw/zenodo/data.tar.gz")]
    name = {
        "expression": "57epigenomes.RPKM.pc.gz",
        "genes": "Ensembl_v65.Gencode_v10.ENSG.gene_info",
    }[kind]
    what = {"expression": "expression of 56 epigenomes", "genes": "the gene table"}[kind]
    url = f"{_ROADMAP}/byDataType/rna/expression/{name}"
    return [Remote(what, kind, "", url, f"raw/roadmap/expression/{name}")]


def _zenodo(name: str, kind: str, cell: str, url: str, md5: str) -> Remote:
    file = PurePosixPath(urlsplit(url).path).name
    return Remote(name, kind, cell, url, f"raw/zenodo/attentivechrome/{file}", f"md5:{md5}")


@cache
def _weights() -> dict[str, tuple[str, str]]:
    """Return address and MD5 of the published checkpoints by EID."""
    text = resources.files("chromviz").joinpath("attentivechrome_weights.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["eid"]: (row["url"], row["md5"]) for row in rows}

"""Extract chosen members of a tar archive, after reading all of it.

An archive comes from elsewhere, so it is not trusted: members do not decide where they are
written, sizes are checked against limits, and one member that a data archive does not have (a
link, a device, a path that leads out of the archive) is a reason to refuse all of it.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, BinaryIO, NoReturn, cast

from chromviz import provenance
from chromviz.data.archives.download import MB, check_space
from chromviz.errors import ChromvizError, first_line
from chromviz.progress import Progress, silent

_PIECE = 1 << 20
#: Longest header: names and attributes are read in one piece.
_LONGEST_HEADER = 1 << 20
_END = bytes(tarfile.BLOCKSIZE)


#: Bytes of one member and in total, and number of members.
MAX_MEMBER, MAX_TOTAL, MAX_MEMBERS = 512 * MB, 50_000 * MB, 20_000
#: Unpacked by packed bytes, and bytes from which the ratio is checked. Tables of counts reach a few
#: tens, gzip at most about 1,030.
MAX_RATIO, _RATIO_FROM = 200, 16 * MB


def extract_members(
    archive: Path, wanted: Mapping[str, Path], *, progress: Progress = silent
) -> dict[str, str]:
    """Write chosen files of a tar archive, gzipped or not, and return the SHA-256 of each by name.

    `wanted` is where to write each member, by its name without leading folders:
    ``E003/classification/train.csv`` also matches ``data/E003/classification/train.csv``. Either
    all files are written or none: the archive is read once, from start to end, because gzip's
    checksum is at the end, and the files get their names only then.

    Raises
    ------
    ChromvizError
        If the archive is missing, damaged, truncated or beyond a limit; has a link, a device or a
        name that leads out of it; lacks a wanted member or has it twice; or if a file cannot be
        written.
    """
    archive = Path(archive)
    try:
        with archive.open("rb") as handle, ExitStack() as files:
            stream = _ForwardStream(archive, handle, progress)
            return _extract(stream, wanted, files)
    except FileNotFoundError:
        raise ChromvizError(f"no file {archive}; check the path") from None
    except ChromvizError:
        raise
    except tarfile.TarError as error:
        problem = first_line(error)
    except OSError as error:
        raise ChromvizError(f"cannot read {archive} ({error.strerror or error})") from None
    # Raised by `tarfile` for some invalid headers.
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        problem = f"invalid header: {type(error).__name__}"
    raise ChromvizError(
        f"{archive} is a damaged or truncated tar archive ({problem}); delete it and fetch it again"
    )


def _extract(
    stream: _ForwardStream, wanted: Mapping[str, Path], files: ExitStack
) -> dict[str, str]:
    """Write the wanted members to temporary names, which `files` renames, and hash them."""
    hashes: dict[str, str] = {}
    # `tarfile` only reads headers and skips; members are checked and copied here.
    with tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as tar:
        while member := tar.next():
            _check(member, stream)
            name = _match(member, wanted)
            if not name:
                continue
            if name in hashes:
                stream.refuse(f"it has {name} twice, the second time as {member.name!r}")
            target = files.enter_context(provenance.atomic_path(wanted[name]))
            check_space(wanted[name], member.size)
            with target.open("wb") as handle:
                shutil.copyfileobj(cast("IO[bytes]", tar.extractfile(member)), handle, _PIECE)
            hashes[name] = provenance.hash_file(target)
    stream.finish()
    missing = [name for name in wanted if name not in hashes]
    if missing:
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        stream.refuse(f"it has no {', '.join(missing[:3])}{more}")
    return hashes


class _ForwardStream(io.RawIOBase):
    """The unpacked bytes of an archive, read forward only and within limits."""

    def __init__(self, path: Path, handle: BinaryIO, progress: Progress) -> None:
        super().__init__()
        self.path, self.handle, self.progress = path, handle, progress
        self.size = os.fstat(handle.fileno()).st_size
        self.packed = handle.read(2) == b"\x1f\x8b"
        handle.seek(0)
        self.source: IO[bytes] = (
            cast("IO[bytes]", gzip.GzipFile(fileobj=handle)) if self.packed else handle
        )
        self.position, self.members, self.reported = 0, 0, -1
        self.last = b""

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            self.refuse(f"it has a header of {size:,} bytes")
        try:
            data = self.source.read(size)
        # Converted here, because a file that cannot be written raises an OSError, too.
        except (OSError, EOFError, zlib.error) as error:
            raise tarfile.ReadError(first_line(error)) from None
        self.position += len(data)
        self.last = data
        read = self.handle.tell()
        if self.position > MAX_TOTAL:
            self.refuse(f"it unpacks to more than {MAX_TOTAL / MB:,.0f} MB")
        if self.packed and self.position > max(_RATIO_FROM, MAX_RATIO * read):
            self.refuse(f"it unpacks to more than {MAX_RATIO} times its size")
        if read // MB > self.reported:
            self.reported = read // MB
            whole = max(-(-self.size // MB), 1)
            self.progress(f"unpacking {self.path.name}", -(-read // MB), whole, "MB")
        return data

    def tell(self) -> int:
        return self.position

    def seek(self, target: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET or target < self.position:
            raise tarfile.ReadError("a header points backwards")
        while self.position < target and self.read(min(_PIECE, target - self.position)):
            pass
        return self.position

    def finish(self) -> None:
        """Read what follows the last member: the end mark, padding, and gzip's checksum."""
        # `tarfile` takes whatever it cannot read for the end.
        if self.last != _END:
            raise tarfile.ReadError(f"no end mark after {self.position:,} bytes")
        while data := self.read(_PIECE):
            if data.count(0) != len(data):
                raise tarfile.ReadError(f"data after the end, at {self.position:,} bytes")

    def refuse(self, problem: str) -> NoReturn:
        """Raise that nothing is extracted from this archive."""
        raise ChromvizError(
            f"{self.path}: {problem}; nothing was extracted. If it is not the expected archive, "
            "delete it and fetch it again"
        )


def _check(member: tarfile.TarInfo, stream: _ForwardStream) -> None:
    """Refuse the archive because of a member that a data archive does not have."""
    name = member.name
    stream.members += 1
    if stream.members > MAX_MEMBERS:
        stream.refuse(f"it has more than {MAX_MEMBERS:,} members")
    parts = re.split(r"[/\\]", name)
    if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:[/\\]", name):
        stream.refuse(f"its member {name!r} leads out of it")
    if member.issym() or member.islnk():
        stream.refuse(f"its member {name!r} is a link to {member.linkname!r}")
    if not (member.isdir() or member.isreg()) or member.issparse():
        stream.refuse(f"its member {name!r} is neither a file nor a folder")
    if member.size > MAX_MEMBER:
        stream.refuse(
            f"its member {name!r} claims {member.size / MB:,.0f} MB, more than the "
            f"{MAX_MEMBER / MB:,.0f} MB allowed"
        )
    if member.size < 0:
        raise tarfile.ReadError(f"its member {name!r} claims {member.size} bytes")


def _match(member: tarfile.TarInfo, wanted: Mapping[str, Path]) -> str:
    """Return the wanted name that a member has, empty if it is not wanted."""
    if not member.isreg():
        return ""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    names = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((name for name in names if name in wanted), "")

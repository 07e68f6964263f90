"""Chosen members of a tar archive, written only once the whole archive was seen to be sound.

An archive comes from elsewhere, so nothing it says is trusted: no member decides where it is
written, no size is believed before it is held against a limit, and one member that has no
business in a data archive (a link, a device, a path that leads out) refuses all of it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, NoReturn, cast

from chromviz import provenance
from chromviz.data.archives.disk import check_space
from chromviz.errors import ChromvizError, first_line
from chromviz.progress import Progress, silent

_MB = 1_000_000
_PIECE = 1 << 20
#: A name or a set of attributes is read at once, and is never longer than this.
_LONGEST_HEADER = 1 << 20
_END = bytes(tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class Limits:
    """What an archive may claim and hold.

    Parameters
    ----------
    member
        Bytes of one member.
    total
        Bytes of the whole archive, unpacked.
    members
        Number of members.
    ratio
        Bytes unpacked a byte packed; tables of counts reach a few tens, gzip's most is about 1,030.
    grace
        Bytes unpacked before the ratio is looked at.
    """

    member: int = 512 * _MB
    total: int = 50_000 * _MB
    members: int = 20_000
    ratio: float = 200.0
    grace: int = 16 * _MB


LIMITS = Limits()


def extract_members(
    archive: Path,
    wanted: Mapping[str, Path],
    *,
    progress: Progress = silent,
    limits: Limits = LIMITS,
) -> dict[Path, str]:
    """Write chosen files of a tar archive, gzipped or not, all of them or none.

    The archive is read once, front to back, a piece at a time, and always to its end: that is
    where gzip's checksum is, and nothing appears under its name before.

    Parameters
    ----------
    archive
        The archive; its first bytes tell whether it is gzipped.
    wanted
        Where to write each member, by its name without the folders above
        (``E003/classification/train.csv`` also stands for ``data/E003/classification/train.csv``).
    progress
        Told of MB of the archive that were read.
    limits
        What the archive may claim and hold.

    Returns
    -------
    dict
        SHA-256 of each file that was written, by path.

    Raises
    ------
    ChromvizError
        If the archive is missing, damaged or cut off, is over a limit, has a link, a device or a
        name that leads out of it, or lacks a wanted member or has it twice; or if a file cannot
        be written, or would not fit on the disk.
    """
    archive = Path(archive)
    try:
        with archive.open("rb") as handle, ExitStack() as files:
            return _take(_Forward(archive, handle, limits, progress), wanted, files)
    except FileNotFoundError:
        raise ChromvizError(f"no file {archive}; check the path") from None
    except ChromvizError:
        raise
    except tarfile.TarError as error:
        raise _damaged(archive, first_line(error)) from None
    except OSError as error:
        raise ChromvizError(f"cannot read {archive} ({error.strerror or error})") from None
    # What `tarfile` lets through of headers that make no sense.
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(archive, f"a header makes no sense: {type(error).__name__}") from None


def _take(stream: _Forward, wanted: Mapping[str, Path], files: ExitStack) -> dict[Path, str]:
    """Write the wanted members to temporary names, which `files` makes good, and hash them."""
    written: dict[Path, str] = {}
    found: dict[str, str] = {}
    # All that `tarfile` does to the stream is to read headers and to skip; members are checked
    # and copied here.
    with tarfile.TarFile(
        fileobj=cast("IO[bytes]", stream), encoding="utf-8", errors="surrogateescape"
    ) as tar:
        while member := tar.next():
            _check(member, stream)
            name = _match(member, wanted)
            if not name:
                continue
            if name in found:
                stream.refuse(f"it has {name} twice, as {found[name]!r} and {member.name!r}")
            found[name] = member.name
            target = files.enter_context(provenance.atomic_path(wanted[name]))
            check_space(wanted[name], member.size)
            written[wanted[name]] = _copy(member, stream, target)
    stream.finish()
    missing = [name for name in wanted if name not in found]
    if missing:
        more = f" and {len(missing) - 3:,} more" if len(missing) > 3 else ""
        stream.refuse(f"it has no {', '.join(missing[:3])}{more}")
    return written


class _Forward(io.RawIOBase):
    """What an archive unpacks to, read forward only and within limits."""

    def __init__(self, path: Path, handle: BinaryIO, limits: Limits, progress: Progress) -> None:
        super().__init__()
        self.path, self.handle, self.limits, self.progress = path, handle, limits, progress
        self.size = os.fstat(handle.fileno()).st_size
        self.packed = handle.read(2) == b"\x1f\x8b"
        handle.seek(0)
        self.source: IO[bytes] = (
            cast("IO[bytes]", gzip.GzipFile(fileobj=handle)) if self.packed else handle
        )
        self.position, self.members = 0, 0
        self.reported = -1
        self.last = b""

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            self.refuse(f"it has a header of {size:,} bytes")
        try:
            data = self.source.read(size)
        # Told apart here from a file that cannot be written, which is an OSError too.
        except (OSError, EOFError, zlib.error) as error:
            raise tarfile.ReadError(first_line(error)) from None
        self.position += len(data)
        self.last = data
        self._watch()
        return data

    def tell(self) -> int:
        return self.position

    def seek(self, target: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET or target < self.position:
            raise tarfile.ReadError("a header leads backwards")
        while self.position < target and self.read(min(_PIECE, target - self.position)):
            pass
        return self.position

    def finish(self) -> None:
        """Read what follows the last member: the end mark, then nothing, then gzip's checksum."""
        # `tarfile` takes whatever it cannot read for the end.
        if self.last != _END:
            raise tarfile.ReadError(f"no end mark after {self.position:,} bytes")
        while data := self.read(_PIECE):
            if data.count(0) != len(data):
                raise tarfile.ReadError(f"something follows its end, at {self.position:,} bytes")

    def refuse(self, problem: str) -> NoReturn:
        """Raise that the archive is not one to take anything from."""
        raise ChromvizError(
            f"{self.path}: {problem}; nothing was taken from it. If it is not the archive that you "
            "meant, delete it and fetch it again"
        )

    def _watch(self) -> None:
        """Hold what came so far against the limits, and report it."""
        limits, read = self.limits, self.handle.tell()
        if self.position > limits.total:
            self.refuse(f"it unpacks to more than {limits.total / _MB:,.0f} MB")
        if self.packed and self.position > max(limits.grace, limits.ratio * read):
            self.refuse(f"it unpacks to more than {limits.ratio:,.0f} times its size")
        if read // _MB > self.reported:
            self.reported = read // _MB
            whole = max(-(-self.size // _MB), 1)
            self.progress(f"unpacking {self.path.name}", -(-read // _MB), whole, "MB")


def _check(member: tarfile.TarInfo, stream: _Forward) -> None:
    """Refuse the archive for a member that a data archive does not have."""
    limits, name = stream.limits, member.name
    stream.members += 1
    if stream.members > limits.members:
        stream.refuse(f"it has more than {limits.members:,} members")
    parts = re.split(r"[/\\]", name)
    if name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:[/\\]", name):
        stream.refuse(f"its member {name!r} leads out of it")
    if member.issym() or member.islnk():
        stream.refuse(f"its member {name!r} is a link to {member.linkname!r}")
    if not (member.isdir() or member.isreg()) or member.issparse():
        stream.refuse(f"its member {name!r} is neither a file nor a folder")
    if member.size > limits.member:
        stream.refuse(
            f"its member {name!r} claims {member.size / _MB:,.0f} MB, more than the "
            f"{limits.member / _MB:,.0f} MB allowed"
        )
    if member.size < 0:
        raise tarfile.ReadError(f"its member {name!r} claims {member.size} bytes")


def _match(member: tarfile.TarInfo, wanted: Mapping[str, Path]) -> str:
    """Return the wanted name that a member goes by, empty if it is not wanted."""
    if not member.isreg():
        return ""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    names = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((name for name in names if name in wanted), "")


def _copy(member: tarfile.TarInfo, stream: _Forward, target: Path) -> str:
    """Write the member that the stream stands at; return its SHA-256."""
    digest = hashlib.sha256()
    left = member.size
    stream.seek(member.offset_data)
    with target.open("wb") as handle:
        while left:
            data = stream.read(min(_PIECE, left))
            if not data:
                raise tarfile.ReadError(f"it ends in the middle of {member.name}")
            handle.write(data)
            digest.update(data)
            left -= len(data)
    return digest.hexdigest()


def _damaged(path: Path, problem: str) -> ChromvizError:
    return ChromvizError(
        f"{path} is a damaged or cut-off tar archive ({problem}); delete it and fetch it again"
    )

"""Text files, gzipped or not: their lines, or one clear error."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chromviz.errors import ChromvizError

GZIP = b"\x1f\x8b"
CHUNK = 1 << 20  # characters read at a time
#: First characters of lines of BED, GTF and GFF3 that are not records.
COMMENTS = ("#", "track ", "track\t", "browser ", "browser\t")
# Digits of a coordinate: more than any chromosome needs, few enough for int64.
_MAX_DIGITS = 12


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file, gzipped (by its first bytes) or not."""
    return list(iter_lines(path))


def iter_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, gzipped or not, holding about a megabyte at a time."""
    pieces: list[str] = []  # of a line whose end has not come yet
    with _unzipped(Path(path)) as (stream, _):
        lines = io.TextIOWrapper(stream, encoding="utf-8-sig")
        while text := lines.read(CHUNK):
            if "\0" in text:
                raise ChromvizError(f"{path} is not a text file; check the path")
            # Not splitlines(): it also breaks at characters that a field may contain.
            first, *rest = text.split("\n")
            pieces.append(first)
            if rest:
                yield "".join(pieces)
                yield from rest[:-1]
                pieces = [rest[-1]]
    last = "".join(pieces)
    if last:
        yield last


def data_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number, from 1, and text of the lines that are neither blank nor comments."""
    return ((number, line) for number, line in enumerate(iter_lines(path), 1) if is_data(line))


def is_data(line: str) -> bool:
    """Return whether a line is neither blank nor a comment."""
    return not (line.startswith(COMMENTS) or line.isspace() or not line)


def read_blocks(
    path: Path, size: int, report: Callable[[int], None] | None = None
) -> Iterator[bytes]:
    """Yield the content of a file, unzipped if it is gzipped, in blocks of `size` bytes.

    `report` receives the bytes of the file that have been read.
    """
    with _unzipped(path) as (stream, file):
        while block := stream.read(size):
            if report is not None:
                report(file.tell())
            yield block


@contextmanager
def _unzipped(path: Path) -> Iterator[tuple[gzip.GzipFile | io.BufferedReader, io.BufferedReader]]:
    """Open the content of a file, unzipped if it is gzipped, and the file itself."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == GZIP
            file.seek(0)
            yield (gzip.GzipFile(fileobj=file) if zipped else file), file
    except UnicodeDecodeError:
        raise ChromvizError(f"{path} is not a text file; check the path") from None
    except FileNotFoundError:
        raise ChromvizError(f"no file {path}; check the path") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ChromvizError(
            f"{path} is a damaged or cut-off gzip file ({error}); download or copy it again"
        ) from None
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None


def is_coordinate(text: str) -> bool:
    """Return whether a text is a whole number that can be a position or a size in bases."""
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS


def parse_interval(start: str, end: str, where: str, first: int) -> tuple[int, int]:
    """Return the 0-based, half-open interval from `start` to `end`.

    With `first` 1, coordinates are 1-based and inclusive; with 0, they are those of BED.
    """
    for text in (start, end):
        if not is_coordinate(text) or int(text) < first:
            raise ChromvizError(
                f"{where}: {text[:40]!r} is not a coordinate (a whole number from {first})"
            )
    begin, stop = int(start) - first, int(end)
    if stop <= begin:
        problem = "lies before" if first else "does not lie after"
        hint = "" if first else "; BED is 0-based and half-open"
        raise ChromvizError(f"{where}: end {stop} {problem} start {int(start)}{hint}")
    return begin, stop


def is_file(path: Path | str) -> bool:
    """Return whether a path is that of a file, False for one that cannot be looked at."""
    try:
        return Path(path).is_file()
    except OSError:  # a name too long, or a folder that may not be entered
        return False

"""Text files, gzipped or not: their lines, or one clear error."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from chromviz.errors import ChromvizError

#: First characters of lines of BED, GTF and GFF3 that are not records.
COMMENTS = ("#", "track ", "track\t", "browser ", "browser\t")
#: Digits of a coordinate: more than any chromosome needs, few enough for int64.
MAX_DIGITS = 12

CHUNK = 1 << 20  # characters read at a time


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file, gzipped (by its first bytes) or not."""
    return list(iter_lines(path))


def iter_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, gzipped or not, holding about a megabyte at a time."""
    pieces: list[str] = []  # of a line whose end has not come yet
    try:
        with Path(path).open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if zipped else file
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
    except UnicodeDecodeError:
        raise ChromvizError(f"{path} is not a text file; check the path") from None
    except FileNotFoundError:
        raise ChromvizError(f"no file {path}; check the path") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ChromvizError(
            f"{path} is a damaged or cut-off gzip file ({error}); fetch or copy it again"
        ) from None
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    last = "".join(pieces)
    if last:
        yield last


def is_file(path: Path | str) -> bool:
    """Return whether a path is that of a file, False for one that cannot be looked at."""
    try:
        return Path(path).is_file()
    except OSError:  # a name too long, or a folder that may not be entered
        return False

"""Text files, gzipped or not: their lines, or one clear error."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from chromviz.errors import ChromvizError

#: First characters of lines of BED, GTF and GFF3 that are not records.
COMMENTS = ("#", "track ", "track\t", "browser ", "browser\t")
#: Digits of a coordinate: more than any chromosome needs, few enough for int64.
MAX_DIGITS = 12

CHUNK = 1 << 20  # bytes read at a time
# Not splitlines(): it also breaks at form feeds and other characters that a field may contain.
_LINE_END = re.compile(r"\r\n|\r|\n")


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file, gzipped (by its first bytes) or not."""
    return list(iter_lines(path))


def iter_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, gzipped or not, holding about a megabyte at a time."""
    pieces: list[str] = []  # of a line whose end has not come yet
    for text in _decoded(Path(path)):
        first, *rest = _LINE_END.split(text) if "\r" in text else text.split("\n")
        pieces.append(first)
        if rest:
            yield "".join(pieces)
            yield from rest[:-1]
            pieces = [rest[-1]]
    last = "".join(pieces)
    if last:
        yield last


def _decoded(path: Path) -> Iterator[str]:
    """Yield the text in pieces; a carriage return and its newline stay in one piece."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    held = ""
    try:
        for chunk in _chunks(path):
            text = held + decoder.decode(chunk)
            if "\0" in text:
                raise ChromvizError(f"{path} is not a text file; check the path")
            held = "\r" if text.endswith("\r") else ""
            yield text[: len(text) - len(held)]
        yield held + decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise ChromvizError(f"{path} is not a text file; check the path") from None


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, unzipped."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if zipped else file
            while chunk := stream.read(CHUNK):
                yield chunk
    except FileNotFoundError:
        raise ChromvizError(f"no file {path}; check the path") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ChromvizError(
            f"{path} is a damaged or cut-off gzip file ({error}); fetch or copy it again"
        ) from None
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None


def is_file(path: Path | str) -> bool:
    """Return whether a path is that of a file, False for one that cannot be looked at."""
    try:
        return Path(path).is_file()
    except OSError:  # a name too long, or a folder that may not be entered
        return False

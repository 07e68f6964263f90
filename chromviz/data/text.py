"""Text files, gzipped or not, read whole or refused with one line."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from chromviz.errors import ChromvizError


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 text file, gzipped or not.

    The first bytes tell whether it is gzipped, whatever its name.

    Raises
    ------
    ChromvizError
        If the file is missing or unreadable, is a damaged gzip file, or is not text.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ChromvizError(f"no file {path}; check the path") from None
    except OSError as error:
        raise ChromvizError(f"cannot read {path} ({error.strerror or error})") from None
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ChromvizError(
                f"{path} is a damaged or cut-off gzip file ({error}); fetch or copy it again"
            ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ChromvizError(f"{path} is not a text file; check the path") from None
    if "\0" in text:
        raise ChromvizError(f"{path} is not a text file; check the path")
    # Not splitlines(): it also breaks at form feeds and other characters that a field may hold.
    lines = re.split(r"\r\n|\r|\n", text)
    return lines[:-1] if lines[-1] == "" else lines

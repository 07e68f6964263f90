"""One file from the network: resumed where it stopped, checked, in place only when complete."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chromviz import provenance
from chromviz.data.archives.disk import exclusive
from chromviz.data.archives.http import ChecksumError, without_credentials
from chromviz.data.archives.resume import ResumingDownloader
from chromviz.errors import ChromvizError, first_line
from chromviz.progress import SILENT, Reporter


def download(
    url: str,
    path: Path,
    *,
    checksum: str = "",
    size: int | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    reporter: Reporter = SILENT,
) -> bool:
    """Download a file, and return True, unless it is there already.

    pooch puts the file in place only when it is complete and has the expected checksum. An
    interrupted transfer is resumed, in this run or the next, if the server still has the same
    file. If two processes want the same file, one waits for the other. Retries are not left to
    pooch, which would also repeat them for a wrong checksum and for a file that does not exist.

    Parameters
    ----------
    url, path
        The file's address, and where to put it.
    checksum
        ``md5:…`` or ``sha256:…`` in hex; if empty, a file that is there is taken as it is.
    size
        Size in bytes, if it is known; a file of another size is refused before it is transferred.
    attempts
        Number of retries in a row that may fail to deliver anything new.
    pause
        Seconds before the first retry; doubled for each further one, up to a minute.
    reporter
        Receives MB downloaded, and messages about waiting and starting again.

    Raises
    ------
    chromviz.data.archives.http.ChecksumError
        If the file on the server does not have the expected size or checksum.
    chromviz.data.archives.http.MissingFileError
        If the server does not have the file.
    ChromvizError
        If the server cannot be reached, refuses, or sends a web page or nothing; or if the file
        cannot be written.
    """
    path = Path(path)
    provenance.ensure_folder(path.parent)
    if path.exists() and not path.is_file():
        raise ChromvizError(f"cannot write {path}: it is not a file; move it away")
    shown = without_credentials(url)
    downloader = ResumingDownloader(path, size, bool(checksum), attempts, pause, reporter)
    with exclusive(path, f"downloading {path.name}", reporter.say):
        there = path.is_file()
        try:
            mismatch = _retrieve(url, path, checksum, downloader)
            if mismatch and downloader.resumed:
                reporter.say(f"{path.name}: {mismatch}; the pieces do not fit, starting again")
                mismatch = _retrieve(url, path, checksum, downloader)
        except OSError as error:
            raise ChromvizError(
                f"cannot write {path} ({error.strerror or error}); free some space, or choose "
                "another folder, then run the same command again: what was received is kept"
            ) from None
    if mismatch:
        raise ChecksumError(
            f"{shown}: {mismatch}; the file was damaged during the transfer or has changed; run "
            "the same command again, and if that does not help, use a mirror with --base-url"
        )
    if downloader.called and there:
        reporter.say(f"{path} did not have the expected checksum and was downloaded again")
    if downloader.called and not checksum and downloader.total is None:
        reporter.say(
            f"{path.name}: the server did not state the size, so an incomplete file cannot be "
            "detected"
        )
    return downloader.called


def _retrieve(url: str, path: Path, checksum: str, downloader: ResumingDownloader) -> str:
    """Retrieve a file with pooch; return how its checksum differs, empty if it does not."""
    # Imported here: only downloads need it.
    import pooch

    try:
        with _quiet(pooch.get_logger()):
            pooch.retrieve(url, checksum or None, path.name, path.parent, downloader=downloader)
    except ChromvizError:
        raise
    except ValueError as error:  # pooch's word for a wrong checksum
        return first_line(error).partition(". ")[0]
    return ""


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Silence what pooch tells on standard error, where progress is shown."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)

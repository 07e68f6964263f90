"""Downloads from a local server: complete, resumed, refused, and two at the same time."""

import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import requests

from chromviz.data.archives.download import download, exclusive
from chromviz.data.archives.http import (
    ChecksumError,
    MissingFileError,
    describe_failure,
    refuse_status,
    session,
    without_credentials,
)
from chromviz.errors import ChromvizError
from chromviz.progress import Reporter
from tests.server import Fault, serve

BODY = bytes(range(256)) * 1200  # 307,200 bytes: five pieces of the server
MD5 = f"md5:{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"


@pytest.fixture
def server():
    with serve({"/a.bin": BODY}) as archive:
        yield archive


@pytest.fixture
def get(server, tmp_path):
    """Download ``/a.bin`` without pauses; messages are kept in ``get.said``."""

    def run(**options):
        options.setdefault("attempts", 2)
        reporter = Reporter(lambda *step: run.steps.append(step), run.said.append)
        return download(f"{server.url}/a.bin", run.path, pause=0, reporter=reporter, **options)

    run.path, run.said, run.steps = tmp_path / "sub" / "a.bin", [], []
    return run


def settled(server, count):
    """Return the requests after checking their number."""
    server.settle()
    assert len(server.requests) == count
    return server.requests


def part(get):
    return get.path.with_name(".a.bin.part")


def files(get):
    """Names in the folder, apart from the lock."""
    return {path.name for path in get.path.parent.iterdir()} - {".a.bin.lock"}


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("known", [{}, {"checksum": MD5}, {"size": len(BODY)}])
def test_a_file_is_downloaded_completely_and_only_once(get, server, known):
    assert get(**known) is True
    assert get.path.read_bytes() == BODY
    assert files(get) == {"a.bin"}
    assert stat.S_IMODE(get.path.stat().st_mode) == 0o666 & ~_umask()
    assert get(**known) is False
    assert len(settled(server, 1)) == 1


def _umask():
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_progress_is_in_megabytes_and_ends_at_the_total(server, get):
    server.files["/a.bin"] = bytes(3_500_000)
    get()
    what, done, total, _ = zip(*get.steps, strict=True)
    assert set(what) == {"downloading a.bin"}
    assert list(done) == sorted(done)
    assert done[-1] == 4
    assert set(total) == {4}


def test_a_broken_connection_is_resumed(get, server):
    server.faults["/a.bin"] = [Fault(cut=100_000), Fault(cut=50_000)]
    assert get(checksum=MD5)
    assert get.path.read_bytes() == BODY
    _, second, third = settled(server, 3)
    assert second[2:4] == ("bytes=100000-", 206)
    assert third[2:4] == ("bytes=150000-", 206)
    assert server.sent == len(BODY)  # no byte twice


def test_a_later_run_resumes_an_earlier_one(get, server):
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(ChromvizError, match=r"0\.1 MB are kept for the next run") as error:
        get(attempts=0)
    assert str(get.path) in one_line(error)
    assert not get.path.exists()
    assert files(get) == {".a.bin.part", ".a.bin.part.json"}
    assert get()
    assert get.path.read_bytes() == BODY
    assert settled(server, 2)[1][2] == "bytes=100000-"
    assert files(get) == {"a.bin"}


def test_a_server_that_ignores_ranges_restarts(get, server):
    server.faults["/a.bin"] = [Fault(cut=100_000), Fault(ignore_range=True)]
    assert get()
    assert get.path.read_bytes() == BODY
    assert get.said == ["a.bin: the server restarts from the beginning"]


@pytest.mark.parametrize("if_range", [True, False])
def test_versions_of_a_file_are_not_mixed(get, server, if_range):
    server.if_range = if_range
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(ChromvizError):
        get(attempts=0)
    server.files["/a.bin"] = BODY[::-1]
    assert get()
    assert get.path.read_bytes() == BODY[::-1]
    settled(server, 2 if if_range else 3)


def test_without_an_etag_a_part_is_resumed_only_if_a_checksum_is_known(get, server):
    server.tags = False
    server.faults["/a.bin"] = [Fault(cut=100_000), Fault()]
    assert get()  # from the start
    assert get.path.read_bytes() == BODY
    assert [request[2] for request in settled(server, 2)] == ["", ""]

    get.path.unlink()
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(ChromvizError):
        get(attempts=0, checksum=MD5)
    part(get).write_bytes(bytes(100_000))  # as if of another version
    assert get(checksum=MD5)
    assert get.path.read_bytes() == BODY
    assert any("the pieces do not fit" in line for line in get.said)


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1}', "null", "\0"])
def test_a_damaged_note_restarts_the_download(get, server, note):
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(ChromvizError):
        get(attempts=0)
    get.path.with_name(".a.bin.part.json").write_text(note)
    assert get()
    assert get.path.read_bytes() == BODY


def test_a_complete_part_needs_no_server(get, server):
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(ChromvizError):
        get(attempts=0)
    part(get).write_bytes(BODY)
    assert get(checksum=MD5)
    assert get.path.read_bytes() == BODY
    assert settled(server, 1)


def test_a_part_longer_than_the_file_is_discarded(get, server):
    server.faults["/a.bin"] = [Fault(cut=100_000)]
    with pytest.raises(ChromvizError):
        get(attempts=0)
    part(get).write_bytes(BODY + b"more")
    assert get(checksum=MD5)
    assert get.path.read_bytes() == BODY


def test_a_server_without_progress_is_given_up(get, server):
    server.tags = False  # so that each connection starts again
    server.faults["/a.bin"] = [Fault(cut=100_000)] * 50
    with pytest.raises(ChromvizError, match="does not respond"):
        get(attempts=3)
    # The first request delivers something new; three more may fail to.
    settled(server, 4)


def test_a_wrong_checksum_leaves_nothing(get, server):
    with pytest.raises(ChecksumError, match=r"MD5 hash .* does not match") as error:
        get(checksum="md5:" + "0" * 32)
    line = one_line(error)
    assert MD5[4:] in line
    assert "0" * 32 in line
    assert "run the same command again" in line
    assert files(get) == set()


def test_a_shorter_file_is_refused_before_the_transfer(get, server):
    server.faults["/a.bin"] = [Fault(truncate=1000)]
    with pytest.raises(ChecksumError, match=r"has 1,000 bytes on the server instead of 307,200"):
        get(size=len(BODY))
    assert files(get) == set()


def test_a_shorter_file_of_unknown_size_is_detected_by_its_checksum(get, server):
    server.faults["/a.bin"] = [Fault(truncate=1000)]
    with pytest.raises(ChecksumError, match=r"MD5 hash .* does not match"):
        get(checksum=MD5)
    assert files(get) == set()


def test_a_body_without_length(get, server):
    server.faults["/a.bin"] = [Fault(no_length=True)]
    assert get()
    assert get.path.read_bytes() == BODY
    assert "an incomplete file cannot be detected" in get.said[0]


def test_an_edited_file_is_downloaded_again(get, server):
    get.path.parent.mkdir()
    get.path.write_bytes(b"edited")
    assert get(checksum=MD5)
    assert get.path.read_bytes() == BODY
    assert "did not have the expected checksum and was downloaded again" in get.said[0]


def test_the_old_file_stays_until_the_new_one_is_complete(get, server):
    get.path.parent.mkdir()
    get.path.write_bytes(b"edited")
    server.faults["/a.bin"] = [Fault(status=403)]
    with pytest.raises(ChromvizError, match="403"):
        get(checksum=MD5)
    assert get.path.read_bytes() == b"edited"


def test_a_busy_server_is_retried(get, server):
    server.faults["/a.bin"] = [Fault(status=503), Fault(status=503)]
    assert get()
    assert [request[3] for request in settled(server, 3)] == [503, 503, 200]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=403), "the server responded 403 (Forbidden); check the address"),
        (Fault(status=404), "the server responded 404 (Not Found)"),
        (Fault(status=503), "the server responded 503 (Service Unavailable); try again"),
        (Fault(truncate=0), "the server sent an empty file"),
        (Fault(content_type="text/html; charset=utf-8"), "received a web page instead of the file"),
    ],
)
def test_a_response_that_is_not_the_file_is_one_line(get, server, fault, words):
    server.faults["/a.bin"] = [fault] * 9
    with pytest.raises(ChromvizError) as error:
        get()
    assert words in one_line(error)
    assert server.url in str(error.value)
    assert files(get) == set()


def test_a_missing_file_has_its_own_error(server, tmp_path):
    with pytest.raises(MissingFileError):
        download(f"{server.url}/b.bin", tmp_path / "b.bin", pause=0)
    assert isinstance(refuse_status("http://x", 410), MissingFileError)
    assert not isinstance(refuse_status("http://x", 403), MissingFileError)


def test_no_network_is_one_line_with_a_remedy(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ChromvizError) as error:
        download(f"http://127.0.0.1:{port}/a.bin", tmp_path / "a.bin", attempts=1, pause=0)
    line = one_line(error)
    assert f"cannot download a.bin: 127.0.0.1:{port} does not respond (no connection)" in line
    assert "--base-url" in line
    assert str(tmp_path / "a.bin") in line


def test_failures_are_described():
    assert describe_failure(requests.exceptions.SSLError("x")) == "its certificate is not trusted"
    assert describe_failure(requests.exceptions.ReadTimeout("x")) == "timed out"
    assert describe_failure(requests.exceptions.ConnectionError()) == "no connection"
    with session(0, 0.0) as opened, pytest.raises(requests.RequestException) as error:
        opened.get("http://nowhere.invalid/a", timeout=5)
    assert "no " in describe_failure(error.value)


def test_a_full_disk_is_reported_before_the_transfer(get, server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 64_100_000))
    server.files["/a.bin"] = bytes(2_000_000)
    with pytest.raises(ChromvizError, match=r"2 MB needed, 0 MB usable") as error:
        get()
    assert str(get.path) in one_line(error)
    assert not get.path.exists()


def test_a_disk_that_fills_up_keeps_what_was_received(get, server, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ChromvizError, match="No space left on device") as error:
        get()
    one_line(error)
    assert part(get).read_bytes() == BODY
    monkeypatch.undo()
    assert get()
    assert settled(server, 1)


def test_a_folder_with_the_name_of_the_file_is_one_line(get):
    get.path.mkdir(parents=True)
    with pytest.raises(ChromvizError, match="cannot write"):
        get()


def test_an_interruption_keeps_what_was_received(get, server, monkeypatch):
    def stop(*step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(f"{server.url}/a.bin", get.path, reporter=Reporter(stop))
    assert 0 < part(get).stat().st_size < len(BODY)
    assert get()
    assert get.path.read_bytes() == BODY
    assert settled(server, 2)[1][3] == 206


_CHILD = """
import sys
from pathlib import Path
from chromviz.data.archives.download import download
from chromviz.progress import Reporter
came = download(sys.argv[1], Path(sys.argv[2]), pause=0, reporter=Reporter(say=print))
print("came" if came else "there", flush=True)
"""


def _start(server, path):
    return subprocess.Popen(
        [sys.executable, "-u", "-c", _CHILD, f"{server.url}/a.bin", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _until(ready, seconds=20):
    deadline = time.monotonic() + seconds
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ready()


def test_two_processes_make_one_transfer(get, server):
    server.faults["/a.bin"] = [Fault(pause=60)]  # until `stop`
    first = _start(server, get.path)
    _until(lambda: part(get).is_file() and part(get).stat().st_size)
    second = _start(server, get.path)
    assert second.stdout.readline() == "waiting for another process that is downloading a.bin\n"
    server.stop.set()
    outputs = [child.communicate(timeout=60) for child in (first, second)]
    assert outputs == [("came\n", ""), ("there\n", "")]
    assert get.path.read_bytes() == BODY
    assert settled(server, 1)
    assert server.sent == len(BODY)


def test_a_killed_process_loses_nothing(get, server):
    server.faults["/a.bin"] = [Fault(pause=60)]  # until `stop`
    child = _start(server, get.path)
    _until(lambda: part(get).is_file() and part(get).stat().st_size)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    server.stop.set()
    held = part(get).stat().st_size
    assert 0 < held < len(BODY)
    assert not get.path.exists()
    assert get(checksum=MD5)
    assert get.path.read_bytes() == BODY
    resumed = next(request for request in settled(server, 2) if request[2])
    assert resumed[2:] == (f"bytes={held}-", 206, len(BODY) - held)


def test_a_lock_that_fails_is_one_line(tmp_path):
    with pytest.raises(ChromvizError, match="cannot lock"):  # noqa: SIM117
        with exclusive(Path("/proc/self/nowhere/a"), "doing nothing", print):
            pass


def test_credentials_of_a_mirror_are_not_shown(server, tmp_path):
    url = server.url.replace("http://", "http://someone:secret@") + "/a.bin?token=secret"
    path = tmp_path / "a.bin"
    said = []
    options = {"pause": 0, "attempts": 0, "reporter": Reporter(say=said.append)}
    faults = [Fault(status=404), Fault(status=503), Fault(cut=100_000), Fault(truncate=10)]
    for fault in faults:
        server.faults["/a.bin"] = [fault]
        with pytest.raises(ChromvizError) as error:
            download(url, path, size=len(BODY), checksum=MD5, **options)
        assert "127.0.0.1" in str(error.value)
        assert "secret" not in str(error.value)
    notes = "".join(item.read_text() for item in tmp_path.glob(".*.json"))
    assert "/a.bin" in notes
    assert "secret" not in notes + "".join(said)
    assert download(url, path, checksum=MD5, **options)
    assert without_credentials("https://a:b@host:1/x?token=1#2") == "https://host:1/x"

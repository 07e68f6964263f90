"""A local server with range requests, a record of what it sent, and faults on demand."""

import re
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    `status`: respond with this status and no body. `cut`: close the connection after this many
    bytes of the body. `truncate`: announce and send only this many bytes, as if the file were
    shorter. `ignore_range`: respond 200 with the whole file. `pause`: seconds between pieces of
    64 kB. `content_type`: the type that is announced. `no_length`: do not announce the length; the
    body ends with the connection.
    """

    status: int = 0
    cut: int | None = None
    truncate: int | None = None
    ignore_range: bool = False
    pause: float = 0.0
    content_type: str = ""
    no_length: bool = False


@dataclass
class Archive:
    """Files and pending faults by path (``/a/b.txt``), and the requests received.

    A request is (method, path, ``Range``, status, bytes sent).
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    url: str = ""
    #: Whether responses have an ``ETag``.
    tags: bool = True
    #: Whether ``If-Range`` is respected.
    if_range: bool = True
    #: Number of requests in progress.
    busy: int = 0
    idle: threading.Condition = field(default_factory=threading.Condition)

    def settle(self):
        """Wait until all requests are recorded; a client may receive its last byte before."""
        with self.idle:
            assert self.idle.wait_for(lambda: not self.busy, timeout=10)

    @property
    def sent(self) -> int:
        """Number of bytes sent in bodies."""
        return sum(count for *_, count in self.requests)


def _handler(archive):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            with archive.idle:
                archive.busy += 1
            try:
                self.answer_noted(body)
            finally:
                with archive.idle:
                    archive.busy -= 1
                    archive.idle.notify_all()

        def answer_noted(self, body):
            path = self.path.split("?")[0]
            queue = archive.faults.get(path, [])
            fault = queue.pop(0) if queue and body else Fault()
            span = self.headers.get("Range", "")
            status, sent = fault.status or 200, 0
            content = archive.files.get(path)
            if content is None and not fault.status:
                status = 404
            if status != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                total = len(content)
                tag = f'"{hash(content)}"'
                if archive.if_range and self.headers.get("If-Range", tag) != tag:
                    span = ""  # another version: send the whole file
                match = re.fullmatch(r"bytes=(\d+)-(\d*)", span)
                if match and not fault.ignore_range:
                    first = int(match[1])
                    last = min(int(match[2] or total - 1), total - 1)
                    status = 206 if first <= last else 416
                    content = content[first : last + 1]
                self.send_response(status)
                if status == 206:
                    self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
                elif status == 416:
                    self.send_header("Content-Range", f"bytes */{total}")
                if fault.truncate is not None:
                    content = content[: fault.truncate]
                self.send_header("Accept-Ranges", "bytes")
                if archive.tags:
                    self.send_header("ETag", tag)
                if fault.content_type:
                    self.send_header("Content-Type", fault.content_type)
                if fault.no_length:
                    self.close_connection = True
                    self.send_header("Connection", "close")
                else:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    sent = self.pour(content, fault)
            asked = self.headers.get("Range", "")
            archive.requests.append((self.command, path, asked, status, sent))

        def pour(self, content, fault):
            end = len(content) if fault.cut is None else fault.cut
            sent = 0
            try:
                for at in range(0, end, 65536):
                    piece = content[at : min(at + 65536, end)]
                    self.wfile.write(piece)
                    self.wfile.flush()
                    sent += len(piece)
                    if fault.pause:
                        archive.stop.wait(fault.pause)
            except OSError:  # the client went away
                self.close_connection = True
            if fault.cut is not None:
                self.close_connection = True
                self.connection.close()
            return sent

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # the client went away
            super().handle_error(request, client_address)


@contextmanager
def serve(files=None):
    """Serve files by path until the end of the block."""
    archive = Archive(dict(files or {}))
    archive.stop = threading.Event()
    server = _Server(("127.0.0.1", 0), _handler(archive))
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield archive
    finally:
        archive.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()

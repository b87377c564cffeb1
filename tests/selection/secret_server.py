"""A small HTTP server that lets in who knows the secret, and has a clock that can be wrong."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from selection.http import SECRET_HEADER


class Door(ThreadingHTTPServer):
    """secret: empty lets everybody in. ahead: seconds of its clock; None tells no time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.secret = "a-secret"
        self.ahead: float | None = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Door

    def do_GET(self) -> None:
        given = self.headers.get(SECRET_HEADER, "")
        open_to_all = self.path == "/health" or not self.server.secret
        self.send_response_only(200 if open_to_all or given == self.server.secret else 401)
        if self.server.ahead is not None:
            self.send_header("Date", formatdate(time.time() + self.server.ahead, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def opened() -> Iterator[Door]:
    """A door that answers until the end of the block."""
    door = Door()
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield door
    finally:
        door.shutdown()
        thread.join()
        door.server_close()

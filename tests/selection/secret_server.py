"""A small HTTP server that accepts callers with the secret, and has a clock that can be wrong."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from selection.http import SECRET_HEADER


class SecretServer(ThreadingHTTPServer):
    """secret: accepts everybody if empty. ahead: seconds of its clock; None sends no date."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.secret = "a-secret"
        self.ahead: float | None = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: SecretServer

    def do_GET(self) -> None:
        given = self.headers.get(SECRET_HEADER, "")
        open_to_all = self.path == "/health" or not self.server.secret
        self.send_response_only(200 if open_to_all or given == self.server.secret else 401)
        if self.server.ahead is not None:
            self.send_header("Date", formatdate(time.time() + self.server.ahead, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def started() -> Iterator[SecretServer]:
    """A server that answers until the end of the block."""
    server = SecretServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

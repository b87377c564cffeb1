"""An HTTP proxy in front of a real server, which breaks the calls that a test names.

A call's name is its method and path with every number replaced: "GET /api/projects/{}/".
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from demo.processes import free_port

HOST = "127.0.0.1"
Kind = Literal["stopped", "slow", "500", "429", "cut off", "cut short", "unanswered"]
KEPT = ("content-type", "set-cookie", "retry-after")


@dataclass
class Fault:
    """What happens to a call. call: its name, or "" for every one. seconds: of a slow one.

    stopped: the connection ends without an answer. unanswered: the same, after the server has
    done what was asked. cut off: half of the body of which the header promises more. cut short:
    half of the body, as a whole answer. slow: the answer comes after `seconds`, or at the fault's
    end. 500, 429: instead of the server's answer. left: how many calls it hits, None for all.
    """

    kind: Kind
    call: str = ""
    seconds: float = 10.0
    left: int | None = None
    hits: int = 0
    over: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Listens at `url` from its making to close(). calls: names of what came, in order."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname and parts.port
        self.target = parts.hostname, parts.port
        self.calls: list[str] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = self._listen(free_port())  # stays ours while nobody listens
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"

    def _listen(self, port: int) -> ThreadingHTTPServer:
        proxy = self

        class Handler(_Handler):
            owner = proxy

        server = _Server((HOST, port), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    @contextmanager
    def broken(
        self, kind: Kind, call: str = "", seconds: float = 10.0, times: int | None = None
    ) -> Iterator[Fault]:
        """The fault lasts for the `with`, or for so many calls."""
        fault = Fault(kind, call, seconds, times)
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            with self._lock:
                self._faults.remove(fault)
            fault.over.set()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens on the port."""
        self.close()
        try:
            yield
        finally:
            self._server = self._listen(self.port)

    def close(self) -> None:
        """Stop listening, and end every connection that is open."""
        self._server.shutdown()
        self._server.server_close()

    def hit(self, call: str) -> Fault | None:
        """Note a call; the fault that it meets."""
        with self._lock:
            self.calls.append(call)
            for fault in self._faults:
                if fault.call in ("", call) and fault.left != 0:
                    fault.hits += 1
                    fault.left = None if fault.left is None else fault.left - 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: object) -> None:
        self._open: set[object] = set()
        super().__init__(*args)  # type: ignore[arg-type]

    def process_request(self, request: object, client_address: object) -> None:
        self._open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def server_close(self) -> None:
        super().server_close()
        for request in list(self._open):
            self.shutdown_request(request)

    def shutdown_request(self, request: object) -> None:
        self._open.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is what these tests are about."""


def name(method: str, path: str) -> str:
    """"GET", "/api/projects/7/?x=1" -> "GET /api/projects/{}/"."""
    return f"{method} {re.sub(r'(?<=/)[0-9]+(?=/|$)', '{}', urlsplit(path).path)}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Proxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.owner.hit(name(self.command, self.path))
        kind = fault.kind if fault else None
        if fault and kind == "slow":
            fault.over.wait(fault.seconds)
        if kind == "stopped":
            self.close_connection = True
            return
        if kind in ("500", "429"):
            self._answer(int(kind), {"content-type": "application/json"}, b'{"detail": "broken"}')
            return
        status, headers, answer = self._forward(body)
        if kind == "unanswered":
            self.close_connection = True
        elif kind == "cut off":
            self.close_connection = True
            self._answer(status, headers, answer, sent=len(answer) // 2)
        elif kind == "cut short":
            self._answer(status, headers, answer[: len(answer) // 2])
        else:
            self._answer(status, headers, answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = HTTPConnection(*self.owner.target, timeout=300)
        try:
            upstream.request(
                self.command, self.path, body or None,
                {k: v for k, v in self.headers.items()
                 if k.lower() not in ("connection", "accept-encoding")},
            )  # fmt: skip
            reply = upstream.getresponse()
            headers = {k: v for k, v in reply.getheaders() if k.lower() in KEPT}
            return reply.status, headers, reply.read()
        finally:
            upstream.close()

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, sent: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])

    def log_message(self, *args: object) -> None:
        """The calls are noted by the proxy."""

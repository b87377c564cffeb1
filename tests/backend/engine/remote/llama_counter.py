"""What stands before llama.cpp's server in tests: it counts what is in flight, and spoils answers
on their way."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from demo.processes import HOST


class Proxy:
    """Passes everything on to `target`. spoil: what the next completions get instead, in turn.

    most: completions that were on their way at once. asked: completions so far. paths: of all
    calls.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.spoil: deque[tuple[int, dict[str, str], bytes]] = deque()
        self.most = self.asked = self._now = 0
        self.paths: list[str] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._pass_on("GET")

            def do_POST(self) -> None:
                self._pass_on("POST")

            def _pass_on(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.paths.append(self.path)
                # until it is answered: who has the answer may send the next one
                with proxy._counted(self.path):
                    status, headers, answer = proxy._spoilt(self.path)
                    if status == 0:
                        sent = {"Content-Type": "application/json"}
                        if "Authorization" in self.headers:
                            sent["Authorization"] = self.headers["Authorization"]
                        reply = httpx.request(
                            method, proxy.target + self.path, content=body, headers=sent,
                            timeout=300,
                        )
                        status, answer = reply.status_code, reply.content
                length = len(answer)
                if status == CUT_OFF:
                    status, length = 200, len(answer) + 1000
                    self.close_connection = True
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self._http = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @contextmanager
    def _counted(self, path: str) -> Iterator[None]:
        mine = int(path == "/v1/completions")
        with self._lock:
            self.asked += mine
            self._now += mine
            self.most = max(self.most, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= mine

    def _spoilt(self, path: str) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            if path == "/v1/completions" and self.spoil:
                return self.spoil.popleft()
        return 0, {}, b""


CUT_OFF = -1  # as a status: 200, and the connection ends before the body does

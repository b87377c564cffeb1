"""A vLLM as it was before July 2026, without a model: what the one that tests start has no more.

The shapes are those of its completion and model routes. It may load no adapters, as one that was
started without VLLM_ALLOW_RUNTIME_LORA_UPDATING.
"""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
BASE = "org/base"
Reply = tuple[int, dict[str, Any]]


class VllmDouble:
    """calls: path and body of every POST. keys: that came. bases: models that it serves.

    processed: whether it was started with --logprobs-mode processed_logprobs, so that what it lists
    first are the tokens that were asked for by a bias.
    """

    def __init__(self, processed: bool = True) -> None:
        self.processed = processed
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.keys: set[str] = set()
        self.bases = [BASE]
        self._lock = threading.Lock()
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._say(double._models() if self.path == "/v1/models" else _no_route())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                double.keys.add(self.headers["Authorization"])
                self._say(double._post(self.path, body))

            def _say(self, reply: Reply) -> None:
                status, body = reply
                answer = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
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

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The bodies of the POSTs to a path."""
        with self._lock:
            return [body for called, body in self.calls if called == path]

    def _post(self, path: str, body: dict[str, Any]) -> Reply:
        with self._lock:
            self.calls.append((path, body))
            if path == "/v1/completions":
                return self._complete(body)
            return _no_route()

    def _models(self) -> Reply:
        cards = [{"id": name, "root": name, "parent": None} for name in self.bases]
        return 200, {"object": "list", "data": cards}

    def _complete(self, body: dict[str, Any]) -> Reply:
        if body["model"] not in self.bases:
            message = f"The model `{body['model']}` does not exist."
            return _error(404, "NotFoundError", message)
        prompts: Sequence[Sequence[int]] = body["prompt"]
        choices = [
            {"index": i, "text": "", "logprobs": {"top_logprobs": [self._list(body)]}}
            for i in range(len(prompts))
        ]
        return 200, {"object": "text_completion", "choices": choices}

    def _list(self, body: dict[str, Any]) -> dict[str, float]:
        """The likeliest tokens: the answers, or without the option others."""
        first = list(body["logit_bias"]) if self.processed else []
        others = [str(100_000 + i) for i in range(body["logprobs"] - len(first))]
        return {f"token_id:{token}": -1.0 - i for i, token in enumerate([*first, *others])}


def _error(code: int, kind: str, message: str) -> Reply:
    return code, {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _no_route() -> Reply:
    return 404, {"detail": "Not Found"}

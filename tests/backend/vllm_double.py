"""What a vLLM answers to the few calls that Crux makes, without a model: none runs without a GPU.

The shapes are those of vLLM's completion, model and LoRA routes of 2026. What only a real one can
show (that it reads an adapter, and how well) no test here shows.
"""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
BASE = "org/base"
Reply = tuple[int, dict[str, Any] | str]


class VllmDouble:
    """calls: path and body of every POST. loras: name -> path of what is loaded. keys: that came.
    bases: models that it serves.

    runtime_lora: whether it was started with VLLM_ALLOW_RUNTIME_LORA_UPDATING. root: where the
    paths that it is given lie here. listing: 'asked' lists the tokens of logprob_token_ids,
    'top' (as versions before July 2026) lists the likeliest, none of which is an answer.
    """

    def __init__(self, runtime_lora: bool = True, listing: str = "asked") -> None:
        self.runtime_lora = runtime_lora
        self.listing = listing
        self.root = Path("/")
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.loras: dict[str, str] = {}
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
                status, said = reply
                answer = (said if isinstance(said, str) else json.dumps(said)).encode()
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

    def restart(self) -> None:
        """It forgets what was loaded."""
        with self._lock:
            self.loras.clear()

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The bodies of the POSTs to a path."""
        with self._lock:
            return [body for called, body in self.calls if called == path]

    def _post(self, path: str, body: dict[str, Any]) -> Reply:
        with self._lock:
            self.calls.append((path, body))
            if path == "/v1/completions":
                return self._complete(body)
            if path == "/v1/load_lora_adapter" and self.runtime_lora:
                return self._load(body["lora_name"], body["lora_path"])
            if path == "/v1/unload_lora_adapter" and self.runtime_lora:
                if self.loras.pop(body["lora_name"], None) is None:
                    return _error(404, "NotFoundError", "The lora adapter cannot be found.")
                return 200, f"Success: LoRA adapter '{body['lora_name']}' removed successfully."
            return _no_route()

    def _models(self) -> Reply:
        cards: list[dict[str, Any]] = [{"id": n, "root": n, "parent": None} for n in self.bases]
        cards += [{"id": name, "root": at, "parent": BASE} for name, at in self.loras.items()]
        return 200, {"object": "list", "data": cards}

    def _load(self, name: str, path: str) -> Reply:
        if name in self.loras:
            said = f"The lora adapter '{name}' has already been loaded."
            return _error(400, "InvalidUserInput", said)
        if not (self.root / path.lstrip("/") / "adapter_config.json").is_file():
            return _error(404, "NotFoundError", f"Loading lora {name} failed: No adapter found")
        self.loras[name] = path
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def _complete(self, body: dict[str, Any]) -> Reply:
        if body["model"] != BASE and body["model"] not in self.loras:
            said = f"The model `{body['model']}` does not exist."
            return _error(404, "NotFoundError", said)
        prompts: Sequence[Sequence[int]] = body["prompt"]
        choices = [
            {"index": i, "text": "", "logprobs": {"top_logprobs": [self._list(body, prompt)]}}
            for i, prompt in enumerate(prompts)
        ]
        return 200, {"object": "text_completion", "choices": choices}

    def _list(self, body: dict[str, Any], prompt: Sequence[int]) -> dict[str, float]:
        """Minus the answer's place over the prompt's length; twice that with an adapter."""
        if self.listing == "top":
            return {f"token_id:{100_000 + i}": -1.0 - i for i in range(body["logprobs"])}
        times = 1 if body["model"] == BASE else 2
        answers: list[int] = body["logprob_token_ids"]
        return {f"token_id:{t}": -times * i / len(prompt) for i, t in enumerate(answers)}


def _error(code: int, kind: str, message: str) -> Reply:
    return code, {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _no_route() -> Reply:
    return 404, {"detail": "Not Found"}

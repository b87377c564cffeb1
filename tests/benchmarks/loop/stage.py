"""A small ground on which whole loops take seconds: words decide, and the model can learn them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.loop.ground import Ground, Labelled, split
from benchmarks.loop.kept import Kept, Line, Piece
from benchmarks.loop.race import Folders, Terms, race
from benchmarks.loop.studio import MemoryStudio
from benchmarks.loop.systems import by_names
from tests.fakes import FakeScorer, fake_train

OPTIONS = {
    "per_round": 8, "audit_per_round": 4, "read_limit": 40, "resamples": 100, "llm": "tiny",
    "learning_rate": 1e-3,
}  # fmt: skip


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


@dataclass(frozen=True)
class Stage:
    """Where pieces are run, with a model that learns words.

    folder: of everything that is kept. vectors: shared by all stages: embedding takes longest.
    """

    folder: Path
    vectors: Path
    scorer: FakeScorer = field(default_factory=FakeScorer)

    def run(
        self,
        systems: str = "crux",
        axis: tuple[int, ...] = (20, 40, 60),
        train: Callable[..., Any] = fake_train,
        seeds: tuple[int, ...] = (0,),
    ) -> dict[str, Any]:
        """Run systems on the small ground; return the figures."""
        (self.folder / "build").mkdir(exist_ok=True)
        if not (self.folder / "build/vectors").exists():
            (self.folder / "build/vectors").symlink_to(self.vectors)
        return race(
            ground(), by_names(systems), Terms(seeds, axis, "test", options=OPTIONS),
            Folders(self.folder / "build", self.folder / "results"), self._scorer, train,
            say=lambda _: None,
        )  # fmt: skip

    def lines(self, system: str = "crux", seed: int = 0, budget: int = 60) -> list[Line]:
        """What was measured."""
        kept = Kept(self.folder / "results/small.jsonl")
        return kept.lines(Piece("small", ground().digest, system, seed, budget, "test"))

    def studio(self, system: str = "crux", seed: int = 0) -> MemoryStudio:
        """The studio as the loop left it."""
        [file] = self.folder.glob(f"build/loop/*/test-{system}-{seed}-of-60/studio.json")
        return MemoryStudio(("angry", "calm"), "Is it angry?", {1: "one", 2: "two"}, file)

    def _scorer(self) -> Any:
        return self.scorer

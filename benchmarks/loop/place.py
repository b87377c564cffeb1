"""What every system is given, and what it tells after each of its rounds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backend.config import BackendSettings
from backend.engine.scorer import Scorer
from backend.train import Trained, train
from benchmarks.loop.ground import Ground
from selection.cache import key
from selection.config import Settings
from selection.types import Doubles, Estimate, Ints

PROJECT = 1
SECRET = "in-process"  # noqa: S105  (nobody can send it from outside)
ENDLESS = 10**6  # rounds: the loop ends by its number of verdicts alone


@dataclass(frozen=True)
class Place:
    """One piece: a system on a ground with a seed.

    folder: of all that the piece keeps. axis: numbers of verdicts, ascending; the last one is the
    budget. vectors: folder of embeddings that pieces share. options: settings of the product that
    differ from its defaults. say: told what is being done.
    """

    ground: Ground
    seed: int
    folder: Path
    axis: tuple[int, ...]
    vectors: Path
    make_scorer: Callable[[], Scorer]
    train: Callable[..., Trained] = train
    threads: int = 0
    options: Mapping[str, object] = field(default_factory=dict)
    say: Callable[[str], None] = print

    @property
    def most(self) -> int:
        """Verdicts in all."""
        return self.axis[-1]

    @property
    def home(self) -> Path:
        """Where both sides of the product keep their things; its vectors are the shared ones."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        self.vectors.mkdir(parents=True, exist_ok=True)
        if not (home / "vectors").is_symlink():
            (home / "vectors").symlink_to(self.vectors.resolve(), target_is_directory=True)
        return home

    def settings(self, pool: Path) -> Settings:
        """Return the command line's settings: the defaults, with the budget of verdicts."""
        given = {
            "project": PROJECT, "home": self.home, "pool": str(pool), "seed": self.seed,
            "budget": self.most, "max_rounds": ENDLESS,
        }  # fmt: skip
        return Settings(**{**given, **self._options_of(Settings)})  # type: ignore[arg-type]

    def backend_settings(self) -> BackendSettings:
        """Return the backend's settings: the defaults."""
        given = {
            "home": self.home, "seed": self.seed, "threads": self.threads,
            "webhook_secret": SECRET,
        }  # fmt: skip
        return BackendSettings(**{**given, **self._options_of(BackendSettings)})  # type: ignore[arg-type]

    def _options_of(self, kind: type[Settings] | type[BackendSettings]) -> dict[str, object]:
        return {name: value for name, value in self.options.items() if name in kind.model_fields}

    def one_expert(self) -> Ints:
        """Return (n,) what one expert says of each text of the pool; which one, is drawn."""
        people = self.ground.experts.shape[1]
        who = [key(f"{self.seed} {name}")[0] % people for name in self.ground.ids]
        return self.ground.experts[np.arange(len(who)), who]


@dataclass(frozen=True)
class Step:
    """What is in force once so many verdicts are spent.

    round: its number; of a system without rounds, the number of verdicts. read: texts -> (n, k)
    beliefs of the version, called only if they are not known. reported: the kappa that the system
    itself tells its owner. taught: texts that the version learned from, and of these the positive
    ones. positives: of all texts that were paid for. stop: the rule by which the system would have
    ended, "" if it would have gone on.
    """

    round: int
    verdicts: int
    version: str
    read: Callable[[], Doubles] = field(repr=False)
    reported: Estimate
    taught: int
    taught_positives: int
    positives: int
    seconds: float
    stop: str = ""


NOTHING_TOLD = Estimate.undefined(0, "the system tells no figure")

"""The versions that a kept loop of the product made, and the data on which it ran."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from backend.config import BackendSettings
from backend.engine.scorer import Scorer, make_scorer
from backend.versions.manifest import Manifest
from backend.versions.registry import Registry
from benchmarks.loop import sets
from benchmarks.loop.ground import Ground, split
from benchmarks.loop.place import PROJECT
from selection.errors import CruxError, SettingError
from selection.types import Doubles

BUILD = Path("build/benchmarks/loop")
# the options of the commands that measure versions
Named = Annotated[str, typer.Option("--set", help="of two labels")]
Verdicts = Annotated[int, typer.Option(help="of the loop")]
Seed = Annotated[int, typer.Option()]
Sets = Annotated[Path, typer.Option(help="of the sets")]
Out = Annotated[Path, typer.Option("--json")]


@dataclass(frozen=True)
class Versions:
    """made: the trained ones, of two labels."""

    ground: Ground
    registry: Registry
    made: tuple[Manifest, ...]
    scorer: Scorer

    @property
    def rare(self) -> int:
        """Position of the rarer label."""
        return 1 - self.ground.commonest

    def positives(self, made: Manifest) -> int:
        """Return how many of the labels that taught a version were the rarer one."""
        name = self.ground.names[self.rare]
        return sum(label == name for _, label in made.examples)


def kept(named: str, seed: int, verdicts: int, folder: Path) -> Versions:
    """Find the versions of a loop. Raises SettingError if there is no such loop."""
    ground = split(sets.load(named, folder))
    home = BUILD / f"{named}-{ground.digest}" / f"crux-{seed}-of-{verdicts}" / "home"
    registry = Registry(home)
    made = tuple(one for one in registry.versions(PROJECT) if one.embedder)
    if not made or len(ground.names) != 2:
        raise SettingError(
            f"There is no loop with two labels in {home}. Run: python -m benchmarks.loop --set "
            f"{named} --systems crux --seeds 1 --first-seed {seed} --verdicts {verdicts}"
        )
    return Versions(ground, registry, made, make_scorer(BackendSettings(home=BUILD / "model")))


def measure(
    named: str,
    seed: int,
    verdicts: int,
    folder: Path,
    out: Path,
    figures: Callable[[Manifest, Versions], dict[str, Any]],
) -> None:
    """Measure each version of a loop, and keep the figures beside those of others."""
    try:
        versions = kept(named, seed, verdicts, folder)
        found = [figures(one, versions) for one in versions.made]
    except CruxError as error:
        raise SystemExit(str(error)) from None
    before = json.loads(out.read_text()) if out.is_file() else {}
    out.write_text(json.dumps({**before, f"{named}, seed {seed}": found}, indent=1) + "\n")
    for one in found:
        print(json.dumps(one), flush=True)


def lead(logits: Doubles, label: int) -> Doubles:
    """Return (n,) by how much a label of two leads the other one."""
    difference: Doubles = logits[:, label] - logits[:, 1 - label]
    return difference

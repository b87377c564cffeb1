"""What does an audit tell of the gain of the latest rounds? On pools that are known.

    python -m benchmarks.statistics.gains

Three ways to say how far kappa rose over PATIENCE rounds, in the loops of pools.py: the difference
of what was told after either round, each on the texts audited by then; both versions on all texts
audited by now, their labels counted; and the same by calibrated beliefs, which is the product's way
(selection/gained.py). Its words are judged too: where it says that verdicts teach, kappa should
have risen, and where it says that another round hardly pays, by less than delta.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.choice.datasets import FOLDER
from benchmarks.loop import sets
from benchmarks.statistics.pools import LIMIT, PATIENCE, RESAMPLES, SEEDS, SETS, Look, loop
from selection.align import difference
from selection.config import Settings
from selection.kappa import Said
from selection.types import Estimate

OUT = Path("benchmarks/results/gains.json")
WAYS = ("told", "counted", "calibrated")


@dataclass(frozen=True)
class Gain:
    """true: how far kappa rose. said: by each way, the first of which has no interval."""

    true: float
    said: dict[str, Estimate]


def main(
    named: Annotated[str, typer.Option("--set", help="names between commas")] = SETS,
    folder: Annotated[Path, typer.Option(help="of the sets")] = FOLDER,
    out: Annotated[Path, typer.Option("--json")] = OUT,
    seeds: Annotated[int, typer.Option(min=1)] = SEEDS,
) -> None:
    """Run the loops of each set, and keep what came out."""
    for name in named.split(","):
        data = sets.load(name, folder, LIMIT)
        found = [one for seed in range(seeds) for one in gains(list(loop(data, seed)))]
        kept = json.loads(out.read_text()) if out.is_file() else {}
        kept[name] = figures(found, Settings().delta)
        out.write_text(json.dumps(kept, indent=1) + "\n")
        print(name, json.dumps(kept[name]), flush=True)


def gains(looks: Sequence[Look]) -> Iterable[Gain]:
    """Yield the gain up to each look of a loop that has one PATIENCE rounds before it."""
    at = {look.round: look for look in looks}
    for now in looks:
        before = at.get(now.round - PATIENCE)
        if before is None or now.then is None:
            continue
        told = [one.ways["calibrated"].value for one in (before, now)]
        said = {"told": Estimate(_less(*told), None, None, len(now.truth))}
        pairs: dict[str, tuple[Said, Said]] = {
            "counted": (now.then.argmax(axis=1), now.belief.argmax(axis=1)),
            "calibrated": (now.then, now.belief),
        }
        for way, (older, newer) in pairs.items():
            rng = np.random.default_rng(now.round)
            said[way] = difference(older, newer, *now.told, rng=rng, resamples=RESAMPLES)
        yield Gain(now.kappa - before.kappa, said)


def _less(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else now - before


def figures(found: Sequence[Gain], delta: float) -> dict[str, object]:
    """Return the mean true gain; each way's error (root of the mean square), coverage and width;
    and how often the product's words are said, and are wrong."""
    judged = [
        (one.true, one.said["calibrated"].low, one.said["calibrated"].high)
        for one in found
        if one.said["calibrated"].low is not None
    ]
    rose = [true > 0 for true, low, _ in judged if low is not None and low > 0]
    flat = [true < delta for true, _, high in judged if high is not None and high < delta]
    return {
        "true_gain": round(float(np.mean([one.true for one in found])), 3),
        "gains": len(found),
        "ways": {way: _figures([(one.said[way], one.true) for one in found]) for way in WAYS},
        "teach": {"said": len(rose), "wrong": len(rose) - sum(rose)},
        "hardly_pays": {"said": len(flat), "wrong": len(flat) - sum(flat)},
    }


def _figures(found: Sequence[tuple[Estimate, float]]) -> dict[str, float]:
    off = [one.value - true for one, true in found if one.value is not None]
    figures = {"defined": len(off), "error": round(float(np.sqrt(np.mean(np.square(off)))), 3)}
    bounds = [
        (one.low, one.high, true)
        for one, true in found
        if one.low is not None and one.high is not None
    ]
    if bounds:
        low, high, true = np.array(bounds).T
        held = (low <= true) & (true <= high)
        figures |= {
            "coverage": round(float(held.mean()), 3),
            "width": round(float((high - low).mean()), 3),
        }
    return figures


def table(file: Path = OUT) -> list[str]:
    """Return the lines for docs/results.md; none before anything was measured."""
    if not file.is_file():
        return []
    lines = [
        f"What audits tell of the gain of {PATIENCE} rounds, in the same loops: the error of the "
        "difference of what was told after either round, each on the texts audited by then; and "
        "error, share of the 95 % intervals that hold the truth, and width of the difference on "
        "all texts audited by now, by verdicts counted and by calibrated beliefs, which is the "
        "product's way. Then how often its sentence says that verdicts teach, or that another "
        "round hardly pays, and how often that is wrong. Command: `python -m "
        "benchmarks.statistics.gains`.",
        "",
        "| set | gains | true gain | as told | counted | calibrated | teach | hardly pays |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in json.loads(file.read_text()).items():
        ways, words = one["ways"], (one["teach"], one["hardly_pays"])
        cells = [
            name,
            str(one["gains"]),
            f"{one['true_gain']:.3f}",
            f"{ways['told']['error']:.3f}",
            *(_cell(ways[way]) for way in ("counted", "calibrated")),
            *(f"{word['said']}, wrong {word['wrong']}" for word in words),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(way: dict[str, float]) -> str:
    return "{error:.3f}, {coverage:.0%}, {width:.2f}".format(**way)


if __name__ == "__main__":
    typer.run(main)

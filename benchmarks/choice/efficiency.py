"""Which choice of labels teaches the learner the most: ours and its peers, side by side.

    python -m benchmarks.choice.efficiency --data FILE --text COLUMN --label COLUMN --positive VALUE

All strategies have the same texts, vectors, starting beliefs, learner, seeds and budget. Kappa is
measured on texts that no strategy can buy, in which the labels are as frequent as in the pool, at
the learner's own threshold.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import t as student

from benchmarks.choice import datasets
from benchmarks.choice.datasets import Data
from benchmarks.choice.race import Run, make_course, run
from benchmarks.choice.strategies import COLD_START, by_name, random
from selection.embed import embed
from selection.errors import CruxError
from selection.types import Doubles, Floats

HOME = Path("build/benchmarks")  # vectors, and pieces of long measurements
EVERYTHING = "every text of the pool"  # instead of a strategy's name: a run that buys all at once


@dataclass(frozen=True)
class Terms:
    """What is the same for every strategy.

    noise: share of bought labels that are wrong. beliefs: the starting ones, 'similarity',
    'useless' or 'inverted'.
    """

    seeds: int = 5
    rounds: int = 6
    per_round: int = 64
    noise: float = 0.0
    beliefs: str = "similarity"

    @property
    def labels(self) -> list[int]:
        """Number of labels bought after each round."""
        return [self.per_round * (number + 1) for number in range(self.rounds)]


def vectors_of(texts: Sequence[str]) -> Floats:
    """Return (n, d) unit vectors by the offline embedder, cached."""

    def say(done: int, total: int) -> None:
        print(f"\rembedding {done} of {total} texts", end="", file=sys.stderr, flush=True)

    return embed(texts, embedder="offline", home=HOME, on_progress=say)


def compare_strategies(
    data: Data, terms: Terms, strategies: str, keep: Path | None = None
) -> dict[str, Any]:
    """Run every strategy on every seed, and train the learner on every label of the pool.

    strategies: as `by_name` takes them. keep: file of finished runs, which are not run again.
    """
    vectors, described = vectors_of(data.texts), vectors_of(data.describe)
    chosen = by_name(strategies)
    runs: dict[str, list[Run]] = {name: [] for name in chosen}
    kept = _kept_runs(keep)
    ceiling = []
    for seed in range(terms.seeds):
        course = make_course(vectors, data.labels, described, seed=seed, beliefs=terms.beliefs)
        for name, strategy in chosen.items():
            one = kept.get((name, seed, len(data)))
            if one is None:
                one = run(
                    course,
                    strategy,
                    rounds=terms.rounds,
                    per_round=terms.per_round,
                    cold=name in COLD_START,
                    noise=terms.noise,
                )
                one = _as_kept(one)
                _append_run(one, name, seed, len(data), keep)
            runs[name].append(one)
            line = f"{data.name}, seed {seed}: {name} {one.kappa.mean():.3f}"
            print(line, file=sys.stderr, flush=True)
        every = kept.get((EVERYTHING, seed, len(data)))
        if every is None:
            every = run(
                course, random, rounds=1, per_round=len(course.pool), cold=True, noise=terms.noise
            )
            _append_run(every, EVERYTHING, seed, len(data), keep)
        ceiling.append(every.kappa[0])
    return {**summary(data, terms, runs), "everything": round(float(np.mean(ceiling)), 4)}


def summary(data: Data, terms: Terms, runs: dict[str, list[Run]]) -> dict[str, Any]:
    """Return the figures of all strategies, and the difference between ours and the best other."""
    kappa = {name: np.stack([one.kappa for one in ones]) for name, ones in runs.items()}
    area = {name: curve.mean(axis=1) for name, curve in kappa.items()}  # (seeds,)
    reached = kappa["random"].mean(axis=0)[-1] if "random" in kappa else None
    strategies = {
        name: {
            "kappa": _rounded(curve.mean(axis=0)),
            "kappa_se": _rounded(_standard_error(curve)),
            "area": round(float(area[name].mean()), 4),
            "area_se": _rounded(_standard_error(area[name][:, None]))[0],
            "area_by_seed": _rounded(area[name]),
            "labels_to_random": _labels_to(curve.mean(axis=0), terms.labels, reached),
            "average_precision": _rounded(np.mean([one.precision for one in runs[name]], axis=0)),
            "positives_bought": round(float(np.mean([one.found for one in runs[name]])), 4),
            "positive_share": round(float(np.mean([one.positives for one in runs[name]])), 4),
            "seconds": round(float(np.median([_later(one) for one in runs[name]])), 3),
        }
        for name, curve in kappa.items()
    }
    others = [name for name in strategies if name != "crux"]
    best = max(others, key=lambda name: float(area[name].mean()), default=None)
    return {
        "data": data.name,
        "rows": len(data),
        "made": data.made,
        "prevalence": _prevalence(data),
        "seeds": len(next(iter(runs.values()))),
        "noise": terms.noise,
        "beliefs": terms.beliefs,
        "labels": terms.labels,
        "strategies": strategies,
        "best_peer": best,
        "difference": (
            _mean_and_interval(area["crux"] - area[best]) if best and "crux" in area else None
        ),
    }


def _prevalence(data: Data) -> float | dict[str, float]:
    """Return the share of the second of two labels; of each label if there are more."""
    shares = [round(share, 4) for share in data.prevalence]
    return shares[1] if len(shares) == 2 else dict(zip(data.names, shares, strict=True))


def _later(one: Run) -> Doubles:
    """Return the seconds of each choice but the first, for which most have another rule."""
    return one.seconds[1:] if len(one.seconds) > 1 else one.seconds


def _mean_and_interval(difference: Doubles) -> dict[str, float | None]:
    """Return the mean of (seeds,) differences and its 95 % interval by Student's t, if any."""
    n, mean = len(difference), float(difference.mean())
    if n < 2:
        return {"mean": round(mean, 4), "low": None, "high": None}
    half = float(student.ppf(0.975, n - 1) * difference.std(ddof=1) / n**0.5)
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def _labels_to(curve: Doubles, labels: Sequence[int], reached: float | None) -> float | None:
    """Return after how many labels the curve first reaches a kappa, on a line between rounds."""
    if reached is None or curve.max() < reached:
        return None
    after = int(np.argmax(curve >= reached))
    if after == 0:
        return float(labels[0])
    below, above = curve[after - 1], curve[after]
    part = (reached - below) / (above - below)
    return round(float(labels[after - 1] + part * (labels[after] - labels[after - 1])), 1)


def _standard_error(values: Doubles) -> Doubles:
    """Return the standard error over the first axis, NaN for one value."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.std(axis=0, ddof=1) / len(values) ** 0.5, dtype=np.float64)


def _rounded(values: Doubles) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def _as_kept(one: Run) -> Run:
    """Round it, so that a measurement that was interrupted comes to the same figures."""
    return replace(one, kappa=one.kappa.round(4), precision=one.precision.round(4))


def _append_run(one: Run, name: str, seed: int, rows: int, file: Path | None) -> None:
    """Write one line per run, so that a measurement of hours continues where it was interrupted."""
    if file is None:
        return
    body = {
        "strategy": name,
        "seed": seed,
        "rows": rows,
        "kappa": one.kappa.round(4).tolist(),
        "precision": one.precision.round(4).tolist(),
        "positives": round(one.positives, 4),
        "found": round(one.found, 4),
        "seconds": one.seconds.round(3).tolist(),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as lines:
        if lines.tell():
            lines.seek(-1, os.SEEK_END)
            if lines.read() != b"\n":  # the process was killed while it wrote the line before
                lines.write(b"\n")
        lines.write(json.dumps(body).encode() + b"\n")


def _kept_runs(file: Path | None) -> dict[tuple[str, int, int], Run]:
    """Return finished runs by strategy, seed and number of texts; of several the last counts."""
    if file is None or not file.exists():
        return {}
    bodies = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
    return {
        (body["strategy"], body["seed"], body["rows"]): Run(
            np.array(body["kappa"]),
            np.array(body["precision"]),
            body["positives"],
            body["found"],
            np.array(body["seconds"]),
        )
        for body in bodies
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as a table for people, the best strategy first."""
    ranked = sorted(result["strategies"].items(), key=lambda one: -one[1]["area"])
    lines = [f"{'':32} {'area':>6} {'last':>6} {'to random':>9} {'positive':>8} {'seconds':>8}"]
    for name, one in ranked:
        to = "never" if one["labels_to_random"] is None else f"{one['labels_to_random']:.0f}"
        lines.append(
            f"{name:32} {one['area']:6.3f} {one['kappa'][-1]:6.3f} {to:>9} "
            f"{one['positive_share']:8.2f} {one['seconds']:8.2f}"
        )
    if result["difference"]:
        gap = result["difference"]
        interval = "" if gap["low"] is None else f" [{gap['low']:.3f}, {gap['high']:.3f}]"
        lines.append(f"crux less {result['best_peer']}: {gap['mean']:.3f}{interval}")
    return "\n".join(lines)


def main(
    data: Annotated[Path, typer.Option(help="CSV or CSV.gz with a header")],
    text: Annotated[str, typer.Option(help="column of the text")],
    label: Annotated[str, typer.Option(help="column of the label")],
    positive: Annotated[
        str | None, typer.Option(help="value of the positive label; if left out, each value is one")
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="thin the positives to this share")
    ] = None,
    describe: Annotated[
        tuple[str, str] | None, typer.Option(help="meaning of the positive and the other label")
    ] = None,
    strategies: Annotated[str, typer.Option(help="'all', or names between commas")] = "all",
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    rounds: Annotated[int, typer.Option(min=1)] = 6,
    per_round: Annotated[int, typer.Option(min=2)] = 64,
    limit: Annotated[int, typer.Option(min=100, help="at most so many texts")] = 20_000,
    noise: Annotated[float, typer.Option(min=0.0, max=1.0, help="share of wrong answers")] = 0.0,
    beliefs: Annotated[
        str, typer.Option("--start", help="beliefs: similarity, useless or inverted")
    ] = "similarity",
    out: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Compare strategies on one file of labelled texts."""
    try:
        rows = datasets.read(
            data,
            text,
            label,
            positive=positive,
            prevalence=prevalence,
            limit=limit,
            describe=describe or (),
        )
        terms = Terms(seeds, rounds, per_round, noise, beliefs)
        result = compare_strategies(rows, terms, strategies)
    except CruxError as error:
        raise SystemExit(str(error)) from None
    print(table(result))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)

"""How exact is an audit, and how often does its interval hold the truth? On pools that are known.

    python -m benchmarks.statistics.pools

For each set and seed the product's choice teaches a probe for five rounds; in place of the LLM that
probe is the version that is measured. The texts that the choice could not touch are the pool, whose
labels are all known. It is audited many times, by the beliefs of the version before.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.special import softmax

from backend.threshold import match
from benchmarks.choice.datasets import FOLDER
from benchmarks.loop import sets
from benchmarks.loop.ground import Labelled
from selection.align import model_alignment
from selection.audit import audit
from selection.bag import bag, rarity
from selection.calibrate import Unjudged
from selection.choose import Plan, choose
from selection.config import Settings
from selection.embed import embed
from selection.kappa import kappas
from selection.probe import teach
from selection.types import Beliefs, Doubles, Estimate, Ints, Pool, Sample, Verdicts
from selection.words import by_words

OUT = Path("benchmarks/results/audits.json")
HOME = Path("build/benchmarks")
SETS = "rare,remorse,clickbait1,clickbait,gratitude,anger,davidson"
LIMIT = 12_000  # texts of a set
ROUNDS, SEEDS, DRAWS = 5, 4, 20
SIZES = (20, 50, 100, 300)
UNJUDGED = 300  # texts that the version has read besides, as in the product
RESAMPLES = 300
USELESS = 0.3  # deviations between the labels in the beliefs before anything is taught
Ways = dict[str, Estimate]


@dataclass(frozen=True)
class Known:
    """A pool of n texts. now, before: (n, k) beliefs of two versions. truth: (n,)."""

    now: Doubles
    before: Doubles
    truth: Ints

    @property
    def kappa(self) -> float:
        """The true kappa of the version that is measured."""
        k = self.now.shape[1]
        cell = self.now.argmax(axis=1) * k + self.truth
        return float(kappas(np.bincount(cell, minlength=k * k)[None].astype(np.float64), k)[0])


def main(
    named: Annotated[str, typer.Option("--set", help="names between commas")] = SETS,
    folder: Annotated[Path, typer.Option(help="of the sets")] = FOLDER,
    out: Annotated[Path, typer.Option("--json")] = OUT,
) -> None:
    """Audit the sets, and keep what came out for each."""
    for name in named.split(","):
        data = sets.load(name, folder, LIMIT)
        figures = measured(pool for seed in range(SEEDS) if (pool := known(data, seed)) is not None)
        kept = json.loads(out.read_text()) if out.is_file() else {}
        kept[name] = {"texts": len(data.texts), "shares": data.shares.round(4).tolist(), **figures}
        out.write_text(json.dumps(kept, indent=1) + "\n")
        print(name, json.dumps(figures), flush=True)


def known(data: Labelled, seed: int) -> Known | None:
    """Teach a probe by the product's choice; None where a round knew one label only."""
    settings, rng = Settings(), np.random.default_rng([seed, 7])
    texts, truth, k = np.array(data.texts, dtype=object), data.experts[:, 0], len(data.names)
    every = embed(data.texts, embedder="offline", home=HOME)
    bags = bag(data.texts)
    rare = rarity(bags)
    read = partial(embed, embedder="offline", home=HOME)
    words = by_words(every, data.policy, data.names, read)
    ids = np.array([f"{row:06d}" for row in range(len(texts))])
    apart = rng.random(len(texts)) < settings.audit_reserve + 1 / 3  # nothing there is ever bought
    rows = np.flatnonzero(~apart)
    pool, vectors = Pool(ids[rows], texts[rows]), every[rows]
    odds = rng.normal(size=(len(texts), k)) + USELESS * np.eye(k)[truth]
    beliefs, bought, taught = [softmax(odds, axis=1)], np.zeros(len(rows), dtype=np.bool_), rows[:0]
    for round in range(ROUNDS):
        plan = Plan(
            round, round > 0, bought, np.full(len(rows), np.nan), settings.per_round, 0,
            settings.audit_reserve, seed,
        )  # fmt: skip
        version = Beliefs(beliefs[-1][rows], data.names, "probe", np.ones(len(rows), np.bool_))
        found, _ = choose(pool, vectors, version, plan, words=words[rows])
        bought[found.row] = True
        taught = np.concatenate([taught, rows[found.row]])
        if len(np.unique(truth[taught])) < 2:
            return None
        logits = teach(bags[taught], every[taught], truth[taught], k, rare).logits(bags, every)
        fitted_on = rng.permutation(np.flatnonzero(apart))[:1_000]
        offsets = match(logits[fitted_on], np.maximum(data.shares, 1e-3) / data.shares.sum())
        beliefs.append(softmax(logits + offsets, axis=1))
    return Known(beliefs[-1][apart], beliefs[-2][apart], truth[apart])


def audited(pool: Known, size: int, rng: np.random.Generator) -> Ways:
    """Draw an audit of this size, and estimate kappa with and without the calibration."""
    n, k = pool.now.shape
    draw: Callable[[int], tuple[Ints, Doubles]] = partial(_drawn, pool, rng)
    rows, weight = draw(size)
    more, stands_for = draw(UNJUDGED)
    told = (
        Verdicts(pool.truth[rows][:, None].astype(np.int64), ("expert",), k),
        Sample(weight, np.arange(len(rows))),
    )
    seen = pool.now[rows]
    weighted, calibrated = (
        model_alignment(said, *told, rng=rng, resamples=RESAMPLES, others=others)
        for said, others in (
            (seen.argmax(axis=1), None),
            (seen, Unjudged(pool.now[more], stands_for)),
        )
    )
    return {"weighted": weighted, "calibrated": calibrated}


def _drawn(pool: Known, rng: np.random.Generator, size: int) -> tuple[Ints, Doubles]:
    n = len(pool.truth)
    nobody = np.full(n, np.nan)
    found = audit(pool.before, rng.random(n), nobody, size=size, reserve=1 - 1e-9)
    return found.row, 1 / found.inclusion


def measured(pools: Iterator[Known]) -> dict[str, object]:
    """Return for each size and way: error, bias, the interval's coverage and mean width."""
    told: dict[str, dict[str, list[tuple[float, bool, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    true = []
    for number, pool in enumerate(pools):
        rng = np.random.default_rng([number, 3])
        true.append(pool.kappa)
        for size in SIZES:
            for _ in range(DRAWS):
                for way, one in audited(pool, size, rng).items():
                    if one.value is not None and one.low is not None and one.high is not None:
                        held = one.low <= pool.kappa <= one.high
                        told[str(size)][way].append(
                            (one.value - pool.kappa, held, one.high - one.low)
                        )
    audits = {
        size: {way: _figures(np.array(found)) for way, found in ways.items()}
        for size, ways in told.items()
    }
    return {"true_kappa": round(float(np.mean(true)), 3), "audits": audits}


def _figures(found: Doubles) -> dict[str, float]:
    off, held, width = found.T
    figures = {
        "error": np.sqrt(np.mean(off**2)), "bias": off.mean(), "coverage": held.mean(),
        "width": width.mean(), "audits": len(found),
    }  # fmt: skip
    return {name: round(float(value), 3) for name, value in figures.items()}


def table(file: Path = OUT) -> list[str]:
    """Return the lines for docs/results.md; none before anything was measured."""
    if not file.is_file():
        return []
    kept = json.loads(file.read_text())
    lines = [
        "Audits of real pools whose labels are all known. A probe that the product's choice taught "
        "for five rounds is the version that is measured; in each cell the root of the mean square "
        "of the error, the share of the 95 % intervals that hold the truth, and their mean width: "
        "first of the weighted verdicts themselves, then of the calibrated beliefs, which the "
        "product has. Command: `python -m benchmarks.statistics.pools`.",
        "",
        f"| set | rarest label | true kappa | {' | '.join(f'{n} texts' for n in SIZES)} |",
        "|---|---|---|" + "---|" * len(SIZES),
    ]
    for name, one in kept.items():
        cells = [_cell(one["audits"][str(size)]) for size in SIZES]
        lines.append(
            f"| {name} | {min(one['shares']):.1%} | {one['true_kappa']:.2f} | {' | '.join(cells)} |"
        )
    means = [_cell(_mean([one["audits"][str(size)] for one in kept.values()])) for size in SIZES]
    return [*lines, f"| mean | | | {' | '.join(means)} |", ""]


def _mean(each: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    ways = {way: [one[way] for one in each] for way in each[0]}
    return {
        way: {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        for way, found in ways.items()
    }


def _cell(ways: dict[str, dict[str, float]]) -> str:
    said = "{error:.3f}, {coverage:.0%}, {width:.2f}"
    return "; ".join(said.format(**ways[way]) for way in ("weighted", "calibrated"))


if __name__ == "__main__":
    typer.run(main)

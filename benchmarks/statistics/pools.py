"""How exact is an audit, and how often does its interval hold the truth? On pools that are known.

    python -m benchmarks.statistics.pools

For each set and seed the product's choice and audit run for five rounds. In place of the LLM a
probe learns from what was chosen; after each round its kappa is estimated from all texts audited so
far. The truth is its kappa on every text that nothing could choose. Its threshold is set by the
true shares of the labels: what is compared are estimates of one version, not versions.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
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
from selection.bag import bag, rarity
from selection.calibrate import Unjudged
from selection.choose import ALWAYS, Plan, choose, drawn
from selection.config import Settings
from selection.embed import embed
from selection.kappa import kappas
from selection.permanent import permanent
from selection.probe import teach
from selection.types import Beliefs, Doubles, Estimate, Ints, Pool, Sample, Verdicts
from selection.words import by_words

OUT = Path("benchmarks/results/audits.json")
HOME = Path("build/benchmarks")
SETS = "rare,remorse,clickbait1,clickbait,gratitude,anger,davidson"
LIMIT = 12_000  # texts of a set
ROUNDS, SEEDS = 5, 20
PATIENCE = 2  # rounds, the product's default
RESAMPLES = 400
USELESS = 0.3  # deviations between the labels in the beliefs before anything is taught
Ways = dict[str, Estimate]


@dataclass(frozen=True)
class Look:
    """What is known after a round.

    round: its number. belief: (n, k) of the version about the audited texts. truth: (n,) their
    labels. weight: (n,) 1 / chance. others: texts that the version has read besides. kappa: the
    true one. then: (n, k) what the version PATIENCE rounds ago believes of the same texts.
    """

    round: int
    belief: Doubles
    truth: Ints
    weight: Doubles
    others: Unjudged
    kappa: float
    then: Doubles | None = None

    @property
    def told(self) -> tuple[Verdicts, Sample]:
        """What the audit tells."""
        n, k = self.belief.shape
        verdicts = Verdicts(self.truth[:, None].astype(np.int64), ("expert",), k)
        return verdicts, Sample(self.weight, np.arange(n))

    @property
    def ways(self) -> Ways:
        """Kappa by the weighted verdicts themselves, and by calibrated beliefs."""
        found = {}
        for way, said, others in (
            ("weighted", self.belief.argmax(axis=1), None),
            ("calibrated", self.belief, self.others),
        ):
            rng = np.random.default_rng(self.round)
            found[way] = model_alignment(
                said, *self.told, rng=rng, resamples=RESAMPLES, others=others
            )
        return found


def main(
    named: Annotated[str, typer.Option("--set", help="names between commas")] = SETS,
    folder: Annotated[Path, typer.Option(help="of the sets")] = FOLDER,
    out: Annotated[Path, typer.Option("--json")] = OUT,
) -> None:
    """Run the loops of each set, and keep what came out."""
    for name in named.split(","):
        data = sets.load(name, folder, LIMIT)
        figures = measured(look for seed in range(SEEDS) for look in loop(data, seed))
        kept = json.loads(out.read_text()) if out.is_file() else {}
        kept[name] = {"texts": len(data.texts), "rarest": round(float(data.shares.min()), 4),
                      "audits": figures}  # fmt: skip
        out.write_text(json.dumps(kept, indent=1) + "\n")
        print(name, json.dumps(figures), flush=True)


def loop(data: Labelled, seed: int) -> Iterator[Look]:
    """Run the rounds of one loop. Those in which the probe knows one label only show nothing."""
    settings, rng = Settings(seed=seed), np.random.default_rng([seed, 7])
    texts, truth, k = np.array(data.texts, dtype=object), data.experts[:, 0], len(data.names)
    vectors, bags = embed(data.texts, embedder="offline", home=HOME), bag(data.texts)
    rare = rarity(bags)
    read = partial(embed, embedder="offline", home=HOME)
    words = by_words(vectors, data.policy, data.names, read)
    ids = np.array([f"{row:06d}" for row in range(len(texts))])
    apart = rng.random(len(texts)) < 1 / 3
    rows = np.flatnonzero(~apart)
    pool = Pool(ids[rows], texts[rows])
    apart[rows[permanent(pool.ids, seed) < settings.audit_reserve]] = True  # never chosen
    belief = softmax(rng.normal(size=(len(texts), k)) + USELESS * np.eye(k)[truth], axis=1)
    bought, inclusion = np.zeros(len(rows), dtype=np.bool_), np.full(len(rows), np.nan)
    taught, trained = rows[:0], False
    versions: dict[int, Doubles] = {}
    for round in range(ROUNDS):
        plan = Plan(
            round, trained, bought, inclusion, settings.per_round, settings.audit_per_round,
            settings.audit_reserve, seed,
        )  # fmt: skip
        version = Beliefs(belief[rows], data.names, "probe", np.ones(len(rows), dtype=np.bool_))
        chosen, audited = choose(pool, vectors[rows], version, plan, words=words[rows])
        sample, stands_for = drawn(pool, version, plan, always=ALWAYS)  # as in the product
        bought = bought.copy()
        bought[chosen.row] = True
        inclusion = np.full(len(rows), np.nan)
        inclusion[audited.row] = audited.inclusion
        taught = np.concatenate([taught, rows[chosen.row[chosen.role == "train"]]])
        if len(np.unique(truth[taught])) < 2:
            continue
        logits = teach(bags[taught], vectors[taught], truth[taught], k, rare).logits(bags, vectors)
        shares = np.maximum(data.shares, 1e-3)
        offsets = match(logits[rows[sample]], shares / shares.sum(), weight=stands_for)
        belief, trained = softmax(logits + offsets, axis=1), True
        versions[round] = belief
        then = versions.get(round - PATIENCE)
        yield Look(
            round, belief[rows[audited.row]], truth[rows[audited.row]], 1 / audited.inclusion,
            Unjudged(belief[rows[sample]], stands_for), _kappa(belief[apart], truth[apart]),
            None if then is None else then[rows[audited.row]],
        )  # fmt: skip


def _kappa(belief: Doubles, truth: Ints) -> float:
    k = belief.shape[1]
    table = np.bincount(belief.argmax(axis=1) * k + truth, minlength=k * k)
    return float(kappas(table[None].astype(np.float64), k)[0])


def measured(looks: Iterator[Look]) -> dict[str, dict[str, object]]:
    """Return for each number of audited texts the mean true kappa, and what each way is worth.

    error: root of the mean square. coverage: share of the intervals that hold the truth.
    """
    true: dict[int, list[float]] = defaultdict(list)
    told: dict[int, dict[str, list[tuple[float, bool, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for look in looks:
        n = len(look.truth)
        true[n].append(look.kappa)
        for way, one in look.ways.items():
            if one.value is not None and one.low is not None and one.high is not None:
                held = one.low <= look.kappa <= one.high
                told[n][way].append((one.value - look.kappa, held, one.high - one.low))
    return {
        str(n): {
            "true_kappa": round(float(np.mean(true[n])), 3),
            "ways": {way: _figures(np.array(found)) for way, found in told[n].items()},
        }
        for n in sorted(told)
    }


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
    sizes = sorted(set.intersection(*(set(one["audits"]) for one in kept.values())), key=int)[1:]
    lines = [
        f"Audits of real pools whose labels are all known, in {SEEDS} loops a set with the "
        "product's choice and audit and a probe in place of the LLM. In each cell the error (root "
        "of the mean square), the share of the 95 % intervals that hold the truth, and their mean "
        "width: first by the weighted verdicts themselves, then by the beliefs that they "
        "calibrate, which is the product's way. Command: `python -m benchmarks.statistics.pools`.",
        "",
        f"| set | rarest label | {' | '.join(f'{n} audited texts' for n in sizes)} |",
        "|---|---|" + "---|" * len(sizes),
    ]
    for name, one in kept.items():
        cells = [_cell(one["audits"][n]["ways"]) for n in sizes]
        lines.append(f"| {name} | {one['rarest']:.1%} | {' | '.join(cells)} |")
    means = [_cell(_mean([one["audits"][n]["ways"] for one in kept.values()])) for n in sizes]
    return [*lines, f"| mean | | {' | '.join(means)} |", ""]


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

"""What the experiment prints: progress as lines, and its files as a table.

Beside the kappa of each model stand the people's own, and the differences of arms with intervals.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.headline.data import EXPERT, HARSH, Ground, majority, one_vote
from benchmarks.headline.model import RESAMPLES, as_verdicts, compare
from selection.align import model_alignment
from selection.types import Ints

# of arms: kappa of the second less that of the first
PAIRS = (("a", "c"), ("b", "c"), ("d", "c"), ("e", "c"), ("b", "e"), ("d", "b"))
EVERY = 30.0  # seconds between two lines of progress


class ProgressLines:
    """Prints the progress of a piece every EVERY seconds, with the time that is left."""

    def __init__(self, name: str) -> None:
        self._name, self._what, self._printed = name, "", 0.0
        self._since, self._first = time.monotonic(), 0

    def __call__(self, what: str, done: int, total: int, more: str) -> None:
        now = time.monotonic()
        if what != self._what or done < self._first:
            self._what, self._since, self._first = what, now, done
            self._printed = now - EVERY
        if now - self._printed < EVERY and done < total:
            return
        self._printed = now
        left = (now - self._since) / max(done - self._first, 1) * (total - done)
        tail = f", {left / 60:.1f} min left" if done > self._first else ""
        comment = f", {more}" if more else ""
        print(f"{self._name}: {what} {done} of {total}{comment}{tail}", flush=True)


def people(ground: Ground) -> dict[str, Any]:
    """Return how well people agree with the reference on the test texts, and these texts' ids."""
    reference = ground.reference

    def kappa(answers: Ints) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        found = model_alignment(answers, *as_verdicts(reference), rng=rng, resamples=RESAMPLES)
        return found.as_json()

    return {
        "kind": ground.kind,
        "test": ground.digest,
        "positives": int((reference == HARSH).sum()),
        "expert": kappa(majority(ground.test, EXPERT)),
        "other_expert": kappa(majority(ground.test, 1)),
        "one_rater": kappa(one_vote(ground.test, 0)),
        "ids": [one.id for one in ground.test],
        "reference": (reference == HARSH).astype(int).tolist(),
    }


def read(results: Path, kind: str) -> tuple[dict[str, Any], dict[Path, dict[str, Any]]]:
    """Return the people, and by file the pieces of a kind that were measured on the same texts."""
    known = json.loads((results / f"{kind}-people.json").read_text())
    found = {
        file: json.loads(file.read_text()) for file in sorted(results.glob(f"{kind}-?-*.json"))
    }
    return known, {file: one for file, one in found.items() if one["test"] == known["test"]}


def labels_of(known: dict[str, Any]) -> Ints:
    """Return (t,) labels of the test texts, as the people's file keeps them."""
    return np.where(np.array(known["reference"]) == 1, HARSH, 1 - HARSH).astype(np.int64)


def differences(known: dict[str, Any], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return kappa of one arm less another's with the same seed, on shared resamples."""
    reference = labels_of(known)
    scores = {(one["arm"], one["seed"]): np.array(one["predictions"]) for one in found}
    gains = []
    for less, more in PAIRS:
        for arm, seed in sorted(scores):
            other = scores.get((less, 0 if less == "a" else seed))
            if arm == more and other is not None:
                gain = compare(other, scores[arm, seed], reference)
                gains.append({"of": more, "less": less, "seed": seed, **gain.as_json()})
    return gains


def show(results: Path, kinds: list[str]) -> dict[str, Any]:
    """Print what there is of each kind. Return it, without the scores of single texts."""
    console, figures = Console(width=110), {}
    for kind in kinds:
        known, by_file = read(results, kind)
        found = list(by_file.values())
        gains = differences(known, found)
        console.print(_table(kind, known, found))
        for one in gains:
            value = _shown(one["value"], one["low"], one["high"])
            console.print(f"  {one['of']} less {one['less']}, seed {one['seed']}: {value}")
        short = [{k: v for k, v in one.items() if k != "predictions"} for one in found]
        figures[kind] = {
            "people": {k: v for k, v in known.items() if k not in ("ids", "reference")},
            "pieces": short,
            "differences": gains,
        }
    return figures


def _table(kind: str, known: dict[str, Any], found: list[dict[str, Any]]) -> Table:
    title = f"{kind}: kappa with the reference third on {len(known['ids'])} texts"
    table = Table("arm", "labels", "harsh", "kappa", "AUC", "peeking", "min", title=title)
    for name in ("one_rater", "expert", "other_expert"):
        one = known[name]
        table.add_row(name, "", "", _shown(one["value"], one["low"], one["high"]), "", "", "")
    for one in found:
        peeking = one["peeking_kappa_at_true_share"]
        table.add_row(
            f"{one['arm']} {one['seed']}",
            str(one["labels"]),
            str(one["positives"]),
            _shown(one["kappa"], one["low"], one["high"]),
            f"{one['auc']:.2f}",
            "-" if peeking is None else f"{peeking:.2f}",
            f"{one['seconds'] / 60:.0f}",
        )
    return table


def _shown(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


ARMS = {
    "a": "the prompted model",
    "b": "one rater's vote for every text",
    "c": "curated expert labels, through the loop",
    "d": "as many random expert labels",
    "e": "expert labels for every text",
}


def markdown(results: Path, kinds: Sequence[str]) -> str:
    """Return the chapter on the source's experiment; empty where nothing was measured."""
    lines = []
    for kind in kinds:
        if not (results / f"{kind}-people.json").exists():
            continue
        known, by_file = read(results, kind)
        found = list(by_file.values())
        lines += [
            f"### {kind.capitalize()}",
            "",
            f"Kappa with the reference third of raters on {len(known['ids'])} texts that no arm "
            f"trained on, {known['positives']} of them harsh.",
            "",
            "| | labels | harsh | kappa, 95 % | AUC | minutes |",
            "|---|---|---|---|---|---|",
        ]
        for name, words in (("one_rater", "one rater"), ("expert", "the expert who taught"),
                            ("other_expert", "another expert")):  # fmt: skip
            one = known[name]
            lines.append(f"| {words} | | | {_shown(one['value'], one['low'], one['high'])} | | |")
        for one in sorted(found, key=lambda one: (one["arm"], one["seed"])):
            lines.append(
                f"| ({one['arm']}) {ARMS[one['arm']]}, seed {one['seed']} | {one['labels']:,} | "
                f"{one['positives']} | {_shown(one['kappa'], one['low'], one['high'])} | "
                f"{one['auc']:.2f} | {one['seconds'] / 60:.0f} |"
            )
        missing = sorted(set(ARMS) - {one["arm"] for one in found})
        if missing:
            lines += ["", f"Not measured yet: ({'), ('.join(missing)})."]
        gains = [
            f"({one['of']}) less ({one['less']}) {_shown(one['value'], one['low'], one['high'])}"
            for one in differences(known, found)
        ]
        if gains:
            lines += ["", "Differences on the same texts: " + "; ".join(gains) + "."]
        lines.append("")
    if not lines:
        return ""
    head = [
        "## The source's experiment, with a real LLM",
        "",
        "SmolLM2-135M with LoRA on real votes (demo/ratings.py). Command: `python -m "
        "benchmarks.headline`; raw scores in `benchmarks/results/headline`.",
        "",
    ]
    return "\n".join(head + lines)

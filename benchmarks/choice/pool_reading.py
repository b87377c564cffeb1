"""Must the LLM read the whole pool before a choice, or can a probe answer for most of it?

    python -m benchmarks.choice.pool_reading [--kinds tweets editorials]     after headline's arm c

At one version of arm c the beliefs about the pool are computed in three ways: the LLM reads every
text; it reads 1,000, and the probe of selection/label.py answers for the rest, as in the product;
a probe trained on the experts' labels alone answers for all. For each way the result has the kappa
of the beliefs with the expert on texts that were not bought, and what the next round would buy:
how many texts, how many with the rare label, and how many whose belief was wrong.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import cohen_kappa_score

from benchmarks.choice.learner import learn
from benchmarks.headline.data import EXPERT, HARSH, load, majority
from benchmarks.headline.experiment import Piece, Setting, learner_of, loop, write
from benchmarks.headline.loop import Loop
from demo.question import LABELS, NOUNS
from selection.errors import CruxError, SettingError
from selection.types import Beliefs, Ints

OUT = Path("benchmarks/results/pool_reading.json")


def compare(ours: Loop, after: int) -> list[dict[str, Any]]:
    """Compare the three ways at the version after that round.

    Raises SettingError if there is no such round.
    """
    records = ours.records()
    if len(records) <= after:
        raise SettingError(
            f"Arm c has {len(records)} rounds, so there is no version after round {after} yet. "
            "Run: python -m benchmarks.headline --arms c"
        )
    names = [name for one in records[: after + 1] for name in one["ids"]]
    rows = np.array([ours.row_of[name] for name in names], dtype=np.int64)
    truth = majority(ours.rated, EXPERT)
    version = ours.version(after)
    alone = learn(ours.vectors[rows], truth[rows], ours.vectors, len(LABELS))
    ways = {
        "the LLM reads all": ours.beliefs(version, rows, len(ours.pool)),
        f"it reads {ours.terms.read_limit:,}, a probe the rest": ours.beliefs(version, rows),
        "a probe taught by experts alone": Beliefs(
            alone, LABELS, "probe", np.zeros(len(alone), dtype=np.bool_)
        ),
    }
    return [_way(name, ours, after, rows, truth, beliefs) for name, beliefs in ways.items()]


def _way(
    name: str, ours: Loop, after: int, rows: Ints, truth: Ints, beliefs: Beliefs
) -> dict[str, Any]:
    rest = np.setdiff1d(np.arange(len(truth)), rows)
    bought, _ = ours.buy(after + 1, rows.tolist(), beliefs)
    return {
        "beliefs": name,
        "labels": len(rows),
        "kappa": round(float(cohen_kappa_score(truth[rest], beliefs.predicted[rest])), 3),
        "texts": len(rest),
        "bought": len(bought),
        "harsh": int((truth[bought] == HARSH).sum()),
        "believed_wrong": int((truth[bought] != beliefs.predicted[bought]).sum()),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Compare on every kind, and keep the result."""
    parser = argparse.ArgumentParser(prog="benchmarks.choice.pool_reading", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--kinds", nargs="+", default=["tweets", "editorials"], choices=NOUNS)
    parser.add_argument("--after", type=int, default=2, help="round whose version is used")
    parser.add_argument("--json", type=Path, default=OUT, help="file of the result")
    asked = parser.parse_args(argv)
    setting = Setting()
    found = {}
    try:
        for kind in asked.kinds:
            piece, ground = Piece(kind, "c", 0), load(kind, setting.archive)
            ours = loop(piece, learner_of(piece, ground, setting), setting)
            found[kind] = compare(ours, asked.after)
            for one in found[kind]:
                print(kind, one, flush=True)
    except CruxError as error:
        raise SystemExit(str(error)) from None
    write(asked.json, found)


if __name__ == "__main__":
    main()

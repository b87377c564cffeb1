"""What the first round finds on the product's own words: positives among the texts that it buys.

    python -m benchmarks.loop.first_round [--set remorse]

The policy and the labels are those that a user would write (sets.py). The prompted model's beliefs
are stood in for by noise, as useless as a small model's are, or by better ones.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.choice.datasets import FOLDER
from benchmarks.loop import sets
from benchmarks.loop.ground import split
from selection.choose import RULE
from selection.config import Settings
from selection.embed import embed
from selection.start import start
from selection.types import Bools, Doubles, Floats
from selection.words import by_words

HOME = Path("build/benchmarks")
LIKELY = (1, 3, 5, RULE.likely, 10)
BELIEFS = {"useless": 0.3, "poor": 1.0, "good": 2.5}  # deviations between the labels' beliefs
SEEDS = 6


def main(
    named: Annotated[str, typer.Option("--set", help="names between commas")] = (
        "rare,remorse,clickbait,clickbait1,gratitude,anger,davidson"
    ),
    folder: Annotated[Path, typer.Option(help="of the sets")] = FOLDER,
) -> None:
    """Print the mean number of positives over seeds, by beliefs and by Rule.likely."""
    for name in named.split(","):
        ground = split(sets.load(name, folder))
        rare = ground.experts[:, 0] != ground.commonest
        vectors = embed(ground.texts, embedder="offline", home=HOME)
        words = by_words(
            vectors, ground.policy, ground.names, partial(embed, embedder="offline", home=HOME)
        )
        first, seeds = ground.commonest == 1, range(SEEDS)
        alone = words[:, 1 - ground.commonest]
        print(
            f"{name}: {len(rare):,} texts, {rare.mean():.1%} positive; the words alone: area under "
            f"the curve {roc_auc_score(rare, alone):.2f}, average precision "
            f"{average_precision_score(rare, alone):.2f}"
        )
        for kind, apart in BELIEFS.items():
            found = [
                np.mean([_positives(words, vectors, rare, apart, one, s, first) for s in seeds])
                for one in LIKELY
            ]
            each = ", ".join(f"{n}x {mean:.1f}" for n, mean in zip(LIKELY, found, strict=True))
            print(f"  {kind} beliefs: {each}", flush=True)


def _positives(
    words: Doubles, vectors: Floats, rare: Bools, apart: float, likely: int, seed: int, first: bool
) -> int:
    """first: whether the rare label is the first of the two."""
    rng = np.random.default_rng(seed)
    settings = Settings()
    odds = rng.normal(size=len(rare)) + apart * rare
    belief = 1 / (1 + np.exp(-odds))
    probability = np.stack([1 - belief, belief], axis=1)
    if first:
        probability = probability[:, ::-1]
    open_rows = rng.random(len(rare)) >= settings.audit_reserve
    rows, _ = start(
        vectors, probability, open_rows, settings.per_round, words=words,
        covered=vectors[:0], likely=likely, width=RULE.width,
    )  # fmt: skip
    return int(rare[rows].sum())


if __name__ == "__main__":
    typer.run(main)

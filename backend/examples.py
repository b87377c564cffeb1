"""Verdicts of a project's training tasks -> the examples that a version is trained on.

Several experts' verdicts on a task become one label by majority; ties are dropped and counted.
"""

from dataclasses import dataclass

import numpy as np

from backend.balance import pool_balance
from selection.collect import Collected
from selection.item import Item
from selection.types import NO_VERDICT, Doubles, Ints
from selection.verdict_table import majority, verdicts_of


@dataclass(frozen=True)
class Examples:
    """m training tasks with one label each.

    targets: (m,) positions in the labels. prior: (k,) the labels' shares in the pool, and drawn:
    how many equally likely draws they are worth (balance.py). ties: tasks left out since their
    experts tie.
    """

    items: list[Item]
    targets: Ints
    prior: Doubles
    drawn: float
    ties: int

    @property
    def enough(self) -> bool:
        """Whether there are at least two labels: one alone teaches nothing."""
        return len(set(self.targets.tolist())) > 1


def training_examples(collected: Collected, *, last: bool = False) -> Examples:
    """Return the training tasks with their labels by majority, and the pool's balance of labels.

    last: the audit teaches too, since nothing is measured after the loop.
    """
    items = [
        item for item in collected.items if item.verdicts and (last or item.card.role == "train")
    ]
    label, ties = majority(verdicts_of(items, len(collected.labels)))
    kept = np.flatnonzero(label != NO_VERDICT)
    chosen = [items[i] for i in kept]
    targets = label[kept]
    prior, drawn = pool_balance(collected)
    return Examples(chosen, targets, prior, drawn, ties)


def too_little(collected: Collected, examples: Examples) -> str:
    """Return what the training tasks lack, as a sentence."""
    names = {collected.labels[target] for target in examples.targets.tolist()}
    found = f"all {len(examples.items)} are {names.pop()!r}" if names else "there are none"
    return f"training needs verdicts of two labels at least, and {found}."

"""Verdicts of a project's training tasks -> the examples that a version is trained on.

Several experts' verdicts on a task become one label by majority; ties are dropped and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selection.collect import Collected
from selection.item import Item
from selection.types import NO_VERDICT, Doubles, Ints
from selection.verdict_table import majority, verdicts_of


@dataclass(frozen=True)
class Examples:
    """m training tasks with one label each.

    targets: (m,) positions in the labels. prior: (k,) the labels' shares in the pool, estimated
    from the first round's random sample. drawn: how many texts this sample is worth, 0 where there
    is none. ties: tasks left out since their experts tie.
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


def training_examples(collected: Collected) -> Examples:
    """Return the training tasks with their labels by majority, and the pool's balance of labels."""
    items = [item for item in collected.role("train") if item.verdicts]
    label, ties = majority(verdicts_of(items, len(collected.labels)))
    kept = np.flatnonzero(label != NO_VERDICT)
    chosen = [items[i] for i in kept]
    targets = label[kept]
    prior, drawn = pool_prior(chosen, targets, len(collected.labels))
    return Examples(chosen, targets, prior, drawn, ties)


def pool_prior(items: Sequence[Item], targets: Ints, k: int) -> tuple[Doubles, float]:
    """Return (k,) the share of each label in the pool, and how many random draws it stands on.

    It is estimated from the tasks that were drawn with known chances, the first round's
    (selection/stratify.py), so no item that measures a model is touched. They are weighted by
    1 / inclusion, and one item's weight is spread over all labels, so that a label that was not
    seen is rare and not impossible. The draws are counted as equally likely ones (Kish 1965).
    Where no task was drawn at random, the balance of the training labels themselves is returned,
    which stands on 0 draws.
    """
    drawn = [i for i, item in enumerate(items) if item.card.inclusion is not None]
    if not drawn:
        return (np.bincount(targets, minlength=k) + 1.0) / (len(targets) + k), 0.0
    weight = np.array([1.0 / (items[i].card.inclusion or 1.0) for i in drawn])
    share = np.bincount(targets[drawn], weights=weight, minlength=k) + weight.mean() / k
    return share / share.sum(), float(weight.sum() ** 2 / (weight**2).sum())


def too_little(collected: Collected, examples: Examples) -> str:
    """Return what the training tasks lack, as a sentence."""
    names = {collected.labels[target] for target in examples.targets.tolist()}
    found = f"all {len(examples.items)} are {names.pop()!r}" if names else "there are none"
    return f"training needs verdicts of two labels at least, and {found}."

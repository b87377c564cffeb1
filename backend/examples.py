"""Verdicts of a project's training tasks -> what there is to learn.

Several experts' verdicts on a task become one label by majority; ties are dropped and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selection.collect import Collected, Item, majority, verdicts_of
from selection.types import NO_VERDICT, Doubles, Ints


@dataclass(frozen=True)
class Lesson:
    """What a round teaches. texts, targets: of m training tasks. prior: (k,) labels' shares in
    the pool, estimated from the first round's random sample. drawn: texts that this sample is
    worth, 0 where there is none. ties: tasks left out as tied."""

    items: list[Item]
    targets: Ints
    prior: Doubles
    drawn: float
    ties: int

    @property
    def enough(self) -> bool:
        """Whether there are two labels at least: one alone teaches nothing."""
        return len(set(self.targets.tolist())) > 1


def learn(collected: Collected) -> Lesson:
    """Training tasks -> one label each by majority, and the pool's balance of labels."""
    items = [item for item in collected.role("train") if item.verdicts]
    label, ties = majority(verdicts_of(items, len(collected.labels)))
    kept = np.flatnonzero(label != NO_VERDICT)
    chosen = [items[i] for i in kept]
    targets = label[kept]
    prior, drawn = pool_prior(chosen, targets, len(collected.labels))
    return Lesson(chosen, targets, prior, drawn, ties)


def pool_prior(items: Sequence[Item], targets: Ints, k: int) -> tuple[Doubles, float]:
    """(k,) share of each label in the pool, from the tasks that were drawn with known chances, and
    how many equally likely draws these are worth (Kish 1965).

    Those are the first round's (selection/stratify.py), so no item that measures a model is
    touched. Weighted by 1 / inclusion, with one item's weight spread over all labels, so that a
    label which was not seen is rare and not impossible. Where no task was drawn at random, the
    balance of the training labels themselves, worth nothing.
    """
    drawn = [i for i, item in enumerate(items) if item.card.inclusion is not None]
    if not drawn:
        return (np.bincount(targets, minlength=k) + 1.0) / (len(targets) + k), 0.0
    weight = np.array([1.0 / (items[i].card.inclusion or 1.0) for i in drawn])
    share = np.bincount(targets[drawn], weights=weight, minlength=k) + weight.mean() / k
    return share / share.sum(), float(weight.sum() ** 2 / (weight**2).sum())


def too_little(collected: Collected, lesson: Lesson) -> str:
    """What the training tasks lack."""
    names = {collected.labels[target] for target in lesson.targets.tolist()}
    said = f"all {len(lesson.items)} are {names.pop()!r}" if names else "there are none"
    return f"training needs verdicts of two labels at least, and {said}."

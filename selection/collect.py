"""Tasks of the project -> what experts said of each text (item.py), and which round is complete.

Annotations that do not count are named. A skipped text is asked of somebody else, until everybody
who judges texts of its round has skipped or answered it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

import numpy as np

from selection.card import Card, read_card
from selection.item import Item, item_of
from selection.studio.api import Schema, Task
from selection.types import Bought, Doubles, Ints, Pool
from selection.verdict import LeftOut, sentences


@dataclass(frozen=True)
class Collected:
    """All bought texts by round and order.

    problems: sentences about what cannot count. left_out: the annotations among it.
    """

    items: tuple[Item, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def rounds(self) -> list[int]:
        """Rounds that have tasks, ascending."""
        return sorted({item.card.round for item in self.items})

    @property
    def last_round(self) -> int:
        """Newest round, -1 before the first."""
        return max(self.rounds, default=-1)

    def round(self, round: int) -> list[Item]:
        """Return the items of a round."""
        return [item for item in self.items if item.card.round == round]

    def until(self, round: int) -> "Collected":
        """Leave out the rounds after `round`."""
        kept = tuple(item for item in self.items if item.card.round <= round)
        return replace(self, items=kept)

    def complete(self, round: int) -> bool:
        """Whether every text of the round has the answers that it needs."""
        mine = self.round(round)
        return bool(mine) and all(item.done for item in mine)

    def waiting(self, round: int) -> int:
        """Return how many answers the round still lacks."""
        return sum(item.missing for item in self.round(round))

    @property
    def lost_labels(self) -> bool:
        """Whether verdicts are of labels that the project does not have (any more)."""
        return any(one.reason == "unknown" for one in self.left_out)

    def role(self, *roles: str) -> list[Item]:
        """Return the items of these roles."""
        return [item for item in self.items if item.card.role in roles]

    @property
    def labels_bought(self) -> int:
        """Number of verdicts that people gave, also of those that came too late to count."""
        return sum(one.kind != "skip" for item in self.items for one in item.answers)

    @property
    def bought(self) -> Bought:
        """What must not be bought again."""
        return Bought(
            frozenset(item.card.id for item in self.items),
            frozenset(item.text for item in self.items),
        )

    @property
    def newest(self) -> datetime:
        """When the last answer was given."""
        given = [one.given for item in self.items for one in item.answers if one.given]
        return datetime.fromisoformat(max(given)) if given else datetime.min.replace(tzinfo=UTC)

    @property
    def digest(self) -> str:
        """A name for all verdicts together: another one if any is corrected, added or deleted."""
        said = sorted(
            (item.card.id, expert, self.labels[label])
            for item in self.items
            for expert, label in item.verdicts.items()
        )
        return blake2b(repr(said).encode(), digest_size=6).hexdigest()

    def taught(self, pool: Pool) -> tuple[Ints, Ints]:
        """Return rows and labels that experts gave for training, unless experts differ."""
        row_of = _rows(pool)
        found = [
            (row_of[item.card.id], next(iter(item.verdicts.values())))
            for item in self.role("train")
            if len(set(item.verdicts.values())) == 1 and item.card.id in row_of
        ]
        rows, labels = zip(*found, strict=True) if found else ((), ())
        return np.array(rows, dtype=np.int64), np.array(labels, dtype=np.int64)

    def regions(self, pool: Pool) -> tuple[Ints, tuple[str, ...]]:
        """Return the rows that were bought in a region of confusion, and the name of each's."""
        row_of = _rows(pool)
        found = [
            (row_of[item.card.id], item.card.region)
            for item in self.items
            if item.card.region and item.card.id in row_of
        ]
        rows, names = zip(*found, strict=True) if found else ((), ())
        return np.array(rows, dtype=np.int64), tuple(names)

    def inclusion(self, pool: Pool) -> Doubles:
        """Return (n,) the chance of each audited row, NaN elsewhere."""
        row_of = _rows(pool)
        inclusion = np.full(len(pool), np.nan)
        for item in self.role("audit"):
            if item.card.id in row_of and item.card.inclusion is not None:
                inclusion[row_of[item.card.id]] = item.card.inclusion
        return inclusion


def _rows(pool: Pool) -> dict[str, int]:
    return {str(name): row for row, name in enumerate(pool.ids)}


def collect(tasks: Sequence[Task], schema: Schema, *, imported: bool = False) -> Collected:
    """Read every card and every annotation. Raises ProjectError for a damaged card.

    imported: whether imported annotations count (verdict.py).
    """
    problems = []
    twins: dict[str, list[tuple[Task, Card]]] = {}  # id in the pool -> its tasks
    for task in tasks:
        card = read_card(task.id, task.crux)
        if card is None:
            continue
        if not isinstance(task.data.get(schema.text_field), str):
            problems.append(f"Task {task.id} has no text in '{schema.text_field}'; left out.")
            continue
        twins.setdefault(card.id, []).append((task, card))
    items, left_out = [], []
    for mine in twins.values():
        mine.sort(key=lambda one: (one[1].twin or 0, one[0].id))
        item, faults = item_of(mine, schema, imported)
        items.append(item)
        left_out += faults
    items.sort(key=lambda item: (item.card.round, item.card.order, item.task))
    problems += sentences(left_out, schema.labels)
    return Collected(_with_missing(items), schema.labels, tuple(problems), tuple(left_out))


def _with_missing(items: Sequence[Item]) -> tuple[Item, ...]:
    """Say of each item what it waits for, which depends on who judges texts of its round.

    Somebody who only skips is no judge, unless nobody is.
    """
    seen: dict[int, set[str]] = defaultdict(set)
    judges: dict[int, set[str]] = defaultdict(set)
    for item in items:
        seen[item.card.round] |= item.present
        judges[item.card.round] |= item.present & item.verdicts.keys()
    people = {round: judges[round] or seen[round] for round in seen}
    return tuple(replace(one, missing=one.lacks(people[one.card.round])) for one in items)

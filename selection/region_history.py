"""Verdicts -> how the model and the experts did in each region of confusion, round by round.

The belief on a card is older than its verdict, so each round tests the version that chose it. As at
the boundary (backend/evaluate.py) only blind answers count: a visible belief sways the expert. A
region that the newest choice no longer finds is solved, as far as that choice can tell.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selection.collect import Collected
from selection.item import Item
from selection.types import NO_VERDICT
from selection.verdict_table import majority, verdicts_of


@dataclass(frozen=True)
class RegionRound:
    """A region in one round. asked: texts. judged: those that were answered blind and have a label
    by majority. right: of these, those to which the version that chose them gave that label."""

    round: int
    asked: int
    judged: int
    right: int


@dataclass(frozen=True)
class RegionHistory:
    """A region over the rounds.

    share: of the pool, estimated in the newest round that found the region, 0 to 1. still: whether
    the newest choice found it. twice: texts with several verdicts; alike: of these, those on which
    all agree.
    """

    name: str
    share: float
    rounds: tuple[RegionRound, ...]
    still: bool
    twice: int
    alike: int

    @property
    def asked(self) -> int:
        """Texts that were bought in it."""
        return sum(one.asked for one in self.rounds)

    @property
    def model(self) -> str:
        """How often the model was right, first and last: '5 of 12, then 9 of 14'."""
        told = [f"{one.right} of {one.judged}" for one in self.rounds if one.judged]
        return ", then ".join((*told[:1], *told[1:][-1:])) or "–"

    @property
    def experts(self) -> str:
        """On how many texts the experts agreed: '3 of 4'."""
        return f"{self.alike} of {self.twice}" if self.twice else "–"

    @property
    def state(self) -> str:
        """Whether the region is still there."""
        return "still there" if self.still else f"last found in round {self.rounds[-1].round}"


def region_histories(collected: Collected) -> tuple[RegionHistory, ...]:
    """Return the regions that are still there first, the largest before the others."""
    regions: dict[str, list[Item]] = defaultdict(list)
    for item in collected.items:
        if item.card.region:
            regions[item.card.region].append(item)
    newest = collected.last_round
    found = [_history(name, items, collected.labels, newest) for name, items in regions.items()]
    return tuple(sorted(found, key=lambda one: (not one.still, -one.share, one.name)))


def _history(
    name: str, items: Sequence[Item], labels: Sequence[str], newest: int
) -> RegionHistory:
    rounds = sorted({item.card.round for item in items})
    last = [item for item in items if item.card.round == rounds[-1]]
    several = [item for item in items if len(item.verdicts) > 1]
    return RegionHistory(
        name,
        last[0].card.region_share,
        tuple(_round(round, items, labels) for round in rounds),
        rounds[-1] == newest,
        len(several),
        sum(len(set(item.verdicts.values())) == 1 for item in several),
    )


def _round(round: int, items: Sequence[Item], labels: Sequence[str]) -> RegionRound:
    mine = [item for item in items if item.card.round == round]
    blind = [item for item in mine if item.card.blind]
    label, _ = majority(verdicts_of(blind, len(labels)))
    said = [(blind[i].card.belief, labels[label[i]]) for i in np.flatnonzero(label != NO_VERDICT)]
    right = sum(max(belief, key=belief.__getitem__) == expert for belief, expert in said)
    return RegionRound(round, len(mine), len(said), right)

"""The order of a round: what will be pushed, kept in a file so that a cut-off push can go on."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from selection.backend_client import Scores
from selection.card import Card
from selection.collect import Collected
from selection.config import Settings
from selection.errors import RoundError, SettingError
from selection.preannotation import shown
from selection.second import asks_all
from selection.types import Audit, Choice, Pool
from selection.whole_file import whole_file


@dataclass(frozen=True)
class Order:
    """Everything that a round pushes. texts: one for each card. inclusion: id -> new chance of
    tasks that earlier rounds audited."""

    round: int
    cards: tuple[Card, ...]
    texts: tuple[str, ...]
    inclusion: dict[str, float]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all. Raises RoundError on a full disk."""
        try:
            with whole_file(path) as file:
                file.write_text(json.dumps(asdict(self)), encoding="utf-8")
        except OSError as error:
            raise RoundError(
                f"Cannot write the round to {path}: {error.strerror or error}. Free some space "
                f"and run crux round again; nothing was pushed."
            ) from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `save` wrote. Raises RoundError if it is damaged."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            cards = tuple(Card.from_json(card) for card in body["cards"])
            texts = tuple(body["texts"])
            if len(texts) != len(cards):
                raise ValueError(f"{len(cards)} cards for {len(texts)} texts")
            return cls(body["round"], cards, texts, body["inclusion"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RoundError(
                f"The round's file {path} is damaged ({error}). Delete it and run crux round "
                f"again: the choice is made anew."
            ) from None


def make_order(
    round: int,
    pool: Pool,
    choice: Choice,
    sample: Audit,
    scores: Iterable[Scores],
    settings: Settings,
    *,
    policy: str,
    visible: bool,
    second: float,
) -> Order:
    """Write a card for every chosen row, and the new chances of rows audited before.

    sample: all rows audited so far. scores: of the chosen texts in their order, in parts that
    different versions may have answered. policy: hash of the policy. visible: whether experts may
    see the model's answers to training texts (preannotation.py). second: chance that an audited
    text is judged by `settings.experts` experts instead of one (second.py).
    """
    beliefs = (
        (part.version, dict(zip(part.labels, row, strict=True)))
        for part in scores
        for row in np.round(part.probability, 4).tolist()
    )
    cards = []
    for i, (row, (version, belief)) in enumerate(zip(choice.row.tolist(), beliefs, strict=True)):
        role, chance = str(choice.role[i]), float(choice.inclusion[i])
        name, pair = str(pool.ids[row]), str(choice.pair[i])
        cards.append(
            Card(
                id=name,
                round=round,
                order=i,
                role=role,
                pair=pair,
                inclusion=None if np.isnan(chance) else chance,
                experts=settings.experts if role == "audit" and asks_all(name, second) else 1,
                version=version,
                belief=belief,
                why=str(choice.why[i]),
                seed=settings.seed,
                reserve=settings.audit_reserve,
                hidden=role == "train" and not (visible and shown(pair, settings.blind_share)),
                policy=policy,
                twin=0,
                second=second if role == "audit" else 1.0,
                region=str(choice.region[i]),
                region_share=float(choice.share[i]),
            )
        )
    new = {card.id for card in cards}
    chances = zip(map(str, pool.ids[sample.row]), sample.inclusion.tolist(), strict=True)
    moved = {name: chance for name, chance in chances if name not in new}
    return Order(round, tuple(cards), tuple(map(str, pool.texts[choice.row])), moved)


def rebuilt(collected: Collected, round: int) -> Order:
    """Return the order of a round whose file is lost: what has arrived of it is the round."""
    items = [item for item in collected.items if item.card.round == round]
    return Order(round, tuple(i.card for i in items), tuple(i.text for i in items), {})


def require_same_draw(settings: Settings, collected: Collected) -> None:
    """Raise SettingError unless all rounds have the same seed and reserve: the chances need it."""
    for item in collected.items:
        drawn = (item.card.seed, item.card.reserve)
        if drawn != (settings.seed, settings.audit_reserve):
            raise SettingError(
                f"seed = {settings.seed} and audit_reserve = {settings.audit_reserve} differ from "
                f"round {item.card.round}'s {drawn[0]} and {drawn[1]}. With others the audit's "
                f"chances, and so production kappa, would be wrong: set them back."
            )

"""What Crux writes into a task: `meta.crux` for itself, flat `data` columns for people.

Label Studio is the database, so this card is the only record of why a task was chosen. `meta` is
not shown while labelling; `data` columns sort and filter in the Data Manager.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from selection.errors import ProjectError

ROLES = ("train", "audit")
ROUND_COLUMN, ORDER_COLUMN, ID_COLUMN = "crux_round", "crux_order", "crux_id"
REGION_COLUMN = "crux_region"
WORDS = ("pair", "version", "why", "policy", "region")  # fields that are strings, "" among them
# In the JSON, but no field: `blind` follows from role and hidden; old cards have a `stratum`.
IGNORED = ("blind", "stratum")


@dataclass(frozen=True)
class Card:
    """One task's card. id: of the pool. round, order: when it was bought and shown.

    role: 'train' (chosen: it tests the version that chose it, then teaches) or 'audit' (drawn at
    random to measure production, blind). experts: how many are asked. second: chance with which
    that was all experts instead of one.
    pair: its name; the id if the task stands alone. inclusion: probability with which it was
    drawn, None if it was not drawn at random. belief: what `version` thought of each label. why:
    one sentence. seed, reserve: of the audit's draw, which may not change between rounds. hidden:
    a training text whose pre-annotation is not shown. policy: hash of the policy under which it
    was pushed. twin: 0 for the first task of a text, 1 for the next, each for one person; None for
    a task of an older Crux, which asks all of its experts. region: of confusion, "" for none;
    region_share: that region's estimated part of the pool, 0 to 1.
    """

    id: str
    round: int
    order: int
    role: str
    pair: str
    inclusion: float | None
    experts: int
    version: str
    belief: dict[str, float]
    why: str
    seed: int
    reserve: float
    hidden: bool = False
    policy: str = ""
    twin: int | None = None
    second: float = 1.0
    region: str = ""
    region_share: float = 0.0

    @property
    def blind(self) -> bool:
        """Whether experts must answer without seeing what the model thinks."""
        return self.role != "train" or self.hidden

    @property
    def places(self) -> int:
        """How many people may answer this very task."""
        return self.experts if self.twin is None else 1

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Read the JSON of a card. Raises TypeError or ValueError if it is not one."""
        known = {name: value for name, value in body.items() if name not in IGNORED}
        if known.get("role") == "boundary":  # an older Crux kept such pairs from teaching
            known |= {"role": "train", "hidden": True}
        card = cls(**known)
        fault = _fault(card)
        if fault:
            raise ValueError(fault)
        return card

    def as_meta(self) -> dict[str, object]:
        """Return the task's `meta`."""
        return {"crux": {**asdict(self), "blind": self.blind}}

    def as_columns(self) -> dict[str, int | str]:
        """Return the flat columns of the task's `data`."""
        return {
            ROUND_COLUMN: self.round, ORDER_COLUMN: self.order, ID_COLUMN: self.id,
            REGION_COLUMN: self.region,
        }  # fmt: skip


def read_card(task: int, crux: Mapping[str, Any] | None) -> Card | None:
    """Read the card in a task's meta.crux; None for tasks that Crux did not push.

    Raises ProjectError if somebody changed it into something that is not a card.
    """
    if crux is None:
        return None
    try:
        return Card.from_json(crux)
    except (TypeError, ValueError) as error:
        raise ProjectError(
            f"The meta.crux of task {task} is damaged ({error}). Restore it, or delete the task: "
            f"the next round can buy its text again."
        ) from None


def _fault(card: Card) -> str:
    """Name the first field whose value no card can have: anybody can write into a task's meta."""
    chance, belief = card.inclusion, card.belief

    def is_chance(value: object) -> bool:
        return isinstance(value, (int, float)) and 0 < value <= 1

    sound = {
        "id": isinstance(card.id, str) and card.id != "",
        **{name: isinstance(getattr(card, name), str) for name in WORDS},
        "round": _is_whole(card.round, 0),
        "order": _is_whole(card.order, 0),
        "experts": _is_whole(card.experts, 1),
        "seed": _is_whole(card.seed, 0),
        "reserve": isinstance(card.reserve, float),
        "inclusion": chance is None or is_chance(chance),
        "second": is_chance(card.second),
        "hidden": isinstance(card.hidden, bool),
        "region_share": isinstance(card.region_share, (int, float)) and 0 <= card.region_share <= 1,
        "twin": card.twin is None or _is_whole(card.twin, 0),
        "belief": isinstance(belief, dict)
        and len(belief) > 0
        and all(isinstance(value, (int, float)) for value in belief.values()),
    }
    if card.role not in ROLES:
        return f"the role is {card.role!r}, not one of {', '.join(ROLES)}"
    wrong = next((name for name, good in sound.items() if not good), None)
    return "" if wrong is None else f"{wrong} is {getattr(card, wrong)!r}"


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least

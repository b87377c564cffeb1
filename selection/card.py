"""What Crux writes into a task: `meta.crux` for itself, flat `data` columns for people.

Label Studio is the database, so this card is the only record of why a task was chosen. `meta` is
not shown while labelling; `data` columns sort and filter in the Data Manager.
"""

from dataclasses import asdict, dataclass
from typing import Any

from selection.errors import ProjectError

ROLES = ("train", "boundary", "audit")
ROUND_COLUMN, ORDER_COLUMN, ID_COLUMN = "crux_round", "crux_order", "crux_id"


@dataclass(frozen=True)
class Card:
    """One task's card. id: of the pool. round, order: when it was bought and shown.

    role: 'train' (pre-annotated, answered once), 'boundary' or 'audit' (blind, answered by
    `experts` experts). pair: its name, the id where it stands alone. inclusion: probability with
    which it was drawn, None where it was not drawn at random. stratum: label predicted when drawn.
    belief: what `version` thought of each label. why: one sentence. seed, reserve: of the audit's
    draw, which may not change between rounds.
    """

    id: str
    round: int
    order: int
    role: str
    pair: str
    inclusion: float | None
    stratum: str
    experts: int
    version: str
    belief: dict[str, float]
    why: str
    seed: int
    reserve: float

    @property
    def blind(self) -> bool:
        """Whether experts must answer without seeing what the model thinks."""
        return self.role != "train"

    def as_meta(self) -> dict[str, Any]:
        """The task's `meta`."""
        return {"crux": {**asdict(self), "blind": self.blind}}

    def as_columns(self) -> dict[str, Any]:
        """The flat columns of the task's `data`."""
        return {ROUND_COLUMN: self.round, ORDER_COLUMN: self.order, ID_COLUMN: self.id}


def read_card(task: int, crux: dict[str, Any] | None) -> Card | None:
    """The card in a task's meta.crux; None for tasks that Crux did not push.

    Raises ProjectError if somebody changed it into something that is not a card.
    """
    if crux is None:
        return None
    fields = {key: value for key, value in crux.items() if key != "blind"}
    try:
        card = Card(**fields)
    except TypeError as error:
        raise _damaged(task, str(error)) from None
    fault = _fault(vars(card))
    if fault:
        raise _damaged(task, fault)
    return card


def _damaged(task: int, what: str) -> ProjectError:
    return ProjectError(
        f"The meta.crux of task {task} is damaged ({what}). Restore it, or delete the task: "
        f"the next round can buy its text again."
    )


def _fault(card: dict[str, Any]) -> str:
    """The first field whose value no card can have; anybody can write into a task's meta."""
    chance, belief = card["inclusion"], card["belief"]
    sound = {
        "id": isinstance(card["id"], str) and card["id"] != "",
        **{name: isinstance(card[name], str) for name in ("pair", "stratum", "version", "why")},
        "round": _is_whole(card["round"], 0),
        "order": _is_whole(card["order"], 0),
        "experts": _is_whole(card["experts"], 1),
        "seed": _is_whole(card["seed"], 0),
        "reserve": isinstance(card["reserve"], float),
        "inclusion": chance is None or (isinstance(chance, (int, float)) and 0 < chance <= 1),
        "belief": isinstance(belief, dict)
        and len(belief) > 0
        and all(isinstance(value, (int, float)) for value in belief.values()),
    }
    if card["role"] not in ROLES:
        return f"the role is {card['role']!r}, not one of {', '.join(ROLES)}"
    return next((f"{name} is {card[name]!r}" for name, good in sound.items() if not good), "")


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least

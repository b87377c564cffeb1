"""A judged text -> what the page says of it: what the model believes, what experts said."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from selection.collect import Collected
from selection.item import Item
from selection.report.labels import COLOURS
from selection.report.reread import Reread
from selection.status import Status
from selection.wording import percent

MOST_CHARACTERS, MOST_LABELS = 600, 4


@dataclass(frozen=True)
class Bar:
    """P(label) by the model. colour: number of the label's colour. pick: the most probable one."""

    label: str
    colour: int
    probability: float
    pick: bool


@dataclass(frozen=True)
class Said:
    """What an expert said. short: the expert's short name. differs: from the model's pick."""

    expert: str
    short: str
    label: str
    differs: bool


@dataclass(frozen=True)
class Context:
    """What all texts of a page share.

    in_force: the current version. taught_until: newest round whose training texts taught it, -1
    for a prompted one. names: expert -> short name.
    """

    labels: Sequence[str]
    names: Mapping[str, str]
    reread: Reread
    in_force: str
    taught_until: int

    @classmethod
    def of(cls, status: Status, collected: Collected, reread: Reread) -> Self:
        """Collect it."""
        trained = [
            one.record.round for one in status.rounds if one.record.candidate == status.current
        ]
        names, until = short_names(collected), max(trained, default=-1)
        return cls(collected.labels, names, reread, status.current, until)


@dataclass(frozen=True)
class Text:
    """A text as far as it may be seen.

    more: how many characters are cut off. waits: what for; then all that follows is empty. version:
    whose belief it is. in_force: whether that is the current one. before: what an earlier one had
    believed, in words. taught: whether its verdict taught the current one.
    """

    task: int
    text: str
    more: int
    waits: str = ""
    version: str = ""
    in_force: bool = False
    before: str = ""
    why: str = ""
    beliefs: tuple[Bar, ...] = ()
    said: tuple[Said, ...] = ()
    skipped: bool = False
    taught: bool = False

    @property
    def differs(self) -> bool:
        """Whether an expert contradicts the model."""
        return any(one.differs for one in self.said)

    @property
    def wrong(self) -> bool:
        """Whether no expert says what the model says."""
        return bool(self.said) and all(one.differs for one in self.said)

    @property
    def pick(self) -> Bar | None:
        """What the model says."""
        return next((one for one in self.beliefs if one.pick), None)


def text_of(item: Item, context: Context) -> Text:
    """Return what may be told of a judged text, by the version in force if it was read again."""
    card = item.card
    again = context.reread.beliefs.get(card.id)
    belief = card.belief if again is None else again
    version = card.version if again is None else context.reread.version
    pick = _pick(belief)
    given = [(expert, context.labels[label]) for expert, label in item.verdicts.items()]
    return Text(
        item.task,
        *cut(item.text),
        version=version,
        in_force=version == context.in_force,
        before=_before(card.version, card.belief) if version != card.version else "",
        why=card.why,
        beliefs=_bars(belief, pick, context.labels),
        said=tuple(
            Said(expert, context.names[expert], label, label != pick) for expert, label in given
        ),
        skipped=item.done and not item.verdicts,
        taught=card.role == "train"
        and _is_clear(item.verdicts.values())
        and card.round <= context.taught_until,
    )


def _is_clear(given: Iterable[int]) -> bool:
    """Whether one label was given most often: only such a text teaches."""
    most = [count for _, count in Counter(given).most_common(2)]
    return len(most) == 1 or (len(most) == 2 and most[0] > most[1])


def short_names(collected: Collected) -> dict[str, str]:
    """Full name -> the part of an e-mail address before the @, where that tells experts apart."""
    full = {one.expert for item in collected.items for one in item.answers}
    seen = Counter(expert.split("@")[0] for expert in full)
    return {one: one.split("@")[0] if seen[one.split("@")[0]] == 1 else one for one in full}


def cut(text: str) -> tuple[str, int]:
    """Return the beginning of the text, and how many characters follow it."""
    if len(text) <= MOST_CHARACTERS:
        return text, 0
    return text[:MOST_CHARACTERS].rstrip(), len(text) - MOST_CHARACTERS


def _pick(belief: Mapping[str, float]) -> str:
    return max(belief, key=belief.__getitem__) if belief else ""


def _before(version: str, belief: Mapping[str, float]) -> str:
    pick = _pick(belief)
    return f"{version} had believed {pick} {percent(belief[pick])}" if pick else ""


def _bars(belief: Mapping[str, float], pick: str, labels: Sequence[str]) -> tuple[Bar, ...]:
    """In the project's order; of many labels the most probable ones."""
    order = {label: n for n, label in enumerate(labels)}
    top = sorted(belief, key=lambda label: -belief[label])[:MOST_LABELS]
    return tuple(
        Bar(label, order.get(label, COLOURS - 1) % COLOURS, belief[label], label == pick)
        for label in sorted(top, key=lambda label: order.get(label, len(order)))
    )

"""The newest round -> its pairs and single texts: what the model believed, what experts said.

Experts may open the report, so what they must not know yet is not in the file at all: while a
blind text of a pair lacks an answer, no belief, no reason and no answer of the pair is written.
(The two of a pair were believed to differ, so one of them would tell the other.)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selection.collect import Collected, Item
from selection.push import tab_title
from selection.report.html import counted
from selection.report.labels import COLOURS, USES

MOST_PAIRS, MOST_SINGLES, MOST_CHARACTERS, MOST_LABELS = 60, 200, 600, 4


@dataclass(frozen=True)
class Belief:
    """P(label) by the model. colour: number of the label's colour. pick: the most probable one."""

    label: str
    colour: int
    probability: float
    pick: bool


@dataclass(frozen=True)
class Answer:
    """What an expert said. short: the expert's short name. differs: from the model's pick."""

    expert: str
    short: str
    label: str
    differs: bool


@dataclass(frozen=True)
class Text:
    """A text as far as it may be seen.

    more: how many characters are cut off. waits: what for; then all that follows is empty.
    """

    task: int
    text: str
    more: int
    waits: str = ""
    version: str = ""
    why: str = ""
    beliefs: tuple[Belief, ...] = ()
    answers: tuple[Answer, ...] = ()
    skipped: bool = False

    @property
    def differs(self) -> bool:
        """Whether an expert contradicts the model."""
        return any(answer.differs for answer in self.answers)


@dataclass(frozen=True)
class Entry:
    """The two texts of a pair, or a single one."""

    role: str
    blind: bool
    texts: list[Text]

    @property
    def use(self) -> str:
        """What the texts were bought for."""
        return USES[self.role]

    @property
    def differs(self) -> bool:
        """Whether an expert contradicts the model on one of the texts."""
        return any(text.differs for text in self.texts)

    @property
    def rank(self) -> int:
        """Where experts contradict the model first, what must not be seen yet last."""
        if any(text.waits for text in self.texts):
            return 3
        if self.differs:
            return 0
        return 1 if any(text.answers for text in self.texts) else 2


@dataclass(frozen=True)
class NewestRound:
    """What the page shows of it. tab: its tab in the Data Manager. more_…: those left out."""

    lead: str
    tab: str
    pairs: list[Entry]
    more_pairs: int
    singles: list[Entry]
    more_singles: int


def newest_round(collected: Collected) -> NewestRound | None:
    """Return what experts may see of the newest round; None before the first."""
    if not collected.items:
        return None
    round = collected.last_round
    mine = [item for item in collected.items if item.card.round == round]
    shown = [item for item in mine if item.card.role != "audit"]
    groups: dict[str, list[Item]] = {}
    for item in shown:
        groups.setdefault(item.card.pair, []).append(item)
    pairs = [group for group in groups.values() if len(group) == 2]
    singles = [[item] for group in groups.values() if len(group) != 2 for item in group]
    experts = _short_names(collected)
    pair_entries = _entries(pairs, collected.labels, experts)
    single_entries = _entries(singles, collected.labels, experts)
    lead = (
        f"Round {round} holds {counted(len(pairs), 'pair')}, "
        f"{counted(len(singles), 'single text')} "
        f"and {counted(len(mine) - len(shown), 'audit text')} (drawn at random, not listed here). "
        + _differing([*pair_entries, *single_entries])
    )
    return NewestRound(
        lead,
        tab_title(round),
        pair_entries[:MOST_PAIRS],
        max(len(pairs) - MOST_PAIRS, 0),
        single_entries[:MOST_SINGLES],
        max(len(singles) - MOST_SINGLES, 0),
    )


def _short_names(collected: Collected) -> dict[str, str]:
    """Full name -> the part of an e-mail address before the @, where that tells experts apart."""
    full = {expert for item in collected.items for expert in item.verdicts}
    seen = Counter(expert.split("@")[0] for expert in full)
    return {one: one.split("@")[0] if seen[one.split("@")[0]] == 1 else one for one in full}


def _entries(
    groups: Sequence[Sequence[Item]], labels: Sequence[str], experts: Mapping[str, str]
) -> list[Entry]:
    """The groups as entries, by rank."""
    entries = [_entry(group, labels, experts) for group in groups]
    return sorted(entries, key=lambda entry: entry.rank)


def _entry(group: Sequence[Item], labels: Sequence[str], experts: Mapping[str, str]) -> Entry:
    card = group[0].card
    if any(item.card.blind and not item.done for item in group):
        return Entry(card.role, card.blind, [_hidden_text(item) for item in group])
    return Entry(card.role, card.blind, [_text(item, labels, experts) for item in group])


def _hidden_text(item: Item) -> Text:
    if item.done:
        waits = "blind until the other text of the pair is answered"
    else:
        answers = counted(item.card.experts, "answer")
        waits = f"blind until answered ({item.answered} of {answers} there)"
    return Text(item.task, *_cut(item.text), waits)


def _text(item: Item, labels: Sequence[str], experts: Mapping[str, str]) -> Text:
    belief = item.card.belief
    pick = max(belief, key=belief.__getitem__) if belief else ""
    return Text(
        item.task,
        *_cut(item.text),
        version=item.card.version,
        why=item.card.why,
        beliefs=_beliefs(belief, pick, labels),
        answers=tuple(
            Answer(expert, experts[expert], labels[label], labels[label] != pick)
            for expert, label in item.verdicts.items()
        ),
        skipped=item.done and not item.verdicts,
    )


def _cut(text: str) -> tuple[str, int]:
    """The beginning of the text, and how many characters follow it."""
    if len(text) <= MOST_CHARACTERS:
        return text, 0
    return text[:MOST_CHARACTERS].rstrip(), len(text) - MOST_CHARACTERS


def _beliefs(belief: Mapping[str, float], pick: str, labels: Sequence[str]) -> tuple[Belief, ...]:
    """In the project's order; of many labels the most probable ones."""
    order = {label: n for n, label in enumerate(labels)}
    top = sorted(belief, key=lambda label: -belief[label])[:MOST_LABELS]
    return tuple(
        Belief(label, order.get(label, COLOURS - 1) % COLOURS, belief[label], label == pick)
        for label in sorted(top, key=lambda label: order.get(label, len(order)))
    )


def _differing(entries: Sequence[Entry]) -> str:
    answered = [text for entry in entries for text in entry.texts if text.answers]
    if not answered:
        return ""
    other = sum(text.differs for text in answered)
    if not other:
        return "Experts agree with the model on every text that is answered."
    return (
        f"Of {counted(len(answered), 'answered text')}, experts contradict the model on {other}, "
        "shown first."
    )

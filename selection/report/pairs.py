"""The newest round -> its pairs and single texts: what the model believes, what experts said."""

from collections.abc import Sequence
from dataclasses import dataclass

from selection.collect import Collected
from selection.item import Item
from selection.push import tab_title
from selection.report.blind import grouped, hidden
from selection.report.labels import USES
from selection.report.texts import Context, Text, cut, text_of
from selection.wording import counted

MOST_PAIRS, MOST_SINGLES = 60, 200


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
        return 1 if any(text.said for text in self.texts) else 2


@dataclass(frozen=True)
class NewestRound:
    """What the page shows of it. tab: its tab in the Data Manager. more_…: those left out."""

    lead: str
    tab: str
    pairs: list[Entry]
    more_pairs: int
    singles: list[Entry]
    more_singles: int


def newest_round(collected: Collected, context: Context) -> NewestRound | None:
    """Return what experts may see of the newest round; None before the first."""
    if not collected.items:
        return None
    round = collected.last_round
    mine = collected.round(round)
    shown = [item for item in mine if item.card.role != "audit"]
    groups = grouped(shown)
    pairs = [group for group in groups if len(group) == 2]
    singles = [[item] for group in groups if len(group) != 2 for item in group]
    pair_entries = _entries(pairs, context)
    single_entries = _entries(singles, context)
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


def _entries(groups: Sequence[Sequence[Item]], context: Context) -> list[Entry]:
    """The groups as entries, by rank."""
    entries = [_entry(group, context) for group in groups]
    return sorted(entries, key=lambda entry: entry.rank)


def _entry(group: Sequence[Item], context: Context) -> Entry:
    card = group[0].card
    if hidden(group):
        return Entry(card.role, card.blind, [_hidden_text(item) for item in group])
    return Entry(card.role, card.blind, [text_of(item, context) for item in group])


def _hidden_text(item: Item) -> Text:
    if item.done:
        waits = "blind until the other text of the pair is answered"
    else:
        there = item.card.experts - item.missing
        answers = counted(item.card.experts, "answer")
        waits = f"blind until answered ({max(there, 0)} of {answers} there)"
    return Text(item.task, *cut(item.text), waits)


def _differing(entries: Sequence[Entry]) -> str:
    answered = [text for entry in entries for text in entry.texts if text.said]
    if not answered:
        return ""
    version = "in force" if all(text.in_force for text in answered) else "before"
    other = sum(text.differs for text in answered)
    if not other:
        return f"Experts agree with the version {version} on every text that is answered."
    return (
        f"Of {counted(len(answered), 'answered text')}, experts contradict the version {version} "
        f"on {other}, shown first."
    )

"""Which texts the page may show: experts may open it, and must not learn what they are asked next.

While a blind text of a pair lacks an answer, no belief, no reason and no answer of the pair is
written. (The two of a pair were believed to differ, so one of them would tell the other.)
"""

from collections.abc import Iterable, Sequence

from selection.collect import Collected
from selection.item import Item


def grouped(items: Iterable[Item]) -> list[list[Item]]:
    """Return the texts that were bought together, as lists of two, and the others alone."""
    groups: dict[tuple[int, str], list[Item]] = {}
    for item in items:
        groups.setdefault((item.card.round, item.card.pair), []).append(item)
    return list(groups.values())


def hidden(group: Sequence[Item]) -> bool:
    """Return whether nothing may be told of these texts yet."""
    return any(item.card.blind and not item.done for item in group)


def judged(collected: Collected) -> list[Item]:
    """Return the texts with a verdict that may be shown, of the newest round first."""
    seen = [item for group in grouped(collected.items) if not hidden(group) for item in group]
    return sorted((item for item in seen if item.verdicts), key=lambda item: -item.card.round)

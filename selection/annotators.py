"""Who has answered how much, and for whom the open round waits."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from selection.collect import Collected
from selection.item import Item


@dataclass(frozen=True)
class Annotator:
    """A person who answers. verdicts: in all rounds. left: texts of the open round to answer."""

    expert: str
    verdicts: int
    left: int


def annotators(collected: Collected) -> tuple[Annotator, ...]:
    """Return everybody who has answered a task of Crux, by name."""
    given = [answer for item in collected.items for answer in item.answers]
    present = _present(collected)
    open_texts = _open(collected)
    return tuple(
        Annotator(
            expert,
            sum(one.expert == expert and one.kind != "skip" for one in given),
            sum(expert in present and expert not in item.answered for item in open_texts),
        )
        for expert in sorted({one.expert for one in given})
    )


def seconds_a_verdict(collected: Collected) -> float | None:
    """Return the median of what Label Studio measured; None before the first verdict."""
    taken = [
        answer.seconds
        for item in collected.items
        for answer in item.answers
        if answer.kind == "verdict" and answer.seconds
    ]
    return median(taken) if taken else None


def waits_for(collected: Collected, others: Collection[str]) -> str:
    """Say who has what left in the open round, and what to do where that is nobody.

    others: people who could answer and have not yet. "" if nothing is left.
    """
    open_texts = _open(collected)
    if not open_texts:
        return ""
    present = _present(collected)
    people = [one for one in annotators(collected) if one.expert in present]
    left = sum(item.missing for item in open_texts)
    needed = max(item.card.experts for item in open_texts)
    if not people:
        who = "one person" if needed == 1 else f"{needed} people"
        return f"Nobody has answered anything yet; {_verdicts_wait(left)} for {who}."
    said = _joined([_has_left(one) for one in people])
    stuck = _stuck(open_texts, [one.expert for one in people])
    if not stuck:
        return f"{said}."
    free = sorted({*others} - {one.expert for one in people})
    who = "a second person" if len(people) == 1 else "another person"
    wait = f"{said}; {_verdicts_wait(stuck)} for {who}, and"
    if free:
        named = _joined(free[:3]) if len(free) < 4 else f"{len(free)} people"
        wait += f" {named} {'has' if len(free) == 1 else 'have'} answered nothing yet: ask them"
    else:
        wait += " nobody else has answered anything yet: invite one (Organization, Add Members)"
    without = "the experts' kappa" if len(people) == 1 else "more opinions"
    return f"{wait}, or set experts = {len(people)}, run crux round, and live without {without}."


def _open(collected: Collected) -> list[Item]:
    return [item for item in collected.round(collected.last_round) if item.missing]


def _present(collected: Collected) -> set[str]:
    return {expert for item in collected.items for expert in item.present}


def _verdicts_wait(count: int) -> str:
    return "1 verdict waits" if count == 1 else f"{count} verdicts wait"


def _stuck(items: Iterable[Item], people: Sequence[str]) -> int:
    """Return how many verdicts none of these people can give."""
    return sum(max(item.missing - len({*people} - item.answered), 0) for item in items)


def _has_left(one: Annotator) -> str:
    return f"{one.expert} has {one.left} left" if one.left else f"{one.expert} is done"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))

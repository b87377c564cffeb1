"""The texts of the newest round: pairs side by side, what the model believed, what experts said.

Experts may open the report, so what they must not know yet is not in the file at all: while a
blind text of a pair lacks an answer, no belief, no reason and no answer of the pair is written.
(The two of a pair were believed to differ, so one of them would tell the other.)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selection.collect import Collected, Item
from selection.push import tab_title
from selection.report.html import Safe, count, join, link, percent, tag

MOST_PAIRS, MOST_SINGLES, MOST_CHARACTERS, MOST_LABELS = 60, 200, 600, 4
Group = tuple[Item, ...]


@dataclass(frozen=True)
class Names:
    """What the page calls things. labels: of the project. experts: short names by full name.
    data_manager: address of the project's tasks."""

    labels: tuple[str, ...]
    experts: Mapping[str, str]
    data_manager: str


def last_round(collected: Collected, data_manager: str) -> Safe:
    """Everything about the texts of the newest round, which must exist."""
    round = collected.last_round
    mine = [item for item in collected.items if item.card.round == round]
    shown = [item for item in mine if item.card.role != "audit"]
    groups = _groups(shown)
    pairs = [group for group in groups if len(group) == 2]
    singles = [(item,) for group in groups if len(group) != 2 for item in group]
    names = Names(collected.labels, _short(collected), data_manager)
    lead = (
        f"Round {round} holds {count(len(pairs), 'pair')}, {count(len(singles), 'single text')} "
        f"and {count(len(mine) - len(shown), 'audit text')} (drawn at random, not listed here). "
        + _differing([*pairs, *singles], names)
    )
    first = [_pair(group, names) for group in _ordered(pairs, names)[:MOST_PAIRS]]
    then = [_single(group, names) for group in _ordered(singles, names)[:MOST_SINGLES]]
    return join(
        [
            tag("p", lead, class_="lead"),
            tag("div", *first, class_="pairs"),
            _rest(len(pairs) - len(first), "pair", round),
            tag("h3", "Single texts") if then else "",
            tag("div", *then, class_="singles"),
            _rest(len(singles) - len(then), "single text", round),
        ]
    )


def hidden(group: Group) -> bool:
    """Whether a blind text among those chosen together still waits for an expert."""
    return any(item.card.blind and not item.done for item in group)


def _groups(items: Sequence[Item]) -> list[Group]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.card.pair, []).append(item)
    return [tuple(group) for group in groups.values()]


def _ordered(groups: Sequence[Group], names: Names) -> list[Group]:
    """Where experts contradict the model first, what is not to be seen yet last."""

    def rank(group: Group) -> int:
        if hidden(group):
            return 3
        if any(_differs(item, names) for item in group):
            return 0
        return 1 if any(item.verdicts for item in group) else 2

    return sorted(groups, key=rank)


def _short(collected: Collected) -> dict[str, str]:
    """E-mail addresses without their domain, where that still tells experts apart."""
    full = {expert for item in collected.items for expert in item.verdicts}
    seen = Counter(expert.split("@")[0] for expert in full)
    return {one: one.split("@")[0] if seen[one.split("@")[0]] == 1 else one for one in full}


def _pick(item: Item) -> str:
    """The label that the model believed most."""
    belief = item.card.belief
    return max(belief, key=belief.__getitem__) if belief else ""


def _differs(item: Item, names: Names) -> bool:
    """Whether an expert said something else than the model believed."""
    return any(names.labels[label] != _pick(item) for label in item.verdicts.values())


def _differing(groups: Sequence[Group], names: Names) -> str:
    open_groups = [group for group in groups if not hidden(group)]
    answered = [item for group in open_groups for item in group if item.verdicts]
    if not answered:
        return ""
    other = sum(_differs(item, names) for item in answered)
    if not other:
        return "Experts agree with the model on every text that is answered."
    return (
        f"Of {count(len(answered), 'answered text')}, experts contradict the model on {other}, "
        "shown first."
    )


def _pair(group: Group, names: Names) -> Safe:
    marks = _marks(group, names)
    texts = [_side(item, group, names) for item in group]
    return tag(
        "article",
        tag("header", *marks),
        tag("div", *texts, class_="two"),
        class_="card" + (" differs" if _flagged(group, names) else ""),
    )


def _single(group: Group, names: Names) -> Safe:
    return tag(
        "article",
        tag("header", *_marks(group, names)),
        _side(group[0], group, names),
        class_="card" + (" differs" if _flagged(group, names) else ""),
    )


def _side(item: Item, group: Group, names: Names) -> Safe:
    """One text. group: those chosen together with it."""
    hide = hidden(group)
    css = "side differs" if not hide and _differs(item, names) else "side"
    return tag("div", *_details(item, names, hide), class_=css)


def _flagged(group: Group, names: Names) -> bool:
    return not hidden(group) and any(_differs(item, names) for item in group)


def _marks(group: Group, names: Names) -> list[Safe]:
    """How the texts were answered, and whether the model was contradicted."""
    blind, use = group[0].card.blind, group[0].card.role
    how = (
        "blind: experts did not see the model's label"
        if blind
        else "open: experts saw the model's label"
    )
    marks = [
        tag("span", "boundary test" if use == "boundary" else "training", class_=f"use role-{use}"),
        tag("span", "blind" if blind else "open", class_="how", title=how),
    ]
    if _flagged(group, names):
        marks.append(tag("span", "≠ experts contradict the model", class_="flag"))
    return marks


def _details(item: Item, names: Names, hide: bool) -> list[Safe]:
    text = tag("blockquote", *_cut(item.text), dir="auto")
    where = link(f"{names.data_manager}?task={item.task}", f"task {item.task}")
    if hide:
        return [text, tag("p", _waits(item), class_="waits"), tag("p", where, class_="why")]
    return [
        text,
        _believed(item, names),
        _said(item, names),
        tag("p", f"Why: {item.card.why} (", where, ")", class_="why"),
    ]


def _waits(item: Item) -> str:
    if item.done:
        return "blind until the other text of the pair is answered"
    return f"blind until answered ({item.answered} of {count(item.card.experts, 'answer')} there)"


def _cut(text: str) -> list[str]:
    if len(text) <= MOST_CHARACTERS:
        return [text]
    rest = tag("small", f" … {count(len(text) - MOST_CHARACTERS, 'more character')}")
    return [text[:MOST_CHARACTERS].rstrip(), rest]


def _believed(item: Item, names: Names) -> Safe:
    """A bar for each label, in the project's order; of many labels the most probable."""
    belief = item.card.belief
    top = sorted(belief, key=lambda name: -belief[name])[:MOST_LABELS]
    order = {name: place for place, name in enumerate(names.labels)}
    rows = [
        tag(
            "div",
            tag("span", name, class_="bar-name"),
            tag("span", tag("span", "", class_=f"piece label-{order.get(name, 7) % 8}",
                            style=f"width:{100 * belief[name]:.1f}%"), class_="bar-track"),
            tag("span", percent(belief[name]), class_="bar-total"),
            class_="bar-row" + (" pick" if name == _pick(item) else ""),
        )
        for name in sorted(top, key=lambda name: order.get(name, len(order)))
    ]  # fmt: skip
    head = tag("p", "Model ", tag("code", item.card.version), class_="who")
    return tag("div", head, *rows, class_="belief")


def _said(item: Item, names: Names) -> Safe:
    chips = []
    for expert, label in item.verdicts.items():
        said = names.labels[label]
        other = said != _pick(item)
        chips.append(
            tag(
                "span",
                f"{names.experts[expert]}: ",
                tag("b", ("≠ " if other else "") + said),
                class_="chip other" if other else "chip",
                title=f"{expert} says {said}" + (", the model does not" if other else ""),
            )
        )
    if chips:
        return tag("p", *chips, class_="said")
    return tag("p", "skipped by the experts" if item.done else "no answer yet", class_="waits")


def _rest(number: int, noun: str, round: int) -> Safe:
    if number <= 0:
        return Safe("")
    where = f"the Data Manager's tab '{tab_title(round)}'"
    return tag("p", f"{count(number, f'more {noun}')} in {where}.", class_="note")

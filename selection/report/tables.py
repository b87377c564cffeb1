"""Records of the rounds -> the table, with a footnote for every kappa that is undefined."""

from collections.abc import Sequence

from selection.record import Record
from selection.report.html import Safe, count, interval, join, kappa, tag
from selection.status import RoundStatus
from selection.types import Estimate

HEAD = (
    "Round", "Labels bought", "Model version", "Experts", "Boundary", "Production", "Candidate",
    "Decision",
)  # fmt: skip


class Notes:
    """Footnotes, numbered as they come; the same sentence keeps its number."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def mark(self, sentence: str) -> Safe:
        """The number of this sentence, raised."""
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        return tag("sup", str(self.sentences.index(sentence) + 1))

    def listed(self) -> Safe:
        """All footnotes; nothing where there are none."""
        if not self.sentences:
            return Safe("")
        return tag("ol", *(tag("li", one) for one in self.sentences), class_="note")


def badge(stop: bool, rule: str) -> Safe:
    """'Stop: parity' or 'Go on', coloured by rule."""
    text = f"Stop: {rule}" if stop else "Go on"
    return tag("span", text, class_=f"badge rule-{rule.replace(' ', '-')}")


def without_rule(reason: str) -> str:
    """The reason of a decision where a badge stands beside it, which says 'Go on' already."""
    rest = reason.removeprefix("Go on: ")
    return rest[:1].upper() + rest[1:]


def figure(one: Estimate, notes: Notes) -> Safe:
    """A kappa with its interval and items, or 'undefined' with the reason; never a 0 for it."""
    if one.value is None:
        why = one.reason or "no reason given"
        return join([tag("abbr", "undefined", title=why), notes.mark(why)])
    small = f"{interval(one)}, n {one.items:,}"
    return join([tag("b", kappa(one.value)), tag("small", small, class_="bounds")])


def table(rounds: Sequence[RoundStatus]) -> Safe:
    """One body a round: its figures, and under them why it was decided so."""
    notes = Notes()
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in HEAD)))
    bodies = [_body(one, notes) for one in rounds]
    return join([tag("table", head, *bodies, class_="rounds"), notes.listed()])


def _body(one: RoundStatus, notes: Notes) -> Safe:
    record, decision = one.record, one.decision
    boundary = figure(record.boundary_kappa, notes)
    ceiling = record.boundary_expert_kappa.value
    if ceiling is not None:
        boundary = join([boundary, tag("small", f"experts there {kappa(ceiling)}")])
    cells = (
        tag("b", str(record.round)),
        tag("b", f"{record.labels_bought:,}"),
        tag("code", record.version),
        figure(record.expert_kappa, notes),
        boundary,
        figure(record.production_kappa, notes),
        join([tag("b", _fate(record)), tag("small", _made(record))]),
        badge(decision.stop, decision.rule),
    )
    row = [
        tag("td", tag("div", cell), data_label=name) for name, cell in zip(HEAD, cells, strict=True)
    ]
    why = join([tag("div", without_rule(decision.reason)), tag("div", record.promotion)])
    return tag(
        "tbody",
        tag("tr", *row),
        tag("tr", tag("td", why, colspan=len(HEAD)), class_="reason"),
    )


def _fate(record: Record) -> str:
    return "promoted" if record.promoted else "refused"


def _made(record: Record) -> str:
    """What the round's training was."""
    parts = [f"trained on {count(record.labels, 'text')}"]
    if record.train_seconds:
        parts.append(_duration(record.train_seconds))
    if not record.complete:
        parts.append("before all answers were there")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

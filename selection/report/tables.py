"""Measured rounds -> the rows of the table, and a footnote for every kappa that is undefined."""

from collections.abc import Sequence
from dataclasses import dataclass

from selection.record import Record
from selection.report.html import why
from selection.status import RoundStatus
from selection.stop import Decision
from selection.wording import counted


@dataclass(frozen=True)
class Row:
    """A measured round. training: what its training was."""

    record: Record
    decision: Decision
    training: str


def rows(rounds: Sequence[RoundStatus]) -> list[Row]:
    """Return one row a round."""
    return [Row(one.record, one.decision, _training(one.record)) for one in rounds]


def footnotes(rounds: Sequence[RoundStatus]) -> list[str]:
    """Return why kappas are undefined, each reason once, in the order in which the table reads."""
    shown = [
        estimate
        for record in (one.record for one in rounds)
        for estimate in (record.expert_kappa, record.boundary_kappa, record.production_kappa)
    ]
    return list(dict.fromkeys(why(estimate) for estimate in shown if estimate.value is None))


def _training(record: Record) -> str:
    parts = [f"trained on {counted(record.labels, 'text')}"]
    if record.train_seconds:
        parts.append(_duration(record.train_seconds))
    if not record.complete:
        parts.append("before all answers were there")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

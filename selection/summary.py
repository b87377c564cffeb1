"""Status -> the sentences for who pays: how good the model is, what comes next, what it costs.

The page and `crux status` begin with them.
"""

from dataclasses import dataclass

from selection.push import tab_title
from selection.record import Record
from selection.status import OpenRound, Status
from selection.types import Estimate
from selection.wording import bare, counted, kappa

_AFTER_STOP = {
    "parity": "Use the model: experts cannot teach it more about this policy than they agree on.",
    "plateau": "Use the model as it is, or change the policy, the base model or the pool: more "
    "verdicts of this kind do not help.",
    "budget": "Use the model as it is, or raise the settings budget or max_rounds and run "
    "crux round.",
    "policy": "Talk with the experts about the texts on which they disagree, make the labeling "
    "instruction clearer, and have those texts judged again.",
}
_LONG = 120  # minutes from which hours are said


@dataclass(frozen=True)
class Summary:
    """What an admin wants to know first.

    quality: how well the model agrees with experts, and these with each other. comparison: whether
    the two can be told apart, or why the loop ends; "" if there is nothing to say. next: what to do
    now and what it costs. budget: what is spent and left. problems: what else to look after.
    """

    quality: str
    comparison: str
    next: str
    budget: str
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, str]:
        """Return the sentences for programs; `crux status --json` has the problems already."""
        return {name: getattr(self, name) for name in ("quality", "comparison", "next", "budget")}


def summary(status: Status) -> Summary:
    """Return the sentences about a project's loop."""
    step = next_step(status)
    return Summary(
        _quality(status),
        _comparison(status),
        step,
        _budget(status),
        tuple(one for one in status.problems if one != step),
    )


def measured(status: Status) -> Record | None:
    """Return the newest record that measured the version in force, None if there is none."""
    records = (one.record for one in reversed(status.rounds))
    return next((one for one in records if status.current in one.measures), None)


def agreement(estimate: Estimate, texts: bool = True) -> str:
    """Return '0.56 (0.29 to 0.77, 64 texts)' of an estimate that is defined."""
    inside = []
    if estimate.low is not None and estimate.high is not None:
        inside.append(f"{kappa(estimate.low)} to {kappa(estimate.high)}")
    elif estimate.reason:
        inside.append(f"no interval yet: {bare(estimate.reason)}")
    if texts:
        inside.append(counted(estimate.items, "audited text"))
    bounds = f" ({', '.join(inside)})" if inside else ""
    return f"{kappa(estimate.value or 0.0)}{bounds}"


def next_step(status: Status) -> str:
    """Say what the admin does now, what it costs, and for whom the round waits."""
    now = status.open_round
    missing = _missing(now, status.seconds) if now and now.missing else ""
    if status.training.state == "failed":
        return f"{status.training_sentence.rstrip('.')}. Mend that first. {missing}".rstrip()
    if now is None:
        return "Run crux round: it chooses the first texts and puts them into Label Studio."
    if missing:
        return missing
    if not now.measured:
        return status.training_sentence
    if status.policy.changed:
        return status.policy.sentence
    if status.decision.stop:
        return _AFTER_STOP[status.decision.rule]
    left = status.budget - status.labels_bought
    share = f"of {left:,} left" if now.asked <= left else f"more than the {left:,} left"
    return (
        f"Round {now.round + 1}, about {counted(now.asked, 'verdict')}, {share}"
        f"{_work(now.asked, status.seconds)}. Run crux round: it chooses the texts and puts them "
        f"into Label Studio."
    )


def _quality(status: Status) -> str:
    if not status.rounds:
        return "Nothing is measured yet: the model is measured when the first round is judged."
    record = measured(status)
    if record is None:
        record = status.rounds[-1].record
        return (
            f"No round has measured {status.current}, the version in force. {record.version}, "
            f"measured last, {_agrees(record)}"
        )
    who = "The starting model" if status.current.startswith("prompted-") else "The model"
    if record.final == status.current:
        who = (
            f"The last version, {record.final}, has learned from the audit too, so nothing is left "
            f"to measure it; {record.version}, the one before it,"
        )
    elif record.round < status.rounds[-1].record.round:
        who = f"{who} ({status.current}, measured after round {record.round})"
    return f"{who} {_agrees(record)}"


def _agrees(record: Record) -> str:
    model, experts = record.production_kappa, record.expert_kappa
    if model.value is None:
        first = f"cannot be compared with experts yet ({bare(model.reason)})"
    else:
        first = f"agrees with experts at kappa {agreement(model)}"
    if experts.value is None:
        why = bare(experts.reason)
        return f"{first}; how well experts agree with each other is not known ({why})."
    texts = experts.items != model.items
    return f"{first}; experts with each other at {agreement(experts, texts)}."


def _comparison(status: Status) -> str:
    if not status.rounds:
        return status.decision.reason if status.decision.stop else ""
    newest = status.rounds[-1].record
    both_known = newest.production_kappa.value is not None and newest.expert_kappa.value is not None
    if newest.gap.value is None and not both_known and not status.decision.stop:
        return ""  # the sentence before says why already
    if newest.version != status.current and status.decision.rule not in ("budget", "policy"):
        return f"Of {newest.version}, which is not in force: {status.decision.reason}"
    return status.decision.reason


def _missing(now: OpenRound, seconds: float | None) -> str:
    verb = "is" if now.missing == 1 else "are"
    return (
        f"{now.missing:,} of {counted(now.asked, 'verdict')} of round {now.round} {verb} "
        f"missing{_work(now.missing, seconds)}: experts give them in Label Studio, tab "
        f"'{tab_title(now.round)}'. {now.waits_for}"
    ).rstrip()


def _budget(status: Status) -> str:
    left = max(status.budget - status.labels_bought, 0)
    bought = f"{status.labels_bought:,} of {status.budget:,} verdicts are bought, {left:,} are left"
    if not status.taught + status.measured:
        return f"{bought}."
    return f"{bought}; {status.taught:,} of them teach and {status.measured:,} measure."


def _work(verdicts: int, seconds: float | None) -> str:
    """Return ', about 26 minutes of work at 16 s each'; "" while nobody knows."""
    if seconds is None:
        return ""
    minutes = max(round(verdicts * seconds / 60), 1)
    if minutes == 1:
        time = "a minute"
    else:
        time = f"{minutes} minutes" if minutes < _LONG else f"{minutes / 60:.0f} hours"
    return f", about {time} of work at {seconds:.0f} s each"

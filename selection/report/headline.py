"""Status -> the head of the page: what comes next, and the three kappas of the newest round."""

from dataclasses import dataclass

from selection.push import tab_title
from selection.report.html import counted
from selection.status import Status
from selection.types import Estimate

_AFTER_STOP = {
    "parity": "Use the model: experts cannot teach it more about this policy than they agree on.",
    "plateau": "Use the model as it is, or change the policy, the base model or the pool: more "
    "labels of this kind do not help.",
    "budget": "Use the model as it is, or raise the settings budget or max_rounds and run "
    "crux round.",
    "policy": "Talk with the experts about the texts on which they disagree, make the labeling "
    "instruction clearer, and have those texts judged again.",
}
_FIGURES = {
    "production_kappa": "Model in production, now",
    "start_kappa": "Starting model",
    "expert_kappa": "Experts with each other",
}


@dataclass(frozen=True)
class Figure:
    """A kappa in large letters. key: its field in the record."""

    name: str
    key: str
    estimate: Estimate

    @property
    def strip(self) -> tuple[float, float, float]:
        """Where low, value and high stand on a line from 0 to 1, in percent of its length.

        What is below 0 stands at 0; the numbers beside the line say what it is.
        """
        one = self.estimate
        value = one.value or 0.0
        low = value if one.low is None else one.low
        high = value if one.high is None else one.high
        return _percent_of_line(low), _percent_of_line(value), _percent_of_line(high)


def figures(status: Status) -> list[Figure]:
    """Return the kappas of the newest measured round that stand on its audited texts."""
    if not status.rounds:
        return []
    newest = status.rounds[-1].record
    return [Figure(name, key, getattr(newest, key)) for key, name in _FIGURES.items()]


def next_step(status: Status) -> str:
    """Return what the admin does now, in a sentence or two."""
    now = status.open_round
    if status.training.state == "failed":
        return f"{status.training_sentence.rstrip('.')}. Mend that first."
    if now is None:
        return "Run crux round: it chooses the first texts and puts them into Label Studio."
    if now.missing:
        return (
            f"{now.missing:,} of {counted(now.asked, 'answer')} of round {now.round} are missing: "
            f"experts give them in Label Studio, tab '{tab_title(now.round)}'."
        )
    if not now.measured:
        return status.training_sentence
    if status.decision.stop:
        return _AFTER_STOP[status.decision.rule]
    return "Run crux round: it chooses the next texts and puts them into Label Studio."


def _percent_of_line(value: float) -> float:
    return 100 * min(max(value, 0.0), 1.0)

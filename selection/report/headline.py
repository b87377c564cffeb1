"""Status -> the three kappas of the page's head, and the small print below them."""

from dataclasses import dataclass

from selection.status import Status
from selection.summary import measured
from selection.types import CONFIDENCE, Estimate

_FIGURES = {
    "production_kappa": "Model with experts",
    "start_kappa": "Starting model with experts",
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
    """Return the kappas on audited texts, of the version in force if a round has measured it."""
    if not status.rounds:
        return []
    found = measured(status)
    record = found or status.rounds[-1].record
    names = dict(_FIGURES)
    if found is None:
        names["production_kappa"] = f"{record.version} with experts"
    return [Figure(name, key, getattr(record, key)) for key, name in names.items()]


def small_print(status: Status) -> str:
    """Say what the figures are, and why one interval is wider than the others."""
    said = (
        "Each figure is a kappa, agreement beyond chance: 0 is chance and 1 is complete. They are "
        "measured on texts drawn at random, weighted to the pool; below each and as a bar stands "
        "what is possible with 95 % confidence."
    )
    gap = status.rounds[-1].record.gap if status.rounds else None
    if gap is None or gap.low is None or gap.confidence == CONFIDENCE:
        return said
    return (
        f"{said} How far model and experts are apart is given with {100 * gap.confidence:.3g} %, "
        f"since the rule that ends the loop looks at it after every round."
    )


def _percent_of_line(value: float) -> float:
    return 100 * min(max(value, 0.0), 1.0)

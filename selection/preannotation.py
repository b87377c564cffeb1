"""Which pre-annotations experts see, and what seeing them does to what experts say.

A preselected answer is accepted with one key, right or wrong. So only a version that agrees well
enough with the experts in production shows its answers, and a share of the training texts is always
blind: what an expert says there, beside what the same expert lets stand elsewhere, tells how much
the preselection sways them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot

from scipy.stats import binomtest

from selection.collect import Collected
from selection.item import Item
from selection.permanent import position
from selection.record import ProjectState


def shown(pair: str, blind_share: float) -> bool:
    """Return False for a fixed share of all pairs: both of their texts are blind for ever."""
    return position(pair, "crux.shown") >= blind_share


def earned(state: ProjectState, above: float) -> bool:
    """Return whether the current version's production kappa is above `above`; always for -1.

    A version that was not measured has not earned it, above all the prompted one of round 0.
    """
    if above <= -1:
        return True
    measured = [
        one.production_kappa.value for one in state.rounds if state.current in one.measures
    ]
    return bool(measured) and measured[-1] is not None and measured[-1] > above


@dataclass(frozen=True)
class Share:
    """`count` of `of` texts."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share; 0 of none."""
        return self.count / self.of if self.of else 0.0

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % interval (Wilson 1927)."""
        if not self.of:
            return 0.0, 1.0
        found = binomtest(self.count, self.of).proportion_ci(method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Habit:
    """How an expert deals with the model's answer to training texts.

    kept: texts where it stood preselected and was accepted. agreed: blind texts where the expert
    said the same as the model. right, wrong: of those accepted that another expert judged as well,
    how many that expert gave the same label and how many another.
    """

    expert: str
    kept: Share
    agreed: Share
    right: int
    wrong: int

    @property
    def sway(self) -> tuple[float, float, float]:
        """(value, low, high) of kept less agreed: Newcombe's interval (1998, method 10)."""
        one, two = self.kept, self.agreed
        (low_1, high_1), (low_2, high_2) = one.bounds, two.bounds
        value = one.value - two.value
        return (
            value,
            value - hypot(one.value - low_1, high_2 - two.value),
            value + hypot(high_1 - one.value, two.value - low_2),
        )

    @property
    def swayed(self) -> bool:
        """Whether the expert accepts more than their own blind answers explain."""
        return bool(self.kept.of and self.agreed.of) and self.sway[1] > 0

    @property
    def sentence(self) -> str:
        """Say both shares, and their difference where both are known."""
        kept, agreed = self.kept, self.agreed
        said = f"{self.expert} let the preselected label stand on {kept.count} of {kept.of} texts"
        if self.right + self.wrong:
            said += f" ({self.right} right and {self.wrong} wrong by another expert's verdict)"
        if not agreed.of:
            return f"{said}; there is no blind training text to compare with yet."
        value, low, high = (round(100 * part) for part in self.sway)
        return (
            f"{said}, and gave the model's label on {agreed.count} of {agreed.of} blind ones: "
            f"{value:+d} points [{low:+d}, {high:+d}]."
        )


def habits(collected: Collected) -> tuple[Habit, ...]:
    """Return how each expert deals with preselections, of those who have met one.

    Blind texts are compared only with preselected ones of the same rounds, since the model is
    another one in each.
    """
    rounds = {item.card.round for item in collected.role("train") if not item.card.blind}
    training = [item for item in collected.role("train") if item.card.round in rounds]
    experts = sorted({answer.expert for item in training for answer in item.answers})
    found = (_habit(expert, training, collected.labels) for expert in experts)
    return tuple(one for one in found if one.kept.of)


def _habit(expert: str, training: Iterable[Item], labels: tuple[str, ...]) -> Habit:
    kept, agreed, checked = [], [], []
    for item in training:
        mine = next((a for a in item.answers if a.expert == expert and a.kind == "verdict"), None)
        if mine is None:
            continue
        if mine.ticked is not None:
            kept.append(mine.label == mine.ticked)
            others = {label for one, label in item.verdicts.items() if one != expert}
            if kept[-1] and others:
                checked.append(others == {mine.label})
        elif item.card.blind and item.card.belief:
            best = max(item.card.belief, key=item.card.belief.__getitem__)
            agreed.append(mine.label is not None and labels[mine.label] == best)
    return Habit(
        expert,
        Share(sum(kept), len(kept)),
        Share(sum(agreed), len(agreed)),
        sum(checked),
        len(checked) - sum(checked),
    )

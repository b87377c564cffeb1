"""What a demo asks about which texts, and what is kept apart to tell the truth at the end."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from demo.ratings import Rated, load
from selection.errors import SettingError
from selection.types import Doubles

EXTREME = -2.5  # mean rating of a panel, from -4 to 4
LABELS = ("harsh", "fine")
NOUNS = {"tweets": "tweet", "products": "product review", "editorials": "editorial sentence"}
# of a demo that ends in half an hour on 2 cores; docs/settings.md has the defaults
SHORT: dict[str, Any] = {"read_limit": 500, "max_rounds": 5, "budget": 445}


@dataclass(frozen=True)
class Question:
    """Two labels, and the texts about which experts are asked.

    title: of the project. kinds: of texts (ratings.KINDS). first: whether a third of a text's
    raters gives it the first label. apart: one text of so many is kept from the loop. others: how
    many of those with the second label measure at the end, 0 for all.
    """

    title: str
    kinds: tuple[str, ...]
    first: Callable[[Rated, int], bool]
    labels: tuple[str, str]
    policy: str
    apart: int
    others: int
    settings: Mapping[str, Any] = field(default_factory=lambda: SHORT)

    @property
    def config(self) -> str:
        """The project's label config."""
        first, second = self.labels
        return f"""<View>
  <Text name="text" value="$text"/>
  <Choices name="verdict" toName="text" choice="single" showInLine="true">
    <Choice value="{first}"/>
    <Choice value="{second}"/>
  </Choices>
</View>"""

    def every(self) -> list[Rated]:
        """Load the different texts of these kinds. Raises PoolError without the archive."""
        rated = [one for kind in self.kinds for one in load(kind)]
        different = {one.text: one for one in rated}  # a text may be of two kinds
        return list(different.values())

    def texts(self) -> "Texts":
        """Load the texts and set those apart that measure. Which ones depends on the texts alone.

        Raises PoolError without the archive.
        """
        order = sorted(self.every(), key=lambda one: _digest(one.text))
        apart, pool = order[:: self.apart], [r for i, r in enumerate(order) if i % self.apart]
        positive = [one for one in apart if self.first(one, 2)]
        other = [one for one in apart if not self.first(one, 2)]
        kept = other[: self.others or len(other)]
        weight = np.array([1.0] * len(positive) + [len(other) / len(kept)] * len(kept))
        return Texts(pool, [*positive, *kept], weight)

    def answers(self, rated: Sequence[Rated], third: int) -> dict[str, str]:
        """Return text -> what one expert, a third of its raters, says."""
        return {one.text: self.labels[0 if self.first(one, third) else 1] for one in rated}


@dataclass(frozen=True)
class Texts:
    """pool: what the loop may buy. test: (t,) texts that it never sees. weight: (t,) how many texts
    each of them stands for."""

    pool: list[Rated]
    test: list[Rated]
    weight: Doubles


def policy(kind: str) -> str:
    """What experts and model are told about one kind of texts."""
    return (
        f"Is this {NOUNS[kind]} harshly negative? Answer 'harsh' if the writer expresses strongly "
        f"negative feeling: anger, disgust, despair, contempt, a harsh complaint. Answer 'fine' "
        f"if it is positive, neutral or only mildly negative."
    )


def _extreme(rated: Rated, third: int) -> bool:
    return rated.mean(third) <= EXTREME


_RARE = Question(
    "Extremely negative texts",
    ("tweets", "editorials"),
    _extreme,
    ("extreme", "ordinary"),
    "Is this text extremely negative? Answer 'extreme' if the writer expresses hatred, fury, "
    "horror, disgust or despair in the strongest words. Answer 'ordinary' if it is positive, "
    "neutral or negative in the usual way.",
    apart=3,
    others=400,
)


NAMES = ("rare", *NOUNS)


def question(name: str) -> Question:
    """Return the question of this name: 'rare', or a kind of texts. Raises SettingError."""
    if name not in NAMES:
        raise SettingError(
            f"There are no ratings of {name!r}; take one of {', '.join(NAMES)}."
        )
    if name == "rare":
        return _RARE
    title = f"Harshly negative {name}"
    return Question(title, (name,), Rated.majority, LABELS, policy(name), apart=6, others=0)


CONFIG = question("tweets").config


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()

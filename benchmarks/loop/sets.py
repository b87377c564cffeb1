"""Data sets by name, each with the policy and the labels that its owner would write.

The texts are those of benchmarks/choice/datasets.py. The descriptions there are not used: here the
start is the product's, which knows nothing but the project's own words.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.choice.datasets import SETS, Data, read
from benchmarks.loop.ground import Labelled
from demo.question import NAMES as RATED
from demo.question import question
from selection.errors import PoolError

TRUE_LIKE = frozenset({"1", "1.0", "true", "yes", "y", "t"})
NO_NAME = frozenset({"label", "labels", "class", "target", "y", "gold"})  # columns that say nothing
OTHER = "other"


@dataclass(frozen=True)
class Question:
    """How the owner of a set asks. source: name in datasets.SETS. share: to which positives are
    thinned, None for that of the source. names: by the values that the data has.
    """

    source: str
    policy: str
    names: dict[str, str]
    share: float | None = None


_EMOTION = (
    "Does the writer of this comment express {what}? Answer '{label}' if {when}. Answer 'other' "
    "for every other comment."
)


def _emotion(label: str, what: str, when: str) -> str:
    return _EMOTION.format(label=label, what=what, when=when)


_CLICKBAIT = (
    "Is this headline clickbait? Answer 'clickbait' if it teases, promises a list or a quiz, or "
    "makes the reader curious instead of saying what happened. Answer 'news' if it reports an "
    "event."
)
QUESTIONS: dict[str, Question] = {
    "clickbait": Question("clickbait", _CLICKBAIT, {"1": "clickbait", "other": "news"}),
    "clickbait1": Question("clickbait", _CLICKBAIT, {"1": "clickbait", "other": "news"}, 0.01),
    "gratitude": Question(
        "gratitude",
        _emotion("gratitude", "gratitude", "somebody is thanked or the writer is grateful"),
        {"1": "gratitude", "other": OTHER},
    ),
    "anger": Question(
        "anger",
        _emotion("anger", "anger or disgust", "the writer is angry, furious or disgusted"),
        {"1": "anger", "other": OTHER},
    ),
    "remorse": Question(
        "remorse",
        _emotion("remorse", "remorse", "the writer is sorry, apologises or regrets something"),
        {"1": "remorse", "other": OTHER},
    ),
    "davidson": Question(
        "davidson",
        "Is this tweet hate speech? Answer 'hate' if it attacks or insults a group of people, or "
        "somebody as one of the group: for race, religion, sex, origin or orientation. Answer "
        "'other' if it is merely rude, or harmless.",
        {"1": "hate", "other": OTHER},
    ),
    "edos5": Question(
        "edos5",
        "Is this comment sexist, and in which way? Answer 'threats' if it threatens women or calls "
        "for harm, 'derogation' if it insults or demeans them, 'animosity' if it uses slurs, "
        "stereotypes or backhanded compliments, 'prejudice' if it defends discrimination. Answer "
        "'none' if it is not sexist.",
        {
            "1. threats, plans to harm and incitement": "threats",
            "2. derogation": "derogation",
            "3. animosity": "animosity",
            "4. prejudiced discussions": "prejudice",
            "none": "none",
        },
    ),
}
NAMES = (*RATED, *QUESTIONS)


def load(name: str, folder: Path, limit: int | None = None) -> Labelled:
    """Load a set by name. Raises PoolError for an unknown name or a set that is not there."""
    if name in RATED:
        return _rated(name, limit)
    if name not in QUESTIONS:
        raise PoolError(f"There is no set {name!r}; the sets: {', '.join(NAMES)}.")
    asked = QUESTIONS[name]
    source = SETS[asked.source]
    if asked.share is not None:
        source = replace(source, prevalence=asked.share)
    return _named(source.load(folder, limit), name, asked.policy, asked.names)


def from_file(
    file: Path,
    text: str,
    label: str,
    positive: str | None,
    policy: str | None,
    prevalence: float | None,
    limit: int | None,
) -> Labelled:
    """Return the texts of any CSV or CSV.gz file. Raises PoolError.

    policy: None for a question made of the label's name. positive: None takes all values as labels.
    """
    data = read(file, text, label, positive=positive, prevalence=prevalence, limit=limit)
    if positive is None:
        names = {value: value for value in data.names}
        asked = policy or f"Which label fits this text: {', '.join(data.names)}?"
    else:
        named = _positive_name(label, positive)
        names = {positive: named, data.names[0]: OTHER}
        asked = policy or (
            f"Is this text an example of '{named}'? Answer '{named}' if it is, and '{OTHER}' if "
            f"it is not."
        )
    return _named(data, file.name.split(".")[0], asked, names)


def _positive_name(column: str, positive: str) -> str:
    """Return what a user would call the positive label: a bare 1 is no name."""
    if positive.strip().lower() not in TRUE_LIKE and not positive.strip().isdigit():
        return positive
    return "positive" if column.lower() in NO_NAME else column.removeprefix("is_")


def _named(data: Data, name: str, policy: str, names: dict[str, str]) -> Labelled:
    """Return it with the labels in the order of `names`, the positive one first as in a form."""
    order = [data.names.index(value) for value in names]
    if sorted(order) != list(range(len(data.names))):
        raise PoolError(f"{data.name} has the labels {data.names}, and not {tuple(names)}.")
    position = np.argsort(np.array(order))
    truth = position[data.labels].astype(np.int64)
    experts = np.stack([truth, truth], axis=1)  # both give the data's label
    return Labelled(name, data.texts, experts, truth, tuple(names.values()), policy, data.made)


def _rated(name: str, limit: int | None) -> Labelled:
    """Two experts are two thirds of the raters, the truth is what the last third says."""
    asked = question(name)
    rated = asked.every()[:limit]
    texts = tuple(one.text for one in rated)
    said = np.array([[0 if asked.first(one, third) else 1 for third in range(3)] for one in rated])
    return Labelled(name, texts, said[:, :2], said[:, 2], asked.labels, asked.policy)

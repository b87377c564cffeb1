"""Files of labelled texts -> pools whose answers are known, for measurements.

The SETS are real data, each with its source and licence. They are not part of the project and lie
in a folder beside it. Loading a set that is not there says where it comes from.
"""

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo import ratings
from selection.cache import key
from selection.errors import PoolError
from selection.types import Bools, Ints

FOLDER = Path("../shared/data")  # where the files of SETS lie by default


@dataclass(frozen=True)
class Data:
    """n different texts with the label of each.

    texts: (n,). labels: (n,) positions in names. describe: what each label means, in words, for
    the starting beliefs. made: what was done to the texts of the file to get these.
    """

    name: str
    texts: tuple[str, ...]
    labels: Ints
    names: tuple[str, ...]
    describe: tuple[str, ...]
    made: str = ""

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise ValueError(f"{len(self.texts)} texts, {len(self.labels)} labels")
        if len(self.names) != len(self.describe):
            raise ValueError(f"{len(self.names)} labels, {len(self.describe)} descriptions")
        if len(set(self.texts)) != len(self.texts):
            raise ValueError("texts occur twice")

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def prevalence(self) -> tuple[float, ...]:
        """Return the share of each label."""
        count = np.bincount(self.labels, minlength=len(self.names))
        return tuple((count / max(len(self), 1)).tolist())


def read(
    path: Path,
    text: str,
    label: str,
    *,
    positive: str | None = None,
    prevalence: float | None = None,
    limit: int | None = None,
    describe: Sequence[str] = (),
) -> Data:
    """Return the texts of a CSV or CSV.gz file.

    positive: the value of `label` that is the positive label, all others being the other one; None
    takes all values as labels. prevalence: share to which the positives are thinned (never
    raised). limit: most texts. describe: words for positive and other, or for all labels in
    alphabetical order. Which texts are dropped depends on the texts alone.
    Raises PoolError for a missing file, column or value.
    """
    columns = _columns(path, text, label)
    return make(columns, path.name, positive, prevalence, limit, tuple(describe))


def make(
    rows: Sequence[tuple[str, str]],
    name: str,
    positive: str | None = None,
    prevalence: float | None = None,
    limit: int | None = None,
    describe: tuple[str, ...] = (),
) -> Data:
    """Return (text, value) rows as Data; see `read`."""
    first: dict[str, str] = {}
    for text, value in rows:
        if text.strip():
            first.setdefault(text.strip(), value)
    # in the order of a hash, so that a limit or a thinner share drops a random but fixed part
    texts = sorted(first, key=key)
    values = [first[text] for text in texts]
    if positive is None:
        names = tuple(sorted(set(values)))
    else:
        if positive not in values:
            seen = ", ".join(sorted(set(values))[:10])
            raise PoolError(f"{name} has no text labelled {positive!r}; its labels: {seen}.")
        names = ("other", positive)
        values = [positive if value == positive else "other" for value in values]
        describe = (describe[1], describe[0]) if len(describe) == 2 else describe
    if len(names) < 2:
        raise PoolError(f"{name} has one label only ({names[0] if names else 'none'}).")
    if describe and len(describe) != len(names):
        raise PoolError(f"{len(describe)} descriptions for {len(names)} labels of {name}.")
    labels = np.array([names.index(value) for value in values], dtype=np.int64)
    keep: Bools = np.ones(len(texts), dtype=np.bool_)
    made = []
    if prevalence is not None and positive is not None:
        keep, thinned = _thin(texts, labels, prevalence)
        if thinned:
            made.append(f"positives thinned to {prevalence:.1%}")
    kept = np.flatnonzero(keep)
    if limit is not None and len(kept) > limit:
        kept = kept[:limit]
        made.append(f"{limit} of {int(keep.sum())} texts")
    return Data(
        name,
        tuple(texts[i] for i in kept),
        labels[kept],
        names,
        describe or names,
        ", ".join(made),
    )


def _thin(texts: Sequence[str], labels: Ints, prevalence: float) -> tuple[Bools, bool]:
    """Return (n,) texts that stay, and whether any was dropped."""
    positive = np.flatnonzero(labels == 1)
    most = round((len(labels) - len(positive)) * prevalence / (1 - prevalence))
    # by another hash than that of the order, or the kept positives would all come first
    another = sorted(positive.tolist(), key=lambda i: key(f"thin {texts[i]}"))
    keep = np.ones(len(labels), dtype=np.bool_)
    keep[another[most:]] = False
    return keep, most < len(positive)


def _columns(path: Path, text: str, label: str) -> list[tuple[str, str]]:
    if not path.is_file():
        raise PoolError(f"There is no file {path}.")
    csv.field_size_limit(2**31 - 1)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        for column in (text, label):
            if column not in (reader.fieldnames or ()):
                have = ", ".join(reader.fieldnames or ())
                raise PoolError(f"{path.name} has no column {column!r}; its columns: {have}.")
        return [(row[text] or "", row[label] or "") for row in reader]


@dataclass(frozen=True)
class NamedSet:
    """A data set that can be asked for by name.

    file: in the folder of the sets; '' for the demo's ratings of these `kinds`. source: who made
    the set, and where these texts come from. licence: as its source states.
    """

    name: str
    title: str
    file: str
    label: str
    positive: str | None
    describe: tuple[str, ...]
    source: str
    licence: str
    prevalence: float | None = None
    kinds: tuple[str, ...] = ()

    def load(self, folder: Path, limit: int | None = 20_000) -> Data:
        """Load it from the folder of the sets. Raises PoolError if it is not there."""
        if self.kinds:
            rows = [
                (one.text, str(int(_majority(one))))
                for kind in self.kinds
                for one in ratings.load(kind)
            ]
        else:
            rows = _columns(self._file(folder), "text", self.label)
            if self.label == "labels":  # several emotions per text, separated by spaces
                rows = [(t, str(int(self.positive in v.split()))) for t, v in rows]
        positive = "1" if self.kinds or self.label == "labels" else self.positive
        return make(rows, self.name, positive, self.prevalence, limit, self.describe)

    def _file(self, folder: Path) -> Path:
        if not (folder / self.file).is_file():
            raise PoolError(
                f"There is no file {folder / self.file}. Name the folder of the sets with "
                f"--folder; this set comes from {self.source}."
            )
        return folder / self.file


def _majority(one: ratings.Rated) -> bool:
    votes = [vote for third in range(3) for vote in one.votes(third)]
    return sum(votes) * 2 > len(votes)


def _rated(name: str, title: str, *kinds: str) -> NamedSet:
    """Return the demo's ratings, each text with the majority of its raters."""
    describe = ("a harshly negative, hostile or disgusted opinion", "a neutral or positive opinion")
    source = "Hutto and Gilbert 2014, in vaderSentiment 3.3.2"
    return NamedSet(name, title, "", "", None, describe, source, "MIT", kinds=kinds)


_GO_EMOTIONS = "Demszky et al. 2020 (RhiM1/GoEmotions-pytorch)"
_EDOS = "Kirk et al. 2023 (rewire-online/edos)"
_NAMED = (
    NamedSet(
        "clickbait",
        "Clickbait, 5 %",
        "clickbait_headlines.csv.gz",
        "label",
        "1",
        (
            "a clickbait headline: lists, quizzes, gossip, teasing the reader",
            "a news headline that reports an event",
        ),
        "Chakraborty et al. 2016 (bhargaviparanjape/clickbait)",
        "MIT",
        prevalence=0.05,
    ),
    NamedSet(
        "gratitude",
        "GoEmotions: gratitude",
        "goemotions.csv.gz",
        "labels",
        "gratitude",
        ("thanking somebody, gratitude", "an ordinary comment"),
        _GO_EMOTIONS,
        "Apache-2.0",
    ),
    NamedSet(
        "remorse",
        "GoEmotions: remorse",
        "goemotions.csv.gz",
        "labels",
        "remorse",
        ("saying sorry, remorse, regret, an apology", "an ordinary comment"),
        _GO_EMOTIONS,
        "Apache-2.0",
    ),
    NamedSet(
        "anger",
        "GoEmotions: anger or disgust",
        "goemotions.csv.gz",
        "label",
        "1",
        ("an angry or disgusted comment", "an ordinary comment"),
        _GO_EMOTIONS,
        "Apache-2.0",
    ),
    NamedSet(
        "davidson",
        "Davidson: hate",
        "davidson_hate.csv.gz",
        "label",
        "1",
        ("hate speech against a group of people", "an ordinary tweet"),
        "Davidson et al. 2017 (t-davidson/hate-speech-and-offensive-language)",
        "MIT",
    ),
    NamedSet(
        "edos",
        "EDOS: sexism",
        "edos_sexism.csv.gz",
        "label",
        "1",
        ("a sexist comment against women", "an ordinary comment"),
        _EDOS,
        "CC0-1.0",
    ),
    NamedSet(
        "edos5",
        "EDOS: five classes",
        "edos_sexism.csv.gz",
        "label_category",
        None,
        (),
        _EDOS,
        "CC0-1.0",
    ),
    NamedSet(
        "convabuse",
        "ConvAbuse",
        "convabuse.csv.gz",
        "label",
        "1",
        ("insulting or abusing a chatbot", "an ordinary conversation with a chatbot"),
        "Cercas Curry et al. 2021 (Le-Wi-Di/le-wi-di.github.io)",
        "CC BY 4.0",
    ),
    _rated("tweets", "Ratings: tweets", "tweets"),
    _rated("editorials", "Ratings: editorials", "editorials"),
    _rated("short", "Ratings: tweets, editorials, products", "tweets", "editorials", "products"),
)
SETS: dict[str, NamedSet] = {one.name: one for one in _NAMED}

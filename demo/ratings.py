"""Human ratings of short texts, each by many people one by one, from vaderSentiment's archive.

Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media
Text" (ICWSM 2014); source archive of vaderSentiment 3.3.2, MIT licence. Every text was rated from
-4 to 4 by 15 to 99 people. A text is harshly negative for a person who rated it HARSH or less, and
for an expert, which is a panel of people, if it is so for most of them.

The raters of a text are split into three fixed, disjoint thirds: two of them answer as experts,
the last one is kept aside, to tell at the end how good a model is.
"""

import ast
import csv
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selection.errors import PoolError

ARCHIVE = Path("build/data/vaderSentiment-3.3.2.tar.gz")
KINDS = {
    "tweets": "tweets",
    "editorials": "nytEditorialSnippets",
    "products": "amazonReviewSnippets",
    "films": "movieReviewSnippets",
}
HARSH = -2


@dataclass(frozen=True)
class Rated:
    """A text with its ratings from -4 to 4, in three disjoint thirds."""

    id: str
    text: str
    thirds: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    def votes(self, third: int) -> list[bool]:
        """Whether each person of a third found the text harshly negative."""
        return [rating <= HARSH for rating in self.thirds[third]]

    def majority(self, third: int) -> bool:
        """Whether more than half of a third found the text harshly negative."""
        votes = self.votes(third)
        return sum(votes) * 2 > len(votes)

    def mean(self, third: int) -> float:
        """Mean rating of a third."""
        return float(np.mean(self.thirds[third]))


def load(kind: str = "tweets", archive: Path = ARCHIVE) -> list[Rated]:
    """All texts of one kind, without exact duplicates. Raises PoolError without the archive."""
    if not archive.is_file():
        raise PoolError(f"The ratings are missing ({archive}). Run: make data")
    truth, ratings = _tables(archive, KINDS[kind])
    seen: set[str] = set()
    rated = []
    for name, votes in ratings.items():
        text = truth.get(name, "").strip()
        if text and text not in seen:
            seen.add(text)
            rated.append(Rated(f"{kind}-{name}", text, _thirds(text, votes)))
    return rated


def write_pool(file: Path, rated: list[Rated]) -> None:
    """Write a pool for `crux round`: the texts only, no vote is in it."""
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("id", "text"), *((one.id, one.text) for one in rated)])


def _thirds(
    text: str, votes: list[int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The ratings dealt out in an order that depends on the text alone."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    order = np.random.default_rng(seed).permutation(len(votes))
    first, second, last = (tuple(votes[i] for i in part) for part in np.array_split(order, 3))
    return first, second, last


def _tables(archive: Path, name: str) -> tuple[dict[str, str], dict[str, list[int]]]:
    """id -> text, and id -> the ratings one by one."""
    with tarfile.open(archive) as outer:
        inner = next(m for m in outer if m.name.endswith("hutto_ICWSM_2014.tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(_bytes(outer, inner))) as data:
            truth = _lines(data, f"{name}_GroundTruth.txt")
            rated = _lines(data, f"{name}_anonDataRatings.txt")
    return (
        {row[0]: row[2] for row in truth},
        {row[0]: list(ast.literal_eval(row[3])) for row in rated},
    )


def _lines(data: tarfile.TarFile, name: str) -> list[list[str]]:
    member = next(m for m in data if m.name.endswith(name))
    text = _bytes(data, member).decode("utf-8-sig", errors="replace")
    return [line.split("\t") for line in text.splitlines() if line.count("\t") >= 2]


def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise PoolError(f"{member.name} in the archive of the ratings is no file. Run: make data")
    return file.read()

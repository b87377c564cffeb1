"""A name for each region of confusion: the words by which its texts differ from all others.

Class-based TF-IDF (Grootendorst 2022, BERTopic): a region is one document, a word's weight is its
share there times log(1 + A / f), where f is how often the word occurs in all classes and A is the
average number of words of a class. A word also has to be at least twice as common in the region as
in the other texts, which is what keeps stop words of any language out of names; those of English
are left out by scikit-learn's list.
"""

import re
import unicodedata
from collections.abc import Sequence
from os.path import commonprefix

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from selection.region import centres
from selection.types import Doubles, Floats, Ints
from selection.vectors import Vectors

WORDS = 3  # at most, in a name
READ = 1_000  # characters of a text
DISTINCT = 2.0  # times as common in the region as elsewhere
SEVERAL = 2  # texts that must share a word
STEM = 5  # two words that begin with as many equal letters are one word
SAME = 0.7  # cosine of the centres of one region in two rounds
# written without spaces: two characters at a time stand for a word, as Lucene's CJKAnalyzer does
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


class _Letters(dict[int, str]):
    """A table for str.translate that keeps letters, their marks and apostrophes."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = unicodedata.category(character)[0] in "LM" or character == "'"
        self[code] = character if kept else "'" if character == "’" else " "
        return self[code]


_LETTERS = _Letters()


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, without English stop words and numbers."""
    found: list[str] = []
    for part in text[:READ].lower().translate(_LETTERS).split():
        word = part.strip("'")
        if _UNSPACED.fullmatch(word):
            found += [word[i : i + 2] for i in range(len(word) - 1)]
        elif len(word) > 1 and not _stops(word):
            found.append(word)
    return found


def _stops(word: str) -> bool:
    """Whether a word is one of scikit-learn's stop words or a short form of one: it's, don't."""
    return word.split("'")[0] in ENGLISH_STOP_WORDS or word.endswith("n't")


def distinctive(texts: Sequence[str], region: Ints, count: int) -> list[list[str]]:
    """Return the words of each region that are rarer elsewhere, the most telling first.

    texts, region: (m,) the texts and the region of each, 0 to count - 1; any other number for
    texts to compare with.
    """
    reader = CountVectorizer(analyzer=words, binary=True, dtype=np.int64)
    try:
        present = reader.fit_transform(texts)
    except ValueError:  # no text has any word
        return [[] for _ in range(count)]
    vocabulary = [str(word) for word in reader.get_feature_names_out()]
    groups = [region == number for number in range(count)]
    groups.append((region < 0) | (region >= count))
    # (count + 1, v) texts of each class that have each word
    inside = np.stack([np.asarray(present[own].sum(axis=0)).ravel() for own in groups])
    total = inside.sum(axis=0)
    rare = np.log1p(total.sum() / (count + 1) / total)
    found = []
    for own, held in zip(groups[:-1], inside, strict=False):
        size = int(own.sum())
        elsewhere = (total - held) / max(len(texts) - size, 1)
        able = (held >= SEVERAL) & (held / max(size, 1) >= DISTINCT * elsewhere)
        weight: Doubles = np.where(able, held / max(held.sum(), 1) * rare, 0.0)
        order = np.argsort(-weight, kind="stable")[: int((weight > 0).sum())]
        found.append([vocabulary[place] for place in order.tolist()])
    return found


def name(distinct: Sequence[Sequence[str]]) -> list[str]:
    """Return a name of one to three words for each region; no two share a word.

    distinct: words of each region, as `distinctive` returns them. Without any a region is called
    'region 3'.
    """
    taken: list[str] = []
    names = []
    for number, own in enumerate(distinct):
        said: list[str] = []
        for word in own:
            if not any(_one_word(word, other) for other in [*said, *taken]):
                said.append(word)
            if len(said) == WORDS:
                break
        taken += said
        names.append(", ".join(said) or f"region {number + 1}")
    return names


def _one_word(one: str, two: str) -> bool:
    return len(commonprefix([one, two])) >= min(STEM, len(one), len(two))


def known(vectors: Vectors, rows: Ints, names: Sequence[str]) -> tuple[list[str], Floats]:
    """Return the e different names in order, and (e, d) unit centres of the rows that have each.

    rows, names: (b,) what was bought in earlier rounds and the region that its cards say. So the
    cards are all that has to be kept of a region.
    """
    every = sorted(set(names))
    if not every:
        return [], np.zeros((0, vectors.shape[1]), dtype=np.float32)
    which = np.array([every.index(one) for one in names], dtype=np.int64)
    return every, centres(vectors[rows], which, len(every))


def keep_names(
    names: Sequence[str],
    distinct: Sequence[Sequence[str]],
    centres: Floats,
    earlier: Sequence[str],
    before: Floats,
) -> list[str]:
    """Return the names, but the earlier one where a region was known already.

    A region is known if it lies where an earlier one did (cosine of the centres at least SAME) and
    at least half of the words of the earlier name still are distinctive. Regions are matched one to
    one so that the cosines have the largest sum. A new region that would have an earlier name gets
    a number.

    distinct: as `name` takes them. centres: (r, d) unit, of the regions now. earlier, before: as
    `known` returns them.
    """
    kept: dict[int, str] = {}
    if len(names) and len(earlier):
        cosine = centres @ before.T
        said = [set(one.split(" (")[0].split(", ")) for one in earlier]
        true = np.array([[2 * len(one & set(own)) >= len(one) for one in said] for own in distinct])
        near = np.where(true & (cosine >= SAME), cosine, 0.0)
        now, old = linear_sum_assignment(near, maximize=True)
        for i, j in zip(now.tolist(), old.tolist(), strict=True):
            if near[i, j] > 0:
                kept[i] = earlier[j]
    used = set(earlier)
    result = []
    for number, fresh in enumerate(names):
        own = kept.get(number)
        if own is None:
            own, again = fresh, 2
            while own in used:
                own, again = f"{fresh} ({again})", again + 1
            used.add(own)
        result.append(own)
    return result

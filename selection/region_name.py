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

from selection.types import Doubles, Floats, Ints

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
        # "it's" is a form of "it"
        elif len(word) > 1 and word.split("'")[0] not in ENGLISH_STOP_WORDS:
            found.append(word)
    return found


def name(texts: Sequence[str], region: Ints, count: int) -> list[str]:
    """Return a name of one to three words for each region; no two share a word.

    texts, region: (m,) the texts and the region of each, 0 to count - 1; any other number for
    texts to compare with. A region without any distinctive word is called 'region 3'.
    """
    reader = CountVectorizer(analyzer=words, binary=True, dtype=np.int64)
    try:
        present = reader.fit_transform(texts)
    except ValueError:  # no text has any word
        return [f"region {number + 1}" for number in range(count)]
    vocabulary = reader.get_feature_names_out()
    inside = np.stack(
        [np.asarray(present[region == number].sum(axis=0)).ravel() for number in range(count)]
        + [np.asarray(present[(region < 0) | (region >= count)].sum(axis=0)).ravel()]
    ).astype(np.float64)  # (count + 1, v) texts of each region that have each word
    sizes = np.bincount(np.where((region < 0) | (region >= count), count, region),
                        minlength=count + 1)  # fmt: skip
    total = inside.sum(axis=0)
    rare = np.log1p(inside.sum() / (count + 1) / total)
    taken: list[str] = []
    names = []
    for number in range(count):
        here = inside[number] / max(sizes[number], 1)
        elsewhere = (total - inside[number]) / max(len(texts) - sizes[number], 1)
        able = (inside[number] >= SEVERAL) & (here >= DISTINCT * elsewhere)
        weight = np.where(able, inside[number] / max(inside[number].sum(), 1) * rare, 0.0)
        own = _first(vocabulary, weight, taken)
        taken += own
        names.append(", ".join(own) or f"region {number + 1}")
    return names


def _first(vocabulary: Sequence[str], weight: Doubles, taken: Sequence[str]) -> list[str]:
    """Return the heaviest words, of which no two are forms of one word."""
    own: list[str] = []
    for place in np.argsort(-weight, kind="stable").tolist():
        word = str(vocabulary[place])
        if weight[place] <= 0 or len(own) == WORDS:
            break
        if not any(_one_word(word, other) for other in [*own, *taken]):
            own.append(word)
    return own


def _one_word(one: str, two: str) -> bool:
    return len(commonprefix([one, two])) >= min(STEM, len(one), len(two))


def known(vectors: Floats, rows: Ints, names: Sequence[str]) -> tuple[list[str], Floats]:
    """Return the e different names in order, and (e, d) unit centres of the rows that have each.

    rows, names: (b,) what was bought in earlier rounds and the region that its cards say. So the
    cards are all that has to be kept of a region.
    """
    every = sorted(set(names))
    if not every:
        return [], np.zeros((0, vectors.shape[1]), dtype=np.float32)
    which = np.array([every.index(one) for one in names], dtype=np.int64)
    centre = np.stack([vectors[rows[which == place]].mean(axis=0) for place in range(len(every))])
    length = np.maximum(np.linalg.norm(centre, axis=1, keepdims=True), 1e-9)
    return every, np.asarray(centre / length, dtype=np.float32)


def keep_names(
    names: Sequence[str],
    centres: Floats,
    earlier: Sequence[str],
    before: Floats,
    *,
    same: float = SAME,
) -> list[str]:
    """Return the names, but the earlier one where a region was known already.

    centres: (r, d) unit, of the regions now. earlier, before: as `known` returns them. Regions are
    matched one to one so that the cosines of their centres have the largest sum; a match below
    `same` is none. A new region that would have an earlier name gets a number.
    """
    kept: dict[int, str] = {}
    if len(names) and len(earlier):
        cosine = centres @ before.T
        now, old = linear_sum_assignment(cosine, maximize=True)
        for i, j in zip(now.tolist(), old.tolist(), strict=True):
            if cosine[i, j] >= same:
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

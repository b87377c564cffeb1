"""The policy's own words about each label -> how much each text speaks for it.

A small prompted model is nearly useless where a label is rare, and the first verdicts are wasted.
What the policy says of a label is a query that costs nothing: the texts most similar to it hold
several times the usual share of the label (docs/method.md has the figures). An embedder blurs a
sentence that lists many things, so a definition is also asked for phrase by phrase.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from selection.types import Doubles, Floats
from selection.vectors import Vectors

OTHERS = 0.5  # how much likeness to the other labels' words counts against a text
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_PHRASE = re.compile(r"[,;:.()/\n]|\b(?:or|and)\b")
# "If the writer expresses hatred" is about hatred: these tell that something is said, not what.
_SAYING = frozenset(
    {
        "writer", "author", "speaker", "person", "people", "user", "somebody", "someone",
        "text", "comment", "tweet", "headline", "message", "post", "review", "sentence",
        "express", "expresses", "say", "says", "contain", "contains",
        "describe", "describes", "mention", "mentions",
    }
)  # fmt: skip
_TELLS_NOTHING = ENGLISH_STOP_WORDS | _SAYING


def definitions(policy: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return for each label its name and what the policy says after naming it.

    That is, of each sentence, what stands between the label and the next other label or the end. A
    label that the policy does not name stands for itself.
    """
    return tuple(_definition(policy, label, labels) for label in labels)


def _definition(policy: str, label: str, labels: Sequence[str]) -> str:
    others = [re.escape(one) for one in labels if one != label]
    stop = rf"\W\b(?:{'|'.join(sorted(others, key=len, reverse=True))})\b" if others else r"(?!)"
    found = []
    for sentence in _SENTENCE.split(policy):
        mention = re.search(rf"(?<!\w){re.escape(label)}(?!\w)", sentence, re.IGNORECASE)
        if mention is None:
            continue
        after = sentence[mention.end() :]
        end = re.search(stop, after, re.IGNORECASE)
        found.append((after[: end.start()] if end else after).strip(" \t'\"`,.;:!?"))
    said = ". ".join(dict.fromkeys(one for one in found if one))
    return f"{label}: {said}" if said else label


def phrases(definition: str) -> tuple[str, ...]:
    """Return what a definition lists, without the words that tell nothing: one phrase at least."""
    found = (_without_saying(part) for part in _PHRASE.split(definition))
    return tuple(dict.fromkeys(one for one in found if one)) or (definition,)


def _without_saying(phrase: str) -> str:
    words = phrase.split()
    while words and words[0].lower() in _TELLS_NOTHING:
        del words[0]
    return " ".join(words)


def by_words(
    vectors: Vectors,
    policy: str,
    labels: Sequence[str],
    read: Callable[[Sequence[str]], Floats],
) -> Doubles:
    """Return (n, k) how much more than usual the policy's words about a label are in each text.

    vectors: (n, d) unit, of the texts. read: m texts -> (m, d) unit vectors of the same embedder.
    """
    said = definitions(policy, labels)
    return speaks_for(vectors, read(said), [read(phrases(one)) for one in said])


def speaks_for(vectors: Vectors, words: Floats, listed: Sequence[Floats]) -> Doubles:
    """Return (n, k) how much more than usual each text is like each label's words.

    vectors: (n, d) unit, of the texts. words: (k, d) unit, of `definitions`. listed: for each label
    (p, d) unit, of its `phrases`. The whole, the mean over the phrases and the likest phrase count
    alike. Each column has mean 0 and deviation 1.
    """
    ends = np.cumsum([len(words), *map(len, listed[:-1])])
    like = (vectors @ np.concatenate([words, *listed]).T).astype(np.float64)  # in one pass
    said, *found = np.split(like, ends, axis=1)
    whole = standard(said)
    usual = standard(np.column_stack([standard(each).mean(axis=1) for each in found]))
    likest = standard(np.column_stack([each.max(axis=1) for each in found]))
    alike = standard(whole + usual + likest)
    others = (alike.sum(axis=1, keepdims=True) - alike) / max(alike.shape[1] - 1, 1)
    return standard(alike - OTHERS * others)


def standard(values: Doubles) -> Doubles:
    """Return (n, k) columns with mean 0 and deviation 1, or 0 where all are the same."""
    deviation = values.std(axis=0)
    scaled: Doubles = (values - values.mean(axis=0)) / np.where(deviation > 1e-12, deviation, 1.0)
    return scaled

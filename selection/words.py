"""The policy's own words about each label -> how much each text speaks for it.

A small prompted model is nearly useless where a label is rare, and the first verdicts are wasted.
What the policy says of a label is a query that costs nothing: the texts most similar to it hold
several times the usual share of the label (docs/method.md has the figures).
"""

import re
from collections.abc import Sequence

import numpy as np

from selection.types import Doubles, Floats

OTHERS = 0.5  # how much likeness to the other labels' words counts against a text
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


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


def speaks_for(vectors: Floats, words: Floats) -> Doubles:
    """Return (n, k) how much more than usual each text is like each label's words.

    vectors: (n, d) unit, of the texts. words: (k, d) unit, of `definitions`. Each column has mean 0
    and deviation 1.
    """
    cosine = standard((vectors @ words.T).astype(np.float64))
    k = len(words)
    others = (cosine.sum(axis=1, keepdims=True) - cosine) / max(k - 1, 1)
    return standard(cosine - OTHERS * others)


def standard(values: Doubles) -> Doubles:
    """Return (n, k) columns with mean 0 and deviation 1, or 0 where all are the same."""
    deviation = values.std(axis=0)
    scaled: Doubles = (values - values.mean(axis=0)) / np.where(deviation > 1e-12, deviation, 1.0)
    return scaled

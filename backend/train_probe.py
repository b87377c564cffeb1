"""Examples -> a probe (selection/probe.py) that reads beside the language model.

A language model that was taught a few hundred labels and a linear probe err on different texts, so
the sum of their log-odds ranks texts better than either (docs/decisions.md has what it is worth).
Both are brought to one scale on texts of the pool; then the probe has its `share` of the sum.
"""

from collections.abc import Sequence

import numpy as np

from backend.engine.probe import vectors_of
from selection.bag import bag, rarity
from selection.probe import Probe, teach
from selection.types import Doubles, Ints


def train_probe(
    texts: Sequence[str], targets: Ints, k: int, sample: Sequence[str], embedder: str
) -> Probe:
    """Teach a probe (n,) texts and their labels, of two at least. sample: texts of the pool, which
    tell how rare words are. Raises ModelError."""
    bags = bag(texts)
    rare = rarity(bag([*sample, *texts]))
    return teach(bags, vectors_of(texts, embedder), targets, k, rare)


def share_factor(llm: Doubles, probe: Doubles, weight: Doubles, share: float) -> float:
    """Return what to multiply a probe's logits with, so that it has `share` of the sum.

    llm, probe: (n, k) logits of texts of the pool. weight: (n,) how many texts each stands for.
    share: 0 to 1, of the sum of both spreads. 0 if the probe tells no texts apart.
    """
    spread = [_spread(llm, weight), _spread(probe, weight)]
    return share / (1 - share) * spread[0] / spread[1] if spread[1] > 1e-9 else 0.0


def _spread(logits: Doubles, weight: Doubles) -> float:
    """Return the standard deviation over texts of the logits less the mean of each text's."""
    centred = logits - logits.mean(axis=1, keepdims=True)
    middle = np.average(centred, axis=0, weights=weight)
    return float(np.sqrt(np.average(((centred - middle) ** 2).mean(axis=1), weights=weight)))

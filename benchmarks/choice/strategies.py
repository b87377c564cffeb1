"""The strategies that no library ships, written as their sources describe them; and all by name.

All but `random`, `crux` and its variants get the same first batch: random rows, as many of each
label that the starting beliefs predict. Methods that could begin without labels do better with it
(mean kappa after the first batch: 0.23 with k-means over the pool, 0.30 with this draw).
"""

import numpy as np

from benchmarks.choice.naive import naive_pairs
from benchmarks.choice.ours import crux, with_rule
from benchmarks.choice.peers import peers
from benchmarks.choice.race import stratified
from benchmarks.choice.state import State, Strategy
from selection.budget import budget
from selection.choose import Rule
from selection.errors import SettingError
from selection.types import Bools, Doubles, Ints

WIDER = 10  # candidates per label, for a rule that first narrows by margin and then spreads
SAMPLE = 3_000  # rows that stand for the pool in a rule that compares all pairs of rows


def margins(state: State) -> Doubles:
    """Return (n,) the gap between the beliefs in the two best labels; 2 for bought rows."""
    top = np.sort(state.probability, axis=1)
    gap: Doubles = np.where(state.open, top[:, -1] - top[:, -2], 2.0)
    return gap


def random(state: State, count: int) -> Ints:
    """Return random rows."""
    return state.rng.permutation(np.flatnonzero(state.open))[:count].astype(np.int64)


def margin(state: State, count: int) -> Ints:
    """Return the rows with the smallest margin."""
    return np.argsort(margins(state), kind="stable")[:count].astype(np.int64)


def margin_spread(state: State, count: int) -> Ints:
    """Take ten times as many rows by margin; of these, one by one, the farthest from all bought
    (k-centre)."""
    rows = margin(state, min(WIDER * count, int(state.open.sum())))
    vectors = state.vectors
    near = (vectors[rows] @ vectors[state.rows].T).max(axis=1)
    chosen = []
    for _ in range(count):
        best = int(near.argmin())
        chosen.append(int(rows[best]))
        near = np.maximum(near, vectors[rows] @ vectors[rows[best]])
        near[best] = np.inf
    return np.array(chosen, dtype=np.int64)


def uncertainty_herding(state: State, count: int) -> Ints:
    """Cover a sample of the pool by its own rows, weighted by uncertainty (Bae et al. 2025)."""
    sample = random(state, SAMPLE)
    chosen = budget(
        state.vectors[sample],
        1 - margins(state)[sample],
        np.stack([sample, sample], axis=1),  # a candidate is a single row
        most=count,
        covered=state.vectors[state.rows],
    )
    return sample[chosen]


def threshold(state: State, count: int) -> Ints:
    """DIRECT's idea (Nuggehalli et al. 2025): find the threshold that separates best, label there.

    Each label in turn against the rest: take the threshold on its belief that makes the fewest
    errors on the bought rows, then buy the open rows nearest to it in rank, as many on either
    side. So wrong answers far from the threshold attract no more labels.
    """
    chosen: list[int] = []
    shares = np.array_split(np.arange(count), state.k)
    free = state.open
    for label, share in enumerate(shares):
        belief = state.probability[:, label]
        cut = _separating(belief[state.rows], state.answers == label)
        order = np.flatnonzero(free)[np.argsort(belief[free], kind="stable")]
        place = int(np.searchsorted(belief[order], cut))
        begin = int(np.clip(place - len(share) // 2, 0, max(len(order) - len(share), 0)))
        new = order[begin : begin + len(share)]
        chosen += new.tolist()
        free[new] = False
    return np.array(chosen, dtype=np.int64)


def _separating(belief: Doubles, positive: Bools) -> float:
    order = np.argsort(belief, kind="stable")
    belief, positive = belief[order], positive[order]
    below = np.concatenate([[0], np.cumsum(positive)])  # positives below each possible cut
    above = np.concatenate([np.cumsum(~positive[::-1])[::-1], [0]])
    # errors on either side are weighted by the rarity of their label, as in the learner
    errors = below / max(positive.sum(), 1) + above / max((~positive).sum(), 1)
    cut = int(errors.argmin())
    edges = np.concatenate([[belief[0]], (belief[1:] + belief[:-1]) / 2, [belief[-1]]])
    return float(edges[cut])


WRITTEN_HERE: dict[str, Strategy] = {
    "crux": crux,
    "random": random,
    "stratified": stratified,
    "margin": margin,
    "margin spread": margin_spread,
    "naive pairs": naive_pairs,
    "uncertainty herding": uncertainty_herding,
    "threshold": threshold,
}


def _margin_later(state: State, count: int) -> Ints:
    return margin(state, count) if state.round else crux(state, count)


def _ours_later(state: State, count: int) -> Ints:
    return crux(state, count) if state.round else stratified(state, count)


# our choice with one thing changed, to see what that thing is worth
VARIANTS: dict[str, Strategy] = {
    "our first round then margin": _margin_later,
    "stratified first round then ours": _ours_later,
    "the likeliest alone in round 0": with_rule(Rule(likely=1)),
    "three times the likeliest": with_rule(Rule(likely=3)),
    "twenty times the likeliest": with_rule(Rule(likely=20)),
    "250 candidates": with_rule(Rule(candidates=250)),
    "2000 candidates": with_rule(Rule(candidates=2_000)),
    "kernel width 0.1": with_rule(Rule(width=0.1)),
    "kernel width 0.4": with_rule(Rule(width=0.4)),
    "without regions": with_rule(Rule(clusters=0.0)),
    "half as many clusters": with_rule(Rule(clusters=0.25)),
    "twice as many clusters": with_rule(Rule(clusters=1.0)),
}
COLD_START = frozenset({"random", "crux", *VARIANTS})  # these choose the first batch themselves


def by_name(wanted: str) -> dict[str, Strategy]:
    """Return the strategies of these names.

    wanted: names between commas, or 'all', which leaves out the variants of our choice. Raises
    SettingError for an unknown name.
    """
    names = [name.strip() for name in wanted.split(",")]
    here = {**WRITTEN_HERE, **VARIANTS}
    if set(names) <= set(here):
        return {name: here[name] for name in names}
    every = {**here, **peers()}
    if names == ["all"]:
        return {name: strategy for name, strategy in every.items() if name not in VARIANTS}
    unknown = [name for name in names if name not in every]
    if unknown:
        raise SettingError(f"There is no strategy {unknown[0]!r}. There are: {', '.join(every)}.")
    return {name: every[name] for name in names}

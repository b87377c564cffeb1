"""The strategies that no library ships, written as their sources describe them; and all by name.

Everybody but `random` and `crux` buys the first batch in the same way: at random, as many of each
label that the starting beliefs predict. Methods that could begin without labels do better so
(k-means over the pool: mean kappa .23 after the first batch, this draw: .30).
"""

import numpy as np

from benchmarks.choice.naive import naive_pairs
from benchmarks.choice.ours import crux, otherwise
from benchmarks.choice.peers import peers
from benchmarks.choice.race import first
from benchmarks.choice.state import State, Strategy
from selection.budget import budget
from selection.choose import Rule
from selection.errors import SettingError
from selection.types import Bools, Doubles, Ints

WIDER = 10  # candidates for each label bought, where a rule first narrows and then spreads
SAMPLE = 3_000  # rows that stand for the pool where a rule looks at all pairs of rows


def margins(state: State) -> Doubles:
    """(n,) how far the two best labels are apart; 2 for rows that are bought."""
    top = np.sort(state.probability, axis=1)
    gap: Doubles = np.where(state.open, top[:, -1] - top[:, -2], 2.0)
    return gap


def random(state: State, count: int) -> Ints:
    """Any rows."""
    return state.rng.permutation(np.flatnonzero(state.open))[:count].astype(np.int64)


def margin(state: State, count: int) -> Ints:
    """The rows closest to the threshold."""
    return np.argsort(margins(state), kind="stable")[:count].astype(np.int64)


def margin_spread(state: State, count: int) -> Ints:
    """Ten times as many by margin, of these each the farthest from all bought (k-centre)."""
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
    """Uncertainty-weighted coverage of a sample of the pool by its own rows (Bae et al. 2025)."""
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

    One label against the rest, each label in turn: on the belief in it, the threshold with the
    fewest errors among what is bought; then the open rows nearest to it in rank, as many on
    either side, so that noisy answers far from it are not bought again.
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
    below = np.concatenate([[0], np.cumsum(positive)])  # positives that a cut would leave below
    above = np.concatenate([np.cumsum(~positive[::-1])[::-1], [0]])
    # errors of either kind weigh by the rarity of their label, as in the learner
    errors = below / max(positive.sum(), 1) + above / max((~positive).sum(), 1)
    cut = int(errors.argmin())
    edges = np.concatenate([[belief[0]], (belief[1:] + belief[:-1]) / 2, [belief[-1]]])
    return float(edges[cut])


OWN: dict[str, Strategy] = {
    "crux": crux,
    "random": random,
    "stratified": first,
    "margin": margin,
    "margin spread": margin_spread,
    "naive pairs": naive_pairs,
    "uncertainty herding": uncertainty_herding,
    "threshold": threshold,
}


def _margin_later(state: State, count: int) -> Ints:
    return margin(state, count) if state.round else crux(state, count)


def _ours_later(state: State, count: int) -> Ints:
    return crux(state, count) if state.round else first(state, count)


# ours with one thing otherwise, to see what it is worth
VARIANTS: dict[str, Strategy] = {
    "our first round then margin": _margin_later,
    "stratified first round then ours": _ours_later,
    "nothing typical in round 0": otherwise(Rule(typical=0.0)),
    "a quarter typical": otherwise(Rule(typical=0.25)),
    "all typical": otherwise(Rule(typical=1.0)),
    "250 candidates": otherwise(Rule(candidates=250)),
    "2000 candidates": otherwise(Rule(candidates=2_000)),
    "kernel width .1": otherwise(Rule(width=0.1)),
    "kernel width .4": otherwise(Rule(width=0.4)),
}
ALONE = frozenset({"random", "crux", *VARIANTS})  # buy the first batch themselves


def named(wanted: str) -> dict[str, Strategy]:
    """'all' (without the variants of ours), or names between commas. Raises SettingError for a
    name that nobody has."""
    names = [name.strip() for name in wanted.split(",")]
    here = {**OWN, **VARIANTS}
    if set(names) <= set(here):
        return {name: here[name] for name in names}
    every = {**here, **peers()}
    if names == ["all"]:
        return {name: strategy for name, strategy in every.items() if name not in VARIANTS}
    unknown = [name for name in names if name not in every]
    if unknown:
        raise SettingError(f"There is no strategy {unknown[0]!r}. There are: {', '.join(every)}.")
    return {name: every[name] for name in names}

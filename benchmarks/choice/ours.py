"""Our choice as a strategy: the code that `crux round` runs, with every label used for training."""

import numpy as np

from benchmarks.choice.state import State, Strategy
from selection.choose import RULE, Plan, Rule, choose
from selection.types import Beliefs, Choice, Ints, Pool

NO_RESERVE = 1e-12  # share of the pool kept for the audit: the test rows were set aside before


def crux(state: State, count: int) -> Ints:
    """Return the rows that `crux round` would buy."""
    return choice(state, count).row


def with_rule(rule: Rule) -> Strategy:
    """Return our choice with other numbers in its rule."""
    return lambda state, count: choice(state, count, rule).row


def choice(state: State, count: int, rule: Rule = RULE) -> Choice:
    """Return what `crux round` would buy and why, without an audit and an evaluation set.

    A row's id is its number; the names of pairs are made of these ids.
    """
    n = len(state.vectors)
    ids = np.array([f"{row:08d}" for row in range(n)], dtype=object)
    beliefs = beliefs_of(state)
    plan = Plan(
        round=state.round,
        trained=state.round > 0,
        bought=~state.open,
        inclusion=np.full(n, np.nan),
        per_round=count,
        audit_per_round=0,
        audit_reserve=NO_RESERVE,
        seed=state.seed,
    )
    chosen, _ = choose(Pool(ids, ids), state.vectors, beliefs, plan, rule)
    return chosen


def beliefs_of(state: State) -> Beliefs:
    """Return the learner's beliefs as the product knows them: as if it had read every text."""
    names = tuple(str(label) for label in range(state.k))
    read = np.ones(len(state.vectors), dtype=np.bool_)
    return Beliefs(state.probability, names, str(state.round), read)

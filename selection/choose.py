"""The choice of one round, from beliefs to the tasks that experts will see: pure and repeatable.

before a model is trained:  start (words, budget)       + audit
later:                      boundary -> cluster, pair -> budget by region  + audit
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from selection.audit import audit, informative
from selection.boundary import boundary, doubt
from selection.budget import WIDTH, budget
from selection.confusion import Confusion, Earlier, confusion, said
from selection.label import balance
from selection.pair import pair
from selection.permanent import permanent
from selection.region import by_region, candidates
from selection.start import start
from selection.types import (
    Audit,
    Beliefs,
    Bools,
    Choice,
    Doubles,
    Ints,
    Pairs,
    Pool,
    Strings,
)
from selection.vectors import Vectors

SAMPLE = 300  # texts drawn by doubt, by which new versions are fitted to the pool's balance
ALWAYS = 1_000  # texts beside them at most that are read for the choice anyway


@dataclass(frozen=True)
class Rule:
    """The constants of the choice (docs/results.md compares others).

    likely: texts that speak for a label, for each that the start buys of it, from which those are
    taken that stand for most others. candidates: texts that the budget chooses from later; its cost
    grows with their square. width: of the kernel by which one text covers another. clusters: of the
    candidates, for each text that is bought.
    """

    likely: int = 7
    candidates: int = 1_000
    width: float = WIDTH
    clusters: float = 0.5


RULE = Rule()


@dataclass(frozen=True)
class Plan:
    """What a round may buy.

    trained: whether verdicts taught the model whose beliefs are used. bought: (n,) rows that the
    project has. inclusion: (n,) chance of the rows that were audited before, NaN elsewhere. The
    others are the settings of the same names.
    """

    round: int
    trained: bool
    bought: Bools
    inclusion: Doubles
    per_round: int
    audit_per_round: int
    audit_reserve: float
    seed: int


def choose(
    pool: Pool,
    vectors: Vectors,
    beliefs: Beliefs,
    plan: Plan,
    rule: Rule = RULE,
    *,
    words: Doubles | None = None,
    earlier: Earlier | None = None,
) -> tuple[Choice, Audit]:
    """Return what to buy now, and the audit's whole sample with its chances after this round.

    vectors: (n, d) unit. words: (n, k) how much each text speaks for each label by the policy's
    words (words.py), for the start. earlier: the regions of the rounds before, whose names are
    kept. The choice depends on nothing but its arguments.
    """
    believed = beliefs
    if not plan.trained and _rarest(beliefs) < plan.per_round:
        believed = balance(beliefs)  # a prompted model may prefer one label whatever it reads
    number = permanent(pool.ids, plan.seed)
    sample = audit(
        believed.probability,
        number,
        plan.inclusion,
        size=plan.audit_per_round,
        reserve=plan.audit_reserve,
    )
    open_rows = ~plan.bought & (number >= plan.audit_reserve)
    if not plan.trained:
        rows, speaks = start(
            vectors, believed.probability, open_rows, plan.per_round,
            words=words, covered=vectors[plan.bought], likely=rule.likely, width=rule.width,
        )  # fmt: skip
        every = _joined(_started(pool, rows, speaks, believed), _audited(pool, sample, plan))
    else:
        rows = boundary(believed.margin, open_rows, rule.candidates)
        count = max(round(rule.clusters * plan.per_round), 1)
        found = confusion(
            pool, vectors, believed, rows, count=count, seed=plan.seed, earlier=earlier
        )
        bought = _boundary(pool, vectors, believed, open_rows, plan, rule, found)
        every = _placed(_joined(bought, _audited(pool, sample, plan)), vectors, found)
    # blind and open tasks mixed, so that the order tells nothing about a task
    order = np.random.default_rng([plan.seed, plan.round]).permutation(len(every))
    return Choice(*(column[order] for column in vars(every).values())), sample


def _rarest(beliefs: Beliefs) -> int:
    """Return how many texts are predicted to have the label that is predicted least."""
    return int(np.bincount(beliefs.predicted, minlength=len(beliefs.labels)).min())


def drawn(
    pool: Pool, beliefs: Beliefs, plan: Plan, size: int = SAMPLE, *, always: int = 0
) -> tuple[Ints, Doubles]:
    """Draw rows by which a new version is fitted to the pool; return their weights, 1 / chance.

    About `size` rows have chances that follow the model's doubt. With them come the `always` rows
    with the smallest permanent numbers, at most ALWAYS of them, which every version reads for the
    choice as well (label.py). All are of the audit's reserve, which the choice never touches: of
    all other texts it takes more and more of a rare label away, and a threshold that gives the rest
    as many as the pool has is too low.
    """
    number = permanent(pool.ids, plan.seed)
    reserve = np.flatnonzero(number < plan.audit_reserve)
    rng = np.random.default_rng([plan.seed, plan.round, 1])
    share = informative(beliefs.probability)[reserve]
    doubted = np.minimum(size * share / max(share.sum(), 1e-12), 1.0)
    first = np.argsort(number[reserve], kind="stable")[: min(always, ALWAYS)]
    taken = rng.random(len(reserve)) < doubted
    taken[first] = True
    # by either of two draws that know nothing of each other
    chance = 1 - (1 - doubted) * (1 - len(first) / max(len(reserve), 1))
    return reserve[taken], 1.0 / chance[taken]


def _started(pool: Pool, rows: Ints, speaks: Ints, beliefs: Beliefs) -> Choice:
    why = _strings([f"speaks most for '{beliefs.labels[name]}'" for name in speaks.tolist()])
    return replace(_singles(pool, rows, np.full(len(rows), np.nan), beliefs, ""), why=why)


def _boundary(
    pool: Pool,
    vectors: Vectors,
    beliefs: Beliefs,
    open_rows: Bools,
    plan: Plan,
    rule: Rule,
    found: Confusion,
) -> Choice:
    """Choose pairs that cover the boundary, and single unsure rows for what pairs leave over."""
    covered = vectors[plan.bought]
    margin = beliefs.margin
    rows = found.clusters.row
    pairs = pair(vectors, beliefs.predicted, rows)
    every = candidates(vectors, margin, pairs, found.clusters, found.region)
    chosen = by_region(every, most=plan.per_round, covered=covered, width=rule.width)
    taken = _paired(pool, beliefs, pairs.take(chosen))
    left = plan.per_round - len(taken)
    rest = open_rows.copy()
    rest[taken.row] = False
    if left < 1 or not rest.any():
        return taken
    rows = boundary(margin, rest, rule.candidates)
    more = budget(
        vectors[rows],
        doubt(margin[rows]),
        np.stack([rows, rows], axis=1),
        most=left,
        covered=np.concatenate([covered, vectors[taken.row]]),
        width=rule.width,
    )
    unknown = np.full(len(more), np.nan)
    single = _singles(pool, rows[more], unknown, beliefs, "close to the boundary, labelled")
    return _joined(taken, single)


def _paired(pool: Pool, beliefs: Beliefs, pairs: Pairs) -> Choice:
    names, predicted = beliefs.labels, beliefs.predicted
    row: list[int] = []
    pair_name: list[str] = []
    why: list[str] = []
    for left, right in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
        name = f"{pool.ids[left]}|{pool.ids[right]}"
        for this, other in ((left, right), (right, left)):
            row.append(this)
            pair_name.append(name)
            why.append(
                f"labelled '{names[predicted[this]]}', while its neighbour "
                f"{pool.ids[other]} is labelled '{names[predicted[other]]}'"
            )
    return Choice.without_region(
        np.array(row, dtype=np.int64),
        _strings(["train"] * len(row)),
        _strings(pair_name),
        np.full(len(row), np.nan),
        _strings(why),
    )


def _singles(pool: Pool, rows: Ints, inclusion: Doubles, beliefs: Beliefs, reason: str) -> Choice:
    predicted = beliefs.predicted
    return Choice.without_region(
        rows,
        _strings(["train"] * len(rows)),
        _strings([str(pool.ids[row]) for row in rows]),
        inclusion,
        _strings([f"{reason} '{beliefs.labels[predicted[row]]}'" for row in rows]),
    )


def _audited(pool: Pool, sample: Audit, plan: Plan) -> Choice:
    new = ~plan.bought[sample.row]
    rows = sample.row[new]
    return Choice.without_region(
        rows,
        _strings(["audit"] * len(rows)),
        _strings([str(pool.ids[row]) for row in rows]),
        sample.inclusion[new],
        _strings(["drawn at random to measure the model in production"] * len(rows)),
    )


def _placed(every: Choice, vectors: Vectors, found: Confusion) -> Choice:
    """Return it with the regions of all rows, so that none tells an audited text by its lack."""
    of = found.of(vectors, every.row)
    # the last share is that of no region
    share = np.round(np.append(found.share, 0.0)[of], 4)
    return replace(every, region=said(found.names, of), share=share)


def _joined(one: Choice, two: Choice) -> Choice:
    columns = zip(vars(one).values(), vars(two).values(), strict=True)
    return Choice(*(np.concatenate(both) for both in columns))


def _strings(values: Sequence[str]) -> Strings:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array

"""A simulated world -> what people and a model say about texts drawn from it, and the true kappas.

A world is a mixture of t types of text. Given the type of a text, raters answer independently, each
with known chances. So the expected table of two raters, and with it their true kappa, is a sum and
not an estimate. The chances come from `knowing`: a rater knows the label of a text with probability
s, and otherwise guesses by the prevalence of the labels. Two such raters have the kappa s1 * s2,
whatever the prevalence and the number of labels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import ndtri, softmax

from selection.audit import audit, unjudged
from selection.calibrate import Unjudged
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.types import NO_VERDICT, Bools, Doubles, Ints


@dataclass(frozen=True)
class World:
    """t types of text. share: (t,) of each, sums to 1. label: (t,) true label. k: labels.

    hard: (t,) True for types of which everybody knows less, None if there are none.
    """

    share: Doubles
    label: Ints
    k: int
    hard: Bools | None = None

    @property
    def prevalence(self) -> Doubles:
        """Return (k,) the share of each true label."""
        return np.bincount(self.label, self.share, minlength=self.k).astype(np.float64)

    def draw(self, rng: np.random.Generator, n: int) -> Ints:
        """Return (n,) types of random texts."""
        # as rng.choice, but without its checks, which take longer than the draw
        upto = self.share.cumsum()
        types: Ints = np.searchsorted(upto / upto[-1], rng.random(n), side="right")
        return types


@dataclass(frozen=True)
class Rater:
    """Someone who labels texts. chance: (t, k) of each answer, given the type of the text."""

    chance: Doubles

    def says(self, types: Ints, fate: Doubles) -> Ints:
        """Return (n,) answers. fate: (n,) uniform numbers; versions of one model share them."""
        upto = self.chance.cumsum(axis=1)[:, :-1]
        answer: Ints = (fate[:, None] >= upto[types]).sum(axis=1)
        return answer


def plain(prevalence: Sequence[float]) -> World:
    """Return a world with one type for each label, with these shares."""
    k = len(prevalence)
    return World(np.array(prevalence, dtype=np.float64), np.arange(k), k)


def knowing(world: World, knows: float | Sequence[float] | Doubles) -> Rater:
    """Return a rater who knows the label with this probability (one for all or each type)."""
    s = np.broadcast_to(np.asarray(knows, dtype=np.float64), world.share.shape)[:, None]
    return Rater(s * np.eye(world.k)[world.label] + (1 - s) * world.prevalence)


HARD = 0.2  # share of the texts of each label that everybody knows less about
# how much of the usual is known of them, at least: so two thirds of a model's errors lie there, as
# they do for the LLM (65 to 80 % in the fifth of which it is least sure: benchmarks.headline)
HARDER = 0.2


def graded(prevalence: Sequence[float]) -> World:
    """Return a world in which a part of the texts of each label is hard."""
    one = np.array(prevalence, dtype=np.float64)
    k = len(one)
    share = np.concatenate([(1 - HARD) * one, HARD * one])
    return World(share, np.tile(np.arange(k), 2), k, np.repeat([False, True], k))


def know(world: World, knows: float, most: float) -> Rater:
    """Return a rater of a graded world who knows less of hard texts.

    Everybody knows f times their usual part of easy texts and h times of hard ones, with the mean
    of f ** 2 and h ** 2 equal to 1, so that two raters have the kappa s1 * s2. most: the largest
    part that anybody knows, which must not exceed 1 on easy texts.
    """
    if world.hard is None:
        return knowing(world, knows)
    hard = max(HARDER**2, (1 - (1 - HARD) / most**2) / HARD)
    easy = sqrt((1 - HARD * hard) / (1 - HARD))
    return knowing(world, knows * np.where(world.hard, sqrt(hard), easy))


SURE = 1.0  # log-odds of a label for each deviate of distance
NEVER = 1e-9  # a chance below which nothing happens


def believed(rater: Rater, types: Ints, fate: Doubles) -> Doubles:
    """Return (n, k) what a model believes whose threshold makes its answer the likeliest label.

    fate: as in `says`. The deeper a text's number lies within the interval of an answer, in normal
    deviates, the surer the model is. For two labels that is signal detection with equal variances
    (Green and Swets, "Signal detection theory and psychophysics", 1966): wrong answers lie nearer
    to the threshold than right ones.
    """
    inner = ndtri(rater.chance.cumsum(axis=1)[:, :-1].clip(NEVER, 1 - NEVER))
    cut = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))[types]
    number = ndtri(fate.clip(NEVER, 1 - NEVER))[:, None]
    outside = np.maximum(cut[:, :-1] - number, number - cut[:, 1:])  # below 0 within
    belief: Doubles = softmax(-SURE * outside, axis=1)
    return belief


def expected(world: World, one: Rater, two: Rater) -> Doubles:
    """Return (k, k) the chance of each pair of answers."""
    table: Doubles = (world.share[:, None] * one.chance).T @ two.chance
    return table


def true_kappa(world: World, one: Rater, two: Rater) -> float:
    """Return Cohen's kappa of two raters in the world, exactly."""
    table = expected(world, one, two)
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    return (float(np.trace(table)) - chance) / (1 - chance)


def judged(
    rng: np.random.Generator, types: Ints, experts: Sequence[Rater], each: int | None = None
) -> Ints:
    """Return (n, e) verdicts. each: number of experts, drawn at random, per item; None: all."""
    table = np.stack([one.says(types, rng.random(len(types))) for one in experts], axis=1)
    if each is not None and each < len(experts):
        place = rng.random(table.shape).argsort(axis=1).argsort(axis=1)
        table[place >= each] = NO_VERDICT
    return table


RESERVE = 0.25
POOL = 20_000
UNJUDGED = 300  # texts that a version reads besides, as in the product


def collected(
    table: Ints,
    k: int,
    *,
    pair: Ints | None = None,
    inclusion: Doubles | None = None,
    second: float = 1.0,
) -> Collected:
    """Return verdicts as Label Studio would hold them. All arrays are (n,), table is (n, e)."""
    items = []
    for i, row in enumerate(table.tolist()):
        card = Card(
            id=str(i),
            round=0,
            order=i,
            role="audit",
            pair=str(i if pair is None else pair[i]),
            inclusion=None if inclusion is None else float(inclusion[i]),
            experts=2,
            version="",
            belief={},
            why="",
            seed=0,
            reserve=RESERVE,
            second=second,
        )
        verdicts = {str(j): label for j, label in enumerate(row) if label != NO_VERDICT}
        items.append(Item.judged(i, str(i), card, verdicts))
    return Collected(tuple(items), tuple(str(label) for label in range(k)), ())


@dataclass(frozen=True)
class Look:
    """What is known after a round, when a texts have been audited.

    beliefs: (rounds so far, a, k) of each version, the one in force last. types: (a,).
    collected: verdicts and cards of the audited texts. others: what the version in force believes
    of more texts.
    """

    beliefs: Doubles
    types: Ints
    collected: Collected
    others: Unjudged


def audited(
    rng: np.random.Generator,
    world: World,
    experts: Sequence[Rater],
    versions: Sequence[Rater],
    sizes: Sequence[float],
    *,
    renewed: float = 0.1,
    each: int | None = None,
    second: float = 1.0,
) -> Iterator[Look]:
    """Run the rounds of one loop over a new pool: each version predicts it, and the audit grows.

    sizes: of the whole audit after each round. second: chance that an audited text is judged by
    more than one expert. renewed: share of the texts on which a version answers independently of
    the one before it; on the others its answer differs only where its chances do.
    """
    types = world.draw(rng, POOL)
    # new numbers for every loop, as the hash of other ids or another seed would give: if all loops
    # shared one set, its few small ones would be equally many in each and bias the audit
    fate, chance = rng.random(POOL), rng.random(POOL)
    inclusion = np.full(POOL, np.nan)
    table = np.full((POOL, len(experts)), NO_VERDICT, dtype=np.int64)
    beliefs: list[Doubles] = []
    before = 0
    for version, size in zip(versions, sizes, strict=True):
        fate = np.where(rng.random(POOL) < renewed, rng.random(POOL), fate)
        beliefs.append(believed(version, types, fate))
        growth, before = round(size) - before, round(size)
        drawn = audit(beliefs[-1], chance, inclusion, size=growth, reserve=RESERVE)
        rows = drawn.row
        new = rows[np.isnan(inclusion[rows])]
        twice = rng.random(len(new)) < second
        table[new[twice]] = judged(rng, types[new[twice]], experts, each)
        table[new[~twice]] = judged(rng, types[new[~twice]], experts, 1)
        inclusion[rows] = drawn.inclusion
        found = collected(table[rows], world.k, inclusion=inclusion[rows], second=second)
        more, weight = unjudged(beliefs[-1], chance, rng, size=UNJUDGED, reserve=RESERVE)
        others = Unjudged(beliefs[-1][more], weight)
        yield Look(np.stack(beliefs)[:, rows], types[rows], found, others)

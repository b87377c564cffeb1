"""A generative truth -> what people and a model would say of texts drawn from it, and its kappas.

A world is a mixture of t types of text. Given the type of a text, raters answer independently, each
with known chances, so that the expected table of two raters, and with it their true kappa, is a
sum and no estimate. The chances come from `knowing`: a rater knows the label of a text with
probability s and otherwise guesses as labels fall in the world. Two such raters have the
kappa s1 * s2 at any balance of labels and for any number of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from selection.audit import audit
from selection.card import Card
from selection.collect import Collected, Item
from selection.types import NO_VERDICT, Doubles, Ints


@dataclass(frozen=True)
class World:
    """Types of text. share: (t,) of each, sums to 1. label: (t,) the true label. k: labels."""

    share: Doubles
    label: Ints
    k: int

    @property
    def balance(self) -> Doubles:
        """(k,) share of each true label."""
        return np.bincount(self.label, self.share, minlength=self.k).astype(np.float64)

    def draw(self, rng: np.random.Generator, n: int) -> Ints:
        """(n,) types of random texts."""
        # what rng.choice does, less its checks, which take longer than the draw
        upto = self.share.cumsum()
        types: Ints = np.searchsorted(upto / upto[-1], rng.random(n), side="right")
        return types


@dataclass(frozen=True)
class Rater:
    """chance: (t, k) of each answer given the type of the text."""

    chance: Doubles

    def says(self, types: Ints, fate: Doubles) -> Ints:
        """(n,) answers. fate: (n,) uniform numbers; versions of one model share theirs."""
        upto = self.chance.cumsum(axis=1)[:, :-1]
        answer: Ints = (fate[:, None] >= upto[types]).sum(axis=1)
        return answer


def plain(balance: Sequence[float]) -> World:
    """One type for each label, with these shares."""
    return World(np.array(balance, dtype=np.float64), np.arange(len(balance)), len(balance))


def knowing(world: World, knows: float | Sequence[float]) -> Rater:
    """A rater who knows the label with these probabilities (one, or one a type), else guesses."""
    s = np.broadcast_to(np.asarray(knows, dtype=np.float64), world.share.shape)[:, None]
    return Rater(s * np.eye(world.k)[world.label] + (1 - s) * world.balance)


def expected(world: World, one: Rater, two: Rater) -> Doubles:
    """(k, k) the chance of each pair of answers."""
    table: Doubles = (world.share[:, None] * one.chance).T @ two.chance
    return table


def true_kappa(world: World, one: Rater, two: Rater) -> float:
    """Cohen's kappa of two raters in the world, without error."""
    table = expected(world, one, two)
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    return (float(np.trace(table)) - chance) / (1 - chance)


def judged(
    rng: np.random.Generator, types: Ints, experts: Sequence[Rater], each: int | None = None
) -> Ints:
    """(n, e) verdicts. each: so many experts judge an item, drawn at random; None: all of them."""
    table = np.stack([one.says(types, rng.random(len(types))) for one in experts], axis=1)
    if each is not None and each < len(experts):
        place = rng.random(table.shape).argsort(axis=1).argsort(axis=1)
        table[place >= each] = NO_VERDICT
    return table


RESERVE = 0.25
POOL = 20_000


def collected(
    table: Ints,
    k: int,
    role: str,
    *,
    pair: Ints | None = None,
    inclusion: Doubles | None = None,
    stratum: Ints | None = None,
) -> Collected:
    """Verdicts -> what Label Studio would hold of them. All arrays are (n,), table is (n, e)."""
    items = []
    for i, row in enumerate(table.tolist()):
        card = Card(
            id=str(i),
            round=0,
            order=i,
            role=role,
            pair=str(i if pair is None else pair[i]),
            inclusion=None if inclusion is None else float(inclusion[i]),
            stratum="" if stratum is None else str(stratum[i]),
            experts=2,
            version="",
            belief={},
            why="",
            seed=0,
            reserve=RESERVE,
        )
        verdicts = {str(j): label for j, label in enumerate(row) if label != NO_VERDICT}
        items.append(Item(i, str(i), card, verdicts, len(verdicts)))
    return Collected(tuple(items), tuple(str(label) for label in range(k)), ())


@dataclass(frozen=True)
class Look:
    """What is known after a round. a texts are audited by then.

    predictions: (rounds so far, a) labels by each version, the one in force last. types: (a,).
    collected: verdicts and cards of the audited.
    """

    predictions: Ints
    types: Ints
    collected: Collected


def audited(
    rng: np.random.Generator,
    world: World,
    experts: Sequence[Rater],
    versions: Sequence[Rater],
    sizes: Sequence[float],
    *,
    renewed: float = 0.1,
    each: int | None = None,
) -> Iterator[Look]:
    """Rounds of one loop over a fresh pool: each version predicts it, and the audit grows.

    sizes: expected size of the whole audit after each round, as selection.audit takes it.
    renewed: share of the texts on which a version makes up its mind anew; on the others it says
    what the one before said, but where its chances changed.
    """
    types = world.draw(rng, POOL)
    # fresh chances, as the hash of other ids or another seed: with one set of them for all loops,
    # even mixed, its few small numbers are always as many, and the audit seems biased by them
    fate, chance = rng.random(POOL), rng.random(POOL)
    inclusion, stratum = np.full(POOL, np.nan), np.full(POOL, -1, dtype=np.int64)
    table = np.full((POOL, len(experts)), NO_VERDICT, dtype=np.int64)
    said: list[Ints] = []
    for version, size in zip(versions, sizes, strict=True):
        fate = np.where(rng.random(POOL) < renewed, rng.random(POOL), fate)
        said.append(version.says(types, fate))
        drawn = audit(said[-1], chance, inclusion, k=world.k, size=int(size), reserve=RESERVE)
        rows = drawn.row
        new = rows[stratum[rows] < 0]
        table[new] = judged(rng, types[new], experts, each)
        stratum[new] = said[-1][new]
        inclusion[rows] = drawn.inclusion
        found = collected(
            table[rows], world.k, "audit", inclusion=inclusion[rows], stratum=stratum[rows]
        )
        yield Look(np.stack(said)[:, rows], types[rows], found)

"""The systems that are compared: the product, and what somebody would do without its choice.

These teach the same model by the same recipe (learner.py). Those that tell no figure are bounds:
every verdict teaches, and nobody can say how good they are. peers.py has systems that bring a model
of their own.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from backend.versions.manifest import Manifest
from benchmarks.loop import crux, peers
from benchmarks.loop.learner import Learner
from benchmarks.loop.place import NOTHING_TOLD, Place, Step
from benchmarks.loop.told import tests, told
from selection.errors import SettingError
from selection.types import Doubles, Estimate, Ints

READING = 2_000  # texts of the pool that margin reads before each choice, always the same ones
AT_ONCE = 50  # verdicts between two versions of margin


@dataclass(frozen=True)
class System:
    """run: from a place to a step after each version. tells: whether it measures itself, and pays
    for that.
    """

    name: str
    run: Callable[[Place], Iterator[Step]]
    tells: bool


def random_tested(place: Place) -> Iterator[Step]:
    """Label random texts; four of five teach, the fifth tests."""
    return _random(place, tested=True)


def random_all(place: Place) -> Iterator[Step]:
    """Label random texts, all of which teach."""
    return _random(place, tested=False)


def _random(place: Place, tested: bool) -> Iterator[Step]:
    learner, order, labels = _begin(place)
    yield _prompted(learner)
    for verdicts in place.axis:
        began = time.monotonic()
        rows = order[:verdicts]
        test = tests(len(rows)) & tested
        teach = rows[~test]
        chance = np.full(len(teach), len(teach) / len(order))
        version = learner.taught(teach, labels[teach], chance, len(rows))
        figure = NOTHING_TOLD
        if tested:
            figure = told(place, partial(learner.read, version), rows[test], labels)
        seconds = time.monotonic() - began
        yield _step(learner, len(rows), version, figure, rows, teach, labels, seconds)


def margin(place: Place) -> Iterator[Step]:
    """Label the texts of which the model is least sure, after a first batch of random ones."""
    learner, order, labels = _begin(place)
    yield _prompted(learner)
    reading = order[::-1][:READING]
    rows = order[: min(AT_ONCE, place.most)]
    chance = np.full(len(rows), len(rows) / len(order))
    while True:
        began = time.monotonic()
        version = learner.taught(rows, labels[rows], chance, len(rows))
        seconds = time.monotonic() - began
        yield _step(learner, len(rows), version, NOTHING_TOLD, rows, rows, labels, seconds)
        free = reading[~np.isin(reading, rows)]
        most = min(AT_ONCE, place.most - len(rows), len(free))
        if most < 1:
            return
        belief = learner.read(version, tuple(place.ground.texts[row] for row in free))
        top = np.sort(belief, axis=1)
        unsure = np.argsort(top[:, -1] - top[:, -2], kind="stable")[:most]
        rows = np.concatenate([rows, free[unsure]])
        chance = np.concatenate([chance, np.full(most, np.nan)])


SYSTEMS = {
    one.name: one
    for one in (
        System("crux", crux.run, tells=True),
        System("random 80/20", random_tested, tells=True),
        System("random", random_all, tells=False),
        System("margin", margin, tells=False),
        System("setfit", peers.setfit_random, tells=True),
        System("small-text", peers.breaking_ties, tells=True),
    )
}


def by_names(names: str) -> list[System]:
    """Return the systems named between commas. Raises SettingError."""
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in SYSTEMS]
    if unknown or not asked:
        raise SettingError(
            f"There is no system {(unknown or [names])[0]!r}; the systems: "
            f"{', '.join(SYSTEMS)}."
        )
    return [SYSTEMS[name] for name in asked]


def _begin(place: Place) -> tuple[Learner, Ints, Ints]:
    """Return the learner, the pool's rows in a random order, and one expert's labels."""
    learner = Learner(place)
    learner.draw_sample(np.random.default_rng([place.seed, 1]))
    order = np.random.default_rng([place.seed, 0]).permutation(len(place.ground.texts))
    return learner, order.astype(np.int64), place.one_expert()


def _prompted(learner: Learner) -> Step:
    def read() -> Doubles:
        return learner.read(learner.start, learner.place.ground.test)

    return Step(-1, 0, "prompted", read, NOTHING_TOLD, 0, 0, 0, 0.0)


def _step(
    learner: Learner, verdicts: int, version: Manifest, told: Estimate, rows: Ints, teach: Ints,
    labels: Ints, seconds: float,
) -> Step:  # fmt: skip
    common = learner.place.ground.commonest
    return Step(
        verdicts,
        verdicts,
        version.version,
        lambda: learner.read(version, learner.place.ground.test),
        told,
        len(teach),
        int((labels[teach] != common).sum()),
        int((labels[rows] != common).sum()),
        seconds,
    )

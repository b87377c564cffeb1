"""The systems that are compared: the product, and what somebody would do without its choice.

All of them teach the same model by the same recipe (learner.py). Those that are marked as bounds
spend every verdict on teaching: they cannot tell their owner how good they are.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backend.versions.manifest import Manifest
from benchmarks.loop import crux
from benchmarks.loop.learner import Learner
from benchmarks.loop.place import NOTHING_TOLD, Place, Step
from selection.align import model_alignment
from selection.errors import SettingError
from selection.types import Bools, Doubles, Estimate, Ints, Sample, Verdicts

TESTS_EVERY = 5  # one of so many random verdicts is kept to test
READING = 2_000  # texts of the pool that margin reads before each choice, always the same ones
AT_ONCE = 50  # verdicts between two versions of margin
RESAMPLES = 2_000  # behind the interval that "random 80/20" tells, as in the product


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
    return _random(place, every=TESTS_EVERY)


def random_all(place: Place) -> Iterator[Step]:
    """Label random texts, all of which teach."""
    return _random(place, every=0)


def _random(place: Place, every: int) -> Iterator[Step]:
    learner, order, labels = _begin(place)
    yield _prompted(learner)
    for verdicts in place.axis:
        began = time.monotonic()
        rows = order[:verdicts]
        tests = _tests(len(rows), every)
        teach = rows[~tests]
        chance = np.full(len(teach), len(teach) / len(order))
        version = learner.teach(teach, labels[teach], chance, verdicts)
        told = _told(learner, version, rows[tests], labels) if every else NOTHING_TOLD
        seconds = time.monotonic() - began
        yield _step(learner, verdicts, version, told, rows, teach, labels, seconds)


def margin(place: Place) -> Iterator[Step]:
    """Label the texts of which the model is least sure, after a first batch of random ones."""
    learner, order, labels = _begin(place)
    yield _prompted(learner)
    reading = order[::-1][:READING]
    rows = order[: min(AT_ONCE, place.most)]
    chance = np.full(len(rows), len(rows) / len(order))
    while True:
        began = time.monotonic()
        version = learner.teach(rows, labels[rows], chance, len(rows))
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
    )
}


def by_names(names: str) -> list[System]:
    """Return the systems named between commas, or all. Raises SettingError."""
    if names == "all":
        return list(SYSTEMS.values())
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in SYSTEMS]
    if unknown or not asked:
        raise SettingError(
            f"There is no system {unknown[0] if unknown else names!r}; the systems: "
            f"{', '.join(SYSTEMS)}."
        )
    return [SYSTEMS[name] for name in asked]


def _begin(place: Place) -> tuple[Learner, Ints, Ints]:
    """Return the learner, the pool's rows in a random order, and one expert's labels."""
    learner = Learner(place)
    learner.sample(np.random.default_rng([place.seed, 1]))
    order = np.random.default_rng([place.seed, 0]).permutation(len(place.ground.texts))
    return learner, order.astype(np.int64), place.one_expert()


def _tests(n: int, every: int) -> Bools:
    """Return (n,) True for those that test: the same ones however many come after."""
    if not every:
        return np.zeros(n, dtype=np.bool_)
    tests: Bools = np.arange(n) % every == every - 1
    return tests


def _told(learner: Learner, version: Manifest, tests: Ints, labels: Ints) -> Estimate:
    """Return the kappa on the verdicts that were kept to test."""
    texts = tuple(learner.place.ground.texts[row] for row in tests)
    said = learner.read(version, texts).argmax(axis=1).astype(np.int64)
    verdicts = Verdicts(labels[tests][:, None], ("expert",), len(learner.place.ground.names))
    sample = Sample(np.ones(len(tests)), np.arange(len(tests)))
    rng = np.random.default_rng(learner.place.seed)
    return model_alignment(said, verdicts, sample, rng=rng, resamples=RESAMPLES)


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

"""The product's own loop: its choice, its tasks, its training, its evaluation, its threshold.

Label Studio (studio.py), the socket to the backend (backend.py) and the people (people.py) are
stood in for, and nothing else.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.loop.backend import Backend
from benchmarks.loop.people import Experts
from benchmarks.loop.place import NOTHING_TOLD, PROJECT, Place, Step
from benchmarks.loop.studio import MemoryStudio
from selection.errors import PoolError, RoundError
from selection.record import ProjectState, Record
from selection.rounds import Rounds
from selection.studio.api import Studio
from selection.types import Doubles
from selection.whole_file import whole_file

TOO_FEW = 8  # verdicts for another round
CHUNK = 64  # texts in one request, as the product asks
WENT_ON = frozenset({"pushed", "resumed"})


class Loop:
    """One loop from its first round, or from where it was cut off."""

    def __init__(self, place: Place) -> None:
        ground = place.ground
        self.place = place
        self.experts = Experts.of(ground)
        self.studio = MemoryStudio(
            ground.names, ground.policy, self.experts.users, place.folder / "studio.json"
        )
        self.backend = Backend(
            place.backend_settings(), self.studio, place.make_scorer, place.train
        )
        self._choosing = 0.0  # seconds that the choice of the present round took
        settings = place.settings(write_pool(place))
        self.rounds = Rounds(
            settings, cast(Studio, self.studio), self.backend.client, self._on_progress
        )

    def steps(self) -> Iterator[Step]:
        """Yield the prompted version, then the version in force after each round."""
        yield self._prompted()
        told = -1
        while True:
            began = time.monotonic()
            self._answer_and_train()
            state = self._state()
            new = [one for one in state.rounds if one.settled and one.round > told]
            spent = time.monotonic() - began + (self._choosing if new else 0.0)
            for record in new:
                yield self._step(record, state, spent if record is new[-1] else 0.0)
                told = record.round
            if self.studio.answered > self.place.most - TOO_FEW:
                break
            began = time.monotonic()
            try:
                outcome = self.rounds.round(anyway=True)
            except PoolError as error:
                self.place.say(f"the pool is used up: {error}")
                break
            self.studio.save()
            self._choosing = time.monotonic() - began
            if outcome.state not in WENT_ON:
                raise RoundError(f"The loop does not go on: {outcome.message}")
        yield self._last(self.backend.fit.last(PROJECT))

    def _answer_and_train(self) -> None:
        """People answer and the worker looks, in turn, until neither changes anything."""
        before: object = None
        while before != (before := self._changes()):
            self.experts.work(self.studio, self.place.most)
            self.studio.save()
            self.backend.fit.run(PROJECT)
            self.studio.save()

    def _changes(self) -> object:
        records = [(one.round, one.version, one.settled) for one in self._state().rounds]
        return self.studio.answered, len(self.studio.bodies), records

    def _state(self) -> ProjectState:
        return self.backend.client.project(PROJECT)

    def _prompted(self) -> Step:
        def read() -> Doubles:
            names = [one.version for one in self._state().versions if one.kind == "prompted"]
            return self._read(names[0] if names else None)

        return Step(-1, 0, "prompted", read, NOTHING_TOLD, 0, 0, 0, 0.0)

    def _last(self, record: Record) -> Step:
        """Return the version that learns from everything; the one before it measured it."""
        state = self._state()
        step = self._step(replace(record, version=record.final), state, 0.0)
        final = next(one for one in state.versions if one.version == record.final)
        return replace(
            step,
            round=record.round + 1,
            verdicts=self.studio.answered,
            taught=final.examples,
            taught_positives=self._rare(final.taught),
            seconds=final.seconds,
        )

    def _step(self, record: Record, state: ProjectState, seconds: float) -> Step:
        taught = next((v.taught for v in state.versions if v.version == record.candidate), {})
        [decision] = [
            one.decision for one in self.rounds.status().rounds if one.record.round == record.round
        ]
        return Step(
            record.round,
            record.labels_bought,
            record.version,
            lambda: self._read(record.version),
            record.production_kappa,
            record.labels,
            self._rare(taught),
            self._positives(),
            seconds,
            # that the budget is spent is no opinion on the model
            decision.rule if decision.stop and decision.rule != "budget" else "",
        )

    def _rare(self, taught: Mapping[str, int]) -> int:
        """Return how many of the texts of each label are not of the commonest one."""
        common = self.place.ground.names[self.place.ground.commonest]
        return sum(count for label, count in taught.items() if label != common)

    def _positives(self) -> int:
        """Return how many texts somebody gave another label than the commonest."""
        common = self.place.ground.names[self.place.ground.commonest]
        return len(
            {
                task.data[self.studio.schema.text_field]
                for task in self.studio.tasks(PROJECT)
                if any(one.label not in (None, common) for one in task.annotations)
            }
        )

    def _read(self, version: str | None) -> Doubles:
        """Return (t, k) beliefs about the test texts, asked for as the product asks."""
        texts, score = self.place.ground.test, self.backend.client.score
        parts = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
        return np.concatenate([score(PROJECT, part, version).probability for part in parts])

    def _on_progress(self, step: str, done: int, total: int) -> None:
        if done >= total:
            self.place.say(f"{step} {done or ''}".rstrip())


def write_pool(place: Place) -> Path:
    """Write the pool's texts, and nothing else of it, once for all pieces of a ground."""
    file = place.folder.parent / "pool.parquet"
    if not file.is_file():
        with whole_file(file) as unfinished:
            table = pa.table({"id": list(place.ground.ids), "text": list(place.ground.texts)})
            pq.write_table(table, unfinished)
    return file


def run(place: Place) -> Iterator[Step]:
    """Run the product's loop until the verdicts are spent."""
    return Loop(place).steps()

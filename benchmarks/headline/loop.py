"""Arm c of the experiment: the loop of the product on real votes, without Label Studio.

Beliefs by selection/label.py, the choice by selection/choose.py: these are the product's own
functions. What measures is left out, since the test set is apart, so every new version is taken.
Without an audit the shares of the labels are the model's own answers. benchmarks/loop runs the
whole product; this arm is kept for the source's experiment.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, cast

import numpy as np

from backend.engine.scorer import Scorer
from backend.engine.served import Served
from backend.recipe import Recipe
from benchmarks.headline.data import EXPERT, HARSH, as_examples, majority
from benchmarks.headline.model import Learner, Version
from demo.question import LABELS
from selection.backend_client import BackendClient, Scores
from selection.choose import Plan, choose
from selection.label import label
from selection.permanent import permanent
from selection.types import Beliefs, Floats, Ints, Pool

NO_RESERVE = 1e-12  # the audit's share of the pool: nothing is audited, but 0 is not allowed


@dataclass(frozen=True)
class Terms:
    """budget: labels in all. rounds: over which it is spread. read_limit: texts of the pool that
    the LLM itself reads in a round.
    """

    budget: int = 400
    rounds: int = 6
    read_limit: int = 1_000

    @property
    def per_round(self) -> int:
        return ceil(self.budget / self.rounds)


class InProcess:
    """What selection/label.py asks of selection.backend_client.BackendClient, without a server."""

    def __init__(self, scorer: Scorer, served: Served) -> None:
        self._scorer, self._served = scorer, served

    def score(self, project: int, texts: Sequence[str], version: str | None = None) -> Scores:
        """Answer by the one version there is, whatever project is named."""
        probability = self._scorer.score(self._served, texts).astype(np.float64)
        return Scores(self._served.version, self._served.labels, probability)


class Loop:
    """The rounds of one seed. Each is kept in `folder` when it ends, and found there again.

    vectors: (n, d) of the ground's pool.
    """

    def __init__(
        self,
        learner: Learner,
        terms: Terms,
        recipe: Recipe,
        seed: int,
        folder: Path,
        vectors: Floats,
    ) -> None:
        self.learner, self.terms, self.recipe, self.seed = learner, terms, recipe, seed
        self.folder, self.vectors = folder, vectors
        self.rated = learner.ground.pool
        ids, texts = ([getattr(one, name) for one in self.rated] for name in ("id", "text"))
        self.pool = Pool(np.array(ids, dtype=object), np.array(texts, dtype=object))
        self.row_of = {name: row for row, name in enumerate(ids)}

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the rounds that are finished, in their order."""
        found: list[dict[str, Any]] = []
        while (file := self._file(len(found))).is_file():
            found.append(json.loads(file.read_text()))
        return found

    def run(self) -> list[dict[str, Any]]:
        """Run what is missing. Return the records of all rounds."""
        records = self.records()
        while sum(len(one["ids"]) for one in records) < self.terms.budget:
            record = self._round(records)
            if not record["ids"]:
                break
            file = self._file(len(records))
            part = file.with_suffix(".part")
            part.write_text(json.dumps(record))
            os.replace(part, file)
            records.append(record)
        return records

    def _round(self, before: list[dict[str, Any]]) -> dict[str, Any]:
        round, began = len(before), time.monotonic()
        rows = [self.row_of[name] for one in before for name in one["ids"]]
        chance = [value for one in before for value in one["inclusion"]]
        beliefs = self.beliefs(self.version(round - 1), np.array(rows, dtype=np.int64))
        new, chances = self.buy(round, rows, beliefs)
        rows, chance = [*rows, *new.tolist()], [*chance, *chances]
        bought = [self.rated[row] for row in rows]
        known = [float("nan") if value is None else value for value in chance]
        examples = as_examples(bought, majority(bought, EXPERT), known)
        version = self.learner.prompted()
        if 0 < examples.positives < len(bought):  # one label alone teaches nothing
            version = self.learner.train(self._adapter(round), examples, self.recipe)
        answers = majority([self.rated[row] for row in new], EXPERT)
        return {
            "round": round,
            "ids": [self.rated[row].id for row in new],
            "inclusion": chances,
            "labels": len(rows),
            "positives": examples.positives,
            "bought_positive": int((answers == HARSH).sum()),
            "believed_right": float((beliefs.predicted[new] == answers).mean()),
            "prior": examples.prior.tolist(),
            "train_seconds": version.seconds,
            "steps": version.steps,
            "loss": version.loss,
            **self.learner.measure(version),
            "seconds": time.monotonic() - began,
        }

    def _file(self, round: int) -> Path:
        return self.folder / f"round-{round}.json"

    def _adapter(self, round: int) -> Path:
        return self.folder / f"version-{round}"

    def version(self, round: int) -> Version:
        """Return what was in force after a round: the prompted model before the first training."""
        file = self._adapter(round) / "version.json"
        if round < 0 or not file.is_file():
            return self.learner.prompted()
        offsets = tuple(json.loads(file.read_text())["offsets"])
        name, policy = file.parent.name, self.learner.policy
        return Version(Served(name, policy, LABELS, file.parent, offsets))

    def beliefs(self, version: Version, bought: Ints) -> Beliefs:
        """Return beliefs as selection/rounds.py computes them."""
        taught = (bought, majority([self.rated[row] for row in bought], EXPERT))

        def on_progress(done: int, total: int) -> None:
            self.learner.on_progress("reading the pool", done, total, "")

        return label(
            self.pool,
            self.vectors,
            cast(BackendClient, InProcess(self.learner.scorer, version.served)),
            0,
            number=permanent(self.pool.ids, self.seed),
            limit=self.terms.read_limit,
            home=self.folder,
            taught=taught,
            on_progress=on_progress,
        )

    def buy(
        self, round: int, rows: list[int], beliefs: Beliefs
    ) -> tuple[Ints, list[float | None]]:
        """Return the rows that the product would buy, and the chance of those drawn at random."""
        bought = np.zeros(len(self.pool), dtype=np.bool_)
        bought[rows] = True
        most = min(self.terms.per_round, self.terms.budget - len(rows))
        nobody = np.full(len(self.pool), np.nan)
        plan = Plan(
            round, round > 0, bought, nobody, most,
            audit_per_round=0, audit_reserve=NO_RESERVE, seed=self.seed,
        )  # fmt: skip
        choice, _ = choose(self.pool, self.vectors, beliefs, plan)
        if set(choice.role) - {"train"}:
            raise AssertionError(f"roles other than train: {set(choice.role)}")
        chances = [None if np.isnan(value) else float(value) for value in choice.inclusion]
        return choice.row, chances

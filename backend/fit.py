"""The other composer: a complete round -> a trained, measured and perhaps promoted version.

    collect -> split (fixed at push) -> majority -> train -> align -> promote or refuse
            -> record -> pointer -> predictions in Label Studio

Each step's output is found again after a kill: a version by its name, a record by its round,
predictions by their version. So running it twice does nothing twice.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backend.config import Settings
from backend.engine import Served
from backend.evaluate import Promotion, ground, measure, promotion
from backend.in_force import fits, in_force
from backend.lesson import Lesson, learn, too_little
from backend.offline import resolve
from backend.prior import expected, match
from backend.registry import Manifest, make_registry, named
from backend.scorer import Scorer
from backend.serve import prompted, served
from backend.subjects import Subject
from backend.train import Recipe, Trained, train
from selection.cache import Cache
from selection.collect import Collected, collect
from selection.errors import RoundError, VersionError
from selection.push import tab_title
from selection.studio import Project, Studio, Task, prediction
from selection.types import Floats, Ints

log = logging.getLogger(__name__)


class Fit:
    """Runs the steps for one project at a time. One worker process owns it."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        make_scorer: Callable[[], Scorer],
        train: Callable[..., Trained] = train,
    ) -> None:
        self.settings = settings
        self.studio = studio
        self.registry = make_registry(settings)
        self._make_scorer = make_scorer
        self._train_adapter = train
        self._scorer: Scorer | None = None
        self._explained: dict[int, str] = {}
        self._named: dict[int, tuple[str, ...]] = {}

    @property
    def scorer(self) -> Scorer:
        """The model, made when there is something to read: most looks find nothing to do."""
        if self._scorer is None:
            self._scorer = self._make_scorer()
        return self._scorer

    def run(self, project_id: int, forced: bool = False) -> dict[str, Any] | None:
        """Train and measure if there is something to; the round's record, or None.

        forced: on all verdicts that are there, whether the round is complete or not.
        Raises CruxError; run again, it goes on where it stopped.
        """
        project = self.studio.project(project_id)
        tasks = self.studio.tasks(project_id, project.schema)
        records = self._records(project_id)
        if records and not records[-1]["settled"]:
            self._settle(project, tasks, records[-1])
            # with the predictions that they have got now: they are not imported twice
            tasks = self.studio.tasks(project_id, project.schema)
            records = self._records(project_id)
        collected = collect(tasks, project.schema)
        self._name(project_id, collected.problems)
        round = self._due(project, collected, records, forced)
        if round is None:
            self._follow(project, tasks)
            return None
        record = self._round(project, collected.until(round), round, records)
        return self._settle(project, tasks, record)

    def _name(self, project: int, problems: tuple[str, ...]) -> None:
        """Say what could not count, when it is new: a renamed label makes thousands of them."""
        if problems and self._named.get(project) != problems:
            more = f" ({len(problems) - 1} more like it.)" if len(problems) > 1 else ""
            log.warning("project %s: %s%s", project, problems[0], more)
        self._named[project] = problems

    def _records(self, project: int) -> list[dict[str, Any]]:
        """One that is unsettled and whose version somebody deleted is none: the round is done
        again."""
        return [
            record
            for record in self.registry.records(project)
            if record["settled"] or self.registry.has(project, record["version"])
        ]

    def _due(
        self,
        project: Project,
        collected: Collected,
        records: Sequence[dict[str, Any]],
        forced: bool,
    ) -> int | None:
        """The round to train on now, if any."""
        last = collected.last_round
        if last < 0:
            if forced:
                raise RoundError(
                    f"Project {project.id} has no task that Crux pushed. Run crux round first."
                )
            return None
        if forced or self._enough_new(collected, records):
            return last
        done = records[-1]["round"] if records else -1
        complete = [
            r
            for r in collected.rounds
            if (r > done or self._partial(records, r)) and collected.complete(r)
        ]
        if not complete:
            return None
        pushed = self.studio.tabs(project.id)  # the tab is made when all tasks of a round are there
        return max((r for r in complete if tab_title(r) in pushed), default=None)

    @staticmethod
    def _partial(records: Sequence[dict[str, Any]], round: int) -> bool:
        return any(r["round"] == round and not r["complete"] for r in records)

    def _enough_new(self, collected: Collected, records: Sequence[dict[str, Any]]) -> bool:
        after = self.settings.train_after
        seen = records[-1]["labels_bought"] if records else 0
        return bool(after) and collected.labels_bought - seen >= after

    # train

    def _round(
        self,
        project: Project,
        collected: Collected,
        round: int,
        records: Sequence[dict[str, Any]],
    ) -> dict[str, Any]:
        subject = Subject(project.schema, project.policy)
        start = prompted(self.registry, project.id, self.settings.llm, subject)
        told = partial(_damaged, project.id)
        found = in_force(self.registry, project.id, start.model, start.labels, told)
        current = found or start
        lesson = learn(collected)
        candidate = self._candidate(project, collected, lesson, round) or current
        self._say(project.id, "evaluating", f"measuring {candidate.version}")
        predict = self._predictor(project.id)
        seed, resamples = self.settings.seed, self.settings.resamples
        decision = self._compare(collected, predict, lesson, candidate, current)
        winner = candidate if decision.promoted else current
        log.info("project %s round %s: %s", project.id, round, decision.reason)
        figures = measure(
            collected,
            predict,
            version=winner.version,
            start=start.version,
            before=self._before(project.id, records, round, start),
            seed=seed,
            resamples=resamples,
        )
        record = {
            "round": round,
            "complete": collected.complete(round),
            "labels": len(lesson.items),
            "labels_bought": collected.labels_bought,
            "version": winner.version,
            "candidate": candidate.version,
            "promoted": decision.promoted,
            "promotion": decision.reason,
            "ties": lesson.ties,
            "train_seconds": candidate.seconds if lesson.enough else 0.0,
            "settled": False,
            **figures,
        }
        self.registry.save_record(project.id, record)
        return record

    def _intact(self, project: int, version: str) -> Manifest | None:
        """A version that can be compared with; None if it is missing or damaged."""
        try:
            manifest = self.registry.get(project, version)
            self.registry.adapter(project, manifest)
        except VersionError as error:
            _damaged(project, error)
            return None
        return manifest

    def _before(
        self,
        project: int,
        records: Sequence[dict[str, Any]],
        round: int,
        start: Manifest,
    ) -> str | None:
        """The version that was in force `patience` rounds before this one."""
        earlier = [r for r in records if r["round"] < round]
        back = self.settings.patience
        if len(earlier) + 1 < back:
            return None
        if len(earlier) < back:
            return start.version
        # one with other labels or another base model cannot be compared with the one of now
        there = self._intact(project, str(earlier[-back]["version"]))
        return there.version if there and fits(there, start.model, start.labels) else None

    def _candidate(
        self, project: Project, collected: Collected, lesson: Lesson, round: int
    ) -> Manifest | None:
        """A trained version; None where a finished round holds one label only.

        That happens where a label is rare. The round is measured all the same, or the next one,
        which may find the other label, could never be bought. Raises RoundError before that.
        """
        if lesson.enough:
            return self._train(project, collected, lesson, round)
        if collected.complete(round):
            return None
        raise RoundError(f"{too_little(collected, lesson)} Label more tasks, then train again.")

    def _train(
        self, project: Project, collected: Collected, lesson: Lesson, round: int
    ) -> Manifest:
        labels, recipe = collected.labels, self._recipe()
        examples = tuple(
            (item.card.id, labels[target])
            for item, target in zip(lesson.items, lesson.targets.tolist(), strict=True)
        )
        prior = tuple(round_to(share) for share in lesson.prior.tolist())
        texts = [item.text for item in lesson.items]
        sample = self.registry.sample(project.id)
        version = named(
            f"round{round}", self.settings.llm, project.policy, labels, recipe.as_json(),
            prior, round_to(lesson.drawn), sorted(zip(texts, examples, strict=True)), sample,
        )  # fmt: skip
        manifest = Manifest(
            version, "trained", round, self.settings.llm, project.policy, labels,
            pool_prior=prior, drawn=round_to(lesson.drawn), recipe=recipe.as_json(),
            examples=examples, ties=lesson.ties,
        )  # fmt: skip

        def fill(out: Path) -> Manifest:
            log.info("project %s: training %s on %s labels", project.id, version, len(examples))
            result = self._train_adapter(
                resolve(self.settings.llm, self.settings.home / "models"),
                project.policy,
                labels,
                texts,
                lesson.targets,
                np.array(prior),
                recipe,
                out,
                threads=self.settings.threads or None,
                progress=self._progress(project.id, version),
            )
            made = replace(manifest, offsets=result.offsets, seconds=result.seconds)
            return self._matched(project.id, made, out, sample) if sample else made

        self._discard(project.id, version)
        return self.registry.build(project.id, version, fill)

    def _discard(self, project: int, version: str) -> None:
        """Remove the folder if it is damaged: what it held is made again."""
        folder = self.registry.path(project, version)
        if not folder.exists():
            return
        try:
            self.registry.adapter(project, self.registry.get(project, version))
        except VersionError as error:
            log.warning("project %s: %s It is made again now.", project, error)
            shutil.rmtree(folder, ignore_errors=True)

    def _matched(
        self, project: int, made: Manifest, out: Path, sample: Sequence[str]
    ) -> Manifest:
        """With offsets that fit the pool's balance on random texts of it (backend/prior.py)."""
        bare = Served(f"{project}/{out.name}", made.policy, made.labels, out)
        said = self.scorer.score(bare, sample, progress=self._reads(project, made.version))
        log_probability = np.log(np.maximum(said.astype(np.float64), 1e-30))
        share = expected(log_probability, np.array(made.pool_prior), made.drawn)
        return replace(made, offsets=match(log_probability, share))

    def _recipe(self) -> Recipe:
        given = {
            "epochs": self.settings.epochs,
            "learning_rate": self.settings.learning_rate,
            "rank": self.settings.rank,
        }
        changed: dict[str, Any] = {key: value for key, value in given.items() if value}
        recipe = Recipe(seed=self.settings.seed, max_tokens=self.settings.max_tokens)
        return replace(recipe, **changed)

    def _progress(self, project: int, version: str) -> Callable[[int, int, float], None]:
        def say(done: int, total: int, loss: float) -> None:
            self._say(project, "training", f"{version}: loss {loss:.3f}", done, total)
            if done == total or done % 10 == 0:
                log.info("project %s: %s step %s of %s, loss %.3f", project, version, done, total,
                         loss)  # fmt: skip

        return say

    # measure

    def _compare(
        self,
        collected: Collected,
        predict: Callable[[str, Sequence[str]], Ints],
        lesson: Lesson,
        candidate: Manifest,
        current: Manifest,
    ) -> Promotion:
        if not lesson.enough:
            return Promotion(
                False, f"{current.version} stays: {too_little(collected, lesson)}"
            )
        if candidate.version == current.version:
            return Promotion(True, f"{candidate.version} stays: the same labels give the same.")
        gains = []
        for role in ("audit", "boundary"):
            area = ground(collected, role, self.settings.seed, self.settings.resamples)
            before, after = (
                predict(current.version, area.texts),
                predict(candidate.version, area.texts),
            )
            gains.append(area.gain(before, after))
        return promotion(candidate.version, current.version, gains[0], gains[1])

    def _predictor(self, project: int) -> Callable[[str, Sequence[str]], Ints]:
        """(version, texts) -> (n,) labels; what a version said once is kept."""

        def predict(version: str, texts: Sequence[str]) -> Ints:
            if not texts:
                return np.zeros(0, dtype=np.int64)
            manifest = self.registry.get(project, version)
            cache = Cache(self.registry.folder(project) / "beliefs" / version)
            missing = [t for t, known in zip(texts, cache.known(texts), strict=True) if not known]
            if missing:
                cache.put(missing, self._score(project, manifest, missing))
            return np.asarray(cache.get(texts).argmax(axis=1), dtype=np.int64)

        return predict

    def _score(self, project: int, manifest: Manifest, texts: Sequence[str]) -> Floats:
        said = self._reads(project, manifest.version)
        return self.scorer.score(served(self.registry, project, manifest), texts, progress=said)

    def _reads(self, project: int, version: str) -> Callable[[int, int], None]:
        def say(done: int, total: int) -> None:
            self._say(project, "evaluating", f"{version} reads", done, total)

        return say

    # settle

    def _settle(
        self, project: Project, tasks: Sequence[Task], record: dict[str, Any]
    ) -> dict[str, Any]:
        """Make the record true: the pointer, predictions for open tasks, the project's version.

        The pointer moves once: whoever promotes another version before the rest has succeeded
        keeps it.
        """
        if record["promoted"] and not record.get("pointed"):
            self.registry.promote(project.id, record["version"])
            record = {**record, "pointed": True}
            self.registry.save_record(project.id, record)
        # a training takes its time: labels may have been added or renamed meanwhile
        now = self.studio.project(project.id)
        self._refresh(now, tasks, self.registry.current(project.id) or record["version"])
        record = {**record, "settled": True}
        self.registry.save_record(project.id, record)
        return record

    def _follow(self, project: Project, tasks: Sequence[Task]) -> None:
        """Pre-annotate what waits by the current version: after a rollback, or new imports."""
        current = self.registry.current(project.id)
        if current is not None and open_tasks(tasks, project.schema.text_field, current):
            self._refresh(project, tasks, current)

    def _refresh(self, project: Project, tasks: Sequence[Task], version: str) -> None:
        manifest = self.registry.get(project.id, version)
        if not fits(manifest, self.settings.llm, project.schema.labels):
            self._explain(project, manifest)
            return
        waiting = open_tasks(tasks, project.schema.text_field, version)
        if waiting:
            texts = [str(task.data[project.schema.text_field]) for task in waiting]
            matrix = self._score(project.id, manifest, texts)
            self.studio.import_predictions(
                project.id,
                [
                    {
                        "task": task.id,
                        **prediction(
                            project.schema,
                            manifest.labels[int(row.argmax())],
                            float(row.max()),
                            version,
                        ),
                    }
                    for task, row in zip(waiting, matrix, strict=True)
                ],
            )
        known = any(p.version == version for task in tasks for p in task.predictions)
        if waiting or known:
            self.studio.set_model_version(project.id, version)

    def _explain(self, project: Project, manifest: Manifest) -> None:
        """Why the current version is not used, once and not at every look."""
        what = (
            f"the labels of {manifest.version} are {', '.join(manifest.labels)}, and those of the "
            f"label config {', '.join(project.schema.labels)}"
            if manifest.labels != project.schema.labels
            else f"{manifest.version} was made from the base model {manifest.model!r}, and "
            f"{self.settings.llm!r} is set"
        )
        if self._explained.get(project.id) != what:
            self._explained[project.id] = what
            log.warning(
                "project %s: %s. The prompted model answers until Start Training is pressed or "
                "the next round is done.", project.id, what,
            )  # fmt: skip

    def _say(self, project: int, state: str, message: str, done: int = 0, total: int = 0) -> None:
        self.registry.set_training(project, state, message, done, total)


def _damaged(project: int, error: VersionError) -> None:
    log.error("project %s: %s Nothing is compared with it.", project, error)


def open_tasks(tasks: Sequence[Task], text_field: str, version: str) -> list[Task]:
    """Tasks that wait for an expert, are not blind and lack a prediction of this version."""
    return [
        task
        for task in tasks
        if not task.annotations
        and not (task.crux or {}).get("blind")
        and isinstance(task.data.get(text_field), str)
        and task.data[text_field].strip()
        and all(p.version != version for p in task.predictions)
    ]


def round_to(share: float) -> float:
    """A share as it enters a version's name: noise in the last digits makes no new version."""
    return float(f"{share:.6g}")

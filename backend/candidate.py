"""Examples -> a version that was trained on them and fits the balance of the pool's labels.

Its name is a digest of everything that goes into it, so what is there already is not trained again.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from backend.config import BackendSettings
from backend.engine.probe import read_by_probe, save_probe
from backend.engine.served import Served
from backend.examples import Examples, too_little
from backend.predict import Predictor
from backend.recipe import Recipe, recipe_for
from backend.threshold import OWN, expected, match
from backend.train import OnStep, Trained
from backend.train_probe import share_factor, train_probe
from backend.versions.manifest import Manifest, version_name
from backend.versions.registry import Registry
from selection.collect import Collected
from selection.errors import RoundError, VersionError
from selection.pool_sample import PoolSample
from selection.record import TrainingState
from selection.studio.api import Project

log = logging.getLogger(__name__)

READERS = "LLM, words and vectors"  # part of a version's name: a probe that reads others is another


class Candidates:
    """Makes the versions that are compared with the one in force."""

    def __init__(
        self,
        settings: BackendSettings,
        registry: Registry,
        predictor: Predictor,
        train: Callable[..., Trained],
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.predictor = predictor
        self._train = train

    def make(
        self, project: Project, collected: Collected, examples: Examples, round: int
    ) -> Manifest | None:
        """Return a trained version; None where a complete round holds one label only.

        That happens where a label is rare. The round is measured all the same, or the next one,
        which may find the other label, could never be bought. Raises RoundError if the round is
        not complete, or if the other label is only gone from the project.
        """
        if examples.enough:
            return self._version(project, collected.labels, examples, round)
        if collected.complete(round) and not collected.lost_labels:
            return None
        raise RoundError(f"{too_little(collected, examples)} Label more tasks, then train again.")

    def last(
        self, project: Project, collected: Collected, examples: Examples, round: int
    ) -> Manifest:
        """Return the version that ends a loop after this round. Raises RoundError."""
        if not examples.enough:
            raise RoundError(f"{too_little(collected, examples)} Nothing can be learned from them.")
        return self._version(project, collected.labels, examples, round, "final")

    def _version(
        self,
        project: Project,
        labels: tuple[str, ...],
        examples: Examples,
        round: int,
        kind: str = "round",
    ) -> Manifest:
        recipe = self._recipe()
        taught = tuple(
            (item.card.id, labels[target])
            for item, target in zip(examples.items, examples.targets.tolist(), strict=True)
        )
        prior = tuple(round_to(share) for share in examples.prior.tolist())
        texts = [item.text for item in examples.items]
        sample = self.registry.sample(project.id)
        version = version_name(
            f"{kind}{round}", self.settings.llm, project.policy, labels, recipe.as_json(),
            prior, round_to(examples.drawn), sorted(zip(texts, taught, strict=True)),
            sample.as_json(), self._probe, READERS, OWN,
        )  # fmt: skip
        manifest = Manifest(
            version, "trained", round, self.settings.llm, project.policy, labels,
            pool_prior=prior, drawn=round_to(examples.drawn), recipe=recipe.as_json(),
            examples=taught, ties=examples.ties,
        )  # fmt: skip

        def fill(out: Path) -> Manifest:
            log.info("project %s: training %s on %s labels", project.id, version, len(taught))
            result = self._train(
                self.predictor.scorer,
                project.policy,
                labels,
                texts,
                examples.targets,
                np.array(prior),
                recipe,
                out,
                on_step=self._on_step(project.id, version),
            )
            made = replace(manifest, offsets=result.offsets, seconds=result.seconds)
            return self._matched(project.id, made, out, sample, examples) if sample.texts else made

        self._discard(project.id, version)
        return self.registry.build(project.id, version, fill)

    def _discard(self, project: int, version: str) -> None:
        """Remove the version's folder if it is damaged, so that it is made again."""
        folder = self.registry.path(project, version)
        if not folder.exists():
            return
        try:
            self.registry.intact(project, version)
        except VersionError as error:
            log.warning("project %s: %s It is made again now.", project, error)
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _probe(self) -> tuple[str, float]:
        """Embedder and share of the probes that versions get."""
        share = self.settings.probe_share
        return (self.settings.embedder, share) if share else ("", 0.0)

    def _matched(
        self, project: int, made: Manifest, out: Path, sample: PoolSample, examples: Examples
    ) -> Manifest:
        """Return it with a probe, and offsets that fit the pool's balance (backend/threshold.py).

        sample: drawn texts of the pool.
        """
        # by the name of the folder in which it is built, which is made anew each time
        bare = Served(f"{project}/{out.name}", made.policy, made.labels, out)
        probability = self.predictor.read(project, bare, sample.texts, made.version)
        logits = np.log(np.maximum(probability.astype(np.float64), 1e-30))
        weight = np.array(sample.weight)
        embedder, part = self._probe
        if embedder:
            texts = [item.text for item in examples.items]
            k = len(made.labels)
            probe = train_probe(texts, examples.targets, k, sample.texts, embedder)
            second = read_by_probe(probe, sample.texts, embedder)
            factor = share_factor(logits, second, weight, part)
            save_probe(probe.times(factor), out)
            # what is the same for all labels of a text decides nothing below
            logits = logits + factor * second
        prior = np.array(made.pool_prior)
        share = expected(logits, prior, made.drawn, weight=weight)
        offsets = match(logits, share, weight=weight)
        # read once more when the version is measured
        self.predictor.keep(project, made, sample.texts, softmax(logits + offsets, axis=1))
        return replace(made, embedder=embedder, offsets=offsets)

    def _recipe(self) -> Recipe:
        asked = self.settings
        given = {"epochs": asked.epochs, "learning_rate": asked.learning_rate, "rank": asked.rank}
        changed: dict[str, Any] = {key: value for key, value in given.items() if value}
        # with a rate of one's own, nothing of the model need be known
        recipe = Recipe() if asked.learning_rate else recipe_for(asked.llm)
        return replace(recipe, seed=asked.seed, max_tokens=asked.max_tokens, **changed)

    def _on_step(self, project: int, version: str) -> OnStep:
        def on_step(done: int, total: int, loss: float) -> None:
            message = f"{version}: loss {loss:.3f}"
            self.registry.set_training(
                project, TrainingState("training", message, done, total)
            )
            if done == total or done % 10 == 0:
                log.info("project %s: %s step %s of %s, loss %.3f", project, version, done, total,
                         loss)  # fmt: skip

        return on_step


def round_to(share: float) -> float:
    """Round a share for a version's name: noise in the last digits makes no new version."""
    return float(f"{share:.6g}")

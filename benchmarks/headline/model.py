"""A lesson -> a trained version with the product's threshold -> its kappa on the test texts."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from backend.engine.local import Local
from backend.engine.scorer import Scorer
from backend.engine.served import Served
from backend.threshold import expected, match, wanted_counts
from backend.train import Recipe, train
from benchmarks.headline.data import HARSH, Ground, Lesson
from demo.run import LABELS
from selection.align import difference, model_alignment
from selection.types import Doubles, Estimate, Ints, Sample, Verdicts

RESAMPLES = 2_000
# what is done now, how much of it, of how much, and what else there is to say
Say = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Version:
    """A model with its threshold, and what it cost. folder: where its adapter lies."""

    served: Served
    seconds: float = 0.0
    steps: int = 0
    loss: float = 0.0


class School:
    """Trains and measures versions of one base model on one ground.

    threads: of torch. max_tokens: of a text that are read, as in the recipe.
    """

    def __init__(
        self,
        model: str,
        policy: str,
        ground: Ground,
        threads: int | None,
        max_tokens: int,
        say: Say,
    ) -> None:
        self.model, self.policy, self.ground, self.threads = model, policy, ground, threads
        self.say = say
        self.scorer = Scorer(Local(model, threads=threads, max_tokens=max_tokens))

    def prompted(self) -> Version:
        """The base model as it is."""
        return Version(Served("prompted", self.policy, LABELS, None))

    def teach(self, folder: Path, lesson: Lesson, recipe: Recipe) -> Version:
        """The version in `folder`, trained from the base model if it is not there yet.

        The folder stands for the inputs: the caller names it by them.
        """
        file = folder / "version.json"
        if not file.is_file():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            told = self._train(part, lesson, recipe)
            (part / file.name).write_text(json.dumps(told))
            os.replace(part, folder)
        told = json.loads(file.read_text())
        served = Served(folder.name, self.policy, LABELS, folder, tuple(told["offsets"]))
        return Version(served, told["seconds"], told["steps"], told["loss"])

    def _train(self, out: Path, lesson: Lesson, recipe: Recipe) -> dict[str, Any]:
        began = time.monotonic()

        def progress(done: int, total: int, loss: float) -> None:
            self.say("training, step", done, total, f"loss {loss:.2f}")

        trained = train(
            self.model, self.policy, LABELS, lesson.texts, lesson.targets, lesson.prior,
            recipe, out, threads=self.threads, progress=progress,
        )  # fmt: skip
        bare = Served(str(out), self.policy, LABELS, out)
        said = self.score(bare, [one.text for one in self.ground.sample], "fitting the threshold")
        log = _logarithm(said)
        return {
            "offsets": match(log, expected(log, lesson.prior, lesson.worth)),
            "seconds": time.monotonic() - began,
            "steps": trained.steps,
            "loss": trained.loss,
        }

    def score(self, served: Served, texts: Sequence[str], what: str) -> Doubles:
        """(n, k) probabilities, with progress."""
        said = self.scorer.score(served, texts, lambda done, total: self.say(what, done, total, ""))
        return said.astype(np.float64)

    def measure(self, version: Version) -> dict[str, Any]:
        """Kappa with the reference, its interval, AUC, the scores of the test texts, and what it
        took in seconds to train and to measure."""
        began = time.monotonic()
        texts = [one.text for one in self.ground.test]
        log = _logarithm(self.score(version.served, texts, "reading the test set"))
        scores = np.round(log[:, HARSH] - log[:, 1 - HARSH], 3)
        told = figures(scores, self.ground.reference)
        return {**told, "seconds": version.seconds + time.monotonic() - began}


def figures(scores: Doubles, reference: Ints) -> dict[str, Any]:
    """scores: (t,) log odds of 'harsh', above 0 where the model says it; rounded as they are kept.

    The kappa that peeks has the share of predictions set to the reference's own: what the same
    ranking would give at a better threshold. A diagnosis, no result.
    """
    kappa = model_alignment(
        says(scores), *judged(reference), rng=np.random.default_rng(0), resamples=RESAMPLES
    )
    share = np.bincount(reference, minlength=len(LABELS)) / len(reference)
    most = wanted_counts(len(scores), share)[HARSH]
    matched = np.full(len(scores), 1 - HARSH)
    matched[np.argsort(-scores, kind="stable")[:most]] = HARSH
    peeking = model_alignment(
        matched, *judged(reference), rng=np.random.default_rng(0), resamples=100
    )
    return {
        "kappa": kappa.value,
        "low": kappa.low,
        "high": kappa.high,
        "items": kappa.items,
        "auc": float(roc_auc_score(reference == HARSH, scores)),
        "share_predicted": float((scores > 0).mean()),
        "share_true": float(share[HARSH]),
        "peeking_kappa_at_true_share": peeking.value,
        "predictions": scores.tolist(),
    }


def says(scores: Doubles) -> Ints:
    """(t,) the labels that log odds of 'harsh' stand for."""
    return np.where(np.asarray(scores) > 0, HARSH, 1 - HARSH).astype(np.int64)


def compare(scores_a: Doubles, scores_b: Doubles, reference: Ints) -> Estimate:
    """Kappa of b less kappa of a, on shared resamples."""
    return difference(
        says(scores_a), says(scores_b), *judged(reference),
        rng=np.random.default_rng(0), resamples=RESAMPLES,
    )  # fmt: skip


def judged(reference: Ints) -> tuple[Verdicts, Sample]:
    """The reference as one expert's verdicts on a simple random sample."""
    n = len(reference)
    sample = Sample(np.ones(n), np.arange(n))
    return Verdicts(reference[:, None], ("reference",), len(LABELS)), sample


def _logarithm(probability: Doubles) -> Doubles:
    logarithm: Doubles = np.log(np.maximum(probability, 1e-30))  # as in backend/candidate.py
    return logarithm

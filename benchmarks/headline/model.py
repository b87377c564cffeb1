"""Examples -> a trained version with the product's threshold -> its kappa on the test texts."""

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
from backend.recipe import Recipe
from backend.threshold import expected, match
from backend.train import train
from benchmarks.headline.data import HARSH, Examples, Ground
from demo.question import LABELS
from selection.align import difference, model_alignment
from selection.types import Doubles, Estimate, Ints, Sample, Verdicts

RESAMPLES = 2_000
# what is being done, how much of it is done, how much there is, and a comment
OnProgress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Version:
    """A model with its threshold, and what its training took."""

    served: Served
    seconds: float = 0.0
    steps: int = 0
    loss: float = 0.0


class Learner:
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
        on_progress: OnProgress,
    ) -> None:
        self.policy, self.ground, self.on_progress = policy, ground, on_progress
        self.scorer = Scorer(Local(model, threads=threads, max_tokens=max_tokens))

    def prompted(self) -> Version:
        """Return the base model as it is."""
        return Version(Served("prompted", self.policy, LABELS, None))

    def train(self, folder: Path, examples: Examples, recipe: Recipe) -> Version:
        """Return the version in `folder`, trained from the base model if it is not there yet.

        The caller names the folder by the inputs: other inputs, another folder.
        """
        file = folder / "version.json"
        if not file.is_file():
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            made = self._train(part, examples, recipe)
            (part / file.name).write_text(json.dumps(made))
            os.replace(part, folder)
        made = json.loads(file.read_text())
        served = Served(folder.name, self.policy, LABELS, folder, tuple(made["offsets"]))
        return Version(served, made["seconds"], made["steps"], made["loss"])

    def _train(self, out: Path, examples: Examples, recipe: Recipe) -> dict[str, Any]:
        began = time.monotonic()

        def on_step(done: int, total: int, loss: float) -> None:
            self.on_progress("training, step", done, total, f"loss {loss:.2f}")

        trained = train(
            self.scorer, self.policy, LABELS, examples.texts, examples.targets, examples.prior,
            recipe, out, on_step=on_step,
        )  # fmt: skip
        bare = Served(str(out), self.policy, LABELS, out)
        sample = [one.text for one in self.ground.sample]
        log = _logarithm(self.score(bare, sample, "fitting the threshold"))
        return {
            "offsets": match(log, expected(log, examples.prior, examples.drawn)),
            "seconds": time.monotonic() - began,
            "steps": trained.steps,
            "loss": trained.loss,
        }

    def score(self, served: Served, texts: Sequence[str], what: str) -> Doubles:
        """Return (n, k) probabilities. what: is being done, for the progress."""
        probability = self.scorer.score(
            served, texts, lambda done, total: self.on_progress(what, done, total, "")
        )
        return probability.astype(np.float64)

    def measure(self, version: Version) -> dict[str, Any]:
        """Return kappa with the reference and its interval, AUC, the scores of the test texts, and
        the seconds of training and measuring."""
        began = time.monotonic()
        texts = [one.text for one in self.ground.test]
        log = _logarithm(self.score(version.served, texts, "reading the test set"))
        scores = np.round(log[:, HARSH] - log[:, 1 - HARSH], 3)
        seconds = version.seconds + time.monotonic() - began
        return {**figures(scores, self.ground.reference), "seconds": seconds}


def figures(scores: Doubles, reference: Ints) -> dict[str, Any]:
    """Return kappa and what goes with it.

    scores: (t,) log odds of 'harsh', above 0 where the model predicts it; rounded as they are kept.
    The kappa that peeks predicts 'harsh' as often as the reference does: what the same ranking
    would give at a better threshold. It is a diagnosis, not a result.
    """
    kappa = model_alignment(
        predicted(scores), *as_verdicts(reference),
        rng=np.random.default_rng(0), resamples=RESAMPLES,
    )  # fmt: skip
    share = np.bincount(reference, minlength=len(LABELS)) / len(reference)
    most = int((reference == HARSH).sum())
    matched = np.full(len(scores), 1 - HARSH)
    matched[np.argsort(-scores, kind="stable")[:most]] = HARSH
    peeking = model_alignment(
        matched, *as_verdicts(reference), rng=np.random.default_rng(0), resamples=100
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


def predicted(scores: Doubles) -> Ints:
    """Return (t,) the labels that log odds of 'harsh' stand for."""
    return np.where(np.asarray(scores) > 0, HARSH, 1 - HARSH).astype(np.int64)


def compare(scores_a: Doubles, scores_b: Doubles, reference: Ints) -> Estimate:
    """Return kappa of b less kappa of a, on shared resamples."""
    return difference(
        predicted(scores_a), predicted(scores_b), *as_verdicts(reference),
        rng=np.random.default_rng(0), resamples=RESAMPLES,
    )  # fmt: skip


def as_verdicts(reference: Ints) -> tuple[Verdicts, Sample]:
    """Return the reference as one expert's verdicts on a simple random sample."""
    n = len(reference)
    sample = Sample(np.ones(n), np.arange(n))
    return Verdicts(reference[:, None], ("reference",), len(LABELS)), sample


def _logarithm(probability: Doubles) -> Doubles:
    logarithm: Doubles = np.log(np.maximum(probability, 1e-30))  # as in backend/candidate.py
    return logarithm

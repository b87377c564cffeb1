"""A trained version with the real trainer, on a real model of random weights."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.candidate import Candidates
from backend.config import BackendSettings
from backend.engine import llm
from backend.engine.llm import Llm
from backend.engine.probe import load_probe, read_by_probe
from backend.engine.scorer import make_scorer
from backend.engine.served import Served
from backend.examples import training_examples
from backend.predict import Predictor
from backend.threshold import expected, match
from backend.train import train
from backend.train_probe import share_factor
from backend.versions.manifest import PROBE
from backend.versions.registry import Registry
from selection.cache import answers
from selection.card import Card
from selection.collect import Collected
from selection.errors import VersionError
from selection.item import Item
from selection.pool_sample import PoolSample
from tests.backend.engine.tiny_model import tiny_model
from tests.fakes import SCHEMA, FakeStudio

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

TEXTS = ("a good letter", "a bad letter", "nice", "awful")
SAMPLE = ["good one", "bad one", "nice kind", "awful kind", "one of a kind"]
WEIGHT = (1.0, 1.0, 1.0, 1.0, 6.0)


def collected() -> Collected:
    """One complete round, labelled by one expert."""
    items = []
    for i, text in enumerate(TEXTS):
        card = Card(text, 0, i, "train", text, None, 1, "v", {}, "why", 0, 0.25)
        items.append(Item.judged(i, text, card, {"expert": i % 2}))
    return Collected(tuple(items), SCHEMA.labels, ())


class Worker:
    """What a worker holds, and which models it has loaded."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loaded: list[torch.dtype] = []
        load = llm.load

        def counted(*of: str) -> Llm:
            base = load(*of)
            self.loaded.append(base.causal.dtype)
            return base

        monkeypatch.setattr(llm, "load", counted)
        settings = BackendSettings(
            home=home, llm=tiny_model(home / "tiny"), threads=1, dtype="bfloat16", epochs=1
        )
        self.registry = Registry(home)
        self.registry.save_sample(7, PoolSample(tuple(SAMPLE), WEIGHT))
        self.predictor = Predictor(home, self.registry, partial(make_scorer, settings, answers=0))
        self.candidates = Candidates(settings, self.registry, self.predictor, train)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(tmp_path, monkeypatch)


def test_a_worker_that_trains_and_reads_holds_one_model_in_the_numbers_of_its_settings(
    worker: Worker,
) -> None:
    round0 = collected()
    project = FakeStudio().project(7)
    made = worker.candidates.make(project, round0, training_examples(round0), 0)
    assert made is not None
    worker.predictor.beliefs(7, made.version, TEXTS)
    assert worker.loaded == [torch.bfloat16]


def test_what_a_version_says_is_kept_where_the_command_line_keeps_it(
    worker: Worker, tmp_path: Path
) -> None:
    round0 = collected()
    project = FakeStudio().project(7)
    made = worker.candidates.make(project, round0, training_examples(round0), 0)
    assert made is not None
    found = worker.predictor.beliefs(7, made.version, SAMPLE)
    kept = answers(tmp_path, 7, made.version, len(made.labels))
    assert kept.get(SAMPLE).tolist() == found.tolist()
    kept.put(["never read"], np.array([[0.1, 0.9]], dtype=np.float32))
    found = worker.predictor.beliefs(7, made.version, ["never read"])
    assert found[0] == pytest.approx([0.1, 0.9])


def test_a_versions_offsets_fit_the_pool_that_the_weighted_sample_stands_for(
    worker: Worker,
) -> None:
    round0 = collected()
    project = FakeStudio().project(7)
    made = worker.candidates.make(project, round0, training_examples(round0), 0)
    assert made is not None
    bare = Served(
        "7/bare", made.policy, made.labels, worker.registry.adapter(7, made), (0.0, 0.0),
        made.embedder,
    )  # fmt: skip
    scorer = worker.predictor.scorer
    log_p = np.log(scorer.score(bare, SAMPLE).astype(np.float64))
    prior, weight = np.array(made.pool_prior), np.array(WEIGHT)
    share = expected(log_p, prior, made.drawn, weight=weight)
    assert made.offsets == pytest.approx(match(log_p, share, weight=weight), abs=1e-3)


def test_what_a_version_read_while_it_was_made_is_not_read_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    round0 = collected()
    project = FakeStudio().project(7)
    made = worker.candidates.make(project, round0, training_examples(round0), 0)
    assert made is not None
    served_now = worker.predictor.score(7, made, SAMPLE)

    def nothing(*_: object) -> None:
        raise AssertionError("it is read again")

    monkeypatch.setattr(worker.predictor.scorer, "score", nothing)
    kept = worker.predictor.beliefs(7, made.version, SAMPLE)
    assert kept == pytest.approx(served_now.astype(np.float64), abs=1e-4)


def test_other_weights_of_the_sample_make_another_version(worker: Worker) -> None:
    round0 = collected()
    project = FakeStudio().project(7)
    examples = training_examples(round0)
    first = worker.candidates.make(project, round0, examples, 0)
    worker.registry.save_sample(7, PoolSample(tuple(SAMPLE), (9.0, 1.0, 1.0, 1.0, 1.0)))
    second = worker.candidates.make(project, round0, examples, 0)
    assert first is not None and second is not None
    assert first.version != second.version


def test_without_a_sample_a_version_is_made_all_the_same(worker: Worker) -> None:
    worker.registry.save_sample(7, PoolSample())
    round0 = collected()
    made = worker.candidates.make(FakeStudio().project(7), round0, training_examples(round0), 0)
    assert made is not None


def test_the_probe_has_its_share_of_what_a_version_says(worker: Worker) -> None:
    round0 = collected()
    project = FakeStudio().project(7)
    made = worker.candidates.make(project, round0, training_examples(round0), 0)
    assert made is not None and made.embedder == "offline"
    folder = worker.registry.adapter(7, made)
    assert folder is not None and made.files[PROBE]
    scorer = worker.predictor.scorer
    alone = Served("7/alone", made.policy, made.labels, folder)
    llm = np.log(scorer.score(alone, SAMPLE).astype(np.float64))
    probe = read_by_probe(load_probe(folder), SAMPLE, "offline")
    # the spreads are to each other as 0.6 to 0.4, whatever the scale of either was
    assert share_factor(llm, probe, np.array(WEIGHT), 0.4) == pytest.approx(1.0, abs=1e-3)
    joint = np.exp(llm + probe + np.array(made.offsets))
    said = worker.predictor.score(7, made, SAMPLE)
    assert said == pytest.approx(joint / joint.sum(axis=1, keepdims=True), abs=1e-3)


def test_a_version_without_a_probe_has_another_name(worker: Worker) -> None:
    round0 = collected()
    project, examples = FakeStudio().project(7), training_examples(round0)
    first = worker.candidates.make(project, round0, examples, 0)
    alone = Candidates(
        worker.candidates.settings.model_copy(update={"probe_share": 0.0}),
        worker.registry, worker.predictor, train,
    )  # fmt: skip
    second = alone.make(project, round0, examples, 0)
    assert first is not None and second is not None
    assert (second.embedder, PROBE in second.files) == ("", False)
    assert first.version != second.version


def test_a_version_whose_probe_is_damaged_is_not_served(worker: Worker) -> None:
    round0 = collected()
    project = FakeStudio().project(7)
    made = worker.candidates.make(project, round0, training_examples(round0), 0)
    assert made is not None
    (worker.registry.path(7, made.version) / PROBE).write_bytes(b"something else")
    with pytest.raises(VersionError, match="missing or damaged"):
        worker.predictor.score(7, made, SAMPLE)

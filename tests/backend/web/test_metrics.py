from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backend.engine.local import Local
from backend.engine.scorer import Scorer
from selection.http import SECRET_HEADER
from selection.record import Record, TrainingState
from selection.types import Estimate
from tests.backend.engine.tiny_model import tiny_model
from tests.backend.web.application import CONFIG, SECRET, Backend, break_queue
from tests.records import record

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]
SCORE = {"project": 7, "texts": ["red", "green", "blue"]}


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


def figures(backend: Backend) -> Figures:
    answer = backend.get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(backend: Backend, name: str, **labels: str) -> float | None:
    return figures(backend).get((name, frozenset(labels.items())))


def test_requests_are_counted_by_route_method_and_status(backend: Backend) -> None:
    for _ in range(3):
        backend.post("/setup", {"project": 7, "schema": CONFIG})
    backend.post("/setup", {"project": "x"})
    backend.get("/nothing/at/all")
    backend.client.open("/nothing", method="BREW", headers={SECRET_HEADER: SECRET})
    found = figures(backend)
    assert {
        (labels, value) for (name, labels), value in found.items() if name == "crux_requests_total"
    } == {
        (frozenset({("route", route), ("method", method), ("status", status)}), count)
        for route, method, status, count in (
            ("/setup", "POST", "200", 3.0),
            ("/setup", "POST", "422", 1.0),
            ("none", "GET", "404", 1.0),
            ("none", "other", "404", 1.0),
        )
    }
    assert found["crux_request_seconds_count", frozenset({("route", "/setup")})] == 4


def test_two_apps_of_one_process_count_apart(backend: Backend, tmp_path: Path) -> None:
    backend.post("/score", SCORE)
    assert figure(backend, "crux_texts_total") == 3
    assert figure(Backend(tmp_path / "another"), "crux_texts_total") == 0


def test_texts_batches_and_what_was_remembered_are_counted_by_a_real_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(tmp_path / "model")
    backend = Backend(tmp_path / "home")
    metrics = backend.process.metrics
    engine = Local(model, threads=1, observe=metrics.observe_batch)
    monkeypatch.setattr(backend, "scorer", Scorer(engine, hit=metrics.count_remembered))
    tasks = [{"id": 1, "data": {"text": "red"}}, {"id": 2, "data": {"text": "new"}}]
    assert backend.post("/score", SCORE).status_code == 200
    assert backend.post("/predict", {"project": 7, "tasks": tasks}).status_code == 200
    assert figure(backend, "crux_texts_total") == 5
    assert figure(backend, "crux_texts_remembered_total") == 1
    passed = figure(backend, "crux_batch_texts_count")
    assert passed and passed == figure(backend, "crux_batch_tokens_count")
    assert figure(backend, "crux_batch_texts_sum") == 4 + 12  # twelve calibrate the base model
    assert figure(backend, "crux_texts_waiting") == 0


def test_waiting_texts_are_shown_without_loading_a_model(backend: Backend) -> None:
    backend.scorer.waiting = 12
    assert (figure(backend, "crux_texts_waiting"), backend.loaded) == (0, 0)
    backend.post("/score", SCORE)
    assert (figure(backend, "crux_texts_waiting"), backend.loaded) == (12, 1)


def test_waiting_jobs_are_shown(backend: Backend) -> None:
    assert figure(backend, "crux_jobs_waiting") == 0
    for project in (7, 8):
        backend.post("/webhook", {"action": "ANNOTATION_CREATED", "project": project})
    assert figure(backend, "crux_jobs_waiting") == 2


def test_versions_worker_and_kappas_of_each_project_are_shown(backend: Backend) -> None:
    backend.train("round0-a")
    backend.train("round1-b")
    registry = backend.process.serving.registry
    assert figure(backend, "crux_version_info", project="7", version="round1-b") is None
    registry.promote(7, "round1-b")
    registry.set_training(7, TrainingState("training", "round2-c", 3, 9))
    registry.save_record(7, measured(0, production=0.1, seconds=20.0))
    registry.save_record(7, measured(1, production=0.5, seconds=22.5))
    found = figures(backend)

    def of(name: str, **labels: str) -> float | None:
        return found.get((name, frozenset({"project": "7", **labels}.items())))

    assert (of("crux_versions"), of("crux_version_info", version="round1-b")) == (2, 1)
    assert of("crux_worker", state="training") == 1
    assert (of("crux_training_done"), of("crux_training_steps")) == (3, 9)
    assert (of("crux_training_seconds"), of("crux_round")) == (42.5, 1)
    assert of("crux_kappa", kind="production") == 0.5
    assert of("crux_kappa_low", kind="production") == pytest.approx(0.4)
    assert of("crux_kappa_high", kind="production") == pytest.approx(0.6)
    assert of("crux_kappa", kind="experts") == 0.8
    assert of("crux_kappa", kind="boundary") is None  # undefined is absent, and no zero


def measured(round: int, production: float, seconds: float) -> Record:
    """A round with an undefined boundary."""

    def kappa(value: float) -> Estimate:
        return Estimate(value, value - 0.1, value + 0.1, 30)

    return record(
        round, train_seconds=seconds, production_kappa=kappa(production), expert_kappa=kappa(0.8)
    )


def test_what_is_damaged_is_left_out_and_named_in_the_log(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.train("round0-a")
    registry = backend.process.serving.registry
    (registry.folder(7) / "current").write_text("{")
    registry.save_record(7, measured(0, production=0.1, seconds=20.0))
    (registry.folder(7) / "rounds/0.json").write_text("{")
    found = figures(backend)
    assert found["crux_versions", frozenset({("project", "7")})] == 1
    assert not [name for name, _ in found if name.startswith(("crux_kappa", "crux_version_info"))]
    assert "left out of /metrics: The pointer" in caplog.text
    assert "left out of /metrics: The record" in caplog.text


def test_a_queue_that_cannot_be_read_leaves_the_other_figures(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    break_queue(backend)
    assert figure(backend, "crux_jobs_waiting") is None
    assert figure(backend, "crux_texts_total") == 0
    assert "left out of /metrics: Cannot write the queue" in caplog.text

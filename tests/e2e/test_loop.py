"""The whole loop against real servers: Label Studio, gunicorn, the worker, the command `crux`.

One project lives through the module, so the tests stand in the order of the story. The LLM is
the real offline one; it trains for one epoch on a dozen texts, since nothing here depends on how
good it becomes.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.config import write_config
from demo.people import AtWork, Person
from demo.question import CONFIG, LABELS, policy
from demo.ratings import Rated, load, write_pool
from demo.servers import Server, free_port, running
from demo.services import Services, State
from selection.backend_client import BackendClient
from selection.collect import Collected, collect
from selection.errors import StudioDown
from selection.http import SECRET_HEADER
from selection.record import Record
from selection.second import LEAST, asks_all
from selection.studio.api import Project, Studio, Task

ROOT = Path(__file__).parents[2]
POOL = 240
ADDED_LATER = "a text that was not there in the first round"
ROUND = {"per_round": 8, "audit_per_round": 12, "read_limit": 60, "max_rounds": 2,
         "audit_reserve": 0.3, "preannotate_above": -1.0, "blind_share": 0.5}  # fmt: skip
CRUX = str(Path(sys.executable).parent / "crux")


@dataclass
class Loop:
    """Everything of one project."""

    services: Services
    state: State
    studio: Studio
    backend: BackendClient
    project: Project
    config: Path
    people: list[Person]

    def crux(self, *argv: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [CRUX, *argv, "--config", str(self.config)],
            capture_output=True, text=True, timeout=300, check=False, cwd=self.config.parent,
        )  # fmt: skip
        if ok:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def tasks(self) -> list[Task]:
        return self.studio.tasks(self.project.id, self.project.schema)

    def collected(self) -> Collected:
        return collect(self.tasks(), self.project.schema)

    def answer_all(self) -> None:
        """Both experts work until no verdict is missing."""
        with AtWork(self.state.studio_url, self.project.id, self.people):
            wait_for(lambda: not self.missing(), says=self.open)

    def missing(self) -> int:
        found = self.collected()
        return found.waiting(found.last_round)

    def open(self) -> str:
        """What Label Studio and the worker say of the texts that still wait for somebody."""
        waiting = [item for item in self.collected().items if item.missing]
        bodies = {task.id: task for task in self.tasks()}
        lines = [str((item, [bodies[task] for task in item.tasks])) for item in waiting]
        log = self.services.root / "worker.log"
        lines += log.read_text().splitlines()[-40:] if log.is_file() else []
        return "\n".join(lines)

    def measured(self, round: int) -> Record | None:
        rounds = self.backend.project(self.project.id).rounds
        return next((r for r in rounds if r.round == round and r.settled), None)


def wait_for(
    ready: Callable[[], object], seconds: float = 600.0, says: Callable[[], str] = str
) -> None:
    """says: what stands in the way, asked for if the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not ready after {seconds} s\n{says()}"
        time.sleep(0.5)


def kill(pid_file: Path) -> None:
    """kill -9, of the process and its children at once."""
    process = running(pid_file)
    assert process is not None
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: running(pid_file) is None)


@pytest.fixture(scope="module")
def loop(label_studio: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    root = tmp_path_factory.mktemp("loop")
    services = Services(
        root, settings={"CRUX_EPOCHS": "2", "CRUX_RESAMPLES": "200"}
    )
    admin = label_studio.admin
    port = int(label_studio.url.rsplit(":", 1)[1])
    state = State(port, free_port(), admin.email, admin.password, admin.token, "a-test-secret")
    services.keep(state)
    services.start_backend(state)
    services.start_worker(state)
    rated = half_asked_twice(load("tweets", ROOT / "build/data/vaderSentiment-3.3.2.tar.gz"))
    studio = Studio(label_studio.url, admin.token)
    project = studio.create_project("The loop", CONFIG, policy("tweets"))
    write_pool(root / "pool.csv", rated)
    config = write_config(root, state, project.id, pool=str(root / "pool.csv"), **ROUND)
    people = [
        Person(email, services.expert(state, email), _answers(rated, third))
        for third, email in enumerate(("one@loop.example", "two@loop.example"))
    ]
    backend = BackendClient(state.backend_url, state.secret)
    yield Loop(services, state, studio, backend, project, config, people)
    services.down()


def half_asked_twice(rated: list[Rated]) -> list[Rated]:
    """A pool of which two experts are asked about every second text, should it be audited."""
    asked = [one for one in rated if asks_all(one.id, LEAST)][: POOL // 2]
    others = [one for one in rated if not asks_all(one.id, LEAST)][: POOL // 2]
    assert len(asked) == len(others) == POOL // 2
    return asked + others


def _answers(rated: list[Rated], third: int) -> dict[str, str]:
    said = {r.text: LABELS[0] if r.majority(third) else LABELS[1] for r in rated}
    return said | {ADDED_LATER: LABELS[1]}  # a round may choose it


def test_connect_passes_every_check_and_puts_one_webhook_with_a_secret(loop: Loop) -> None:
    for _ in range(2):
        said = loop.crux("connect").stdout
        assert "not ok" not in said
    hooks = loop.studio.webhooks(loop.project.id)
    assert [h.url for h in hooks] == [f"{loop.state.backend_url}/webhook"]
    assert hooks[0].headers == {SECRET_HEADER: loop.state.secret}
    assert [b.url for b in loop.studio.backends(loop.project.id)] == [loop.state.backend_url]


def test_a_request_without_the_secret_is_refused_and_learns_nothing(loop: Loop) -> None:
    for path in ("/webhook", "/predict", "/setup", "/score"):
        answer = httpx.post(f"{loop.state.backend_url}{path}", json={}, timeout=300)
        assert answer.status_code == 401
        assert loop.state.secret not in answer.text
    assert httpx.get(f"{loop.state.backend_url}/health", timeout=300).json()["status"] == "UP"


def test_a_round_killed_while_it_pushes_is_completed_by_the_next_call(loop: Loop) -> None:
    process = subprocess.Popen(
        [CRUX, "round", "--config", str(loop.config)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: len(loop.tasks()) >= 2 or process.poll() is not None)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    loop.crux("round")
    order = json.loads(
        (loop.config.parent / f"crux/rounds/{loop.project.id}/round-0.json").read_text()
    )
    tasks = loop.tasks()
    assert [t.crux["id"] for t in tasks if t.crux] == [card["id"] for card in order["cards"]]
    assert loop.studio.tabs(loop.project.id)[0] == "Crux round 0"
    said = loop.crux("round").stdout
    assert "still waits for" in said
    assert [t.id for t in loop.tasks()] == [t.id for t in tasks]


def test_training_tasks_carry_the_prompted_models_answer_and_blind_ones_none(loop: Loop) -> None:
    tasks = loop.tasks()
    current = loop.backend.project(loop.project.id).current
    assert current.startswith("prompted-")
    for task in tasks:
        opened = loop.studio.task(task.id, loop.project.schema)
        assert opened.crux is not None
        if opened.crux["blind"]:
            assert opened.predictions == ()
        else:
            assert [p.version for p in opened.predictions] == [current]
            assert opened.predictions[0].label in LABELS
            assert opened.predictions[0].score == max(opened.crux["belief"].values())
        assert opened.overlap == 1
    training = [t.crux for t in tasks if t.crux and t.crux["role"] == "train"]
    assert {card["blind"] for card in training} == {True, False}
    assert {t.crux["role"] for t in tasks if t.crux} == {"train", "audit"}


def test_a_worker_killed_in_training_leaves_no_half_version_and_carries_on(loop: Loop) -> None:
    loop.answer_all()
    versions = loop.services.root / f"backend/projects/{loop.project.id}/versions"
    wait_for(lambda: list(versions.glob(".building-*")) or loop.measured(0))
    kill(loop.services.pid("worker"))
    names = [v.version for v in loop.backend.project(loop.project.id).versions]
    loop.services.start_worker(loop.state)
    wait_for(lambda: loop.measured(0))
    state = loop.backend.project(loop.project.id)
    trained = [v for v in state.versions if v.kind == "trained"]
    assert [v.round for v in trained] == [0]
    assert not list(versions.glob(".building-*"))
    assert set(names) <= {v.version for v in state.versions}
    record = loop.measured(0)
    assert record is not None
    collected = loop.collected()
    assert record.labels_bought == collected.labels_bought
    assert record.labels + record.ties == len(collected.role("train"))
    assert record.production_kappa.items == len(collected.role("audit")) == 12
    twice = [item for item in collected.role("audit") if len(item.verdicts) == 2]
    assert record.expert_kappa.items == len(twice)
    blind = [item for item in collected.role("train") if item.card.blind]
    assert record.boundary_kappa.items == len(blind)


def test_a_backend_killed_and_started_again_gives_the_same_answers(loop: Loop) -> None:
    texts = ["what a lovely day", "this is the worst service ever, I hate it"]
    before = loop.backend.score(loop.project.id, texts)
    kill(loop.services.pid("backend"))
    loop.services.start_backend(loop.state)
    after = loop.backend.score(loop.project.id, texts)
    assert after.version == before.version
    assert after.probability == pytest.approx(before.probability, abs=1e-6)
    assert after.probability.sum(axis=1) == pytest.approx(1.0)


def test_a_server_that_trains_takes_the_place_of_a_worker(loop: Loop) -> None:
    kill(loop.services.pid("worker"))
    kill(loop.services.pid("backend"))
    loop.services.settings["CRUX_TRAIN_IN_SERVER"] = "true"  # from now on
    loop.services.start_backend(loop.state)
    log = loop.services.root / "backend.log"
    wait_for(lambda: log.read_text().count("worker is ready") == 1)


def test_the_second_round_buys_nothing_twice_and_sees_rows_added_to_the_pool(loop: Loop) -> None:
    with (loop.config.parent / "pool.csv").open("a", newline="", encoding="utf-8") as out:
        csv.writer(out).writerow(["added-later", ADDED_LATER])
    first = {t.crux["id"] for t in loop.tasks() if t.crux}
    # both judged some of the audited texts, mostly in tasks of their own: a busy SQLite can serve
    # them the same one, and then a text has a second verdict that was not asked for
    audited = loop.collected().role("audit")
    assert len(audited) == 12
    everybody = {one.name for one in loop.people}
    for item in audited:
        assert item.card.second == LEAST
        assert item.card.experts == (2 if asks_all(item.card.id, LEAST) else 1)
        assert set(item.verdicts) <= everybody
        assert len(item.verdicts) >= item.card.experts
    assert {item.card.experts for item in audited} == {1, 2}
    assert any(len(item.tasks) > 1 for item in audited)
    assert all(len(item.tasks) == 1 for item in audited if item.card.experts == 1)
    outcome = json.loads(loop.crux("round", "--json").stdout.splitlines()[-1])
    assert (outcome["state"], outcome["round"]) == ("pushed", 1)
    tasks = [t for t in loop.tasks() if t.crux and t.crux["round"] == 1]
    assert outcome["tasks"] == len(tasks)
    assert not first & {t.crux["id"] for t in tasks if t.crux}
    roles = [t.crux["role"] for t in tasks if t.crux]
    assert (roles.count("train"), roles.count("audit"), len(roles)) == (8, 12, 20)


def test_the_loop_ends_with_a_reason_a_table_and_a_report(loop: Loop) -> None:
    loop.answer_all()
    wait_for(lambda: loop.measured(1))
    outcome = json.loads(loop.crux("round", "--json").stdout.splitlines()[-1])
    assert outcome["state"] == "stop"
    table = json.loads(loop.crux("status", "--json").stdout)
    assert [r["round"] for r in table["rounds"]] == [0, 1]
    collected = loop.collected()
    assert table["labels_bought"] == collected.labels_bought
    teach, measure = (
        sum(len(item.verdicts) for item in collected.role(role)) for role in ("train", "audit")
    )
    assert (table["verdicts_that_teach"], table["verdicts_that_measure"]) == (teach, measure)
    # an answer that came too late is paid for, and neither teaches nor measures
    assert teach + measure <= collected.labels_bought
    assert table["stop"] is True
    for record in table["rounds"]:
        for kappa in ("expert_kappa", "boundary_kappa", "production_kappa"):
            assert set(record[kappa]) >= {"value", "low", "high", "items"}
    assert "stop" not in loop.crux("status").stderr
    loop.crux("report", "--to", str(loop.config.parent / "report.html"))
    assert "The loop" in (loop.config.parent / "report.html").read_text()


def test_versions_are_listed_promoted_and_rolled_back(loop: Loop) -> None:
    state = json.loads(loop.crux("models", "list", "--json").stdout)
    prompted = next(v["version"] for v in state["versions"] if v["kind"] == "prompted")
    loop.crux("models", "promote", prompted)
    assert loop.backend.score(loop.project.id, ["x"]).version == prompted
    refused = loop.crux("models", "promote", "no-such-version", ok=False)
    assert refused.returncode == 1
    assert "no version 'no-such-version'" in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr
    loop.crux("models", "promote", state["current"])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"texts": "one"}, "'texts' must be a list"),
        ({"texts": [1]}, "texts[0] is 1: 'texts' must be"),
        ({"texts": ["x"] * 1001}, "more than 1000"),
        ({"texts": ["x"], "version": "../../etc"}, "is not the name of a version"),
    ],
)
def test_a_bad_score_request_names_what_is_wrong(
    loop: Loop, body: dict[str, Any], says: str
) -> None:
    answer = httpx.post(
        f"{loop.state.backend_url}/score", json={"project": loop.project.id, **body},
        headers={SECRET_HEADER: loop.state.secret}, timeout=300,
    )  # fmt: skip
    assert 400 <= answer.status_code < 500
    assert says in answer.json()["error"]


def test_one_bad_task_never_fails_the_others(loop: Loop) -> None:
    tasks = [
        {"id": 1, "data": {"text": "a good one"}},
        {"id": 2, "data": {}},
        {"id": 3, "data": {"text": ""}},
        {"id": 4, "data": {"text": 7}},
        {"id": 5, "data": {"text": "long " * 200_000}},
        {"id": 6, "data": {"text": "hidden"}, "meta": {"crux": {"blind": True}}},
    ]
    answer = httpx.post(
        f"{loop.state.backend_url}/predict", json={"project": str(loop.project.id), "tasks": tasks},
        headers={SECRET_HEADER: loop.state.secret}, timeout=300,
    )  # fmt: skip
    results = answer.json()["results"]
    assert [bool(r) for r in results] == [True, False, False, False, True, False]
    assert results[0]["model_version"] == answer.json()["model_version"]


def test_a_label_studio_that_is_away_gives_one_sentence(loop: Loop) -> None:
    away = Studio(f"http://127.0.0.1:{free_port()}", loop.state.token)
    with pytest.raises(StudioDown):
        away.project(1)
    text = loop.config.read_text().replace(loop.state.studio_url, "http://127.0.0.1:9")
    broken = loop.config.with_name("away.toml")
    broken.write_text(text)
    done = subprocess.run(
        [CRUX, "status", "--config", str(broken)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert loop.state.token not in done.stdout + done.stderr

"""`crux doctor` against a real Label Studio and a real backend, before and after connecting."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from demo.config import write_config
from demo.question import CONFIG
from demo.servers import Server, create_expert, free_port, stop
from demo.services import Services, State
from selection.command.checks import Check
from selection.command.project_settings import NOTE
from selection.http import SECRET_HEADER
from selection.studio.api import Studio, prediction
from selection.studio.instruction import with_note
from tests.backend.engine.tiny_model import tiny_model
from tests.e2e.looked_at import Place
from tests.e2e.other_backend import OtherBackend
from tests.e2e.test_loop import wait_for


def wrong(seen: dict[str, Check]) -> list[str]:
    return [name for name, check in seen.items() if check.ok is False]


@pytest.fixture(scope="module")
def place(label_studio: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("doctor")
    services = Services(root, settings={"CRUX_LLM": tiny_model(root / "llm")})
    admin = label_studio.admin
    port = int(label_studio.url.rsplit(":", 1)[1])
    state = State(port, free_port(), admin.email, admin.password, admin.token, "a-test-secret")
    services.keep(state)
    services.start_backend(state)
    services.start_worker(state)
    wait_for(lambda: "worker is ready" in (root / "worker.log").read_text())
    studio = Studio(label_studio.url, admin.token)
    create_expert(label_studio.url, admin.token, "anna@crux.example", admin.password)
    project = studio.create_project("Looked at", CONFIG, "Is it harsh?")
    config = write_config(root, state, project.id)
    yield Place(services, state, studio, project, config)
    services.down()


@pytest.fixture
def connected(place: Place) -> None:
    """After `crux connect`, which may run again and again."""
    place.connect()


def test_before_connecting_it_names_what_is_missing_and_makes_nothing(place: Place) -> None:
    before = place.told()
    seen = place.doctor()
    assert wrong(seen) == ["project settings", "connection", "webhook"]
    assert "Run crux connect" in seen["connection"].message
    assert "No webhook of the project goes to" in seen["webhook"].message
    assert seen["project settings"].message == (
        "the instructions do not tell annotators how to label so that it counts. Run crux "
        "connect, which sets this right."
    )
    assert place.told() == before


def test_after_connecting_all_is_well_and_looking_changes_nothing(place: Place) -> None:
    assert place.crux("connect").returncode == 0
    before = place.told()
    done = place.crux("doctor", "--json")
    body = json.loads(done.stdout)
    assert [check["name"] for check in body["checks"] if not check["ok"]] == []
    assert (done.returncode, body["ok"]) == (0, True)
    assert place.told() == before
    for planted in (place.state.secret, place.state.token):
        assert planted not in done.stdout + done.stderr


@pytest.mark.usefixtures("connected")
def test_a_webhook_of_an_old_backend_is_named_and_removed_by_the_command_given(
    place: Place,
) -> None:
    old = place.studio.create_webhook(place.project.id, "http://127.0.0.1:9/webhook", {})
    seen = place.doctor()
    assert wrong(seen) == ["left-over webhooks"]
    command = f"crux connect --project {place.project.id} --remove-webhook {old}"
    assert seen["left-over webhooks"].message.endswith(command)
    assert place.crux(*command.split()[1:]).returncode == 0
    assert place.doctor()["left-over webhooks"].ok


@pytest.mark.usefixtures("connected")
def test_a_webhook_without_our_secret_is_not_taken_for_ours(place: Place) -> None:
    (ours,) = place.studio.webhooks(place.project.id)
    place.studio.delete_webhook(ours.id)
    place.studio.create_webhook(place.project.id, ours.url, {SECRET_HEADER: "an-older-secret"})
    assert wrong(place.doctor()) == ["webhook"]
    place.connect()
    assert wrong(place.doctor()) == []


@pytest.mark.usefixtures("connected")
def test_our_webhook_is_ours_however_its_address_is_written(place: Place) -> None:
    secret = {SECRET_HEADER: place.state.secret}
    number, url = place.project.id, f"{place.localhost()}/webhook"
    (first,) = place.studio.webhooks(number)
    second = place.studio.create_webhook(number, url, secret)
    seen = place.doctor()
    assert wrong(seen) == ["webhook"]
    assert f"waits for each: {first.id}, {second}." in seen["webhook"].message
    assert seen["left-over webhooks"].message == "none"
    place.studio.delete_webhook(first.id)
    assert wrong(place.doctor()) == []
    with_slash = f"{place.state.backend_url}/webhook/"
    third = place.studio.create_webhook(number, with_slash, secret)
    seen = place.doctor()
    assert wrong(seen) == ["webhook"]
    assert f"{third} to {with_slash} (there is nothing at" in seen["webhook"].message
    assert httpx.post(with_slash, headers=secret, json={"action": "?"}).status_code == 404
    place.connect()
    (left,) = place.studio.webhooks(number)
    assert left.url == f"{place.state.backend_url}/webhook"
    assert wrong(place.doctor()) == []


@pytest.mark.usefixtures("connected")
def test_a_backend_that_was_connected_as_localhost_is_the_same_one(place: Place) -> None:
    place.connect(backend_url=place.localhost())
    (one,) = place.studio.backends(place.project.id)
    assert one.url == place.localhost()
    assert wrong(place.doctor()) == []
    place.connect()
    assert [(other.id, other.url) for other in place.studio.backends(place.project.id)] == [
        (one.id, place.state.backend_url)
    ]
    assert wrong(place.doctor()) == []


@pytest.mark.usefixtures("connected")
def test_a_backend_that_is_connected_twice_is_said_and_connecting_ends_it(place: Place) -> None:
    place.studio.set_model_version(place.project.id, "Crux")
    made = place.api(
        "POST", "ml", project=place.project.id, url=place.localhost(), title="Crux",
        auth_method="BASIC_AUTH", basic_auth_user="crux", basic_auth_pass=place.state.secret,
    )  # fmt: skip
    assert made.status_code == 201
    seen = place.doctor()
    assert wrong(seen) == ["connection", "webhook"]
    assert "The backend is connected 2 times, as" in seen["connection"].message
    assert "(its headers are not those with our secret)" in seen["webhook"].message
    place.connect()
    assert wrong(place.doctor()) == []
    (one,) = place.studio.backends(place.project.id)
    assert one.url == place.state.backend_url
    assert place.studio.project(place.project.id).model_version == "Crux"


@pytest.mark.usefixtures("connected")
def test_another_backend_is_named_with_its_state_and_is_a_fault_once_it_is_dead(
    place: Place,
) -> None:
    number = place.project.id
    with OtherBackend() as other:
        made = place.studio.connect_backend(number, other.url, "Other")
        seen = place.doctor()
        assert wrong(seen) == []
        assert seen["other backends"].message == f"also connected: {other.url} (connected)"
        assert f"connected backends have {other.url}/webhook" in seen["left-over webhooks"].message
    seen = place.doctor()
    assert wrong(seen) == ["other backends"]
    assert f"{other.url} (disconnected: nothing answers)" in seen["other backends"].message
    with other.silent():  # what the sentence says of opening the project is so
        began = time.monotonic()
        place.api("GET", f"ml?project={number}")
        assert 2.5 < time.monotonic() - began < 30
    place.studio.disconnect_backend(made.id)
    seen = place.doctor()
    assert wrong(seen) == ["left-over webhooks"]  # as the sentence said
    for hook in place.studio.webhooks(number):
        if hook.url.startswith(other.url):
            place.studio.delete_webhook(hook.id)
    assert wrong(place.doctor()) == []


def test_label_studio_asks_only_the_first_of_two_backends(place: Place) -> None:
    project = place.studio.create_project("Another first", CONFIG, "Is it harsh?")
    with OtherBackend() as other:
        place.studio.connect_backend(project.id, other.url, "Other")
        place.connect(project=project.id)
        seen = place.doctor(project=project.id)
        assert wrong(seen) == ["other backends"]
        assert f"which is {other.url}, so its answers" in seen["other backends"].message
        [task] = place.studio.import_tasks(project.id, [{"data": {"text": "a text"}}])
        other.asked.clear()
        place.studio.task(task, project.schema)  # opens it
        assert "/predict" in other.asked
    seen = place.doctor(project=project.id)
    assert wrong(seen) == ["other backends"]
    assert "(disconnected: nothing answers)" in seen["other backends"].message


@pytest.mark.usefixtures("connected")
def test_settings_that_somebody_changed_are_said_and_set(place: Place) -> None:
    number = place.project.id
    # as an older Crux asked: a blind task of two experts
    made = place.api(
        "POST", "tasks/", project=number, data={"text": "of old"}, overlap=2,
        meta={"crux": {"blind": True}},
    )  # fmt: skip
    assert place.connect()["project settings"].endswith("the instructions say how to label")
    assert place.api("GET", f"tasks/{made.json()['id']}/").json()["overlap"] == 2
    place.studio.update_project(
        number, skip_queue="IGNORE_SKIPPED", maximum_annotations=2, show_instruction=False
    )
    seen = place.doctor()
    assert wrong(seen) == ["project settings"]
    for named in ("skip_queue is 'IGNORE_SKIPPED'", "maximum_annotations is 2", "show_instruction"):
        assert named in seen["project settings"].message
    said = place.connect()["project settings"]
    assert "maximum_annotations stays 2 while an older Crux's 1 blind task" in said
    place.studio.delete_tasks(number, [made.json()["id"]])
    place.connect()
    assert wrong(place.doctor()) == []


@pytest.mark.usefixtures("connected")
def test_the_note_for_annotators_survives_label_studio_and_is_no_policy(place: Place) -> None:
    number = place.project.id
    before = place.studio.project(number)
    assert before.instruction == with_note("Is it harsh?", NOTE)
    assert before.policy == "Is it harsh?"
    old = with_note("Is it harsh?", "<p>older words</p>")
    place.studio.update_project(number, expert_instruction=old)
    assert wrong(place.doctor()) == ["project settings"]
    place.connect()
    assert place.studio.project(number) == before


@pytest.mark.usefixtures("connected")
def test_people_are_counted(place: Place) -> None:
    there = len(place.studio.people())
    assert there >= 2
    seen = place.doctor(experts=there + 1)
    assert wrong(seen) == ["people"]
    assert f"Label Studio has only {there}: " in seen["people"].message
    assert f"{there} can label (" in place.doctor(experts=there)["people"].message


def test_what_waits_for_experts_is_counted(place: Place) -> None:
    project = place.studio.create_project("Waits", CONFIG, "Is it harsh?")  # sends no events
    schema = project.schema

    def seen() -> tuple[bool | None, str]:
        check = place.doctor(project=project.id)["predictions"]
        return check.ok, check.message

    assert seen()[1].startswith("no task waits for an expert; the next round comes blind: ")
    blind = {"data": {"text": "a text"}, "meta": {"crux": {"blind": True}}}
    shown = {
        "data": {"text": "b text"},
        "predictions": [prediction(schema, schema.labels[0], 0.7, "old-1")],
    }
    tasks = place.studio.import_tasks(project.id, [blind, blind, shown])
    place.studio.annotate(tasks[0], None, schema)  # a skip is no answer
    assert place.studio.project(project.id).model_version == "old-1"  # Label Studio chose it
    ok, said = seen()
    assert (ok, "and 1 task waits with answers of old-1" in said) == (False, True)
    place.studio.annotate(tasks[2], schema.labels[0], schema)
    assert seen() == (True, "2 tasks wait for experts (2 blind), without an answer of a model")
    for task in tasks[:2]:
        place.studio.annotate(task, schema.labels[0], schema)
    assert seen()[1].startswith("no task waits for an expert")


@pytest.mark.usefixtures("connected")
def test_another_secret_and_a_worker_that_ended_are_said(place: Place) -> None:
    seen = place.doctor(webhook_secret="not-that-one")
    assert seen["secret"].ok is False
    assert "another secret than CRUX_WEBHOOK_SECRET here" in seen["secret"].message
    assert seen["worker"].ok is None
    assert stop(place.services.pid("worker"))
    assert wrong(place.doctor()) == ["worker"]


def test_a_backend_that_is_down_is_said_and_the_rest_is_looked_at(place: Place) -> None:
    assert stop(place.services.pid("backend"))
    seen = place.doctor()
    assert wrong(seen) == ["backend"]
    assert seen["webhook"].ok
    assert seen["switches"].ok
    assert "not looked at, since 'backend' is not ok" in seen["training"].message

"""Every call of Studio, against a real Label Studio."""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from demo.servers import Server, create_expert, free_port, stop
from selection.errors import ProjectError, SettingError, StudioDown, StudioError, StudioRefused
from selection.studio.api import MlBackend, Prediction, Project, Schema, Studio, prediction
from selection.studio.connections import HOOK_ACTIONS

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
)
SCHEMA = Schema(("Yes", "No"), "verdict", "text", "text")
ANN, BEN = "ann@crux.example", "ben@crux.example"


class Listener(ThreadingHTTPServer):
    """A small honest server: notes every request and answers by a table of paths."""

    def __init__(self, answers: dict[str, Any], status: int = 200, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers, self.status = answers, status
        self.requests: list[tuple[str, str, Any, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def asked(self, path: str) -> list[Any]:
        """Bodies of the requests for this path."""
        return [body for _, at, body, _ in self.requests if at == path]


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(size)) if size else None
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, path, body, dict(self.headers)))
        found = self.server.answers.get(path, {})
        text = found(body) if callable(found) else found
        text = text if isinstance(text, str) else json.dumps(text)
        raw = text.encode(errors="surrogateescape")
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_PATCH = do_GET

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def studio(label_studio: Server) -> Studio:
    return Studio(label_studio.url, label_studio.admin.token)


@pytest.fixture(scope="module")
def ann(label_studio: Server) -> Studio:
    admin = label_studio.admin.token
    return Studio(label_studio.url, create_expert(label_studio.url, admin, ANN, "ann-password"))


@pytest.fixture(scope="module")
def ben(label_studio: Server) -> Studio:
    admin = label_studio.admin.token
    return Studio(label_studio.url, create_expert(label_studio.url, admin, BEN, "ben-password"))


@pytest.fixture
def project(studio: Studio) -> Project:
    return studio.create_project("A project", CONFIG, "Say Yes if it is.")


def fill(studio: Studio, project: Project, n: int, **more: Any) -> list[int]:
    return studio.import_tasks(
        project.id,
        [{"data": {"text": f"text {i}"}, "meta": {"crux": {"row": i}}} | more for i in range(n)],
    )


def answers(studio: Studio, project: Project) -> dict[int, dict[str, str | None]]:
    return {
        task.id: {a.expert: a.label for a in task.annotations}
        for task in studio.tasks(project.id, SCHEMA)
    }


# who


def test_the_token_tells_who_it_belongs_to(studio: Studio, ann: Studio) -> None:
    assert studio.me().email == "admin@crux.example"
    assert ann.me().email == ANN
    assert studio.people()[ann.me().id] == ANN


# The SDK itself calls what pydantic will drop in its version 3.
@pytest.mark.filterwarnings("ignore:The `parse_obj` method")
def test_a_personal_access_token_serves_as_well(
    label_studio: Server, studio: Studio, personal_token: str
) -> None:
    personal = Studio(label_studio.url + "/", personal_token)
    assert personal.me() == studio.me()
    assert personal.project(personal.create_project("Theirs", CONFIG, "").id).title == "Theirs"


def test_an_expert_who_comes_back_gets_the_same_token(label_studio: Server) -> None:
    first, again = (
        create_expert(label_studio.url, label_studio.admin.token, "eve@crux.example", "eve-pass-1")
        for _ in range(2)
    )
    assert first == again
    with pytest.raises(StudioRefused, match=r"accepts eve@crux\.example neither"):
        create_expert(label_studio.url, label_studio.admin.token, "eve@crux.example", "other-one")


# projects


def test_a_project_comes_back_as_it_was_made(studio: Studio) -> None:
    made = studio.create_project(
        "Clickbait", CONFIG, "<p>Is it <b>clickbait</b>?</p><ul><li>a &lt; b</li></ul>"
    )
    assert made == Project(
        id=made.id,
        title="Clickbait",
        policy="Is it clickbait?\n\n- a < b",
        schema=SCHEMA,
        config_xml=CONFIG,
        model_version="",
        tasks=0,
        annotations=0,
        overlap=1,
        sampling="Sequential sampling",
        shows_predictions=True,
        skip_queue="REQUEUE_FOR_OTHERS",
        shows_instruction=True,
        instruction="<p>Is it <b>clickbait</b>?</p><ul><li>a &lt; b</li></ul>",
    )
    assert studio.project(made.id) == made


def test_settings_of_a_project_can_be_chosen_and_changed(studio: Studio) -> None:
    made = studio.create_project("Hidden", CONFIG, "", show_collab_predictions=False)
    assert made.shows_predictions is False
    changed = studio.update_project(made.id, show_collab_predictions=True, title="Shown")
    assert (changed.shows_predictions, changed.title) == (True, "Shown")
    changed = studio.update_project(
        made.id, skip_queue="IGNORE_SKIPPED", show_instruction=False, maximum_annotations=2
    )
    assert (changed.skip_queue, changed.shows_instruction, changed.overlap) == (
        "IGNORE_SKIPPED", False, 2
    )  # fmt: skip


def test_a_project_counts_its_tasks_and_annotations(studio: Studio, project: Project) -> None:
    ids = fill(studio, project, 3)
    studio.annotate(ids[0], "Yes", SCHEMA)
    found = studio.project(project.id)
    assert (found.tasks, found.annotations) == (3, 1)


def test_the_newest_projects_are_listed_first(studio: Studio) -> None:
    older, newer = (studio.create_project(title, CONFIG, "") for title in ("Older", "Newer"))
    listed = list(studio.projects().items())
    assert listed[:2] == [(newer.id, "Newer"), (older.id, "Older")]
    assert len(listed) <= 20


def test_a_missing_project_is_named(studio: Studio) -> None:
    with pytest.raises(ProjectError, match="does not have project 999999: No Project matches"):
        studio.project(999999)


def test_a_project_whose_config_does_not_fit_is_named(studio: Studio, label_studio: Server) -> None:
    with pytest.raises(ProjectError, match="no <Choices>"):
        studio.create_project("Unfit", "<View/>", "")
    other = httpx.post(
        f"{label_studio.url}/api/projects/",
        headers={"Authorization": f"Token {label_studio.admin.token}"},
        json={"title": "Not ours"},
    ).json()
    with pytest.raises(ProjectError, match=rf"Project {other['id']} \(Not ours\): .*no <Choices>"):
        studio.project(other["id"])


# tasks


def test_imported_tasks_come_back_whole_and_in_order(studio: Studio, project: Project) -> None:
    sent: list[dict[str, Any]] = [
        {"data": {"text": "zwei", "crux_order": 2}, "meta": {"crux": {"p": 0.25}, "of": "them"}},
        {"data": {"text": "eins", "crux_order": 1}},
    ]
    ids = studio.import_tasks(project.id, sent)
    tasks = studio.tasks(project.id, SCHEMA)
    assert [task.id for task in tasks] == ids == sorted(ids)
    assert [task.data for task in tasks] == [sent[0]["data"], sent[1]["data"]]
    assert [task.meta for task in tasks] == [{"crux": {"p": 0.25}, "of": "them"}, {}]
    assert [task.crux for task in tasks] == [{"p": 0.25}, None]
    assert [task.annotations for task in tasks] == [(), ()]


def test_the_bulk_import_asks_one_person_whatever_a_task_says(
    studio: Studio, project: Project
) -> None:
    studio.import_tasks(project.id, [{"data": {"text": str(n)}, "overlap": n} for n in (1, 2, 3)])
    assert [task.overlap for task in studio.tasks(project.id, SCHEMA)] == [1, 1, 1]


def test_many_tasks_are_read_page_by_page(
    studio: Studio, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(studio, project, 7)
    monkeypatch.setattr("selection.studio.tasks.PAGE", 3)
    monkeypatch.setattr("selection.studio.tasks.IMPORT_CHUNK", 2)
    ids += fill(studio, project, 3)
    seen: list[tuple[int, int]] = []
    tasks = studio.tasks(project.id, SCHEMA, lambda done, total: seen.append((done, total)))
    assert [task.id for task in tasks] == ids
    assert seen == [(3, 10), (6, 10), (9, 10), (10, 10)]


def test_tasks_after_a_known_one_are_read_alone(studio: Studio, project: Project) -> None:
    ids = fill(studio, project, 4)
    seen: list[tuple[int, int]] = []
    newer = studio.tasks(project.id, SCHEMA, lambda *now: seen.append(now), after=ids[1])
    assert [task.id for task in newer] == ids[2:]
    assert seen == [(2, 2)]
    assert studio.tasks(project.id, SCHEMA, after=ids[-1]) == []


def test_an_empty_project_has_no_tasks(studio: Studio, project: Project) -> None:
    assert studio.tasks(project.id, SCHEMA) == []
    assert studio.next_task(project.id, SCHEMA) is None
    assert studio.import_tasks(project.id, []) == []


def test_new_meta_leaves_the_rest_of_a_task(studio: Studio, project: Project) -> None:
    first, second = studio.import_tasks(
        project.id,
        [
            {"data": {"text": "a"}, "meta": {"crux": {"r": 1}}},
            {"data": {"text": "b"}},
        ],
    )
    studio.annotate(first, "No", SCHEMA)
    studio.set_meta(first, {"crux": {"r": 2}, "x": [1]})
    changed, other = studio.tasks(project.id, SCHEMA)
    assert (changed.meta, changed.data, changed.overlap) == (
        {"crux": {"r": 2}, "x": [1]},
        {"text": "a"},
        1,
    )
    assert [a.label for a in changed.annotations] == ["No"]
    assert (other.id, other.meta) == (second, {})


def test_deleting_no_task_deletes_none(studio: Studio, project: Project) -> None:
    ids = fill(studio, project, 4)
    studio.delete_tasks(project.id, [])
    assert [task.id for task in studio.tasks(project.id, SCHEMA)] == ids
    studio.delete_tasks(project.id, ids[1:3])
    assert [task.id for task in studio.tasks(project.id, SCHEMA)] == [ids[0], ids[3]]


# experts at work


def test_two_experts_answer_the_same_task(
    studio: Studio, ann: Studio, ben: Studio, project: Project
) -> None:
    (task,) = fill(studio, project, 1)
    studio.set_overlap(task, 2)
    ann.annotate(task, "Yes", SCHEMA)
    assert ann.next_task(project.id, SCHEMA) is None
    waiting = ben.next_task(project.id, SCHEMA)
    assert waiting is not None
    assert (waiting.id, waiting.annotations) == (task, ())
    ben.annotate(task, "No", SCHEMA)
    assert ben.next_task(project.id, SCHEMA) is None
    assert answers(studio, project) == {task: {ANN: "Yes", BEN: "No"}}


def test_a_task_for_one_expert_goes_to_one_expert(
    studio: Studio, ann: Studio, ben: Studio, project: Project
) -> None:
    first, second = fill(studio, project, 2)
    ann.annotate(first, "Yes", SCHEMA)
    waiting = ben.next_task(project.id, SCHEMA)
    assert waiting is not None
    assert waiting.id == second


def test_the_queue_keeps_the_order_of_import(studio: Studio, ann: Studio, project: Project) -> None:
    ids = studio.import_tasks(
        project.id, [{"data": {"text": str(n)}} for n in range(5)]
    )
    served = []
    while (task := ann.next_task(project.id, SCHEMA)) is not None:
        served.append(task.id)
        ann.annotate(task.id, "Yes", SCHEMA)
    assert served == ids


def test_a_finished_task_can_ask_for_one_expert_more(
    studio: Studio, ann: Studio, ben: Studio, project: Project
) -> None:
    (task,) = fill(studio, project, 1)
    ann.annotate(task, "Yes", SCHEMA)
    assert ben.next_task(project.id, SCHEMA) is None
    studio.set_overlap(task, 2)
    waiting = ben.next_task(project.id, SCHEMA)
    assert waiting is not None
    assert (waiting.id, waiting.overlap) == (task, 2)
    studio.set_overlap(task, 1)
    assert studio.next_task(project.id, SCHEMA) is None


def test_a_skip_is_told_and_has_no_label(studio: Studio, ann: Studio, project: Project) -> None:
    (task,) = fill(studio, project, 1)
    made = ann.annotate(task, None, SCHEMA)
    (found,) = studio.tasks(project.id, SCHEMA)
    (skip,) = found.annotations
    assert (skip.id, skip.expert, skip.label, skip.cancelled, skip.unknown) == (
        made,
        ANN,
        None,
        True,
        False,
    )


def test_later_answers_have_later_times(studio: Studio, ann: Studio, project: Project) -> None:
    (task,) = fill(studio, project, 1)
    for label in ("Yes", "No"):
        ann.annotate(task, label, SCHEMA)
    (found,) = studio.tasks(project.id, SCHEMA)
    assert [a.label for a in sorted(found.annotations, key=lambda a: a.updated)] == ["Yes", "No"]


def test_an_answer_outside_the_config_is_unknown(studio: Studio, project: Project) -> None:
    (task,) = fill(studio, project, 1)
    studio.annotate(task, "Maybe", SCHEMA)
    (found,) = studio.tasks(project.id, SCHEMA)
    assert [(a.label, a.unknown) for a in found.annotations] == [(None, True)]


# predictions


def test_predictions_are_stored_and_shown(studio: Studio, ann: Studio, project: Project) -> None:
    with_one, without = fill(studio, project, 2)
    sent = [{"task": with_one, **prediction(SCHEMA, "No", 0.75, "v1")}]
    assert studio.import_predictions(project.id, sent) == 1
    studio.set_model_version(project.id, "v1")
    assert studio.project(project.id).model_version == "v1"
    shown = ann.next_task(project.id, SCHEMA)
    assert shown is not None
    assert (shown.id, shown.predictions) == (with_one, (Prediction("No", 0.75, "v1"),))
    assert studio.tasks(project.id, SCHEMA)[1].predictions == ()


def test_tasks_may_bring_their_predictions(studio: Studio, project: Project) -> None:
    fill(studio, project, 1, predictions=[prediction(SCHEMA, "Yes", 0.5, "v1")])
    (task,) = studio.tasks(project.id, SCHEMA)
    assert task.predictions == (Prediction("Yes", 0.5, "v1"),)


def test_predictions_that_label_studio_drops_are_an_error(studio: Studio, project: Project) -> None:
    ids = fill(studio, project, 2)
    stale = Schema(("Yes", "Maybe"), "verdict", "text", "text")
    sent = [
        {"task": task, **prediction(stale, label, 0.5, "v1")}
        for task, label in zip(ids, ("Yes", "Maybe"), strict=True)
    ]
    with pytest.raises(StudioError, match="took 1 of 2 predictions"):
        studio.import_predictions(project.id, sent)


def test_an_alias_is_the_label_that_label_studio_knows(studio: Studio) -> None:
    aliased = CONFIG.replace('value="Yes"', 'value="Yes, it is" alias="y"')
    project = studio.create_project("Aliased", aliased, "")
    (task,) = fill(studio, project, 1)
    sent = [{"task": task, **prediction(project.schema, "y", 0.5, "v1")}]
    assert studio.import_predictions(project.id, sent) == 1


def test_a_model_version_without_predictions_is_refused(studio: Studio, project: Project) -> None:
    with pytest.raises(StudioError, match=r"model version 'v9'.*import its predictions first"):
        studio.set_model_version(project.id, "v9")


# webhooks and backends


def test_a_webhook_brings_its_secret_and_the_answer(
    studio: Studio, ann: Studio, project: Project
) -> None:
    with Listener({}) as ear:
        hook = studio.create_webhook(project.id, f"{ear.url}/webhook", {"X-Crux-Secret": "s3cret"})
        (found,) = studio.webhooks(project.id)
        assert (found.id, found.url, found.project) == (hook, f"{ear.url}/webhook", project.id)
        assert (found.active, set(found.actions)) == (True, set(HOOK_ACTIONS))
        assert found.headers == {"X-Crux-Secret": "s3cret"}
        assert "s3cret" not in repr(found)
        (task,) = fill(studio, project, 1)
        annotation = ann.annotate(task, "Yes", SCHEMA)
        studio.delete_webhook(hook)
        ann.annotate(task, "No", SCHEMA)
    ((method, path, body, headers),) = ear.requests
    assert (method, path, headers["X-Crux-Secret"]) == ("POST", "/webhook", "s3cret")
    assert (body["action"], body["project"]["id"]) == ("ANNOTATION_CREATED", project.id)
    assert (body["task"]["id"], body["annotation"]["id"]) == (task, annotation)
    assert studio.webhooks(project.id) == []


def fake_backend(results: Any) -> Listener:
    return Listener(
        {
            "/health": {"status": "UP"},
            "/setup": {"model_version": "v7"},
            "/predict": lambda body: {"results": [results(task) for task in body["tasks"]]},
        }
    )


def test_a_backend_is_connected_once_and_trained(studio: Studio, project: Project) -> None:
    with fake_backend(lambda task: []) as model:
        first = studio.connect_backend(project.id, model.url, "Crux", ("crux", "pass-word"))
        assert first == MlBackend(first.id, model.url, "Crux", "Connected", "v7", "")
        again = studio.connect_backend(project.id, model.url, "Crux", ("crux", "pass-word"))
        assert studio.backends(project.id) == [again] == [first]
        assert [hook.url for hook in studio.webhooks(project.id)] == [f"{model.url}/webhook"]
        assert studio.project(project.id).model_version == "Crux"
        studio.train_backend(first.id)
        (told,) = model.asked("/webhook")
        assert (told["action"], told["project"]["id"]) == ("START_TRAINING", project.id)
        assert {headers["Authorization"] for _, _, _, headers in model.requests} == {
            "Basic Y3J1eDpwYXNzLXdvcmQ="
        }
        studio.disconnect_backend(first.id)
        assert studio.backends(project.id) == []
        assert len(studio.webhooks(project.id)) == 1, "Label Studio leaves the webhook behind"


def test_an_empty_list_from_predict_keeps_a_task_blind(
    studio: Studio, ann: Studio, project: Project
) -> None:
    def blind(task: dict[str, Any]) -> Any:
        return [] if task["meta"]["crux"]["row"] == 0 else prediction(SCHEMA, "Yes", 0.8, "v7")

    ids = fill(studio, project, 2)
    with fake_backend(blind) as model:
        studio.connect_backend(project.id, model.url, "Crux")
        assert [studio.task(task, SCHEMA).predictions for task in ids] == [
            (),
            (Prediction("Yes", 0.8, "v7"),),
        ]
        served = ann.next_task(project.id, SCHEMA)
        assert served is not None
        assert (served.id, served.predictions) == (ids[0], ())
        assert [len(task.predictions) for task in studio.tasks(project.id, SCHEMA)] == [0, 1]


def test_a_backend_that_is_not_there_is_named(studio: Studio, project: Project) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StudioError, match=f"ML backend {url}.*health check failed"):
        studio.connect_backend(project.id, url, "Crux")


# what can go wrong


@pytest.mark.parametrize("token", ["wrong", "0" * 40])
def test_a_wrong_token_is_refused_and_not_repeated(label_studio: Server, token: str) -> None:
    with pytest.raises(StudioRefused, match="refuses the token") as error:
        Studio(label_studio.url, token).me()
    assert token not in str(error.value)


def test_an_expired_personal_token_is_refused() -> None:
    expired = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl"
    with pytest.raises(StudioRefused, match="API key has expired"):
        Studio("http://127.0.0.1:8080", expired)


@pytest.mark.parametrize("token", ["", "  ", "two words", "süß"])
def test_a_token_that_cannot_be_one_is_told_at_once(token: str) -> None:
    with pytest.raises(SettingError, match="copy it again"):
        Studio("http://127.0.0.1:8080", token)


def test_the_place_of_the_tokens_is_called_what_label_studio_calls_it(
    label_studio: Server,
) -> None:
    with pytest.raises(StudioRefused) as error:
        Studio(label_studio.url, "wrong").me()
    place = re.search(r"(http\S+), '(.+)' or '(.+)'\.", str(error.value))
    assert place
    login = httpx.get(place[1], timeout=60)  # it sends strangers there, and answers 404 elsewhere
    assert "next=/user/account" in login.headers["Location"]
    pages = httpx.get(f"{label_studio.url}/react-app/main.js", timeout=60).text
    for name in place.groups()[1:]:
        assert re.search(rf'title:[^,{{}}]*"{name}"', pages), name


def test_a_url_without_a_scheme_is_told_at_once() -> None:
    with pytest.raises(SettingError, match="'localhost:8080' must start with http"):
        Studio("localhost:8080", "token")


def test_the_token_is_in_no_repr() -> None:
    assert repr(Studio("http://127.0.0.1:8080/", "c0ffee")) == "Studio('http://127.0.0.1:8080')"


def test_a_server_that_is_not_there_is_down() -> None:
    port = free_port()
    with pytest.raises(StudioDown, match=f"127.0.0.1:{port} cannot be reached"):
        Studio(f"http://127.0.0.1:{port}", "token").me()


def test_reads_are_tried_three_times_and_writes_once() -> None:
    with Listener({}, status=503) as sick:
        studio = Studio(sick.url, "token")
        with pytest.raises(StudioDown, match="answered 503 about project 1"):
            studio.project(1)
        assert len(sick.requests) == 3
        with pytest.raises(StudioDown, match="answered 503 about task 1"):
            studio.set_meta(1, {})
        assert len(sick.requests) == 4


def test_a_server_that_comes_back_is_read() -> None:
    me = {"id": 3, "username": "ann", "email": ANN}
    with Listener({}, status=502) as server:
        server.answers["/api/current-user/whoami"] = _after(2, server, me)
        assert Studio(server.url, "token").me().email == ANN
        assert len(server.requests) == 2


def _after(request: int, server: Listener, body: Any) -> Any:
    """Answers this request and later ones with 200, earlier ones with the server's status."""

    def answer(_: Any) -> Any:
        if len(server.requests) >= request:
            server.status = 200
        return body

    return answer


def test_a_slow_server_is_down() -> None:
    hold = threading.Event()
    with Listener({"/api/tasks/1/": lambda _: hold.wait(5) and {}}) as slow:
        with pytest.raises(StudioDown, match="did not answer in time about task 1"):
            Studio(slow.url, "token", timeout=0.1).set_meta(1, {})
        hold.set()


@pytest.mark.parametrize("page", ["<html>Welcome</html>", {}, {"detail": "something"}])
def test_another_server_is_not_taken_for_label_studio(page: Any) -> None:
    with (
        Listener({"/api/current-user/whoami": page}) as other,
        pytest.raises(StudioError, match="does not answer like Label Studio"),
    ):
        Studio(other.url, "token").me()


@pytest.mark.parametrize("page", ["<html>Welcome</html>", "\udcff", [], ""])
def test_an_action_that_is_answered_without_json_is_said_in_a_sentence(page: Any) -> None:
    with Listener({"/api/dm/actions/": page}) as other:
        studio = Studio(other.url, "token")
        with pytest.raises(StudioError, match="does not answer like Label Studio"):
            studio.next_task(1, SCHEMA)
        with pytest.raises(StudioError, match="does not answer like Label Studio"):
            studio.delete_tasks(1, [1])
        assert len(other.requests) == 2  # an action is not a read


def test_an_action_whose_answer_was_cut_off_is_label_studio_being_down() -> None:
    with (
        Listener({"/api/dm/actions/": '{"id": 7, "da'}) as server,
        pytest.raises(StudioDown, match="was cut off in its answer about project 1"),
    ):
        Studio(server.url, "token").next_task(1, SCHEMA)


@pytest.mark.parametrize("half", ['{"id": 3, "email": "ann@exa', '[{"id": 3}, {"i'])
def test_half_an_answer_is_asked_for_again_and_then_label_studio_is_down(half: str) -> None:
    with Listener({"/api/current-user/whoami": half}) as server:
        with pytest.raises(StudioDown, match="was cut off in its answer about who the token"):
            Studio(server.url, "token").me()
        assert len(server.requests) == 3


def test_a_page_not_found_is_not_a_missing_project(studio: Studio) -> None:
    with pytest.raises(StudioError, match="does not answer like Label Studio"):
        Studio(f"{studio.url}/elsewhere", "token").me()


@pytest.mark.parametrize(
    ("switch", "says", "connected"),
    [
        ("ML_BLOCK_LOCAL_IP", "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false", False),
        ("SSRF_PROTECTION_ENABLED", "connected the ML backend .* but blocks its webhook", True),
    ],
)
def test_a_label_studio_that_blocks_local_addresses_is_told_which_switch(
    start_studio: Callable[..., Server], switch: str, says: str, connected: bool
) -> None:
    server = start_studio(**{switch: "true"})
    studio = Studio(server.url, server.admin.token)
    project = studio.create_project("Blocked", CONFIG, "")
    with fake_backend(lambda task: []) as model:
        with pytest.raises(StudioRefused, match=says):
            studio.connect_backend(project.id, model.url, "Crux")
        assert bool(studio.backends(project.id)) is connected
    assert studio.webhooks(project.id) == []
    stop(server.process.pid_file)


def test_a_blocked_webhook_names_both_switches() -> None:
    said = {"detail": "URL resolves to a reserved network address (block: 127.0.0.0/8)"}
    with (
        Listener({"/api/webhooks/": said}, status=403) as server,
        pytest.raises(
            StudioRefused, match="ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false"
        ),
    ):
        Studio(server.url, "token").create_webhook(1, "http://127.0.0.1:9", {})


def test_what_a_token_may_not_do_is_told() -> None:
    said = {"detail": "You do not have permission to perform this action."}
    with (
        Listener({"/api/projects/4/": said}, status=403) as server,
        pytest.raises(StudioRefused, match="does not allow project 4: You do not have permission"),
    ):
        Studio(server.url, "token").project(4)

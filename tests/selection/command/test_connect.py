from typing import Any

import pytest

from selection.command.checks import Check
from selection.command.connect import connect, remove_webhook
from selection.command.project_settings import NOTE
from selection.config import Settings
from selection.errors import StudioError, StudioRefused
from selection.http import SECRET_HEADER, Reply
from selection.policy import policy_hash
from selection.studio.api import MlBackend, Webhook
from selection.studio.instruction import with_note
from tests.fakes import FakeBackend, FakeStudio

URL = "http://127.0.0.1:9090"
HOOK = f"{URL}/webhook"
SECRET = {SECRET_HEADER: "a-secret"}
POLICY = policy_hash("Is the text good?", ("yes", "no"))
NAMES = [
    "Label Studio", "project", "policy", "backend", "secret", "connection", "webhook", "model",
    "project settings", "labelling",
]  # fmt: skip


class Place:
    """The two servers and the settings."""

    def __init__(self) -> None:
        self.studio = FakeStudio()
        self.backend = FakeBackend(lambda text: (0.5, 0.5))
        self.settings: dict[str, Any] = {
            "studio_token": "t0ken", "project": 7, "webhook_secret": "a-secret",
        }  # fmt: skip
        self.secret = "a-secret"  # the backend's; empty lets everybody in

    def connect(self, **changes: Any) -> list[Check]:
        settings = Settings(**{**self.settings, **changes})
        return list(connect(settings, self.studio, self.backend, self.get))  # type: ignore[arg-type]

    def get(self, url: str, secret: str) -> Reply:
        assert url == f"{URL}/versions?project=7"
        return Reply(200 if secret == self.secret or not self.secret else 401, 0.0)

    def hook(self, **changes: Any) -> int:
        number = max(self.studio.hooks, default=0) + 1
        one: dict[str, Any] = {
            "id": number, "url": HOOK, "project": 7, "active": True,
            "actions": ("ANNOTATION_CREATED",), "headers": SECRET, **changes,
        }  # fmt: skip
        self.studio.hooks[number] = Webhook(**one)
        return number


@pytest.fixture
def place() -> Place:
    return Place()


def fails(checks: list[Check], name: str, says: str) -> None:
    assert [check.name for check in checks] == NAMES[: NAMES.index(name) + 1]
    assert [check.ok for check in checks] == [True] * (len(checks) - 1) + [False]
    assert says in checks[-1].message


def test_everything_is_checked_and_connected_and_a_second_run_changes_nothing(place: Place) -> None:
    checks = place.connect()
    assert [(check.name, check.ok) for check in checks] == [(name, True) for name in NAMES]
    hooks = dict(place.studio.hooks)
    assert [(h.url, h.headers) for h in hooks.values()] == [(HOOK, SECRET)]
    assert place.studio.connected == {URL: ("crux", "a-secret")}
    assert place.studio.settings == {
        "sampling": "Sequential sampling", "show_instruction": True,
        "show_collab_predictions": True, "skip_queue": "REQUEUE_FOR_OTHERS",
        "expert_instruction": with_note("Is the text good?", NOTE),
    }  # fmt: skip
    assert {check.name: check.message for check in checks} == {
        "Label Studio": "http://127.0.0.1:8080 answers; the token is admin@example.org's",
        "project": "'The project' asks for yes, no about 'text'",
        "policy": f"4 words of labeling instructions (policy {POLICY})",
        "backend": f"{URL} answers",
        "secret": "the backend lets in those with our secret alone",
        "connection": "Label Studio reaches the backend (connected)",
        "webhook": f"events go to {HOOK} with the secret",
        "model": "v1 is the current version",
        "project settings": "tasks come in Crux's order, and the instructions say how to label",
        "labelling": "tell the annotators: click Label All Tasks; do not open rows that others "
        "have answered; skip a text that the instructions do not decide; never use the action "
        "Create Annotations From Predictions (docs/labelling.md says why)",
    }
    assert place.connect() == checks
    assert place.studio.hooks == hooks


def test_no_line_shows_the_secret_or_the_token(place: Place) -> None:
    said = str(place.connect())
    assert "a-secret" not in said
    assert "t0ken" not in said


# each failure


def test_without_a_token_it_says_where_to_copy_one(place: Place) -> None:
    checks = place.connect(studio_token="", studio_url="http://studio.example/")
    page = "http://studio.example/user/account, 'Personal Access Token' or 'Legacy Token'"
    fails(checks, "Label Studio", page)


def test_a_label_studio_that_is_down_is_the_first_line(place: Place) -> None:
    place.studio.down_after = 0
    fails(place.connect(), "Label Studio", "does not answer")


def test_without_a_project_it_names_those_that_there_are(place: Place) -> None:
    checks = place.connect(project=0)
    says = (
        "No project is set. Label Studio has 12 'The project', 7 'The project'. "
        "Give one: --project N."
    )
    fails(checks, "project", says)


def test_without_a_project_in_an_empty_label_studio_it_says_where_to_make_one(
    place: Place,
) -> None:
    place.studio.gone = {7, 12}
    says = "Label Studio has none yet: make one at http://127.0.0.1:8080/projects"
    fails(place.connect(project=0), "project", says)


def test_a_project_that_is_none_is_named_with_those_that_there_are(place: Place) -> None:
    place.studio.gone = {7}
    says = (
        "does not have project 7: not found. Label Studio has 12 'The project'. "
        "Give one: --project N."
    )
    fails(place.connect(), "project", says)


def test_a_missing_policy_is_named_with_its_place(place: Place) -> None:
    place.studio.policy = " \n"
    fails(place.connect(), "policy", "Settings, Annotation, Labeling Instructions")
    assert place.studio.connected == {}


def test_a_backend_that_is_down_is_named(place: Place) -> None:
    place.backend.down = True
    fails(place.connect(), "backend", "The backend does not answer")


@pytest.mark.parametrize(
    ("theirs", "ours", "says"),
    [
        ("b-secret", "a-secret", "another secret than CRUX_WEBHOOK_SECRET here"),
        ("b-secret", "", "wants a secret, and none is set here"),
        ("", "a-secret", "lets in callers without the secret"),
    ],
)
def test_two_sides_that_do_not_share_the_secret_are_told_before_anything_is_connected(
    place: Place, theirs: str, ours: str, says: str
) -> None:
    place.secret = theirs
    fails(place.connect(webhook_secret=ours), "secret", says)
    assert (place.studio.connected, place.studio.hooks) == ({}, {})


def test_why_label_studio_cannot_use_the_backend_is_passed_on(place: Place) -> None:
    place.studio.connect_error = "401 The secret is missing or wrong"
    fails(place.connect(), "connection", "cannot use the backend: 401 The secret is missing")


def test_a_backend_that_label_studio_cannot_reach_is_told_with_the_address(place: Place) -> None:
    gone = MlBackend(1, URL, "Crux", "Disconnected", "", "an error of last week")
    place.studio.connect_backend = lambda *args: gone  # type: ignore[method-assign]
    fails(place.connect(), "connection", f"{URL}/health does not answer it within a second")
    assert "last week" not in str(place.connect())


def test_a_blocked_address_names_the_switches(place: Place) -> None:
    def blocked(*args: Any) -> Any:
        raise StudioRefused("start it with both ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION…")

    place.studio.connect_backend = blocked  # type: ignore[method-assign]
    fails(place.connect(), "connection", "ML_BLOCK_LOCAL_IP=false")


def test_a_webhook_that_label_studio_does_not_make_names_both_switches(place: Place) -> None:
    place.studio.makes_webhooks = False
    switches = "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false"
    fails(place.connect(), "webhook", switches)


def test_a_backend_that_does_not_know_the_project_is_told(place: Place) -> None:
    real = place.backend.health
    place.backend.health = lambda: (  # type: ignore[method-assign]
        setattr(place.backend, "down", True) if not place.backend.down else real()
    ) or {}
    fails(place.connect(), "model", "The backend does not answer")


# one connection, however its address is written


def test_a_second_connection_to_the_same_address_is_ended(place: Place) -> None:
    place.studio.connected = {URL: None, "http://localhost:9090/": None, "http://other:9090": None}
    place.studio.model_version = "Crux"
    assert all(check.ok for check in place.connect())
    assert list(place.studio.connected) == [URL, "http://other:9090"]
    assert place.studio.model_version == "Crux"  # Label Studio had emptied it


def test_the_model_version_is_left_alone_where_it_is_not_ours(place: Place) -> None:
    place.studio.connected = {URL: None, "http://localhost:9090": None}
    place.studio.model_version = "v1"
    place.connect()
    assert "set_model_version" not in place.studio.calls
    assert (list(place.studio.connected), place.studio.model_version) == ([URL], "v1")


# webhooks


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {}},
        {"headers": {SECRET_HEADER: "an-older-secret"}},
        {"headers": {**SECRET, "X-More": "1"}},
        {"active": False},
        {"actions": ()},
        {"url": f"{HOOK}/", "headers": {}},
        {"url": f"{HOOK}/"},
        {"url": "http://localhost:9090/webhook"},
        {"actions": ("TASKS_CREATED",)},
    ],
)
def test_a_webhook_that_is_not_ours_is_replaced(place: Place, other: dict[str, Any]) -> None:
    old = place.hook(**other)
    place.studio.connected[URL] = None
    place.connect()
    assert [(h.url, h.headers, h.active) for h in place.studio.hooks.values()] == [
        (HOOK, SECRET, True)
    ]
    assert place.studio.calls.count("delete_webhook") == 1
    assert old


def test_of_several_only_one_is_kept(place: Place) -> None:
    place.studio.connected[URL] = None
    first = place.hook()
    place.hook()
    place.hook(headers={})
    place.connect()
    assert list(place.studio.hooks) == [first]


def test_webhooks_of_others_are_left_alone(place: Place) -> None:
    place.studio.connected[URL] = None
    others = [
        place.hook(project=8), place.hook(project=None), place.hook(url="http://elsewhere/webhook"),
        place.hook(url="http://127.0.0.1:9091/webhook", headers={}),
    ]  # fmt: skip
    before = {number: place.studio.hooks[number] for number in others}
    place.connect()
    after = dict(place.studio.hooks)
    assert {number: after.pop(number) for number in others} == before
    assert [h.url for h in after.values()] == [HOOK]


def test_without_a_secret_the_webhook_is_bare_and_the_line_says_so(place: Place) -> None:
    place.secret = ""
    checks = place.connect(webhook_secret="")
    assert checks[6] == Check("webhook", True, f"events go to {HOOK} WITHOUT a secret")
    assert [h.headers for h in place.studio.hooks.values()] == [{}]
    assert place.studio.connected == {URL: None}


def test_label_studio_may_know_the_backend_by_another_name(place: Place) -> None:
    place.connect(backend_seen_at="http://backend:9090/")
    assert list(place.studio.connected) == ["http://backend:9090"]
    assert [h.url for h in place.studio.hooks.values()] == ["http://backend:9090/webhook"]


def test_the_webhook_of_the_time_before_label_studio_knew_another_address_is_replaced(
    place: Place,
) -> None:
    place.connect()
    place.studio.connected.clear()
    place.connect(backend_seen_at="http://backend:9090")
    assert [h.url for h in place.studio.hooks.values()] == ["http://backend:9090/webhook"]


def test_a_left_over_webhook_is_removed_by_its_number(place: Place) -> None:
    number = place.hook(url="http://old:9090/webhook", headers={})
    kept = place.hook()
    said = remove_webhook(Settings(**place.settings), place.studio, number)  # type: ignore[arg-type]
    assert said == f"Webhook {number} to http://old:9090/webhook is removed."
    assert list(place.studio.hooks) == [kept]


def test_a_webhook_of_another_project_is_never_removed(place: Place) -> None:
    ours, other = place.hook(), place.hook(project=8)
    with pytest.raises(StudioError, match=f"has no webhook {other}; it has {ours}"):
        remove_webhook(Settings(**place.settings), place.studio, other)  # type: ignore[arg-type]
    assert set(place.studio.hooks) == {ours, other}

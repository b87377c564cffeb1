from pathlib import Path
from typing import Any

import pytest

from selection.command.checks import Check
from selection.command.doctor import Doctor
from selection.config import Settings
from selection.errors import SettingError
from selection.http import SECRET_HEADER, Reply
from selection.record import TrainingState
from selection.studio.api import MlBackend, Project, Webhook
from tests.fakes import FakeBackend, FakeStudio

URL = "http://127.0.0.1:9090"
HOOK = f"{URL}/webhook"
NAMES = [
    "Label Studio", "project", "policy", "project settings", "backend", "secret", "connection",
    "webhook", "left-over webhooks", "switches", "model", "predictions", "worker", "training",
    "clocks", "disk",
]  # fmt: skip


class LookedAt(FakeStudio):
    """A Label Studio with a project that is connected, and whose settings can be spoiled."""

    def __init__(self) -> None:
        super().__init__()
        self.sampling, self.shows = "Sequential sampling", True
        self.blocks: tuple[str, ...] = ()
        self.listed = [MlBackend(1, URL, "Crux", "Connected", "v1", "")]

    def project(self, project_id: int) -> Project:
        found = vars(super().project(project_id))
        return Project(**{**found, "sampling": self.sampling, "shows_predictions": self.shows})

    def backends(self, project_id: int) -> list[MlBackend]:
        self._call("backends")
        return self.listed

    def blocking(self, url: str) -> tuple[str, ...]:
        assert url == HOOK
        return self.blocks


class Place:
    """Two servers between which everything is well."""

    def __init__(self, home: Path) -> None:
        self.studio = LookedAt()
        self.backend = FakeBackend(lambda text: (0.5, 0.5))
        self.home = home
        self.secret = "a-secret"
        self.ahead: dict[str, float | None] = {}
        self.hook()

    def hook(self, **changes: Any) -> int:
        number = max(self.studio.hooks, default=0) + 1
        one: dict[str, Any] = {
            "id": number, "url": HOOK, "project": 7, "active": True,
            "actions": ("ANNOTATION_CREATED",), "headers": {SECRET_HEADER: "a-secret"}, **changes,
        }  # fmt: skip
        self.studio.hooks[number] = Webhook(**one)
        return number

    def get(self, url: str, secret: str) -> Reply:
        if url.endswith("/health"):
            return Reply(200, self.ahead.get(url.rsplit(":", 1)[1], 0.2))
        return Reply(200 if secret == self.secret or not self.secret else 401, 0.0)

    def look(self, **changes: Any) -> dict[str, Check]:
        values: dict[str, Any] = {
            "studio_token": "t0ken", "project": 7, "webhook_secret": "a-secret", "home": self.home,
            **changes,
        }  # fmt: skip
        doctor = Doctor(
            Settings(**values),
            lambda: self.studio,  # type: ignore[arg-type, return-value]
            lambda: self.backend,  # type: ignore[arg-type, return-value]
            self.get,
        )
        return {check.name: check for check in doctor.look()}

    def wrong(self, **changes: Any) -> list[str]:
        return [name for name, check in self.look(**changes).items() if not check.ok]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_where_all_is_well_every_line_is_ok_and_nothing_is_changed(place: Place) -> None:
    hooks = dict(place.studio.hooks)
    seen = place.look()
    assert [(name, check.ok) for name, check in seen.items()] == [(name, True) for name in NAMES]
    assert (place.studio.hooks, place.studio.settings, place.studio.connected) == (hooks, {}, {})
    assert set(place.studio.calls) == {"me", "project", "webhooks", "backends"}


def test_no_line_shows_the_secret_or_the_token(place: Place) -> None:
    said = str(place.look()) + str(place.look(webhook_secret="b-secret"))
    assert "a-secret" not in said
    assert "b-secret" not in said
    assert "t0ken" not in said


# it goes on


def test_a_label_studio_that_is_away_leaves_the_backend_to_be_looked_at(place: Place) -> None:
    place.studio.down_after = 0
    seen = place.look()
    assert [name for name in NAMES if seen[name].ok] == ["backend", "secret", "disk"]
    assert [name for name in NAMES if seen[name].ok is False] == ["Label Studio"]
    assert seen["policy"].message == "not looked at, since 'Label Studio' is not ok"
    assert place.studio.calls == ["me"]


def test_a_backend_that_is_down_leaves_label_studio_to_be_looked_at(place: Place) -> None:
    place.backend.down = True
    seen = place.look()
    assert [name for name in NAMES if seen[name].ok is False] == ["backend"]
    assert seen["webhook"].ok
    assert seen["worker"].ok is None


def test_a_setting_with_which_no_client_can_be_made_is_a_line_too(place: Place) -> None:
    def none() -> Any:
        raise SettingError("Label Studio's URL 'x' must start with http:// or https://.")

    doctor = Doctor(Settings(project=7, home=place.home), none, none, place.get)
    first = next(doctor.look())
    assert (first.ok, "CRUX_STUDIO_TOKEN" in first.message) == (False, True)
    doctor.settings = Settings(project=7, home=place.home, studio_token="t")  # type: ignore[arg-type]
    assert "must start with http" in next(doctor.look()).message


# each thing that can be wrong


def only(place: Place, name: str, says: str, **changes: Any) -> None:
    seen = place.look(**changes)
    assert [one for one, check in seen.items() if check.ok is False] == [name]
    assert says in seen[name].message


def test_without_a_project_it_says_how_to_name_one(place: Place) -> None:
    only(place, "project", "--project N or CRUX_PROJECT", project=0)


def test_a_missing_policy_is_named_with_its_place(place: Place) -> None:
    place.studio.policy = ""
    only(place, "policy", "Settings, Annotation, Instructions")


def test_settings_that_somebody_changed_are_named(place: Place) -> None:
    place.studio.sampling = "Uniform sampling"
    only(place, "project settings", "sampling is 'Uniform sampling', so")
    place.studio.shows = False
    only(place, "project settings", "and show_collab_predictions is False, so")


@pytest.mark.parametrize(
    ("theirs", "ours", "url", "says"),
    [
        ("b-secret", "a-secret", URL, "another secret than CRUX_WEBHOOK_SECRET here"),
        ("b-secret", "", URL, "wants a secret, and none is set here"),
        ("", "a-secret", URL, "lets in callers without the secret"),
        ("", "", "http://gpu.example:9090", "everybody who reaches its port is let in"),
    ],
)
def test_a_secret_that_does_not_keep_strangers_out_is_said(
    place: Place, theirs: str, ours: str, url: str, says: str
) -> None:
    place.secret = theirs
    seen = place.look(webhook_secret=ours, backend_url=url, backend_seen_at=URL)
    assert seen["secret"].ok is False
    assert says in seen["secret"].message
    assert seen["model"].ok is None


def test_on_one_machine_there_may_be_no_secret_and_the_line_says_so(place: Place) -> None:
    place.secret = ""
    place.hook(headers={})
    del place.studio.hooks[1]
    seen = place.look(webhook_secret="")
    assert (seen["secret"].ok, seen["secret"].message) == (True, "there is NO secret")
    assert seen["webhook"].message == f"events go to {HOOK} WITHOUT a secret"


def test_a_backend_that_is_not_connected_or_not_let_in_is_said(place: Place) -> None:
    place.studio.listed = [MlBackend(2, "http://old:9090", "Old", "Connected", "v", "")]
    only(place, "connection", f"No backend at {URL} is connected in Label Studio. Run crux connect")
    place.studio.listed = [MlBackend(1, URL, "Crux", "Error", "", "401 the secret is wrong")]
    only(place, "connection", "cannot use the backend: 401 the secret is wrong")
    place.studio.listed = [MlBackend(1, URL, "Crux", "Disconnected", "", "")]
    only(place, "connection", "cannot use the backend: disconnected")


def test_other_backends_of_the_project_are_named(place: Place) -> None:
    place.studio.listed.append(MlBackend(2, "http://old:9090", "Old", "Connected", "v", ""))
    assert "so are http://old:9090" in place.look()["connection"].message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "http://elsewhere/hook"}, "webhooks none goes to"),
        ({"active": False}, "none that is active and carries the secret goes to"),
        ({"headers": {}}, "none that is active and carries the secret goes to"),
        ({"headers": {SECRET_HEADER: "older"}}, "none that is active and carries the secret"),
        ({"project": 8}, "webhooks none goes to"),
    ],
)
def test_events_that_do_not_reach_the_backend_are_said(
    place: Place, change: dict[str, Any], says: str
) -> None:
    place.studio.hooks.clear()
    place.hook(**change)
    only(place, "webhook", says)
    only(place, "webhook", "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false")


def test_events_that_come_twice_are_said(place: Place) -> None:
    place.hook()
    only(place, "webhook", f"2 webhooks go to {HOOK}, so every event comes as often")
    place.hook(headers={})
    only(place, "webhook", f"3 webhooks go to {HOOK}")


def test_webhooks_of_backends_that_are_gone_are_named_with_the_command(place: Place) -> None:
    bare = place.hook(url="http://old:9090/webhook", headers={})
    place.hook(url="http://older:9090/webhook")
    says = f"{bare} (http://old:9090/webhook), 3 (http://older:9090/webhook)"
    only(place, "left-over webhooks", says)
    only(place, "left-over webhooks", f"crux connect --remove-webhook {bare}")


def test_webhooks_of_connected_backends_and_of_other_programs_are_no_fault(place: Place) -> None:
    place.studio.listed.append(MlBackend(2, "http://other:9090", "Other", "Connected", "v", ""))
    place.hook(url="http://other:9090/webhook", headers={})
    place.hook(url="https://chat.example/webhook", headers={"X-Key": "k3y"})
    said = place.look()["left-over webhooks"]
    assert said.ok
    assert "other programs have http://other:9090/webhook, https://chat.example" in said.message
    assert "k3y" not in said.message


def test_switches_that_are_still_on_are_named(place: Place) -> None:
    place.studio.blocks = ("SSRF_PROTECTION_ENABLED",)
    only(place, "switches", f"does not call {HOOK}: SSRF_PROTECTION_ENABLED must be false")


# predictions: what experts see


def shown(place: Place, shown: str, *answered: bool, blind: bool = False) -> Check:
    place.studio.model_version = shown
    for number, done in enumerate(answered, 1):
        place.studio.import_tasks(7, [{"data": {"text": f"text {number}"}, "meta": _meta(blind)}])
        if done:
            place.studio.answer(number, "yes", by=1)
    return place.look()["predictions"]


def _meta(blind: bool) -> dict[str, Any]:
    return {"crux": {"blind": blind}}


def test_the_version_in_force_is_what_experts_see(place: Place) -> None:
    assert shown(place, "v1").message == "experts see the answers of v1"
    assert shown(place, "Crux").ok
    assert shown(place, "").ok


def test_open_tasks_with_answers_of_another_version_are_counted(place: Place) -> None:
    check = shown(place, "v0", True, False, False)
    assert check.ok is False
    assert "v1 is in force, and 2 tasks wait with answers of v0" in check.message
    assert "crux models promote v1" in check.message


def test_where_no_task_waits_an_older_version_is_no_fault(place: Place) -> None:
    check = shown(place, "v0", True, True)
    assert (check.ok, "no task waits for an expert" in check.message) == (True, True)


def test_blind_tasks_carry_no_answer_that_could_be_old(place: Place) -> None:
    assert shown(place, "v0", False, blind=True).ok


# the worker and the machines


def test_a_worker_that_does_not_run_is_said_with_the_command(place: Place) -> None:
    place.backend.worker = False
    only(place, "worker", "python -m backend.worker")
    place.backend.worker = None
    only(place, "worker", "does not say whether a worker runs")


@pytest.mark.parametrize(
    ("state", "says"),
    [("failed", "The last training failed: one label"), ("waiting", "The worker waits: one label")],
)
def test_what_keeps_the_worker_from_training_is_passed_on(
    place: Place, state: str, says: str
) -> None:
    place.backend.training = TrainingState(state, "one label")
    only(place, "training", says)


def test_a_training_under_way_is_no_fault(place: Place) -> None:
    place.backend.training = TrainingState("training", "round1-a: loss 0.3")
    check = place.look()["training"]
    assert (check.ok, check.message) == (True, "training: round1-a: loss 0.3")


def test_a_clock_that_is_off_is_told_with_its_server(place: Place) -> None:
    place.ahead["9090/health"] = -3600.0
    only(place, "clocks", "the backend's by -3600 s")
    place.ahead["8080/health"] = 90.0
    only(place, "clocks", "Label Studio's by +90 s, the backend's by -3600 s")


def test_servers_that_tell_no_time_are_not_blamed(place: Place) -> None:
    place.ahead = {"9090/health": None, "8080/health": None}
    assert place.look()["clocks"].ok


def test_a_disk_that_is_nearly_full_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selection.command.doctor.ROOM", 1 << 60)
    home = place.home / "not" / "there"
    only(place, "disk", f"The disk of {home} has 0.00 GiB left", home=home)
    assert not home.parent.exists()

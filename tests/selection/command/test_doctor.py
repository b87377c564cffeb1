"""Each sentence of the doctor is planted: said with its fault, and not said without it."""

from typing import Any

import pytest

from selection.command.checks import Check
from selection.command.doctor import Doctor
from selection.config import Settings
from selection.errors import BackendError, SettingError
from selection.policy import policy_hash
from selection.record import TrainingState
from selection.types import Estimate
from tests.fakes import SCHEMA
from tests.records import record
from tests.selection.command.place import (
    HOOK,
    OLD,
    POLICY,
    URL,
    Place,
    Plant,
    fault_is_said,
    finding_is_said,
    planted,
    put,
    shown,
)

NAMES = [
    "Label Studio", "project", "policy", "project settings", "people", "backend", "secret",
    "connection", "other backends", "webhook", "left-over webhooks", "switches", "model",
    "model's policy", "predictions", "worker", "training", "clocks", "disk",
]  # fmt: skip


def blind_ones(place: Place) -> None:
    shown("v0", {"blind": True}, {"blind": True, "by": None}, {"blind": True, "by": "yes"})(place)


def trusted_v0(place: Place) -> None:
    shown("v0")(place)
    place.backend.records = [record(0, version="v1", production_kappa=Estimate(0.5, 0.3, 0.7, 60))]


FAULTS = [
    planted("switches", lambda p: put(p.studio, blocks=("SSRF_PROTECTION_ENABLED",)),
            f"does not call {HOOK}: SSRF_PROTECTION_ENABLED must be false"),
    planted("predictions", shown("v0", {**OLD, "by": "yes"}, OLD, OLD),
            "v1 is in force, and 2 tasks wait with answers of v0. A worker that runs brings the "
            "new ones within a minute; if it does not, run crux models promote v1 "
            "--project 7"),
    planted("predictions", shown("v0", {**OLD, "by": None}), "and 1 task waits with answers of v0"),
    planted("predictions", shown("v0", {"has": ("v0", "v1")}),
            "1 task waits with answers of v0 shown, although its own are there. Choose v1 in Label "
            "Studio (Settings, Annotation, Prelabeling)."),
    planted("predictions", shown("", {"has": ("v1",)}),
            "wait with answers of v1, and experts see none, since no model version is chosen"),
    planted("worker", lambda p: put(p.backend, worker=False), "python -m backend.worker"),
    planted("worker", lambda p: put(p.backend, worker=None), "does not say whether a worker runs"),
    planted("training", lambda p: put(p.backend, training=TrainingState("failed", "one label")),
            "The last training failed: one label"),
    planted("training", lambda p: put(p.backend, training=TrainingState("waiting", "no room")),
            "The worker waits: no room"),
    planted("clocks", lambda p: p.ahead.update({"9090/health": -3600.0}),
            "differ from this machine's: the backend's by -3600 s"),
    planted("clocks", lambda p: p.ahead.update({"9090/health": 61.0, "8080/health": 90.0}),
            "Label Studio's by +90 s, the backend's by +61 s"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "says"), FAULTS)
def test_a_planted_fault_is_said_and_without_it_nothing_of_the_kind(
    place: Place, name: str, plant: Plant, says: str
) -> None:
    fault_is_said(place, name, plant, says)


FINDINGS = [
    planted("predictions", shown("Crux"), "what the backend answers when a task is opened"),
    planted("predictions", shown("v0"),
            "no task waits for an expert; the next round comes blind: v1 has not earned trust"),
    planted("predictions", shown(""), "no task waits for an expert; the next round comes blind"),
    planted("predictions", trusted_v0, "the next round comes with answers of v1"),
    planted("predictions", shown("v0", {**OLD, "by": "yes"}), "no task waits for an expert"),
    planted("predictions", blind_ones, "2 tasks wait for experts (2 blind), without an answer of "
            "a model"),
    planted("predictions", shown("v0", {"blind": True, "by": "yes", "of": 2}), "1 task waits for"),
    planted("predictions", shown("v0", {}, {"blind": True}), "2 tasks wait for experts (1 blind)"),
    planted("predictions", shown("", OLD), "1 task waits for experts (0 blind)"),
    planted("training", lambda p: put(p.backend, training=TrainingState("training", "loss 0.3")),
            "training: loss 0.3"),
    planted("clocks", lambda p: p.ahead.update({"9090/health": None}), "Label Studio: within 60 s"),
    planted("clocks", lambda p: p.ahead.update({"9090/health": None, "8080/health": None}),
            "neither server tells the time, so it was not compared"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "says"), FINDINGS)
def test_what_is_no_fault_is_said_where_it_is_so(
    place: Place, name: str, plant: Plant, says: str
) -> None:
    finding_is_said(place, name, plant, says)


def test_where_all_is_well_every_line_is_ok_and_nothing_is_changed(place: Place) -> None:
    hooks = dict(place.studio.hooks)
    seen = place.look()
    assert [(name, check.ok) for name, check in seen.items()] == [(name, True) for name in NAMES]
    said = {name: check.message for name, check in seen.items()}
    free = said.pop("disk")
    assert free.endswith(f" GiB are free at {place.home}")
    assert said == {
        "Label Studio": "http://127.0.0.1:8080 answers; the token is admin@example.org's",
        "project": "'The project' asks for yes, no about 'text'",
        "policy": f"4 words of labeling instructions (policy {policy_hash(POLICY, SCHEMA.labels)})",
        "project settings": "tasks come in Crux's order and each for one person; the instructions "
        "say how to label",
        "people": "2 can label (ann@x.example, ben@x.example), and a blind text asks 2",
        "backend": f"{URL} answers",
        "secret": "the backend lets in those with our secret alone",
        "connection": "Label Studio reaches the backend (connected)",
        "other backends": "none",
        "webhook": f"events go to {HOOK} with the secret",
        "left-over webhooks": "none",
        "switches": f"Label Studio may call {HOOK}",
        "model": "v1 is the current version",
        "model's policy": "v1 was made under the project's present words and labels",
        "predictions": "experts see the answers of v1, but none on blind tasks",
        "worker": "a worker runs",
        "training": "nothing is under way, nothing has failed",
        "clocks": "Label Studio and the backend: within 60 s of this machine's",
    }
    assert (place.studio.hooks, place.studio.settings, place.studio.connected) == (hooks, {}, {})
    assert set(place.studio.calls) == {"me", "project", "people", "webhooks", "backends"}


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
    assert seen["other backends"].message == "not looked at, since 'backend' is not ok"


def test_a_backend_that_does_not_know_the_project_is_said(place: Place) -> None:
    says = "The backend refused /projects/7: it has no token."

    def unknown(project: int) -> Any:
        raise BackendError(says)

    place.backend.project = unknown  # type: ignore[method-assign]
    seen = place.look()
    assert seen["model"] == Check("model", False, says)
    assert seen["model's policy"].ok is None


def test_a_setting_with_which_no_client_can_be_made_is_a_line_too(place: Place) -> None:
    def none() -> Any:
        raise SettingError("Label Studio's URL 'x' must start with http:// or https://.")

    doctor = Doctor(Settings(project=7, home=place.home), none, none, place.get)
    first = next(doctor.look())
    assert (first.ok, "CRUX_STUDIO_TOKEN" in first.message) == (False, True)
    doctor.settings = Settings(project=7, home=place.home, studio_token="t")  # type: ignore[arg-type]
    assert "must start with http" in next(doctor.look()).message


def test_a_disk_that_is_nearly_full_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    home = place.home / "not" / "there"
    assert place.look(home=home)["disk"].ok
    monkeypatch.setattr("selection.command.doctor.ROOM", 1 << 60)
    check = place.look(home=home)["disk"]
    assert (check.ok, f"The disk of {home} has 0.00 GiB left" in check.message) == (False, True)
    assert not home.parent.exists()

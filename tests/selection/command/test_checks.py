"""Each sentence of the checks is planted: said with its fault, and not said without it."""

from typing import Any

import pytest

from selection.policy import policy_hash
from tests.fakes import SCHEMA
from tests.selection.command.place import (
    OTHER,
    OURS,
    POLICY,
    URL,
    Place,
    Plant,
    connected,
    fault_is_said,
    finding_is_said,
    made,
    only_hook,
    planted,
    put,
    secretless,
    theirs,
)


def no_token(place: Place) -> dict[str, Any]:
    return {"studio_token": ""}


def down(place: Place) -> None:
    place.backend.down = True


def many(place: Place) -> None:
    place.studio.users = {n: f"{n}@x.example" for n in range(1, 8)}


FAULTS = [
    planted("Label Studio", no_token, "CRUX_STUDIO_TOKEN"),
    planted("Label Studio", lambda p: put(p.studio, down_after=0), "does not answer"),
    planted("project", lambda p: {"project": 0}, "--project N or CRUX_PROJECT"),
    planted("project", lambda p: put(p.studio, gone={7}), "does not have project 7"),
    planted("policy", lambda p: put(p.studio, policy=" "),
            "(Settings, Annotation, Labeling Instructions)"),
    planted("people", lambda p: p.studio.users.pop(2) and None,
            "asks 2 people (setting experts), and Label Studio has only 1: ann@x.example. Invite "
            "another (page Organization, button Add Members, Copy link), or set experts = 1"),
    planted("people", lambda p: {"experts": 3}, "asks 3 people (setting experts), and Label Studio "
            "has only 2: ann@x.example, ben@x.example"),
    planted("backend", down, "The backend does not answer"),
    planted("secret", theirs("b-secret"), "another secret than CRUX_WEBHOOK_SECRET here"),
    planted("secret", theirs("b-secret", webhook_secret=""), "wants a secret, and none is set"),
    planted("secret", theirs(""), "lets in callers without the secret"),
    planted("secret", theirs("", webhook_secret="", backend_url="http://gpu.example:9090",
                             backend_seen_at=URL), "everybody who reaches its port is let in"),
    planted("connection", connected(), f"No backend at {URL} is connected in Label Studio. Run"),
    planted("connection", connected((OTHER, "Connected", "")), f"No backend at {URL} is connected"),
    planted("connection", connected((URL, "Error", "401 the secret is wrong")),
            "cannot use the backend: 401 the secret is wrong"),
    planted("connection", connected((URL, "Disconnected", "")),
            f"cannot use the backend: {URL}/health does not answer it within a second"),
    planted("connection", connected((URL, "Disconnected", "401 of last week")),
            "setting backend_seen_at"),
    planted("connection", connected((URL, "Predicting", "")), "cannot use the backend: predicting"),
    planted("connection", connected(OURS, ("http://localhost:9090/", "Connected", "")),
            f"is connected 2 times, as {URL} and http://localhost:9090/, so Label Studio asks it"),
    planted("other backends", connected(OURS, (OTHER, "Disconnected", "")),
            f"Also connected: {OTHER} (disconnected: nothing answers). Whoever opens the project "
            "may wait 3 s for a backend that does not answer, and whoever answers a task 1 s. "
            "Delete it in Label Studio (Settings, Model, the menu of its card), then run crux "
            "doctor again: its webhook stays."),
    planted("other backends", connected((OTHER, "Connected", ""), OURS),
            f"asks only the first of its backends for predictions, which is {OTHER}, so"),
    planted("other backends", connected((OTHER, "Disconnected", ""), OURS),
            f"asks only the first of its backends for predictions, which is {OTHER}, so"),
    planted("model's policy", made(policy="Is it bad?"),
            f"v1 was made under policy {policy_hash('Is it bad?', SCHEMA.labels)}, and the project "
            f"has {policy_hash(POLICY, SCHEMA.labels)} now. What differs: the words of the "
            "labeling instructions. Put the old words back; or go on under the new ones with crux "
            "round --new-policy, and the old verdicts count as if given under them; or begin anew"),
    planted("model's policy", made(labels=("yes", "never")),
            "What differs: the labels (yes, never then, yes, no now). Put the old words back"),
    planted("model's policy", made(labels=("no", "yes")), "the labels (no, yes then, yes, no now)"),
    planted("model's policy", made(policy="", labels=("a",)), "instructions and the labels (a"),
    planted("model's policy", lambda p: p.backend.listed.clear(), "does not list v1, which is in"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "says"), FAULTS)
def test_a_planted_fault_is_said_and_without_it_nothing_of_the_kind(
    place: Place, name: str, plant: Plant, says: str
) -> None:
    fault_is_said(place, name, plant, says)


FINDINGS = [
    planted("people", many, "7 can label (1@x.example, 2@x.example, 3@x.example, 4@x.example, "
            "5@x.example, ...), and a blind text asks 2"),
    planted("people", lambda p: {"experts": 1}, "and a blind text asks 1"),
    planted("secret", secretless, "there is NO secret"),
    planted("other backends", connected(OURS, (OTHER, "Connected", "")),
            f"also connected: {OTHER} (connected)"),
    planted("other backends", connected(OURS, (OTHER, "Error", "500 of its own")),
            f"also connected: {OTHER} (error: 500 of its own)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "says"), FINDINGS)
def test_what_is_no_fault_is_said_where_it_is_so(
    place: Place, name: str, plant: Plant, says: str
) -> None:
    finding_is_said(place, name, plant, says)


# however an address is written


@pytest.mark.parametrize("url", [f"{URL}/", "http://localhost:9090", "HTTP://[::1]:9090/"])
def test_a_connection_to_our_address_is_ours_however_it_is_written(place: Place, url: str) -> None:
    connected((url, "Connected", ""))(place)
    only_hook(url=f"{url.rstrip('/')}/webhook")(place)
    assert [name for name, check in place.look().items() if not check.ok] == []

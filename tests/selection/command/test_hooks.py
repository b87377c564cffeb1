"""Each sentence about webhooks is planted: said with its fault, and not said without it."""

import pytest

from selection.command.checks import Check
from selection.http import SECRET_HEADER
from tests.selection.command.place import (
    HOOK,
    OTHER,
    OURS,
    Place,
    Plant,
    connected,
    fault_is_said,
    finding_is_said,
    more_hook,
    only_hook,
    planted,
    secretless,
)

FAULTS = [
    planted("webhook", lambda p: p.studio.hooks.clear(),
            f"No webhook of the project goes to {HOOK}"),
    planted("webhook", only_hook(url="http://elsewhere/hook"),
            "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false"),
    planted("webhook", only_hook(active=False),
            f"No webhook of the project that goes to {HOOK} is of use: 1 to {HOOK} (it is not "
            "active). Predictions would work and training would never start. crux connect"),
    planted("webhook", only_hook(headers={}), "(its headers are not those with our secret)"),
    planted("webhook", only_hook(headers={SECRET_HEADER: "older"}), "(its headers are not those"),
    planted("webhook", only_hook(actions=("TASKS_CREATED",)),
            "(it does not say that it sends ANNOTATION_CREATED)"),
    planted("webhook", only_hook(url=f"{HOOK}/"),
            f"1 to {HOOK}/ (there is nothing at this address with a slash at its end)"),
    planted("webhook", more_hook(), f"2 webhooks bring every event to {HOOK}, and whoever answers "
            "a task waits for each: 1, 2. crux connect keeps one of them."),
    planted("webhook", more_hook(url="http://LocalHost:9090/webhook"), "2 webhooks bring every"),
    planted("webhook", more_hook(headers={}),
            f"waits also for webhooks that are of no use: 2 to {HOOK} (its headers are not those "
            "with our secret). crux connect removes them."),
    planted("left-over webhooks", more_hook(url="http://old:9090/webhook", headers={}),
            "no longer connected there are still webhooks: 2 (http://old:9090/webhook). Every "
            "click of an expert waits for them. Remove each: crux connect "
            "--project 7 --remove-webhook 2"),
    planted("left-over webhooks", more_hook(url="http://older:9090/webhook/"), "still webhooks: 2"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "says"), FAULTS)
def test_a_planted_fault_is_said_and_without_it_nothing_of_the_kind(
    place: Place, name: str, plant: Plant, says: str
) -> None:
    fault_is_said(place, name, plant, says)


FINDINGS = [
    planted("webhook", secretless, f"events go to {HOOK} WITHOUT a secret"),
    planted("left-over webhooks", more_hook(url="https://chat.example/hook", headers={"X": "k3y"}),
            "none; other programs have https://chat.example/hook"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "says"), FINDINGS)
def test_what_is_no_fault_is_said_where_it_is_so(
    place: Place, name: str, plant: Plant, says: str
) -> None:
    finding_is_said(place, name, plant, says)


def test_left_over_webhooks_are_all_named(place: Place) -> None:
    place.hook(url="http://old:9090/webhook", headers={})
    place.hook(url="http://older:9090/webhook")
    said = place.look()["left-over webhooks"].message
    assert "2 (http://old:9090/webhook), 3 (http://older:9090/webhook)" in said


# whose a webhook is


@pytest.mark.parametrize(
    "url",
    [f"{HOOK}/", "http://localhost:9090/webhook", "http://LOCALHOST:9090/webhook/",
     "http://[::1]:9090/webhook"],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, {SECRET_HEADER: "a-secret"}])
def test_our_own_webhook_is_never_one_of_another_program(
    place: Place, url: str, headers: dict[str, str]
) -> None:
    place.hook(url=url, headers=headers)
    seen = place.look()
    assert seen["left-over webhooks"].message == "none"
    assert seen["webhook"].ok is False


def test_our_webhook_of_the_time_before_label_studio_knew_another_address_is_ours(
    place: Place,
) -> None:
    seen_at = "http://backend:9090"
    connected((seen_at, "Connected", ""))(place)
    place.studio.blocking = lambda url: ()  # type: ignore[method-assign]
    kept = place.hook(url=f"{seen_at}/webhook")
    seen = place.look(backend_seen_at=seen_at)
    assert f"1 to {HOOK} (Label Studio reaches the backend at {seen_at})" in seen["webhook"].message
    assert seen["left-over webhooks"].message == "none"
    del place.studio.hooks[1]
    assert list(place.studio.hooks) == [kept]
    assert place.look(backend_seen_at=seen_at)["webhook"].ok


def test_webhooks_of_connected_backends_are_not_those_of_other_programs(place: Place) -> None:
    connected(OURS, (f"{OTHER}/", "Connected", ""))(place)
    place.hook(url=f"{OTHER}/webhook", headers={})
    place.hook(url="https://chat.example/webhook", headers={"X-Key": "k3y"})
    said = place.look()["left-over webhooks"]
    assert said == Check(
        "left-over webhooks",
        True,
        f"none; connected backends have {OTHER}/webhook; other programs have "
        f"https://chat.example/webhook",
    )

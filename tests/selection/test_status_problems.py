"""What `crux status` says of things that somebody should know or decide."""

from dataclasses import replace
from typing import Any

import pytest

from selection.annotators import Annotator
from selection.card import Card
from selection.collect import Collected
from selection.config import Settings
from selection.item import Item
from selection.policy import CHOICES, policy_hash
from selection.record import Paid, ProjectState, Record
from selection.status import Status, status
from selection.verdict import Answer
from tests import records
from tests.fakes import SCHEMA, FakeStudio

NOW = policy_hash(FakeStudio().policy, SCHEMA.labels)
OLD = policy_hash("Is it bad?", SCHEMA.labels)
CARD = Card(
    "a", 0, 0, "audit", "a", 0.5, 2, "v", {"yes": 0.6, "no": 0.4}, "", 0, 0.25, policy=NOW, twin=0
)


def item(*said: Answer, name: str = "a", missing: int = 0, **card: Any) -> Item:
    return Item((1,), "x", replace(CARD, id=name, **card), said, missing)


def says(expert: str, label: int = 0, ticked: int | None = None) -> Answer:
    return Answer(expert, label, seconds=4.0, user=2, ticked=ticked)


DONE = item(says("ann"), says("ben"))
DIGEST = Collected((DONE,), SCHEMA.labels, ()).digest


def look(
    *items: Item, rounds: tuple[Record, ...] = (), users: tuple[str, ...] = (), **backend: Any
) -> Status:
    state = ProjectState(7, "v", rounds=rounds, **backend)
    collected = Collected(items, SCHEMA.labels, ())
    project = FakeStudio().project(7)
    return status(Settings(project=7), project, collected, state, users)


def test_where_everything_is_in_order_nothing_is_said() -> None:
    paid = Paid(2, 0, {NOW: 2})
    assert look(DONE, rounds=(records.record(verdicts=DIGEST),), paid=paid).problems == ()


# verdicts that are gone


@pytest.mark.parametrize(("gone", "begins"), [(1, "1 verdict is"), (5, "5 verdicts are")])
def test_verdicts_that_are_gone_are_paid_for(gone: int, begins: str) -> None:
    now = look(DONE, paid=Paid(2 + gone, gone, {NOW: 2}))
    assert now.problems == (
        f"{begins} no longer in Label Studio, since their tasks or annotations were deleted. "
        f"They are paid for, and neither teach nor measure.",
    )
    assert now.labels_bought == 2 + gone


def test_verdicts_that_the_worker_has_not_seen_yet_are_bought_as_well() -> None:
    assert look(DONE, paid=Paid(1, 0, {NOW: 1})).labels_bought == 2


# verdicts that were corrected

CORRECTED = records.record(verdicts="other")


def test_a_corrected_verdict_of_the_newest_round_is_measured_in_a_moment() -> None:
    assert look(DONE, rounds=(CORRECTED,)).problems == (
        "Verdicts were corrected, added or deleted after round 0 was measured: the worker measures "
        "the "
        "round again within two minutes.",
    )


def test_a_corrected_verdict_of_an_older_round_counts_with_the_newest() -> None:
    newer = item(name="b", missing=2, round=1)
    assert look(DONE, newer, rounds=(CORRECTED,)).problems == (
        "Verdicts were corrected, added or deleted after round 0 was measured: they count when "
        "round 1 is measured; Start Training takes them in now.",
    )


def test_a_deleted_verdict_is_first_asked_again() -> None:
    half = item(says("ann"), missing=1)
    assert look(half, rounds=(CORRECTED,)).problems == (
        "Verdicts were corrected, added or deleted after round 0 was measured: the worker measures "
        "the "
        "round again when what is missing now is answered; Start Training does so at once.",
    )


def test_a_round_that_was_trained_on_early_has_no_corrections() -> None:
    early = replace(CORRECTED, complete=False)
    assert look(item(says("ann"), missing=1), rounds=(early,)).problems == ()
    assert look(DONE, rounds=(early,)).problems == ()


# what else


def test_a_changed_policy_is_told_first() -> None:
    now = look(item(says("ann"), says("ben"), policy=OLD), paid=Paid(3, 1, {OLD: 2}))
    assert now.policy.changed
    assert now.problems[0] == (
        f"The policy has changed (it is {NOW} now): 2 of 2 verdicts were given under other words "
        f"or labels ({OLD}). {CHOICES}"
    )
    assert now.as_json()["policy"] == {
        "now": NOW, "pushed": OLD, "version": "", "verdicts": {OLD: 2}
    }  # fmt: skip
    assert "no longer in Label Studio" in now.problems[1]


def test_an_expert_whom_preselections_sway_is_told_and_what_to_do() -> None:
    shown = [item(says("ann", 0, 0), name=f"s{i}", role="train", experts=1) for i in range(30)]
    blind = [
        item(says("ann", i % 2), name=f"b{i}", role="train", experts=1, hidden=True)
        for i in range(30)
    ]
    now = look(*shown, *blind)
    assert now.problems == (
        "ann let the preselected label stand on 30 of 30 texts, and gave the model's label on 15 "
        "of 30 blind ones: +50 points [+30, +67]. What stands preselected sways this expert: raise "
        "preannotate_above or blind_share.",
    )
    assert now.as_json()["preselections"] == [now.habits[0].sentence]
    assert look(*shown).problems == ()  # without blind ones nobody knows


def test_who_works_and_how_long_a_verdict_takes_is_in_the_table() -> None:
    now = look(item(says("ann"), missing=1), users=("ann", "ben"))
    assert now.people == (Annotator("ann", 1, 0),)
    assert (now.seconds, now.as_json()["seconds_a_verdict"]) == (4.0, 4.0)
    assert now.as_json()["people"] == [{"expert": "ann", "verdicts": 1, "left": 0}]
    assert now.open_round is not None
    assert now.open_round.waits_for.startswith(
        "ann is done; 1 verdict waits for a second person, and ben has answered nothing yet: ask"
    )
    assert now.as_json()["open"]["waits_for"] == now.open_round.waits_for


def test_a_measured_round_waits_for_nobody() -> None:
    half = item(says("ann"), missing=1)
    now = look(half, rounds=(records.record(verdicts=DIGEST),))
    assert now.open_round is not None
    assert (now.open_round.missing, now.open_round.waits_for) == (0, "")

"""A round under another policy, for fewer people, or without the model's answers."""

from pathlib import Path

import pytest

from selection.collect import collect
from selection.policy import policy_hash
from selection.record import Paid, ProjectState
from selection.types import Estimate
from tests.fakes import SCHEMA, FakeBackend, FakeStudio
from tests.selection.test_rounds import Loop, rule


class Backend(FakeBackend):
    """Also tells under which policy the verdicts were given, as the real one's ledger does."""

    count_imported = False
    paid = Paid()

    def project(self, project: int) -> ProjectState:
        told = super().project(project)
        return ProjectState(
            project, told.current, told.versions, told.rounds, told.training, told.worker,
            self.paid, self.count_imported,
        )  # fmt: skip


@pytest.fixture
def backend() -> Backend:
    return Backend(rule)


@pytest.fixture
def loop(tmp_path: Path, backend: Backend) -> Loop:
    loop = Loop(tmp_path)
    loop.backend = backend
    return loop


# the policy


def test_every_card_names_the_policy_under_which_it_was_pushed(loop: Loop) -> None:
    loop.complete()
    old = policy_hash(loop.studio.policy, SCHEMA.labels)
    assert {card["policy"] for card in loop.cards()} == {old}
    loop.studio.policy = "Is it clickbait?"
    assert loop.round(new_policy=True).state == "pushed"
    new = policy_hash("Is it clickbait?", SCHEMA.labels)
    assert {card["policy"] for card in loop.cards(0)} == {old}
    assert {card["policy"] for card in loop.cards(1)} == {new}


def test_a_changed_policy_pushes_nothing_before_somebody_decides(
    loop: Loop, backend: Backend
) -> None:
    loop.complete()
    old = policy_hash(loop.studio.policy, SCHEMA.labels)
    backend.paid = Paid(30, 0, {old: 30})
    loop.studio.policy = "Is it clickbait?"
    tasks = len(loop.studio.bodies)
    said = loop.round(anyway=True)
    assert (said.state, said.tasks, len(loop.studio.bodies)) == ("policy", 0, tasks)
    assert "30 of 30 verdicts were given under other words or labels" in said.message
    pushed = loop.round(new_policy=True)
    assert pushed.state == "pushed"
    assert "It asks under the new words of the policy." in pushed.message
    # from here on it is the policy of the newest round, and only told
    waits = loop.round()
    assert waits.state == "waiting" and "policy" not in waits.message
    assert "older verdicts count too: 30 of 30" in loop.rounds.status().problems[0]


def test_the_old_words_put_back_are_the_old_policy(loop: Loop) -> None:
    loop.complete()
    words = loop.studio.policy
    loop.studio.policy = "Is it clickbait?"
    assert loop.round().state == "policy"
    loop.studio.policy = f" {words}\n"
    assert loop.round().state == "pushed"


def test_a_policy_changed_while_people_answer_is_told_at_the_next_call(loop: Loop) -> None:
    loop.round()
    loop.studio.policy = "Is it clickbait?"
    waits = loop.round()
    assert waits.state == "waiting"
    assert "The policy has changed (it is" in waits.message
    assert not waits.message.endswith(" ")


# fewer people


def test_a_round_that_waits_for_a_second_person_ends_with_one_if_the_admin_says_so(
    loop: Loop, backend: Backend
) -> None:
    loop.studio.users = {1: "1", 2: "2"}
    loop.round(audit_per_round=20)
    for number, body in loop.studio.bodies.items():
        loop.studio.answer(number, "yes" if rule(body["data"]["text"])[0] > 0.5 else "no", 1)
    waits = loop.round()
    audited = [card["experts"] for card in loop.cards() if card["role"] == "audit"]
    both = audited.count(2)
    assert 0 < both < len(audited) == 20  # the others ask one expert
    assert (
        f"1 is done; {both} verdicts wait for a second person, and 2 has answered nothing yet: "
        "ask them, or set experts = 1"
    ) in waits.message
    backend.checked.clear()
    fewer = loop.round(experts=1)
    assert (fewer.state, fewer.message) == (
        "waiting",
        f"{both} texts of round 0 ask for fewer verdicts now: experts = 1. Run crux round again "
        f"to go on.",
    )
    assert backend.checked == [7]  # the worker has a complete round, and no event tells it
    assert collect(loop.studio.tasks(7), SCHEMA).complete(0)
    assert loop.round().state == "training"
    assert {card["experts"] for card in loop.cards(0)} == {1}


# what experts see


def visible(studio: FakeStudio, round: int) -> int:
    mine = [b for b in studio.bodies.values() if b["meta"]["crux"]["round"] == round]
    assert all(bool(b["predictions"]) != b["meta"]["crux"]["blind"] for b in mine)
    return sum(bool(body["predictions"]) for body in mine)


def test_pre_annotations_are_shown_from_the_version_on_that_earns_it(
    loop: Loop, backend: Backend
) -> None:
    loop.changes |= {"preannotate_above": 0.4}
    for kappa in (0.3, 0.5):
        loop.round()
        loop.answer()
        loop.train(version=backend.version, production_kappa=Estimate(kappa, 0.1, 0.9, 9))
    loop.round()
    assert [visible(loop.studio, round) > 0 for round in (0, 1, 2)] == [False, False, True]


def test_a_share_of_the_training_texts_is_blind_all_the_same(loop: Loop) -> None:
    loop.round(blind_share=0.5, per_round=60)
    train = [card for card in loop.cards(0) if card["role"] == "train"]
    assert 0 < visible(loop.studio, 0) < len(train)
    assert loop.round(blind_share=0.0).state == "waiting"


@pytest.mark.parametrize("imported", [False, True])
def test_imported_verdicts_count_here_if_they_do_for_the_backend(
    loop: Loop, backend: Backend, imported: bool
) -> None:
    loop.round(audit_per_round=20)
    for number in loop.studio.bodies:
        loop.studio.answer(number, "yes", 1, updated_by=None)
    backend.count_imported = imported
    now = loop.rounds.status()
    asked = sum(card["experts"] for card in loop.cards())
    assert asked > len(loop.cards())
    assert now.open_round is not None
    assert now.open_round.missing == (asked - len(loop.cards()) if imported else asked)
    assert any("CRUX_COUNT_IMPORTED=true" in said for said in now.problems) is not imported

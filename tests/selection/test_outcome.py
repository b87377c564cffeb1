"""What `crux round` says, word by word."""

from dataclasses import replace
from typing import Any

import pytest

from selection.card import Card
from selection.config import Settings
from selection.order import Order
from selection.outcome import Waiting, data_manager, fewer, held, pushed, waiting, worker_at_work
from selection.policy import PolicyState
from selection.record import TrainingState
from selection.status import OpenRound, Status
from selection.stop import Decision

SETTINGS = Settings(project=7, budget=200, audit_per_round=32, studio_url="http://ls.example/")
CARD = Card("a", 1, 0, "train", "a", None, 1, "v", {"yes": 1.0}, "", 0, 0.25, twin=0)
GO, STOP = Decision(False, "go on", "Go on."), Decision(True, "budget", "The budget is spent.")
SAME, CHANGED = PolicyState("b", "b", "b", {"b": 9}), PolicyState("b", "a", "a", {"a": 9})


def now(**changes: Any) -> Status:
    body: dict[str, Any] = {
        "project": 7, "current": "v", "labels_bought": 60, "rounds": (),
        "open_round": OpenRound(1, 128, 0, True), "decision": GO, "training": TrainingState(),
        "forecast": "", "problems": (), "budget": 200, "policy": SAME,
    }  # fmt: skip
    return Status(**{**body, **changes})


def order(train: int, audit: int, experts: int = 2, round: int = 1) -> Order:
    blind = replace(CARD, role="audit", experts=experts, inclusion=0.5, round=round)
    cards = (replace(CARD, round=round),) * train + (blind,) * audit
    return Order(round, cards, ("x",) * len(cards), {})


# pushed


def test_a_pushed_round_says_where_it_is_what_it_costs_whom_and_how_long_it_takes() -> None:
    said = pushed(order(64, 32), 96, SETTINGS, now(seconds=7.4))
    assert (said.state, said.round, said.tasks) == ("pushed", 1, 96)
    assert said.message.split("\n") == [
        "Round 1: 96 tasks are in the queue, 128 verdicts are asked for (budget: 60 of 200 were "
        "given before, 12 are left after this round).",
        "Queue: http://ls.example/projects/7/data (tab 'Crux round 1'). What people answer "
        "there through Label All Tasks counts; the labeling instructions say why.",
        "It takes 2 people or more, about 16 minutes in all at 7.4 s a verdict. Second verdicts "
        "come as tasks of their own, for other people, once the first is given.",
    ]


def test_a_round_beyond_the_budget_leaves_nothing() -> None:
    assert "0 are left after this round" in pushed(order(64, 64), 1, SETTINGS, now()).message


def test_before_the_first_answer_nobody_knows_how_long_it_takes() -> None:
    said = pushed(order(1, 32, 3), 33, SETTINGS, now()).message
    assert "It takes 3 people or more; how long it takes is known after the first answers." in said


def test_a_round_for_one_person_promises_no_second_verdicts() -> None:
    said = pushed(order(4, 32, 1), 36, SETTINGS, now(seconds=1.0)).message.split("\n")
    assert said[2:] == ["It takes one person, about 1 minute in all at 1.0 s a verdict."]


@pytest.mark.parametrize(("drawn", "said"), [(39, False), (32, False), (25, True), (0, True)])
def test_an_audit_for_which_the_reserve_holds_too_few_texts_says_so(drawn: int, said: bool) -> None:
    message = pushed(order(64, drawn), 1, SETTINGS, now()).message
    line = (
        f"{drawn} of the texts are drawn at random to measure the model, and not 32: the audit's "
        f"reserve holds no more. Add rows to the pool."
    )
    assert (line in message) is said
    assert ("reserve" in message) is said


def test_a_round_that_asks_under_new_words_says_so() -> None:
    line = "It asks under the new words of the policy."
    assert line in pushed(order(64, 32), 96, SETTINGS, now(policy=CHANGED)).message
    assert line not in pushed(order(64, 32), 96, SETTINGS, now()).message
    assert line not in pushed(order(64, 32, round=0), 96, SETTINGS, now(policy=CHANGED)).message


def test_the_queue_is_in_the_data_manager_of_the_project() -> None:
    assert data_manager(SETTINGS) == "http://ls.example/projects/7/data"


# fewer


@pytest.mark.parametrize(
    ("texts", "says"), [(32, "32 texts of round 1 ask"), (1, "1 text of round 1 asks")]
)
def test_a_round_that_asks_for_fewer_verdicts_says_how_many_texts_and_what_is_next(
    texts: int, says: str
) -> None:
    said = fewer(now(), texts, 1)
    assert (said.state, said.round) == ("waiting", 1)
    assert said.message == (
        f"{says} for fewer verdicts now: experts = 1. Run crux round again to go on."
    )
    assert fewer(now(open_round=None), texts, 1).round == 0


# held


def test_the_first_round_and_a_measured_one_hold_nothing_up() -> None:
    assert held(now(open_round=None), anyway=False) is None
    assert held(now(), anyway=False) is None


OPEN = OpenRound(1, 128, 32, False, "ann is done.")


@pytest.mark.parametrize("policy", [SAME, CHANGED])
@pytest.mark.parametrize("how", [{"anyway": False}, {"anyway": True, "new_policy": True}])
def test_a_round_that_waits_for_people_says_for_whom_and_what_is_new(
    policy: PolicyState, how: dict[str, bool]
) -> None:
    said = held(now(open_round=OPEN, policy=policy), **how)
    assert said is not None
    assert (said.state, said.round) == ("waiting", 1)
    waits = "Round 1 still waits for 32 of 128 verdicts (tab 'Crux round 1'). ann is done."
    assert said.message == (f"{waits} {policy.sentence}" if policy.changed else waits)


def test_a_round_that_is_not_measured_yet_waits_for_the_worker() -> None:
    said = held(now(open_round=replace(OPEN, missing=0)), anyway=True, new_policy=True)
    assert said is not None
    assert (said.state, said.message) == (
        "training", "All verdicts are there; the worker has not begun yet."
    )  # fmt: skip
    other = held(now(open_round=replace(OPEN, missing=0), policy=CHANGED), anyway=True)
    assert other is not None and other.message == f"{said.message} {CHANGED.sentence}"


def test_a_changed_policy_holds_the_next_round_until_somebody_decides() -> None:
    said = held(now(policy=CHANGED), anyway=True)
    assert said is not None
    assert (said.state, said.round, said.message) == ("policy", 1, CHANGED.sentence)
    assert "crux round --new-policy" in said.message
    assert held(now(policy=CHANGED), anyway=False, new_policy=True) is None
    # where all verdicts came after the change there is still something to read
    late = held(now(policy=PolicyState("b", "a", "", {"b": 9})), anyway=False)
    assert late is not None
    assert "the newest round was pushed under other words or labels (a)." in late.message


def test_the_stop_rule_holds_the_next_round_also_under_a_new_policy() -> None:
    for policy in (SAME, CHANGED):
        said = held(now(decision=STOP, policy=policy), anyway=False, new_policy=True)
        assert said is not None
        assert (said.state, said.message, said.decision) == ("stop", "The budget is spent.", STOP)
        assert held(now(decision=STOP, policy=policy), anyway=True, new_policy=True) is None


# while it waits


def test_while_it_waits_it_says_for_what() -> None:
    assert waiting(now()) == waiting(now(open_round=None)) == Waiting("done", 1, 1, finished=True)
    assert waiting(now(open_round=OPEN)) == Waiting(
        "verdicts of experts", 96, 128, message="ann is done."
    )
    begins = waiting(now(open_round=replace(OPEN, missing=0)))
    assert (begins.step, begins.failed) == ("the worker begins", False)
    failed = now(open_round=replace(OPEN, missing=0), training=TrainingState("failed", "Full."))
    assert waiting(failed) == Waiting(
        "the worker begins", 0, 1, failed=True, message="Training failed: Full."
    )


def test_the_worker_at_work_tells_its_steps() -> None:
    assert worker_at_work(TrainingState("training", "x: loss 0.5", 3, 9)) == Waiting(
        "training, x: loss 0.5", 3, 9
    )

"""People and the worker, in any order: every text gets its verdicts, of different people."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from selection.card import Card
from selection.twin import due
from tests.selection.test_twin import CARD, TRAIN, Project


def cards(experts: Sequence[int]) -> list[Card]:
    roles = [TRAIN if asked == 1 else CARD for asked in experts]
    return [
        replace(role, id=str(i), order=i, experts=asked)
        for i, (role, asked) in enumerate(zip(roles, experts, strict=True))
    ]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whoever_answers_in_whatever_order_every_text_gets_different_peoples_verdicts(
    data: st.DataObject,
) -> None:
    people = range(2, 2 + data.draw(st.integers(2, 4), "people"))
    experts = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=4), "experts")
    names = [str(i) for i in range(len(experts))]
    skips = data.draw(st.sets(st.tuples(st.sampled_from(people), st.sampled_from(names))), "skips")
    project = Project(*cards(experts))
    served: set[tuple[int, str]] = set()
    idle = 0
    while idle < 2:  # nobody finds anything, even after the worker's last look
        if data.draw(st.booleans(), "the worker looks"):
            project.look()
        order = data.draw(st.permutations(people), "order")
        busy = False
        for user in order:
            task = project.studio.next_task(user)
            if task is None:
                continue
            name = project.studio.bodies[task]["meta"]["crux"]["id"]
            assert (user, name) not in served, "nobody is served a text twice"
            served.add((user, name))
            project.studio.answer(task, None if (user, name) in skips else "yes", user)
            busy = True
        if not busy:
            project.look()
        idle = 0 if busy else idle + 1
    collected = project.collected
    working = {user for user, _ in served}
    judges = {user for user, name in served if (user, name) not in skips} or working
    for item, asked in zip(collected.items, experts, strict=True):
        willing = {user for user in working if (user, item.card.id) not in skips}
        # whoever judges no text may come after a skipped one has left the queue
        assert min(asked, len(willing & judges)) <= len(item.verdicts) <= asked
        assert {int(user) for user in item.verdicts} <= willing
        gave_up = {user for user in judges if (user, item.card.id) in served & skips}
        waits_for = max(asked - len(item.verdicts) - len(gave_up), 0)  # for so many more people
        assert item.missing == waits_for
    assert collected.complete(0) == all(item.missing == 0 for item in collected.items)
    assert (list(due(collected)), collected.left_out) == ([], ())


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whoever_opens_whatever_row_only_those_who_saw_no_answer_before_give_a_verdict(
    data: st.DataObject,
) -> None:
    people = range(2, 2 + data.draw(st.integers(2, 4), "people"))
    experts = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=3), "experts")
    project = Project(*cards(experts))
    studio = project.studio
    clock = datetime(2026, 1, 1, tzinfo=UTC)
    shown: set[int] = set()  # tasks with a person's answer, which their rows show
    saw: defaultdict[str, set[int]] = defaultdict(set)  # text -> who saw another's answer
    gave: defaultdict[str, set[int]] = defaultdict(set)  # text -> who gave a verdict before that

    def answer(user: int, task: int) -> None:
        nonlocal clock
        clock += timedelta(minutes=1)
        text = studio.bodies[task]["meta"]["crux"]["id"]
        if task in shown and user not in gave[text]:
            saw[text].add(user)
        elif task not in shown and user not in saw[text]:
            gave[text].add(user)
        shown.add(task)
        studio.answer(task, "yes", user, at=clock.isoformat())

    steps = st.tuples(st.sampled_from(["queue", "row", "model", "look"]), st.sampled_from(people))
    for what, user in data.draw(st.lists(steps, max_size=20), "steps"):
        if what == "look":
            project.look()
        elif what == "queue":
            task = studio.next_task(user)
            if task is not None:
                answer(user, task)
        else:
            free = [n for n, b in studio.bodies.items() if not holds(b, user)]
            if what == "model":
                free = [n for n, b in studio.bodies.items() if b["predictions"]]
            if free:
                task = data.draw(st.sampled_from(free), "task")
                answer(user, task) if what == "row" else studio.accept(task, user)
    busy = True
    while busy:
        project.look()
        todo = [(user, task) for user in people if (task := studio.next_task(user)) is not None]
        busy = bool(todo)
        if busy:
            answer(*todo[0])
    judges = {name for item in project.collected.items for name in item.verdicts}
    for item, asked in zip(project.collected.items, experts, strict=True):
        assert {int(user) for user in item.verdicts} == gave[item.card.id]
        assert len(item.verdicts) >= asked or item.answered >= judges
    assert {one.reason for one in project.collected.left_out} <= {"late", "model"}
    assert list(due(project.collected)) == []


def holds(body: dict[str, Any], user: int) -> bool:
    """Whether an annotation of the user's stands in the task, whose row shows only that."""
    return any(a["completed_by"] == user for a in body["annotations"])

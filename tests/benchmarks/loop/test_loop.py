"""Whole loops on the product's own path, with a model that learns words."""

import json
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.loop import __main__ as command
from benchmarks.loop.kept import Line
from selection.errors import SettingError
from tests.benchmarks.loop.stage import Stage, ground
from tests.fakes import fake_train

# all systems that teach the same model
LEARNED = "crux,random 80/20,random,margin"


class Killed(BaseException):
    """What no code of the loop catches, as a SIGKILL."""


def timeless(lines: list[Line]) -> list[Line]:
    return [replace(line, seconds=0.0) for line in lines]


def test_people_give_as_many_verdicts_as_are_to_be_spent_and_no_more(stage: Stage) -> None:
    stage.run(axis=(20, 60))

    assert stage.studio().answered == 60
    assert [line.verdicts for line in stage.lines()] == sorted(
        line.verdicts for line in stage.lines()
    )
    assert stage.lines()[-1].verdicts <= 60


def test_a_loop_begins_with_the_prompted_model_and_learns(stage: Stage) -> None:
    result = stage.run()
    first, *_, before, last = stage.lines()

    assert (first.round, first.verdicts, first.taught) == (-1, 0, 0)
    assert first.kappa is not None and first.kappa < 0.5
    assert (last.verdicts, last.kappa) == (stage.studio().answered, 1.0)
    assert last.taught > before.taught, "the last version learns from what measured the others"
    assert result["systems"]["crux"]["true_kappa"][-1] == 1.0


def test_the_loop_tells_the_kappa_that_its_record_tells(stage: Stage) -> None:
    stage.run()
    [rounds] = stage.folder.glob("build/loop/*/test-crux-0-of-60/home/projects/1/rounds")
    files = sorted(rounds.glob("*.json"), key=lambda file: int(file.stem))
    values = [json.loads(file.read_text())["production_kappa"]["value"] for file in files]

    told = [line.reported for line in stage.lines()[1:]]

    each = [None if value is None else round(value, 4) for value in values]
    assert told == [*each, each[-1]], "the last version is quoted by the one before it"


def test_nobody_judges_a_text_twice_or_in_the_name_of_another(stage: Stage) -> None:
    stage.run()
    studio = stage.studio()

    judged = [
        (task.data["text"], one.user)
        for task in studio.tasks(1)
        for one in task.annotations
        if one.label is not None
    ]
    assert len(judged) == len(set(judged)) == 60
    assert all(
        one.user == one.writer and one.seconds
        for task in studio.tasks(1)
        for one in task.annotations
        if one.label is not None
    )


def test_no_text_of_the_test_set_is_ever_bought(stage: Stage) -> None:
    stage.run(LEARNED)

    bought = {task.data["text"] for task in stage.studio().tasks(1)}
    assert not bought & set(ground().test)
    taught = {text for version, text in stage.scorer.asked}
    assert set(ground().test) <= taught, "they are read, since they measure"


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_loop_that_is_killed_in_a_training_goes_on_to_the_same_end(
    stage: Stage, nth: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = Stage(tmp_path_factory.mktemp("whole"), stage.vectors)
    whole.run()
    trained: list[int] = []

    def dies(*given: Any, **more: Any) -> Any:
        trained.append(1)
        if len(trained) == nth:
            raise Killed
        return fake_train(*given, **more)

    with pytest.raises(Killed):
        stage.run(train=dies)
    assert len(stage.lines()) == nth, "what was measured before is kept"
    stage.run()

    assert timeless(stage.lines()) == timeless(whole.lines())


def test_a_loop_with_more_verdicts_to_spend_is_another_loop(
    stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = Stage(tmp_path_factory.mktemp("whole"), stage.vectors)
    whole.run()

    stage.run(axis=(25,))
    stage.run()

    assert timeless(stage.lines()) == timeless(whole.lines())
    assert stage.lines(budget=25)[-1].verdicts <= 25


def test_what_is_complete_is_not_computed_again(stage: Stage) -> None:
    first = stage.run(LEARNED)

    def never(*given: Any, **more: Any) -> Any:
        raise AssertionError("it trained again")

    stage.scorer.asked.clear()
    assert stage.run(LEARNED, train=never) == first
    assert stage.scorer.asked == []


def test_another_tag_is_another_piece(stage: Stage) -> None:
    with pytest.raises(SettingError, match="tag"):
        command._options(["per_round=48"], "")
    assert command._options(["per_round = 48"], "smaller") == {"per_round": "48"}


def test_the_random_systems_pay_for_what_they_tell(stage: Stage) -> None:
    result = stage.run("random 80/20,random")["systems"]

    assert result["random 80/20"]["taught"] == 0.8
    assert result["random"]["taught"] == 1.0
    assert result["random 80/20"]["intervals"] == 3
    assert result["random"]["reported_kappa"] == [None] * 3
    assert [line.verdicts for line in stage.lines("random")] == [0, 20, 40, 60]
    assert stage.lines("random")[-1].kappa == 1.0


def test_margin_buys_what_the_model_doubts_after_a_random_batch(stage: Stage) -> None:
    stage.run("margin", axis=(60,))

    assert [line.verdicts for line in stage.lines("margin")] == [0, 50, 60]
    assert [line.taught for line in stage.lines("margin")] == [0, 50, 60]

"""Each sentence about settings is planted: said with its fault, and not said without it."""

from dataclasses import replace
from typing import Any

import pytest

from selection.command.project_settings import NOTE, WANTED, check_settings, set_settings
from selection.studio.api import Project
from selection.studio.instruction import with_note
from tests.fakes import FakeStudio
from tests.selection.command.place import (
    POLICY,
    Place,
    Plant,
    fault_is_said,
    planted,
    spoil,
)

FAULTS = [
    planted("project settings", spoil(sampling="Uniform sampling"),
            "sampling is 'Uniform sampling', so experts do not get the tasks in Crux's order"),
    planted("project settings", spoil(shows_predictions=False),
            "show_collab_predictions is False, so experts do not see the model's answers"),
    planted("project settings", spoil(shows_instruction=False),
            "show_instruction is False, so experts can label without having been shown the policy"),
    planted("project settings", spoil(skip_queue="REQUEUE_FOR_ME"),
            "skip_queue is 'REQUEUE_FOR_ME', so a text that somebody skipped comes back to the "
            "same person, and the second task of a blind text goes to whoever answered the first"),
    planted("project settings", spoil(skip_queue="IGNORE_SKIPPED"),
            "skip_queue is 'IGNORE_SKIPPED', so a skipped text counts as answered, and nobody is "
            "given the second task of a blind text"),
    planted("project settings", spoil(overlap=3),
            "maximum_annotations is 3, so every new task waits for 3 people"),
    planted("project settings", spoil(instruction=POLICY),
            "the instructions do not tell annotators how to label so that it counts"),
    planted("project settings", spoil(instruction=with_note(POLICY, "<p>older words</p>")),
            "the instructions do not tell annotators how to label"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "says"), FAULTS)
def test_a_planted_fault_is_said_and_without_it_nothing_of_the_kind(
    place: Place, name: str, plant: Plant, says: str
) -> None:
    fault_is_said(place, name, plant, says)


def test_each_wrong_setting_has_a_reason_of_its_own(place: Place) -> None:
    spoil(sampling="Uniform sampling", skip_queue="IGNORE_SKIPPED", overlap=2)(place)
    said = place.look()["project settings"].message
    assert said.count(", so ") == 3
    assert said.endswith("Run crux connect, which sets this right.")


# what connecting sets


class Kept(FakeStudio):
    """A Label Studio that keeps what is set."""

    def project(self, project_id: int) -> Project:
        told: dict[str, Any] = {"expert_instruction": POLICY, "maximum_annotations": 1}
        told |= self.settings
        instruction, overlap = told["expert_instruction"], told["maximum_annotations"]
        return replace(super().project(project_id), instruction=instruction, overlap=overlap)


def set_in(studio: Kept) -> str:
    return set_settings(studio.project(7), studio)  # type: ignore[arg-type]


def test_after_setting_nothing_is_wrong_any_more() -> None:
    studio = Kept()
    studio.settings = {"maximum_annotations": 2}
    assert set_in(studio) == "tasks come in Crux's order, and the instructions say how to label"
    assert studio.settings == {
        "sampling": "Sequential sampling", "show_instruction": True,
        "show_collab_predictions": True, "skip_queue": "REQUEUE_FOR_OTHERS",
        "maximum_annotations": 1, "expert_instruction": with_note(POLICY, NOTE),
    }  # fmt: skip
    assert check_settings(studio.project(7)).startswith("tasks come in Crux's order")


def test_what_is_right_is_not_written_again() -> None:
    studio, written = Kept(), []
    studio.settings = {"expert_instruction": with_note(POLICY, NOTE)}
    studio.update_project = lambda number, **settings: written.append(settings)  # type: ignore[assignment, return-value]
    set_in(studio)
    assert written == [WANTED]


def test_a_note_with_older_words_is_replaced() -> None:
    studio = Kept()
    studio.settings = {"expert_instruction": with_note(POLICY, "<p>older words</p>")}
    set_in(studio)
    assert studio.settings["expert_instruction"] == with_note(POLICY, NOTE)


def blind_task(studio: Kept, *by: int, **crux: object) -> None:
    body = {"data": {"text": "a"}, "meta": {"crux": {"blind": True, **crux}}}
    [number] = studio.import_tasks(7, [body])
    studio.set_overlap(number, 2)
    for expert in by:
        studio.answer(number, "yes", by=expert)


def test_a_task_asks_one_person_again_where_somebody_had_changed_that() -> None:
    studio = Kept()
    studio.settings = {"maximum_annotations": 2}
    blind_task(studio, 1, 2)  # of an older Crux, and done
    blind_task(studio, 1, twin=0)
    blind_task(studio, blind=False)
    assert set_in(studio).endswith("say how to label")
    assert studio.settings["maximum_annotations"] == 1


def test_blind_tasks_of_an_older_crux_keep_their_second_expert() -> None:
    studio = Kept()
    studio.settings = {"maximum_annotations": 2}
    blind_task(studio, 1)
    blind_task(studio)
    assert set_in(studio).endswith(
        "; maximum_annotations stays 2 while an older Crux's 2 blind tasks still ask several "
        "experts each: run crux connect again when they are done"
    )
    assert studio.settings["maximum_annotations"] == 2

from selection.annotators import Annotator
from selection.preannotation import Habit, Share
from tests.selection.report.reading import body, one, text
from tests.selection.report.sample import ANNA, NEW, drawn, state


def rows(html: str) -> list[list[str]]:
    table = one(body(html), "people")
    return [[text(cell) for cell in row] for row in table.iter("tr")][1:]


def test_everybody_has_a_row_with_verdicts_time_and_what_preselections_do() -> None:
    assert rows(drawn()) == [
        ["anna", "245", "0", "12 s", "12 of 14: 86 %60 % to 96 %", "5 of 9: 56 %27 % to 81 %",
         "3 right, 1 wrong"],
        ["ben", "119", "1", "14 s", "–", "–", "–"],
    ]  # fmt: skip


def test_what_nobody_can_know_yet_is_a_dash() -> None:
    habit = Habit(ANNA, Share(2, 3), Share(0, 0), 0, 0)
    status = state(
        people=(Annotator(ANNA, 3, 9), Annotator("new@example.org", 0, 9)), habits=(habit,)
    )
    assert rows(drawn(status)) == [
        ["anna", "3", "9", "12 s", "2 of 3: 67 %21 % to 94 %", "–", "–"],
        ["new@example.org", "0", "9", "–", "–", "–", "–"],
    ]


def test_without_people_there_is_no_table() -> None:
    assert "<h2>People</h2>" not in drawn(NEW)

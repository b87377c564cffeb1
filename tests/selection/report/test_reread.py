from dataclasses import replace

import pytest

from selection.backend_client import Scores
from selection.collect import Collected
from selection.errors import BackendError
from selection.item import Item
from selection.report import reread as module
from selection.report.reread import Reread, listed, reread
from tests.fakes import FakeBackend
from tests.selection.report.sample import BEFORE, LABELS, NOW, drawn, item, pair, sample, state

STEPS: list[tuple[str, int, int]] = []


def backend(*versions: str, moves: int | None = None) -> FakeBackend:
    return FakeBackend(lambda text: (0.25, 0.75), LABELS, versions or (NOW,), moves)


def read(collected: Collected, answers: FakeBackend) -> Reread:
    STEPS.clear()
    return reread(state(), collected, answers, lambda *step: STEPS.append(step))


def bought(*items: Item) -> Collected:
    return Collected(tuple(items), LABELS, ())


def test_texts_that_measure_are_read_and_of_those_that_taught_only_the_newest_rounds() -> None:
    texts = {one.text for one in listed(sample())}
    assert {"Audited 3", "The one thing dentists wish you knew about sugar"} <= texts
    assert "12 kitchen gadgets under $20 that people swear by" in texts
    assert "Old 3" not in texts
    assert "They bought a lighthouse for one euro" not in texts  # it waits for an answer


def test_the_beliefs_are_those_that_the_backend_answers() -> None:
    answers = backend()
    found = read(
        bought(item(0, "new", "audit", 0.9, "cc"), item(1, "old", "train", 0.9, "c", round=1)),
        answers,
    )
    assert found == Reread(NOW, {"h00000": {"clickbait": 0.25, "news": 0.75}})
    assert answers.asked == [["new"]]
    assert STEPS == [("reading judged texts again", 1, 1)]


def test_a_text_whose_card_is_by_the_version_in_force_is_not_read_again() -> None:
    plain = item(0, "new", "audit", 0.9, "cc")
    answers = backend()
    found = read(bought(replace(plain, card=replace(plain.card, version=NOW))), answers)
    assert found.beliefs["h00000"]["clickbait"] == 0.9
    assert answers.asked == []


def test_texts_are_read_in_parts_and_no_more_than_a_report_can_wait_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 70)
    answers = backend()
    found = read(bought(*(item(n, f"text {n}", "audit", 0.5, "cc") for n in range(75))), answers)
    assert [len(part) for part in answers.asked] == [64, 6]
    assert (len(found.beliefs), found.left_out, found.fault) == (70, 5, "")
    assert STEPS[-1] == ("reading judged texts again", 70, 70)


def test_a_version_promoted_meanwhile_is_said_and_mixed_with_none() -> None:
    many = bought(*(item(n, f"text {n}", "audit", 0.5, "cc") for n in range(75)))
    found = read(many, backend(NOW, "round3-0000", moves=64))
    assert found.beliefs == {}
    assert found.fault == "round3-0000 was promoted meanwhile. Run crux report again."


class Silent(FakeBackend):
    """A backend that tells its project and reads nothing."""

    def score(self, project: int, texts: object) -> Scores:
        raise BackendError("The backend at http://a does not answer.")


def test_a_backend_that_does_not_answer_leaves_the_belief_of_the_version_before() -> None:
    two = bought(*pair(0, "left", "right", 0.6, 0.4, "cc", "nn"))
    found = read(two, Silent(lambda text: (0.5, 0.5)))
    assert found == Reread(NOW, {}, fault="The backend at http://a does not answer.")
    html = drawn(collected=two, reread=found)
    assert (
        f"The errors of {NOW}, the version in force, are not known: The backend at http://a does "
        "not answer. Below stands what the version before each round believed."
    ) in html
    assert f"The version before <code>{BEFORE}</code>" in html
    assert "matrix" not in html.split("</style>")[1]

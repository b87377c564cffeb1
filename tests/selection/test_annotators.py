from dataclasses import replace

import pytest

from selection.annotators import Annotator, annotators, seconds_a_verdict, waits_for
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.verdict import Answer, Kind

CARD = Card("a", 0, 0, "audit", "a", 0.5, 2, "v", {"yes": 1.0}, "", 0, 0.25, twin=0)
NUMBERS = {"ann": 2, "ben": 3, "cid": 4, "dan": 5}
LETTERS: dict[str, Kind] = {"+": "verdict", "-": "skip", "!": "late", "?": "unknown"}


def text(*said: str, experts: int = 2, round: int = 0, missing: int | None = None) -> Item:
    """A text of which "+ann" gave a verdict, "-ben" skipped it, "!cid" was late.

    missing: what it waits for; all that nobody has given if None.
    """
    answers = tuple(
        Answer(one[1:], 0 if one[0] == "+" else None, LETTERS[one[0]], user=NUMBERS.get(one[1:]))
        for one in said
    )
    card = replace(CARD, experts=experts, round=round)
    lacks = max(experts - len(said), 0) if missing is None else missing
    return Item((1,), "x", card, answers, lacks)


def waits(*items: Item, others: tuple[str, ...] = ()) -> str:
    return waits_for(Collected(items, ("yes", "no"), ()), others)


# for whom the round waits


def test_nothing_is_said_where_nothing_is_left() -> None:
    assert waits() == ""
    assert waits(text("+ann", "+ben")) == ""
    assert waits(text(), text("+ann", "+ben", round=1)) == ""  # an older round is nobody's work


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ((text(), text()), "Nobody has answered anything yet; 4 verdicts wait for 2 people."),
        ((text(experts=1),), "Nobody has answered anything yet; 1 verdict waits for one person."),
        ((text(experts=1), text(experts=3)),
         "Nobody has answered anything yet; 4 verdicts wait for 3 people."),
    ],
)  # fmt: skip
def test_before_the_first_answer_it_says_how_many_people_it_takes(
    items: tuple[Item, ...], says: str
) -> None:
    assert waits(*items) == says
    assert waits(*items, others=("ann", "ben")) == says


def test_people_with_something_left_are_told_by_name() -> None:
    assert waits(text("+ann"), text("+ben"), text("+ann")) == "ann has 1 left and ben has 2 left."


def test_three_people_are_joined_by_commas_and_one_and() -> None:
    items = text("+ann", experts=3), text("+ben", "+cid", experts=3)
    assert waits(*items) == "ann has 1 left, ben has 1 left and cid has 1 left."


def test_somebody_who_is_done_and_alone_waits_for_a_second_person() -> None:
    assert waits(text("+ann"), text("+ann")) == (
        "ann is done; 2 verdicts wait for a second person, and nobody else has answered anything "
        "yet: invite one (Organization, Add Members), or set experts = 1, run crux round, and live "
        "without the experts' kappa."
    )


INSTEAD = (
    ": ask them, or set experts = 1, run crux round, and live without the experts' kappa."
)


@pytest.mark.parametrize(
    ("others", "says"),
    [
        (("ann", "ben"), "ben has answered nothing yet"),
        (("cid", "ben"), "ben and cid have answered nothing yet"),
        (("dan", "cid", "ben"), "ben, cid and dan have answered nothing yet"),
        (("dan", "cid", "ben", "eve"), "4 people have answered nothing yet"),
    ],
)
def test_those_who_could_be_the_second_person_are_named(others: tuple[str, ...], says: str) -> None:
    said = waits(text("+ann"), others=others)
    assert said == f"ann is done; 1 verdict waits for a second person, and {says}{INSTEAD}"


def test_of_verdicts_that_nobody_at_work_can_give_only_those_are_counted() -> None:
    said = waits(text("+ann"), text(), others=("ben",))
    waits_for_ben = "2 verdicts wait for a second person, and ben has answered nothing yet"
    assert said == f"ann has 1 left; {waits_for_ben}{INSTEAD}"


def test_two_people_who_are_done_wait_for_a_third_where_three_are_asked() -> None:
    assert waits(text("+ann", "+ben", experts=3), text("+ann", "-ben", experts=3, missing=1)) == (
        "ann is done and ben is done; 2 verdicts wait for another person, and nobody else has "
        "answered anything yet: invite one (Organization, Add Members), or set experts = 2, run "
        "crux round, and live without more opinions."
    )


def test_a_skipped_text_waits_for_the_one_who_has_not_seen_it() -> None:
    items = text("-ann", "-ben", missing=1), text("+cid", "+ann")
    assert waits(*items) == "ann is done, ben is done and cid has 1 left."


def test_a_deleted_user_has_nothing_left_and_is_no_second_person() -> None:
    items = text("+deleted user", "+ben"), text("+ann")
    assert waits(*items) == "ann is done and ben has 1 left."
    assert waits(text("+deleted user")) == (
        "Nobody has answered anything yet; 1 verdict waits for 2 people."
    )


# who has answered what


def test_everybody_is_listed_with_verdicts_of_all_rounds_and_what_the_open_one_has_left() -> None:
    items = (
        text("+ann", "+ben"), text("+ann", "-ben"), text("+deleted user", "!cid"),
        text("?ann", round=1), text("+ben", round=1), text("+ann", "+ben", round=1),
    )  # fmt: skip
    assert annotators(Collected(items, ("yes", "no"), ())) == (
        Annotator("ann", 4, 1),
        Annotator("ben", 3, 1),
        Annotator("cid", 1, 2),  # a late answer is work, too
        Annotator("deleted user", 1, 0),
    )


def test_before_the_first_answer_nobody_is_listed() -> None:
    assert annotators(Collected((text(),), ("yes", "no"), ())) == ()


def test_a_verdict_takes_the_median_of_what_people_took_without_skips() -> None:
    def item(*took: tuple[Kind, float | None]) -> Item:
        said = tuple(Answer("ann", 0, kind, seconds=seconds) for kind, seconds in took)
        return replace(text(), answers=said)

    items = (
        item(("verdict", 4.0), ("skip", 900.0)),
        item(("verdict", 6.0), ("late", 900.0)),
        item(("verdict", 500.0), ("verdict", None)),
    )
    assert seconds_a_verdict(Collected(items, ("yes", "no"), ())) == 6.0
    assert seconds_a_verdict(Collected(items[:2], ("yes", "no"), ())) == 5.0
    assert seconds_a_verdict(Collected((text(),), ("yes", "no"), ())) is None

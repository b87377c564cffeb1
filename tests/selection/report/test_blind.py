"""Experts may open the page: it must not tell them what they are asked next."""

from selection.collect import Collected
from selection.item import Item
from selection.report.blind import grouped, hidden, judged
from tests.selection.report.sample import LABELS, item, pair


def names(*items: Item) -> list[str]:
    return [one.text for one in judged(Collected(tuple(items), LABELS, ()))]


def test_a_pair_of_one_round_is_a_group_and_a_single_text_is_its_own() -> None:
    two, one = pair(0, "left", "right", 0.6, 0.4, "cc", "nn"), item(9, "alone", "audit", 0.5, "cc")
    again = item(8, "a later text", "train", 0.5, "c", round=3, pair="h00000|h00001")
    assert [[i.text for i in group] for group in grouped([*two, one, again])] == [
        ["left", "right"], ["alone"], ["a later text"],
    ]  # fmt: skip


def test_both_texts_of_a_blind_pair_are_hidden_while_one_waits() -> None:
    waiting = pair(0, "left", "right", 0.6, 0.4, "cc", "n")
    assert hidden(waiting)
    assert names(*waiting) == []
    assert names(*pair(0, "left", "right", 0.6, 0.4, "cc", "nn")) == ["left", "right"]


def test_a_visible_text_is_never_hidden_and_counts_once_it_is_judged() -> None:
    assert names(*pair(0, "left", "right", 0.6, 0.4, "c", "")) == ["left"]


def test_an_audited_text_is_hidden_until_all_have_answered() -> None:
    assert names(item(0, "half", "audit", 0.5, "c"), item(1, "whole", "audit", 0.5, "cc")) == [
        "whole"
    ]


def test_the_newest_round_comes_first() -> None:
    old, new = item(0, "old", "audit", 0.5, "cc", round=0), item(1, "new", "audit", 0.5, "cc")
    assert names(old, new) == ["new", "old"]

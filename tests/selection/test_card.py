from typing import Any

import pytest

from selection.card import ROLES, Card, read_card
from selection.errors import ProjectError

CARD = Card(
    id="a7",
    round=2,
    order=5,
    role="audit",
    pair="a7",
    inclusion=0.125,
    experts=2,
    version="v3",
    belief={"yes": 0.6, "no": 0.4},
    why="labelled 'yes', while its neighbour b1 is labelled 'no'",
    seed=0,
    reserve=0.25,
    second=0.5,
    region="shoes, heel",
    region_share=0.02,
)
# that an older card need not have
NEWER = ("blind", "hidden", "policy", "twin", "second", "region", "region_share")
META = {
    "id": "a7",
    "round": 2,
    "order": 5,
    "role": "audit",
    "pair": "a7",
    "inclusion": 0.125,
    "experts": 2,
    "version": "v3",
    "belief": {"yes": 0.6, "no": 0.4},
    "seed": 0,
    "reserve": 0.25,
    "why": "labelled 'yes', while its neighbour b1 is labelled 'no'",
    "blind": True,
    "hidden": False,
    "policy": "",
    "twin": None,
    "second": 0.5,
    "region": "shoes, heel",
    "region_share": 0.02,
}


def test_a_card_stands_in_the_tasks_meta_whole() -> None:
    assert CARD.as_meta() == {"crux": META}


def test_people_see_four_columns_and_nothing_that_tells_what_the_model_thinks() -> None:
    assert CARD.as_columns() == {
        "crux_round": 2, "crux_order": 5, "crux_id": "a7", "crux_region": "shoes, heel",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("role", "hidden", "blind"),
    [("train", False, False), ("train", True, True), ("audit", False, True)],
)
def test_only_training_tasks_that_are_not_hidden_show_what_the_model_thinks(
    role: str, hidden: bool, blind: bool
) -> None:
    card = read_card(1, {**META, "role": role, "hidden": hidden})
    assert card is not None
    crux = card.as_meta()["crux"]
    assert isinstance(crux, dict)
    assert (card.blind, crux["blind"]) == (blind, blind)


def test_a_text_is_chosen_or_audited() -> None:
    assert ROLES == ("train", "audit")


@pytest.mark.parametrize("hidden", [{}, {"hidden": False}])
def test_a_pair_that_an_older_crux_kept_for_evaluation_is_a_blind_text_that_teaches(
    hidden: dict[str, bool],
) -> None:
    old = {key: value for key, value in META.items() if key not in NEWER}
    pushed = {**old, "role": "boundary", "pair": "a7|b1", "inclusion": None, "blind": True}
    card = read_card(1, {**pushed, **hidden})
    assert card is not None
    assert (card.role, card.hidden, card.blind) == ("train", True, True)
    # it asked two experts, and goes on to
    assert (card.experts, card.places, card.second, card.pair) == (2, 2, 1.0, "a7|b1")


def test_a_card_of_an_older_crux_always_asked_all_its_experts() -> None:
    card = read_card(1, {key: value for key, value in META.items() if key not in NEWER})
    assert card is not None
    assert (card.second, card.hidden, card.twin) == (1.0, False, None)


def test_what_was_written_is_read_again() -> None:
    assert read_card(1, CARD.as_meta()["crux"]) == CARD
    assert read_card(1, {**META, "inclusion": 1, "second": 1}) is not None


def test_a_card_that_was_pushed_with_a_stratum_is_still_read() -> None:
    assert read_card(1, {**META, "stratum": "yes"}) == CARD


def test_a_task_of_somebody_else_has_no_card() -> None:
    assert read_card(1, None) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "test"}, "the role is 'test', not one of train, audit"),
        ({"more": 1}, "unexpected keyword argument 'more'"),
        ({"round": "2"}, "round is '2'"),
        ({"round": -1}, "round is -1"),
        ({"order": None}, "order is None"),
        ({"experts": 0}, "experts is 0"),
        ({"experts": True}, "experts is True"),
        ({"id": 7}, "id is 7"),
        ({"id": ""}, "id is ''"),
        ({"pair": None}, "pair is None"),
        ({"inclusion": 0}, "inclusion is 0"),
        ({"inclusion": 1.5}, "inclusion is 1.5"),
        ({"inclusion": "0.5"}, "inclusion is '0.5'"),
        ({"inclusion": float("nan")}, "inclusion is nan"),
        ({"second": 0}, "second is 0"),
        ({"second": 1.5}, "second is 1.5"),
        ({"second": None}, "second is None"),
        ({"second": "0.5"}, "second is '0.5'"),
        ({"second": float("nan")}, "second is nan"),
        ({"belief": [0.6, 0.4]}, r"belief is \[0.6, 0.4\]"),
        ({"belief": {}}, "belief is {}"),
        ({"belief": {"yes": "much"}}, "belief is {'yes': 'much'}"),
    ],
)  # fmt: skip
def test_a_card_that_somebody_changed_is_named_with_what_is_wrong(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProjectError, match=f"meta.crux of task 9 is damaged .*{message}"):
        read_card(9, {**META, **change})


@pytest.mark.parametrize("field", [name for name in META if name not in NEWER])
def test_a_card_that_lacks_something_is_named_too(field: str) -> None:
    lacking = {key: value for key, value in META.items() if key != field}
    with pytest.raises(ProjectError, match=f"meta.crux of task 9 is damaged .*'{field}'"):
        read_card(9, lacking)

from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.region_history import RegionRound, region_histories

LABELS = ("yes", "no")


def item(
    number: int, round: int, region: str, believed: float, *said: int, share: float = 0.1,
    hidden: bool = True,
) -> Item:  # fmt: skip
    """believed: in 'yes'. said: one label for each expert. hidden: nobody saw the belief."""
    card = Card(
        f"i{number}", round, number, "train", f"i{number}", None, max(len(said), 1), "v",
        {"yes": believed, "no": 1 - believed}, "", 0, 0.25, hidden,
        region=region, region_share=share,
    )  # fmt: skip
    return Item.judged(number, f"text {number}", card, {f"e{i}": one for i, one in enumerate(said)})


def collected(*items: Item) -> Collected:
    return Collected(items, LABELS, ())


def test_a_round_counts_what_the_version_that_chose_it_had_right() -> None:
    [shoes] = region_histories(
        collected(
            item(0, 1, "shoes", 0.9, 0), item(1, 1, "shoes", 0.6, 1), item(2, 1, "shoes", 0.2, 1),
            item(3, 1, "shoes", 0.2), item(4, 1, "", 0.9, 0),
            item(5, 2, "shoes", 0.4, 1), item(6, 2, "shoes", 0.4, 1),
        )
    )  # fmt: skip
    assert shoes.rounds == (RegionRound(1, 4, 3, 2), RegionRound(2, 2, 2, 2))
    assert (shoes.asked, shoes.model, shoes.state) == (6, "2 of 3, then 2 of 2", "still there")


def test_experts_agree_or_differ_on_texts_that_several_judged() -> None:
    [one] = region_histories(
        collected(item(0, 1, "a", 0.9, 0, 0), item(1, 1, "a", 0.9, 0, 1), item(2, 1, "a", 0.9, 0))
    )
    assert one.experts == "1 of 2"
    assert one.rounds[0] == RegionRound(1, 3, 2, 2)  # a tie is no label


def test_a_region_that_the_newest_round_does_not_find_comes_last() -> None:
    found = region_histories(
        collected(
            item(0, 1, "old", 0.9, 0, share=0.3), item(1, 1, "small", 0.9, 0, share=0.01),
            item(2, 2, "small", 0.9, 0, share=0.02), item(3, 2, "large", 0.9, 0, share=0.2),
        )
    )  # fmt: skip
    assert [(one.name, one.share) for one in found] == [
        ("large", 0.2), ("small", 0.02), ("old", 0.3),
    ]  # fmt: skip
    assert [one.state for one in found] == [
        "still there", "still there", "last found in round 1",
    ]  # fmt: skip


def test_without_a_verdict_nothing_is_said_of_model_and_experts() -> None:
    [one] = region_histories(collected(item(0, 1, "a", 0.9)))
    assert (one.model, one.experts) == ("–", "–")
    assert region_histories(collected(item(0, 0, "", 0.9, 0))) == ()


def test_only_the_first_and_the_last_round_are_told() -> None:
    items = [item(r, r, "a", 0.9, 0 if r else 1) for r in range(4)]
    [one] = region_histories(collected(*items))
    assert one.model == "0 of 1, then 1 of 1"
    [same] = region_histories(collected(items[1], items[2]))
    assert same.model == "1 of 1, then 1 of 1"


def test_an_answer_that_saw_the_models_does_not_say_that_the_model_is_right() -> None:
    [one] = region_histories(
        collected(item(0, 1, "a", 0.9, 0), item(1, 1, "a", 0.9, 0, hidden=False))
    )
    assert one.rounds == (RegionRound(1, 2, 1, 1),)

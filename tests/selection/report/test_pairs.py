from dataclasses import replace

from selection.collect import Collected
from selection.item import Item
from tests.selection.report.reading import body, card_with, having, one, text
from tests.selection.report.sample import ANNA, BEN, LABELS, drawn, item, pair, sample

LIGHTHOUSE = "They bought a lighthouse for one euro"


def test_a_blind_pair_shows_nothing_of_either_text_until_both_are_answered() -> None:
    card = card_with(drawn(), LIGHTHOUSE)
    assert [text(part) for side in having(card, "side") for part in side] == [
        LIGHTHOUSE,
        "blind until the other text of the pair is answered",
        "task 2120",
        "Lighthouse sold for one euro, buyers face repairs",
        "blind until answered (1 of 2 answers there)",
        "task 2121",
    ]
    assert "differs" not in drawn().split(LIGHTHOUSE)[0].rsplit("<article", 1)[1]


def test_what_is_hidden_is_nowhere_in_the_file() -> None:
    html = drawn()
    assert "77.7%" not in html
    assert "h00121 is labelled" not in html


def test_a_blind_pair_is_shown_when_both_are_answered() -> None:
    whole = sample()
    done = [Item.judged(i.task, i.text, i.card, {ANNA: 1, BEN: 1}) if i.card.id == "h00121" else i
            for i in whole.items]  # fmt: skip
    card = card_with(drawn(collected=replace(whole, items=tuple(done))), LIGHTHOUSE)
    belief = having(card, "belief")[0]
    assert text(belief) == "The version before round0-5f3a9c1eclickbait78 %news22 %"
    assert [text(e) for e in having(card, "chip")] == [
        "anna: clickbait", "ben: clickbait", "anna: news", "ben: news",
    ]  # fmt: skip


def test_a_blind_single_text_hides_its_belief_too() -> None:
    lone = Collected((item(5, "Alone", "blind", 0.777, "c"),), LABELS, ())
    html = drawn(collected=lone)
    assert "77.7%" not in html
    assert text(one(card_with(html, "Alone"), "waits")) == (
        "blind until answered (1 of 2 answers there)"
    )


def test_the_two_of_a_pair_stand_beside_each_other_with_belief_answer_and_reason() -> None:
    card = card_with(drawn(), "12 kitchen gadgets under")
    assert [text(part) for part in one(card, "two")[1]] == [
        "12 kitchen gadgets tested: which ones are worth the money",
        "The version before round0-5f3a9c1eclickbait39 %news61 %",
        "anna: ≠ clickbait",
        "Chosen because: labelled 'news', while its neighbour h00102 is labelled 'clickbait' "
        "(task 2103); it taught the version in force",
    ]
    assert [text(e) for e in card[0]] == [
        "testing, then teaching", "visible", "≠ experts contradict the model",
    ]  # fmt: skip
    assert [e.get("class") for e in one(card, "two")] == ["side", "side differs"]


def test_texts_on_which_experts_contradict_the_model_come_first_and_hidden_ones_last() -> None:
    cards = having(one(body(drawn()), "pairs"), "card")
    assert [text(next(e.iter("blockquote")))[:12] for e in cards] == [
        "12 kitchen g", "Why this vil", "She quit her", "The one thin", "Scientists c",
        "The surprisi", "They bought ",
    ]  # fmt: skip
    assert ["differs" in e.get("class", "") for e in cards] == [True] * 3 + [False] * 4


def test_audited_texts_are_counted_and_not_listed() -> None:
    html = drawn()
    assert "Audited" not in html
    assert (
        "Round 2 holds 7 pairs, 4 single texts and 32 audit texts (drawn at random, not listed "
        "here). Of 15 answered texts, experts contradict the version before on 6, shown first."
    ) in html


def test_an_unanswered_and_a_skipped_text_are_told_apart() -> None:
    two = (item(0, "Skipped", "train", 0.6, "-"), item(1, "Open", "train", 0.6, ""))
    html = drawn(collected=Collected(two, LABELS, ()))
    assert text(one(card_with(html, "Skipped"), "waits")) == "skipped by the experts"
    assert text(one(card_with(html, "Open"), "waits")) == "no answer yet"


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    long = Collected((item(0, "a" * 650, "train", 0.6, "c"),), LABELS, ())
    (quote,) = body(drawn(collected=long)).iter("blockquote")
    assert text(quote) == "a" * 600 + " … 50 more characters"


def test_more_pairs_than_a_page_holds_are_named() -> None:
    many = [i for n in range(63) for i in pair(2 * n, "left", "right", 0.6, 0.4, "c", "n")]
    page = body(drawn(collected=Collected(tuple(many), LABELS, ())))
    assert len(having(page, "two")) == 60
    assert "3 more pairs in the Data Manager's tab 'Crux round 2'." in text(page)


def test_of_many_labels_the_most_probable_are_shown_in_the_projects_order() -> None:
    labels = ("a", "b", "c", "d", "e", "f")
    belief = dict(zip(labels, (0.05, 0.3, 0.002, 0.2, 0.008, 0.44), strict=True))
    plain = item(0, "Many", "train", 0.6, "c")
    many = Item.judged(1, "Many", replace(plain.card, belief=belief), {ANNA: 5})
    card = card_with(drawn(collected=Collected((many,), labels, ())), "Many")
    names = [text(e) for e in having(one(card, "belief"), "bar-name")]
    assert names == ["a", "b", "d", "f"]
    assert text(one(card, "pick")) == "f44 %"


def test_experts_of_one_name_at_two_addresses_keep_their_addresses() -> None:
    plain = item(0, "Twins", "train", 0.6, "c")
    said = {"li@a.org": 0, "li@b.org": 0, "zoe@a.org": 0}
    twins = Item.judged(1, "Twins", plain.card, said)
    card = card_with(drawn(collected=Collected((twins,), LABELS, ())), "Twins")
    assert [text(e).split(":")[0] for e in having(card, "chip")] == ["li@a.org", "li@b.org", "zoe"]

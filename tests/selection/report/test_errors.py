from dataclasses import replace

from selection.collect import Collected
from selection.item import Item
from selection.report.reread import Reread
from tests.selection.report.reading import body, having, one, text
from tests.selection.report.sample import (
    LABELS,
    NOW,
    drawn,
    item,
    measured,
    read_again,
    sample,
    state,
)


def section(html: str) -> list[str]:
    """Head, text, belief and verdicts of each error."""
    cards = [e for e in having(body(html), "card") if having(e, "round")]
    return [" | ".join(text(part) for part in e) for e in cards]


def table(html: str, at: int) -> list[list[str]]:
    return [[text(cell) for cell in row] for row in having(body(html), "matrix")[at].iter("tr")]


def test_errors_are_those_of_the_version_in_force_and_say_what_was_believed_before() -> None:
    errors = section(drawn(reread=read_again()))
    assert errors[1] == (
        "Round 2blindtaughttask 2101 | What dentists want you to know about sugar substitutes | "
        "Version in force round2-5f3a9c1eclickbait62 %news38 %round0-5f3a9c1e had believed news "
        "56 % | anna: ≠ newsben: ≠ news"
    )
    # the version before was wrong on this one, the version in force is not
    assert "12 kitchen gadgets tested" not in "".join(errors)


def test_the_newest_round_comes_first_and_what_taught_the_version_after_what_measured_it() -> None:
    heads = [one.split(" | ")[0] for one in section(drawn(reread=read_again()))]
    assert heads == [
        "Round 2visibletaughttask 2108", "Round 2blindtaughttask 2101", "Round 1blindtask 1304",
        "Round 1blindtask 1331",
    ]  # fmt: skip
    # an audited text of the newest round stands before both, though the version is less sure of it
    again = read_again()
    sly = replace(again, beliefs={**again.beliefs, "h00302": {"clickbait": 0.51, "news": 0.49}})
    heads = [one.split(" | ")[0] for one in section(drawn(reread=sly))]
    assert heads[:2] == ["Round 2blindtask 2302", "Round 2visibletaughttask 2108"]


def test_a_text_that_taught_is_counted_apart_from_the_errors_that_were_measured() -> None:
    html = drawn(reread=read_again(left_out=7))
    assert (
        "On 2 of 97 blind texts no expert says what the version in force says. The same holds for "
        "2 of 14 texts of the newest round that taught it; these are no errors that were measured. "
        "Not read again: 7 older texts."
    ) in html


def test_a_text_of_a_round_that_is_not_trained_yet_did_not_teach() -> None:
    newest = (item(0, "New", "train", 0.9, "n"),)
    rounds = (measured(1, 64, candidate=NOW, version=NOW),)
    again = read_again(Collected(newest, LABELS, ()))
    again = replace(again, beliefs={"h00000": {"clickbait": 0.9, "news": 0.1}})
    (only,) = section(drawn(state(rounds=rounds), Collected(newest, LABELS, ()), again))
    assert only.startswith("Round 2visibletask 2000 | New")


def test_the_tables_count_blind_texts_by_what_experts_and_model_say() -> None:
    html = drawn(reread=read_again())
    assert [text(e) for e in body(html).iter("h3")][3:5] == [
        "Drawn at random (96 texts)",
        "Chosen for round 2, by the version that chose (4 texts)",
    ]
    assert table(html, 0) == [
        ["Experts say", "Model: clickbait", "Model: news"],
        ["clickbait", "14", "0"],
        ["news", "2", "77"],
        ["experts differ", "3", "0"],
    ]
    # by what the cards believed before anybody taught anything, not by the version in force, which
    # is wrong on one of them; older rounds and visible texts do not count
    assert table(html, 1) == [
        ["Experts say", "Model: clickbait", "Model: news"],
        ["clickbait", "2", "0"],
        ["news", "0", "1"],
        ["experts differ", "0", "1"],
    ]
    assert "Unweighted counts of blind texts" in html


def test_cards_of_other_labels_than_the_project_has_now_are_in_no_table() -> None:
    chosen, audited = item(0, "A", "blind", 0.9, "cc"), item(1, "B", "audit", 0.9, "cc")
    old = replace(chosen, card=replace(chosen.card, belief={"clickbait": 0.9, "satire": 0.1}))
    again = Reread(NOW, {"h00001": {"clickbait": 0.9, "news": 0.1}})
    html = drawn(collected=Collected((old, audited), LABELS, ()), reread=again)
    assert len(having(body(html), "matrix")) == 1


def test_a_round_of_which_all_texts_were_visible_has_no_table_of_chosen_texts() -> None:
    both = Collected(
        (item(0, "A", "train", 0.9, "c"), item(1, "B", "audit", 0.9, "cc")), LABELS, ()
    )
    html = drawn(collected=both, reread=read_again(both))
    assert [text(e) for e in body(html).iter("h3")][3:4] == ["Drawn at random (1 text)"]
    assert len(having(body(html), "matrix")) == 1


def test_of_many_labels_the_confusions_are_listed_the_most_frequent_first() -> None:
    labels = ("a", "b", "c", "d")
    said = [(0, "b"), (0, "b"), (1, "b"), (2, "d"), (3, "d")]
    items, beliefs = [], {}
    for n, (label, model) in enumerate(said):
        plain = item(n, "Text", "audit", 0.5, "cc")
        items.append(Item.judged(n, "Text", plain.card, {"anna": label, "ben": label}))
        beliefs[plain.card.id] = {one: 0.7 if one == model else 0.1 for one in labels}
    html = drawn(collected=Collected(tuple(items), labels, ()), reread=Reread(NOW, beliefs))
    assert table(html, 0) == [
        ["Experts say", "Model says", "Texts"],
        ["any label", "the same", "2"],
        ["a", "b", "2"],
        ["c", "d", "1"],
    ]


def test_experts_who_all_agree_need_no_row_for_those_who_differ() -> None:
    two = Collected(
        (item(0, "A", "audit", 0.9, "cc"), item(1, "B", "audit", 0.9, "nn")), LABELS, ()
    )
    assert [row[0] for row in table(drawn(collected=two, reread=read_again(two)), 0)] == [
        "Experts say", "clickbait", "news",
    ]  # fmt: skip


def test_where_experts_differ_the_version_is_wrong_only_if_none_of_them_says_the_same() -> None:
    split = Collected((item(0, "A", "audit", 0.9, "cn"),), LABELS, ())
    again = read_again(split)
    assert section(drawn(collected=split, reread=again)) == []
    labels = (*LABELS, "advert")
    third = replace(again, beliefs={"h00000": {"clickbait": 0.1, "news": 0.1, "advert": 0.8}})
    html = drawn(collected=replace(split, labels=labels), reread=third)
    assert len(section(html)) == 1


def test_nothing_of_a_text_that_waits_is_among_the_errors() -> None:
    again = read_again()
    sly = replace(again, beliefs={**again.beliefs, "h00120": {"clickbait": 0.01, "news": 0.99}})
    html = drawn(reread=sly)
    assert "lighthouse" not in "".join(section(html))
    assert table(html, 1)[1] == ["clickbait", "2", "0"]
    assert "99 %" not in html


def test_more_errors_than_a_page_holds_are_named() -> None:
    many = Collected(tuple(item(n, f"T{n}", "audit", 0.1, "cc") for n in range(63)), LABELS, ())
    wrong = {one.card.id: {"clickbait": 0.2, "news": 0.8} for one in many.items}
    page = body(drawn(collected=many, reread=replace(read_again(many), beliefs=wrong)))
    assert len([e for e in having(page, "card") if having(e, "round")]) == 60
    assert "3 more such texts not listed here." in text(page)


def test_before_the_first_verdict_there_are_no_errors() -> None:
    nobody = Collected((item(0, "A", "audit", 0.9, ""),), LABELS, ())
    html = drawn(collected=nobody, reread=read_again(nobody))
    assert "Errors of the version in force" not in html


def test_the_newest_round_shows_the_belief_of_the_version_in_force_and_the_one_before() -> None:
    html = drawn(reread=read_again())
    side = having(one(body(html), "pairs"), "side")[1]
    assert text(one(side, "belief")) == (
        "Version in force round2-5f3a9c1eclickbait62 %news38 %round0-5f3a9c1e had believed news "
        "56 %"
    )
    assert "experts contradict the version in force on 3, shown first." in html


def test_the_sample_has_texts_that_nobody_may_see_yet() -> None:
    assert any(i.card.blind and not i.done for i in sample().items)

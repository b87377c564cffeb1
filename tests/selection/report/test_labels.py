from tests.selection.report.reading import body, having, one, text
from tests.selection.report.sample import drawn, measured, state


def told(html: str) -> list[str]:
    rows = having(one(body(html), "halves"), "bar-row")
    return [f"{text(e[0])}: {text(e[3])} ({text(e[2])})" for e in rows]


def test_bars_tell_what_each_round_bought_and_how_balanced_it_was() -> None:
    assert told(drawn()) == [
        "Round 0: testing, then teaching 64, measuring production 64 (128)",
        "Round 1: testing, then teaching 86, measuring production 64 (150)",
        "Round 2: testing, then teaching 22, measuring production 64 (86)",
        "Testing, then teaching: clickbait 55 %, news 45 % (172)",
        "Measuring production: clickbait 16 %, news 84 % (192)",
        "The pool: clickbait 11 %, news 89 % ()",
    ]


def test_weighted_and_unweighted_shares_stand_apart_and_say_which_they_are() -> None:
    halves = one(body(drawn()), "halves")
    assert [text(e) for e in halves.iter("h3")] == [
        "Verdicts of each round",
        "Labels of these verdicts (unweighted)",
        "Labels of the pool (estimated, weighted)",
    ]
    unweighted, weighted = having(halves[1], "bars")
    assert len(having(unweighted, "bar-row")) == 2
    assert [text(e) for e in having(weighted, "bar-name")] == ["The pool"]


def test_without_an_audit_nothing_is_said_of_the_pool() -> None:
    html = drawn(state(rounds=(measured(0, 64, prevalence={}),)))
    assert "weighted)" in html
    assert "Labels of the pool" not in html


def test_a_bar_is_as_long_as_its_labels_beside_the_longest_round() -> None:
    row = having(one(body(drawn()), "halves"), "bar-row")[2]
    assert [(e.get("class"), e.get("style")) for e in row[1]] == [
        ("piece role-train", "width:14.67%"),
        ("piece role-audit", "width:42.67%"),
    ]

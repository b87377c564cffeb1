from collections.abc import Iterator

from tests.selection.report.reading import body, having, text
from tests.selection.report.sample import drawn, measured, state, undefined


def rows(html: str) -> Iterator[list[str]]:
    table = having(body(html), "rounds")[0]
    for line in table.iter("tr"):
        yield [" ".join(text(part) for part in cell.iter() if not len(part)) for cell in line]


def test_the_table_holds_every_round_with_its_figures() -> None:
    assert list(rows(drawn()))[3] == [
        "1", "278", "round0-5f3a9c1e", "0.77 0.64 to 0.90, n 64",
        "0.34 0.14 to 0.54, n 22", "0.47 0.31 to 0.63, n 64",
        "not promoted trained on 106 texts, 4 min", "Go on",
    ]  # fmt: skip


def test_an_undefined_kappa_is_a_word_with_a_footnote_and_never_a_number() -> None:
    html = drawn()
    assert list(rows(html))[1][4] == "undefined 1"
    (table_notes,) = [e for e in having(body(html), "note") if e.tag == "ol"]
    assert [text(e) for e in table_notes] == ["no item was judged by an expert"]


def test_a_training_before_all_answers_says_so() -> None:
    early = measured(0, 64, complete=False, train_seconds=41.0)
    assert list(rows(drawn(state(rounds=(early,)))))[1][6] == (
        "promoted trained on 64 texts, 41 s, before all answers were there"
    )


def test_footnotes_are_numbered_in_the_order_in_which_the_table_is_read() -> None:
    none = undefined("nothing was judged")
    round = measured(0, 64, expert_kappa=undefined("few"), boundary_kappa=none,
                     production_kappa=none)  # fmt: skip
    html = drawn(state(rounds=(round,)))
    assert [text(e) for e in body(html).iter("sup")] == ["1", "2", "2"]
    (notes,) = [e for e in having(body(html), "note") if e.tag == "ol"]
    assert [text(e) for e in notes] == ["few", "nothing was judged"]

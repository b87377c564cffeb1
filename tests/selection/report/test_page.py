import resource
from dataclasses import replace
from pathlib import Path

import pytest

from selection.annotators import Annotator
from selection.card import Card
from selection.collect import Collected
from selection.errors import CruxError
from selection.item import Item
from selection.preannotation import Habit, Share
from selection.record import TrainingState, WeakExpert
from selection.report.page import save
from selection.report.reread import Reread
from selection.status import OpenRound
from selection.stop import Decision
from tests.selection.report.reading import Loose, body, having, one, text
from tests.selection.report.sample import (
    ANNA,
    LABELS,
    NEW,
    STUDIO,
    drawn,
    item,
    measured,
    sample,
    state,
    undefined,
)

EVIL = (
    "<script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;</style></title>"
    "{{ status }}{% endif %}"
)


def hostile() -> str:
    """A page on which everything that somebody else can name has that name."""
    belief = {EVIL: 0.9, "news": 0.1}
    card = Card(
        id=EVIL,
        round=2,
        order=0,
        role="train",
        pair=EVIL,
        inclusion=None,
        experts=1,
        version=EVIL,
        belief=belief,
        why=EVIL,
        seed=0,
        reserve=0.25,
    )
    audited = replace(card, id="audited", pair="audited", role="audit", inclusion=0.5)
    items = (
        Item.judged(1, EVIL, card, {EVIL: 1}),
        Item.judged(2, EVIL, card, {EVIL: 0}),
        Item.judged(3, EVIL, audited, {EVIL: 0}),
    )
    rounds = (
        measured(
            2,
            2,
            reason=EVIL,
            version=EVIL,
            promotion=EVIL,
            expert_kappa=undefined(EVIL),
            production_kappa=undefined(EVIL),
            prevalence={EVIL: 0.5, "news": 0.5},
            weakest_expert=WeakExpert(EVIL, 0.1, 0.9),
        ),
    )
    status = state(
        current=EVIL,
        rounds=rounds,
        decision=Decision(False, "go on", EVIL),
        training=TrainingState("failed", EVIL),
        forecast=EVIL,
        problems=(EVIL,),
        people=(Annotator(EVIL, 2, 0),),
        habits=(Habit(EVIL, Share(1, 2), Share(0, 0), 0, 0),),
    )
    collected = Collected(items, (EVIL, "news"), ())
    again = Reread(EVIL, {EVIL: belief, "audited": belief})
    url = f'{STUDIO}/"><script>'
    return drawn(status, collected, again, title=EVIL, generated=EVIL, studio_url=url)


def test_no_text_of_a_stranger_becomes_markup() -> None:
    seen = Loose(hostile())
    assert "script" not in seen.tags
    assert "img" not in seen.tags
    assert [key for key, _ in seen.attributes if key.startswith("on")] == []
    assert ("title", f"{EVIL} says {EVIL}") in seen.attributes


def test_every_text_of_a_stranger_is_shown_as_it_was_written() -> None:
    page = body(hostile())
    assert text(next(page.iter("h1"))) == EVIL
    errors, newest = having(page, "singles")[0], one(page, "pairs")
    assert [text(e) for e in errors.iter("blockquote")] == [EVIL]
    assert [text(e) for e in newest.iter("blockquote")] == [EVIL, EVIL]
    assert [text(e) for e in having(newest, "chip")] == [f"{EVIL}: ≠ news", f"{EVIL}: {EVIL}"]
    assert text(one(page, "people")[1][0][0]) == EVIL
    assert [text(e) for e in one(page, "problems")][0] == EVIL
    assert {text(e) for e in page.iter("code")} == {EVIL}
    assert [text(e) for e in one(page, "matrix")[0][0]] == [
        "Experts say", f"Model: {EVIL}", "Model: news",
    ]  # fmt: skip


def test_the_page_forbids_scripts_and_loads_nothing() -> None:
    html = drawn()
    assert "default-src 'none'; style-src 'unsafe-inline'" in html
    seen = Loose(html)
    assert "src" not in {key for key, _ in seen.attributes}
    assert "script" not in seen.tags
    assert "url(" not in html
    assert "@import" not in html
    assert html.count("://") == html.count(f'href="{STUDIO}/projects/7/data')


def test_links_lead_to_label_studio_alone() -> None:
    links = [value for key, value in Loose(drawn()).attributes if key == "href"]
    tasks = [*range(2100, 2112), 2120, 2121, *range(2130, 2134)]
    wanted = {f"{STUDIO}/projects/7/data"} | {f"{STUDIO}/projects/7/data?task={t}" for t in tasks}
    assert set(links) == wanted


def test_an_address_that_is_no_web_page_is_not_linked() -> None:
    html = drawn(studio_url="javascript:alert(1)//")
    assert [value for key, value in Loose(html).attributes if key == "href"] == []


def test_texts_that_cannot_be_written_as_html_do_not_stop_the_report(tmp_path: Path) -> None:
    odd = Collected((item(0, "half \ud83d null \x00 tab \t", "train", 0.6, "c"),), LABELS, ())
    html = drawn(collected=odd)
    save(html, tmp_path / "report.html")
    assert [text(e) for e in body(html).iter("blockquote")] == ["half \ufffd null \ufffd tab \t"]


def test_problems_ties_and_the_weakest_expert_are_listed() -> None:
    weak = WeakExpert(ANNA, 0.52, 0.81)
    status = state(rounds=(measured(0, 9, weakest_expert=weak),), problems=("Task 3 has no text.",))
    assert [text(e) for e in one(body(drawn(status)), "problems")] == [
        "Task 3 has no text.",
        "2 training texts left out of the newest training, because as many experts said one label "
        "as another.",
        "anna@example.org agrees with the other experts with kappa 0.52, they with each other "
        "with 0.81. A talk about the policy may help.",
    ]


def test_a_new_project_says_what_to_do_and_shows_no_empty_chart() -> None:
    page = body(drawn(NEW, Collected((), LABELS, ())))
    assert [text(e) for e in page.iter("h2")] == ["How it begins"]
    assert [text(e) for e in one(page, "says")] == [
        "Nothing is measured yet: the model is measured when the first round is judged.",
        "Next: Run crux round: it chooses the first texts and puts them into Label Studio.",
    ]
    assert text(one(page, "facts")[0]) == "Budget0 of 1,000 verdicts are bought, 1,000 are left."
    assert list(page.iter("svg")) == []


def test_a_first_round_under_way_shows_its_texts_before_anything_is_measured() -> None:
    first = tuple(Item.judged(i.task, i.text, i.card, {}) for i in sample().items)
    page = body(drawn(replace(NEW, open_round=OpenRound(0, 96, 96, False)),
                      Collected(first, LABELS, ())))  # fmt: skip
    assert [text(e) for e in page.iter("h2")] == [
        "How it begins", "What was bought", "The newest round",
    ]  # fmt: skip


def test_the_page_is_the_same_for_the_same_state() -> None:
    assert drawn() == drawn()


def test_a_report_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    save("one", path)
    save("two ≠", path)
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8") == "two ≠"


def test_a_full_disk_keeps_the_report_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    save("the old one", path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))  # no file may grow beyond 1,000 bytes
    try:
        with pytest.raises(CruxError, match="Cannot write the report to .*report.html: File too"):
            save("x" * 50_000, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8") == "the old one"


def test_a_path_below_a_file_is_an_error_that_a_person_can_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(CruxError, match="File exists. Free some space or give another path"):
        save("x", tmp_path / "file" / "report.html")

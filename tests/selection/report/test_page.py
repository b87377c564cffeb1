import resource
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from selection.card import Card
from selection.collect import Collected, Item
from selection.errors import CruxError
from selection.report.html import Safe, interval, tag
from selection.report.page import next_step, render, save
from selection.status import OpenRound, Status
from selection.stop import Decision
from selection.types import Estimate

LABELS = ("clickbait", "news")
ANNA, BEN = "anna@example.org", "ben@example.org"
STUDIO = "https://studio.example.org"
AT = "22 November 2026, 14:05"
GO_ON = (
    "Go on: the model's kappa less the experts' is -0.13 [-0.24, -0.02], 98 %, on 96 items, and "
    "the lower bound must rise above -0.05 before it counts as reached."
)

# left text, right text, P(clickbait) of each, what Anna and Ben said of each (c or n)
PAIRS = (
    ("The one thing dentists wish you knew about sugar", "What dentists want you to know about "
     "sugar substitutes", 0.62, 0.44, "cc", "nn"),
    ("12 kitchen gadgets under $20 that people swear by", "12 kitchen gadgets tested: which ones "
     "are worth the money", 0.81, 0.39, "c", "c"),
    ("Why this village has banned street lights", "Village bans street lights after council vote",
     0.57, 0.31, "n", "n"),
    ("She quit her job to bake bread. You won't believe what came next", "She quit her job to bake "
     "bread and now employs forty people", 0.93, 0.47, "cc", "cn"),
    ("Scientists can't explain this strange signal", "Scientists debate the origin of a radio "
     "signal", 0.66, 0.22, "c", "n"),
    ("The surprising reason trains are late on Mondays", "Rail operator explains why trains are "
     "late on Mondays", 0.71, 0.48, "c", "n"),
)  # fmt: skip
SINGLES = (
    ("This map shows how far a bicycle takes you in an hour", 0.52, "n"),
    ("Is your phone listening? We asked the engineers", 0.49, "c"),
    ("Ten years on: what became of the tallest wooden tower", 0.53, "n"),
    ("Everyone is talking about this lake, and for good reason", 0.55, ""),
)


def kappa(value: float, half: float, items: int) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "items": items}


def undefined(reason: str, items: int = 0) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "items": items, "reason": reason}


def record(round: int, bought: int, **changed: Any) -> dict[str, Any]:
    body = {
        "round": round,
        "complete": True,
        "labels": 64 + 42 * min(round, 1) + 11 * (round == 2),
        "labels_bought": bought,
        "version": f"round{round}-5f3a9c1e",
        "candidate": f"round{round}-5f3a9c1e",
        "promoted": True,
        "promotion": f"round{round}-5f3a9c1e is promoted: against the one before it has "
        "+0.19 [+0.06, +0.31] of kappa in production on 64 items, so not worse.",
        "ties": 2,
        "train_seconds": 214.0,
        "settled": True,
        "expert_kappa": kappa(0.79, 0.10, 96),
        "expert_agreement": 0.93,
        "prevalence": {"clickbait": 0.11, "news": 0.89},
        "boundary_kappa": kappa(0.51, 0.18, 28),
        "boundary_expert_kappa": kappa(0.68, 0.16, 28),
        "production_kappa": kappa(0.66, 0.12, 96),
        "start_kappa": kappa(0.31, 0.13, 96),
        "gap": kappa(-0.13, 0.11, 96),
        "gain": None,
        "decision": "go on",
        "stop": False,
        "reason": GO_ON,
    }
    return {**body, **changed}


ROUNDS = (
    record(
        0,
        128,
        expert_kappa=kappa(0.74, 0.19, 32),
        boundary_kappa=undefined("no item of the boundary set was judged"),
        boundary_expert_kappa=undefined("no item of the boundary set was judged"),
        production_kappa=kappa(0.38, 0.22, 32),
        start_kappa=kappa(0.29, 0.21, 32),
        reason="Go on: the model's kappa less the experts' is -0.36 [-0.61, -0.12], 98 %, on 32 "
        "items, so it is still more than 0.05 behind.",
    ),
    record(
        1,
        278,
        version="round0-5f3a9c1e",
        candidate="round1-77d0b2aa",
        promoted=False,
        promotion="round1-77d0b2aa is refused: it is worse than round0-5f3a9c1e by -0.11 [-0.20, "
        "-0.02] of kappa in production on 64 items.",
        expert_kappa=kappa(0.77, 0.13, 64),
        boundary_kappa=kappa(0.34, 0.2, 22),
        boundary_expert_kappa=kappa(0.66, 0.18, 22),
        production_kappa=kappa(0.47, 0.16, 64),
        start_kappa=kappa(0.33, 0.16, 64),
    ),
    record(2, 364),
)


def item(
    order: int,
    text: str,
    role: str,
    belief: float,
    said: str,
    *,
    round: int = 2,
    pair: str = "",
    other: int = 0,
) -> Item:
    """said: a letter for each answer, c, n or - for a skipped task."""
    label = LABELS[0] if belief >= 0.5 else LABELS[1]
    opposite = LABELS[1] if belief >= 0.5 else LABELS[0]
    why = f"close to the boundary, labelled '{label}'"
    if pair:
        why = f"labelled '{label}', while its neighbour h{other:05} is labelled '{opposite}'"
    card = Card(
        id=f"h{order:05}",
        round=round,
        order=order,
        role=role,
        pair=pair or f"h{order:05}",
        inclusion=0.05 if role == "audit" else None,
        stratum=label,
        experts=1 if role == "train" else 2,
        version="round1-77d0b2aa",
        belief={"clickbait": belief, "news": 1.0 - belief},
        why=why,
        seed=0,
        reserve=0.25,
    )
    verdicts = {
        expert: 0 if letter == "c" else 1
        for expert, letter in zip((ANNA, BEN), said, strict=False)
        if letter != "-"
    }
    return Item(1000 * round + order, text, card, verdicts, len(said))


def pair(at: int, left: str, right: str, p: float, q: float, one: str, two: str) -> list[Item]:
    role = "boundary" if len(one) != 1 else "train"
    name = f"h{at:05}|h{at + 1:05}"
    return [
        item(at, left, role, p, one, pair=name, other=at + 1),
        item(at + 1, right, role, q, two, pair=name, other=at),
    ]


def sample() -> Collected:
    """Three rounds; the newest has a blind pair that one expert has not answered yet."""
    items = []
    for round, texts in ((0, 64), (1, 42)):
        said = "cnncnncc" * 8
        items += [item(n, f"Old {n}", "train", 0.6, said[n], round=round) for n in range(texts)]
    for n in range(11):
        for at, said in ((0, "cc"), (1, "cn" if n % 4 else "nn")):
            old = item(200 + 2 * n + at, "Old", "boundary", 0.6 - 0.3 * at, said, pair=f"old{n}")
            items.append(replace(old, card=replace(old.card, round=1)))
    for n in range(96):
        said = "cc" if n % 7 == 0 else ("cn" if n % 31 == 1 else "nn")
        items.append(item(300 + n, f"Audited {n}", "audit", 0.1, said, round=n % 3))
    for at, one in enumerate(PAIRS):
        items += pair(100 + 2 * at, *one)
    items += pair(120, "They bought a lighthouse for one euro", "Lighthouse sold for one euro, "
                  "buyers face repairs", 0.777, 0.234, "cc", "n")  # fmt: skip
    items += [item(130 + at, *(t, "train", p, s)) for at, (t, p, s) in enumerate(SINGLES)]
    return Collected(tuple(items), LABELS, ())


def state(**changed: Any) -> Status:
    whole = Status(
        project=7,
        current="round2-5f3a9c1e",
        labels_bought=364,
        rounds=ROUNDS,
        open_round=OpenRound(2, 96, 0, True),
        decision=Decision(False, "go on", GO_ON),
        training={"state": "idle", "message": ""},
        forecast="About 58 more audited texts to know production kappa to within 0.1.",
        problems=(),
    )
    return replace(whole, **changed)


NEW = state(
    current="prompted-0d41",
    labels_bought=0,
    rounds=(),
    open_round=None,
    decision=Decision(False, "go on", "No round is finished yet, so go on."),
    forecast="",
)


def drawn(status: Status | None = None, collected: Collected | None = None, **given: str) -> str:
    names = {"title": "Clickbait or news", "studio_url": STUDIO, "generated": AT, **given}
    return render(status or state(), sample() if collected is None else collected, **names)


# reading the page back


def body(html: str) -> Element:
    """The page's body, read by a parser that forgives nothing."""
    start, end = html.index("<body>"), html.index("</body>") + len("</body>")
    return ElementTree.fromstring(html[start:end])  # noqa: S314  our own page


def text(element: Element) -> str:
    return "".join(element.itertext())


def having(root: Element, css: str) -> list[Element]:
    return [e for e in root.iter() if css in e.get("class", "").split()]


def one(root: Element, css: str) -> Element:
    (found,) = having(root, css)
    return found


def card_with(html: str, words: str) -> Element:
    (found,) = [e for e in body(html).iter("article") if words in text(e)]
    return found


class Loose(HTMLParser):
    """What a browser sees: every tag, every attribute, every text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


# what strangers write

EVIL = "<script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;</style></title>$body"


def hostile() -> str:
    """A page on which everything that somebody else can name has that name."""
    belief = {EVIL: 0.9, "news": 0.1}
    card = Card(EVIL, 2, 0, "train", EVIL, None, EVIL, 1, EVIL, belief, EVIL, 0, 0.25)
    items = (Item(1, EVIL, card, {EVIL: 1}, 1), Item(2, EVIL, card, {EVIL: 0}, 1))
    rounds = (
        record(
            2,
            2,
            version=EVIL,
            promotion=EVIL,
            reason=EVIL,
            expert_kappa=undefined(EVIL),
            production_kappa=undefined(EVIL),
            prevalence={EVIL: 0.5, "news": 0.5},
            weakest_expert={"expert": EVIL, "kappa": 0.1, "others": 0.9},
        ),
    )
    training = {"state": "failed", "message": EVIL}
    decision = Decision(False, "go on", EVIL)
    status = state(current=EVIL, rounds=rounds, decision=decision, training=training,
                   forecast=EVIL, problems=(EVIL,))  # fmt: skip
    return drawn(status, Collected(items, (EVIL, "news"), ()), title=EVIL, generated=EVIL,
                 studio_url=f'{STUDIO}/"><script>')  # fmt: skip


def test_no_text_of_a_stranger_becomes_markup() -> None:
    seen = Loose(hostile())
    assert "script" not in seen.tags
    assert "img" not in seen.tags
    assert [key for key, _ in seen.attributes if key.startswith("on")] == []
    assert ("title", f"{EVIL} says {EVIL}") in seen.attributes


def test_even_markup_is_plain_text_inside_an_attribute() -> None:
    assert tag("b", Safe("<i>x</i>"), title=Safe('"><i>')) == (
        '<b title="&quot;&gt;&lt;i&gt;"><i>x</i></b>'
    )


def test_every_text_of_a_stranger_is_shown_as_it_was_written() -> None:
    page = body(hostile())
    assert text(next(page.iter("h1"))) == EVIL
    assert [text(e) for e in page.iter("blockquote")] == [EVIL, EVIL]
    assert [text(e) for e in having(page, "chip")] == [f"{EVIL}: ≠ news", f"{EVIL}: {EVIL}"]
    assert [text(e) for e in one(page, "problems")][0] == EVIL
    assert {text(e) for e in page.iter("code")} == {EVIL}


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


# the headline


def test_the_headline_says_what_was_decided_and_what_comes_next() -> None:
    page = body(drawn())
    assert text(one(page, "verdict")) == "Go onThe model's kappa less the experts' is -0.13 " + (
        "[-0.24, -0.02], 98 %, on 96 items, and the lower bound must rise above -0.05 before it "
        "counts as reached."
    )
    assert [(text(e[0]), text(e[1])) for e in one(page, "facts")] == [
        ("Model version", "round2-5f3a9c1e"),
        ("Labels bought", "364"),
        ("Next", "Run crux round: it chooses the next texts and puts them into Label Studio."),
        ("Forecast", "About 58 more audited texts to know production kappa to within 0.1."),
    ]


def test_three_big_numbers_compare_model_start_and_experts() -> None:
    figures = [[text(part) for part in e if text(part)] for e in one(body(drawn()), "big")]
    assert figures == [
        ["Model in production, now", "0.66", "0.54 to 0.78, 96 texts"],
        ["Starting model", "0.31", "0.18 to 0.44, 96 texts"],
        ["Experts with each other", "0.79", "0.69 to 0.89, 96 texts"],
    ]


def test_a_big_number_that_is_undefined_gives_the_reason_and_no_figure() -> None:
    rounds = (record(0, 64, production_kappa=undefined("nothing was audited")),)
    figure = one(body(drawn(state(rounds=rounds))), "big")[0]
    assert [text(part) for part in figure] == [
        "Model in production, now", "undefined", "nothing was audited",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "badge", "sentence"),
    [
        ("parity", "Stop: parity", "Use the model: experts cannot teach it more about this policy "
         "than they agree on."),
        ("plateau", "Stop: plateau", "Use the model as it is, or change the policy, the base model "
         "or the pool: more labels of this kind do not help."),
        ("budget", "Stop: budget", "Use the model as it is, or raise the settings budget or "
         "max_rounds and run crux round."),
        ("policy", "Stop: policy", "Talk with the experts about the texts on which they disagree, "
         "make the labeling instruction clearer, and have those texts judged again."),
    ],
)  # fmt: skip
def test_each_rule_that_stops_has_its_badge_and_its_advice(
    rule: Any, badge: str, sentence: str
) -> None:
    status = state(decision=Decision(True, rule, "Because."))
    assert text(one(body(drawn(status)), "verdict")) == f"{badge}Because."
    assert next_step(status) == sentence


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"open_round": None}, "Run crux round: it chooses the first texts and puts them into "
         "Label Studio."),
        ({"open_round": OpenRound(3, 96, 5, False)}, "5 of 96 answers of round 3 are missing: "
         "experts give them in Label Studio, tab 'Crux round 3'."),
        ({"open_round": OpenRound(3, 96, 0, False), "training": {
            "state": "training", "message": "step", "done": 3, "total": 9}},
         "The worker is training (step, 3 of 9)."),
        ({"training": {"state": "failed", "message": "disk full"}},
         "Training failed: disk full. Mend that first."),
    ],
)  # fmt: skip
def test_the_next_step_follows_the_state_of_the_round(
    changed: dict[str, Any], sentence: str
) -> None:
    assert next_step(state(**changed)) == sentence


def test_an_interval_names_a_confidence_that_is_not_95_per_cent() -> None:
    assert interval(Estimate(0.72, 0.64, 0.8, 90)) == "0.64 to 0.80"
    assert interval(Estimate(0.72, 0.64, 0.8, 90, confidence=0.98)) == "0.64 to 0.80, 98 %"
    assert interval(Estimate(1.0, None, None, 2, "few")) == "no interval"


# the curves


def marks(html: str, series: str, shape: str) -> list[tuple[float, float]]:
    """Centres of the marks of a series in the wide chart, without the one beside its name."""
    key = {"circle": ("cx", "cy"), "rect": ("x", "y")}[shape]
    (chart,) = having(body(html), "wide")
    found = [e for g in having(chart, series) for e in g.iter(shape)]
    return [(float(e.get(key[0], "")), float(e.get(key[1], ""))) for e in found][:-1]


def test_marks_stand_where_labels_and_kappa_put_them() -> None:
    # 38 to 754 pixels are 0 to 364 labels, 334 to 14 pixels are kappa 0 to 1; production is moved
    # 6 pixels to the left so that its interval does not cover the others
    wanted = [(38 + 716 * n / 364 - 6, 334 - 320 * k) for n, k in ((128, 0.38), (278, 0.47),
              (364, 0.66))]  # fmt: skip
    got = marks(drawn(), "s-production_kappa", "circle")
    assert got == [pytest.approx(at, abs=0.01) for at in wanted]


def test_a_negative_kappa_makes_room_below_zero() -> None:
    rounds = (record(0, 100, production_kappa=kappa(-0.2, 0.1, 40)),)
    # the axis now ends at -0.3
    ((x, y),) = marks(drawn(state(rounds=rounds)), "s-production_kappa", "circle")
    assert (x, y) == pytest.approx((748.0, 14 + 320 * 1.2 / 1.3), abs=0.01)


def test_an_undefined_round_is_left_out_of_the_curve_and_said() -> None:
    html = drawn()
    assert len(marks(html, "s-boundary_kappa", "rect")) == 2
    assert text(having(body(html), "note")[0]) == (
        "Not drawn, because undefined:Boundary, round 0: no item of the boundary set was judged"
    )


def test_no_line_is_drawn_across_an_undefined_round() -> None:
    gone = record(1, 278, production_kappa=undefined("lost"))
    (chart,) = having(body(drawn(state(rounds=(ROUNDS[0], gone, ROUNDS[2])))), "wide")
    series = having(chart, "s-production_kappa")[0]
    assert [e.tag for e in having(series, "line")] == []
    assert len(marks(drawn(), "s-production_kappa", "circle")) == 3


def test_who_hears_the_page_hears_the_curve() -> None:
    charts = [e for e in body(drawn()).iter("svg") if e.get("role") == "img"]
    assert {e.get("aria-label") for e in charts} == {
        "Kappa by labels bought (128, 278, 364). Production: 0.38, 0.47, 0.66. Boundary: "
        "undefined, 0.34, 0.51. Experts: 0.74, 0.77, 0.79. Starting model: 0.29, 0.33, 0.31."
    }


def test_names_of_lines_that_end_together_do_not_cover_each_other() -> None:
    same = {key: kappa(0.5, 0.1, 40) for key in
            ("production_kappa", "boundary_kappa", "expert_kappa", "start_kappa")}  # fmt: skip
    (chart,) = having(body(drawn(state(rounds=(record(0, 64, **same),)))), "wide")
    heights = sorted(float(e.get("y", "")) for e in having(chart, "name"))
    assert [b - a for a, b in zip(heights[:-1], heights[1:], strict=True)] == [19.0] * 3


# what was bought


def told(html: str) -> list[str]:
    rows = having(one(body(html), "halves"), "bar-row")
    return [f"{text(e[0])}: {text(e[3])} ({text(e[2])})" for e in rows]


def test_bars_tell_what_each_round_bought_and_how_balanced_it_was() -> None:
    assert told(drawn()) == [
        "Round 0: training 64, boundary test 0, audit 64 (128)",
        "Round 1: training 42, boundary test 44, audit 64 (150)",
        "Round 2: training 11, boundary test 11, audit 64 (86)",
        "Training: clickbait 50 %, news 50 % (117 labels)",
        "Boundary test: clickbait 67 %, news 33 % (55 labels)",
        "Audit: clickbait 16 %, news 84 % (192 labels)",
        "The pool: clickbait 11 %, news 89 % (estimated)",
    ]


def test_a_bar_is_as_long_as_its_labels_beside_the_longest_round() -> None:
    row = having(one(body(drawn()), "halves"), "bar-row")[2]
    assert [(e.get("class"), e.get("style")) for e in row[1]] == [
        ("piece role-train", "width:7.33%"),
        ("piece role-boundary", "width:7.33%"),
        ("piece role-audit", "width:42.67%"),
    ]


# the table


def rows(html: str) -> Iterator[list[str]]:
    (table,) = body(html).iter("table")
    for line in table.iter("tr"):
        yield [" ".join(text(part) for part in cell.iter() if not len(part)) for cell in line]


def test_the_table_holds_every_round_with_its_figures() -> None:
    assert list(rows(drawn()))[3] == [
        "1", "278", "round0-5f3a9c1e", "0.77 0.64 to 0.90, n 64",
        "0.34 0.14 to 0.54, n 22 experts there 0.66", "0.47 0.31 to 0.63, n 64",
        "refused trained on 106 texts, 4 min", "Go on",
    ]  # fmt: skip


def test_an_undefined_kappa_is_a_word_with_a_footnote_and_never_a_number() -> None:
    html = drawn()
    assert list(rows(html))[1][4] == "undefined 1"
    (table_notes,) = [e for e in having(body(html), "note") if e.tag == "ol"]
    assert [text(e) for e in table_notes] == ["no item of the boundary set was judged"]


def test_a_training_before_all_answers_says_so() -> None:
    early = record(0, 64, complete=False, train_seconds=41.0)
    assert list(rows(drawn(state(rounds=(early,)))))[1][6] == (
        "promoted trained on 64 texts, 41 s, before all answers were there"
    )


# the texts

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
    done = [replace(i, answered=2, verdicts={ANNA: 1, BEN: 1}) if i.card.id == "h00121" else i
            for i in whole.items]  # fmt: skip
    card = card_with(drawn(collected=replace(whole, items=tuple(done))), LIGHTHOUSE)
    assert text(having(card, "belief")[0]) == "Model round1-77d0b2aaclickbait78 %news22 %"
    assert [text(e) for e in having(card, "chip")] == [
        "anna: clickbait", "ben: clickbait", "anna: news", "ben: news",
    ]  # fmt: skip


def test_a_blind_single_text_hides_its_belief_too() -> None:
    lone = Collected((item(5, "Alone", "boundary", 0.777, "c"),), LABELS, ())
    html = drawn(collected=lone)
    assert "77.7%" not in html
    assert text(one(card_with(html, "Alone"), "waits")) == (
        "blind until answered (1 of 2 answers there)"
    )


def test_the_two_of_a_pair_stand_beside_each_other_with_belief_answer_and_reason() -> None:
    card = card_with(drawn(), "12 kitchen gadgets under")
    assert [text(part) for part in one(card, "two")[1]] == [
        "12 kitchen gadgets tested: which ones are worth the money",
        "Model round1-77d0b2aaclickbait39 %news61 %",
        "anna: ≠ clickbait",
        "Why: labelled 'news', while its neighbour h00102 is labelled 'clickbait' (task 2103)",
    ]
    assert [text(e) for e in card[0]] == ["training", "open", "≠ experts contradict the model"]
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
        "here). Of 15 answered texts, experts contradict the model on 6, shown first."
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
    many = replace(plain, card=replace(plain.card, belief=belief), verdicts={ANNA: 5})
    card = card_with(drawn(collected=Collected((many,), labels, ())), "Many")
    names = [text(e) for e in having(one(card, "belief"), "bar-name")]
    assert names == ["a", "b", "d", "f"]
    assert text(one(card, "pick")) == "f44 %"


def test_experts_of_one_name_at_two_addresses_keep_their_addresses() -> None:
    plain = item(0, "Twins", "train", 0.6, "c")
    twins = replace(plain, verdicts={"li@a.org": 0, "li@b.org": 0, "zoe@a.org": 0})
    card = card_with(drawn(collected=Collected((twins,), LABELS, ())), "Twins")
    assert [text(e).split(":")[0] for e in having(card, "chip")] == ["li@a.org", "li@b.org", "zoe"]


# the rest


def test_problems_ties_and_the_weakest_expert_are_listed() -> None:
    weak = {"expert": ANNA, "kappa": 0.52, "others": 0.81}
    status = state(rounds=(record(0, 9, weakest_expert=weak),), problems=("Task 3 has no text.",))
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
    assert text(one(page, "verdict")) == "Go onNo round is finished yet, so go on."
    assert text(one(page, "facts")[2]) == (
        "NextRun crux round: it chooses the first texts and puts them into Label Studio."
    )
    assert list(page.iter("svg")) == []


def test_a_first_round_under_way_shows_its_texts_before_anything_is_measured() -> None:
    first = tuple(replace(i, verdicts={}, answered=0) for i in sample().items)
    page = body(drawn(replace(NEW, open_round=OpenRound(0, 96, 96, False)),
                      Collected(first, LABELS, ())))  # fmt: skip
    assert [text(e) for e in page.iter("h2")] == [
        "How it begins", "What was bought", "The newest round",
    ]  # fmt: skip


def test_the_page_is_the_same_for_the_same_state() -> None:
    assert drawn() == drawn()


# the file


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

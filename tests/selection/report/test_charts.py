import pytest

from selection.types import Estimate
from tests.selection.report.reading import body, having, text
from tests.selection.report.sample import ROUNDS, drawn, kappa, measured, state, undefined


def marks(html: str, series: str, shape: str) -> list[tuple[float, float]]:
    """Centres of the marks of a series in the wide chart, without the one beside its name."""
    key = {"circle": ("cx", "cy"), "rect": ("x", "y")}[shape]
    (chart,) = having(body(html), "wide")
    found = [e for g in having(chart, series) for e in g.iter(shape)]
    return [(float(e.get(key[0], "")), float(e.get(key[1], ""))) for e in found][:-1]


def test_marks_stand_where_labels_and_kappa_put_them() -> None:
    # 38 to 754 pixels are 0 to 364 labels, 334 to 14 pixels are kappa 0 to 1; production is moved
    # 6 pixels to the left so that its interval does not cover the others. The version of the first
    # two rounds was measured again with the third.
    wanted = [(38 + 716 * n / 364 - 6, 334 - 320 * k) for n, k in ((128, 0.44), (278, 0.44),
              (364, 0.66))]  # fmt: skip
    got = marks(drawn(), "s-production_kappa", "circle")
    assert got == [pytest.approx(at, abs=0.01) for at in wanted]


def test_a_negative_kappa_makes_room_below_zero() -> None:
    rounds = (measured(0, 100, production_kappa=kappa(-0.2, 0.1, 40)),)
    # the axis now ends at -0.3
    ((x, y),) = marks(drawn(state(rounds=rounds)), "s-production_kappa", "circle")
    assert (x, y) == pytest.approx((748.0, 14 + 320 * 1.2 / 1.3), abs=0.01)


def test_an_undefined_round_is_left_out_of_the_curve_and_said() -> None:
    html = drawn()
    assert len(marks(html, "s-boundary_kappa", "rect")) == 2
    assert text(next(body(html).iter("figure"))[-1]) == (
        "Not drawn, because undefined:Boundary, round 0: no item was judged by an expert"
    )


def test_a_version_that_was_not_measured_again_stands_where_its_own_round_put_it() -> None:
    rounds = (*ROUNDS[:2], measured(2, 364))
    heights = [y for _, y in marks(drawn(state(rounds=rounds)), "s-production_kappa", "circle")]
    assert heights == pytest.approx([334 - 320 * k for k in (0.38, 0.47, 0.66)], abs=0.01)


def test_no_line_is_drawn_across_an_undefined_round() -> None:
    gone = measured(1, 278, production_kappa=undefined("lost"))
    rounds = (ROUNDS[0], gone, measured(2, 364))
    (chart,) = having(body(drawn(state(rounds=rounds))), "wide")
    series = having(chart, "s-production_kappa")[0]
    assert [e.tag for e in having(series, "line")] == []
    assert len(marks(drawn(), "s-production_kappa", "circle")) == 3


def test_who_hears_the_page_hears_the_curve() -> None:
    charts = [e for e in body(drawn()).iter("svg") if e.get("role") == "img"]
    assert {e.get("aria-label") for e in charts} == {
        "Kappa by verdicts bought (128, 278, 364). Production: 0.44, 0.44, 0.66. Boundary: "
        "undefined, 0.34, 0.51. Experts: 0.74, 0.77, 0.79. Starting model: 0.31."
    }


def test_names_of_lines_that_end_together_do_not_cover_each_other() -> None:
    same = {key: kappa(0.5, 0.1, 40) for key in
            ("production_kappa", "boundary_kappa", "expert_kappa", "start_kappa")}  # fmt: skip
    (chart,) = having(body(drawn(state(rounds=(measured(0, 64, **same),)))), "wide")
    heights = sorted(float(e.get("y", "")) for e in having(chart, "name"))
    assert [b - a for a, b in zip(heights[:-1], heights[1:], strict=True)] == [19.0] * 3


def test_names_of_lines_that_end_at_the_bottom_stay_above_the_axis() -> None:
    keys = ("production_kappa", "boundary_kappa", "expert_kappa", "start_kappa")
    low = {key: Estimate(0.01, 0.0, 0.02, 40) for key in keys}
    (chart,) = having(body(drawn(state(rounds=(measured(0, 64, **low),)))), "wide")
    heights = sorted(float(e.get("y", "")) for e in having(chart, "name"))
    assert heights == [334 + 4.5 - 19 * n for n in (3, 2, 1, 0)]


def test_a_line_joins_neighbouring_rounds_and_the_starting_model_goes_from_end_to_end() -> None:
    gone = measured(1, 278, expert_kappa=undefined("lost"))
    rounds = (*ROUNDS[:1], gone, *ROUNDS[2:], measured(3, 400))
    (chart,) = having(body(drawn(state(rounds=rounds))), "wide")

    def corners(series: str) -> list[int]:
        (group,) = having(chart, series)
        return [len(line.get("points", "").split()) for line in group.iter("polyline")]

    assert corners("s-production_kappa") == [4]
    assert corners("s-expert_kappa") == [2]
    assert corners("s-start_kappa") == [6]


def test_the_newest_round_is_named_and_an_older_one_where_there_is_room() -> None:
    rounds = (measured(0, 128), measured(1, 5000), measured(2, 5010))
    (chart,) = having(body(drawn(state(rounds=rounds))), "wide")
    assert [text(e) for e in having(chart, "mid")] == ["5,010", "round 2", "128", "round 0"]

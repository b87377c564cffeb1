from selection.wording import bare, counted, kappa, percent


def test_numbers_are_written_for_people() -> None:
    assert [counted(n, "item") for n in (0, 1, 1200)] == ["0 items", "1 item", "1,200 items"]
    assert [percent(v) for v in (0, 0.004, 0.07, 1)] == ["0 %", "<1 %", "7 %", "100 %"]


def test_a_kappa_has_two_decimals_and_nothing_has_no_sign() -> None:
    assert [kappa(v) for v in (0.725, -0.2, -0.001)] == ["0.72", "-0.20", "0.00"]


def test_a_reason_stands_inside_a_sentence() -> None:
    assert [bare(r) for r in ("no item.", " few ", "")] == ["no item", "few", "no reason given"]

from selection.region_history import RegionHistory, RegionRound
from tests.selection.report.reading import body, one, text
from tests.selection.report.sample import drawn, state

HEEL = RegionHistory(
    "heel, <b>lace</b>", 0.004, (RegionRound(1, 12, 12, 5), RegionRound(2, 14, 14, 9)), True, 4, 3
)
WINE = RegionHistory("wine", 0.03, (RegionRound(1, 8, 0, 0),), False, 0, 0)


def rows(html: str) -> list[list[str]]:
    table = one(body(html), "regions")
    return [[text(cell) for cell in row] for row in table.iter("tr")][1:]


def test_each_region_tells_its_size_and_how_model_and_experts_did_there() -> None:
    assert rows(drawn(state(regions=(HEEL, WINE)))) == [
        ["heel, <b>lace</b>", "<1 %", "26", "5 of 12, then 9 of 14", "3 of 4", "still there"],
        ["wine", "3 %", "8", "–", "–", "last found in round 1"],
    ]


def test_without_regions_nothing_is_said_of_them() -> None:
    assert "Where the model is confused" not in drawn()

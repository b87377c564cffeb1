import io
from typing import Any

import pytest
from rich.console import Console

from selection.command.models import listed, previous, table
from selection.errors import BackendError
from selection.record import ProjectState, Record, Version
from tests.selection.test_status import kappa, record


def version(name: str, **changes: Any) -> Version:
    if name.startswith("p"):
        return Version(name, "prompted", -1, "a/base-llm", "Is it good?", ("yes", "no"))
    trained: dict[str, Any] = {
        "offsets": (0.1, -0.1), "pool_prior": (0.125, 0.875), "examples": 64, "seconds": 81.4,
        "recipe": {"rank": 16, "epochs": 6, "clip": 1.0, "seed": 3},
    }  # fmt: skip
    return Version(
        name, "trained", 0, "a/base-llm", "Is it good?", ("yes", "no"), **{**trained, **changes}
    )


def state(
    *names: str, current: str = "p0", rounds: tuple[Record, ...] = (), **changes: Any
) -> ProjectState:
    """changes: of the last version."""
    versions = [version(name) for name in names[:-1]] + [version(names[-1], **changes)]
    return ProjectState(7, current, tuple(versions), rounds)


def printed(told: ProjectState, wide: bool = True) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table(told, wide))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_each_version_carries_the_kappas_of_the_last_round_that_measured_it() -> None:
    rounds = (
        record(0, version="a", production_kappa=kappa(0.2, 0.1, 0.3)),
        record(1, version="a", production_kappa=kappa(0.4, 0.3, 0.5, items=99)),
        record(2, version="b", boundary_kappa=kappa(None, None, None, items=5)),
    )
    told = listed(state("p0", "a", "b", "refused", current="b", rounds=rounds))
    assert (told["project"], told["current"]) == (7, "b")
    start, a, b, refused = told["versions"]
    assert [one["current"] for one in told["versions"]] == [False, False, True, False]
    assert (a["measured"]["round"], b["measured"]["round"]) == (1, 2)
    assert a["measured"]["production_kappa"] == kappa(0.4, 0.3, 0.5, items=99).as_json()
    assert b["measured"]["boundary_kappa"]["value"] is None
    assert b["measured"]["boundary_kappa"]["items"] == 5
    assert b["measured"]["expert_kappa"] == kappa(0.8, 0.7, 0.9).as_json()
    assert refused["measured"] is None
    assert start["measured"] == {
        "round": 2, "boundary_kappa": None, "production_kappa": kappa(0.1, -0.1, 0.3).as_json(),
        "expert_kappa": kappa(0.8, 0.7, 0.9).as_json(),
    }  # fmt: skip
    assert a["recipe"] == version("a").recipe


def test_before_any_round_nothing_is_measured() -> None:
    assert [one["measured"] for one in listed(state("p0"))["versions"]] == [None]


def test_the_table_says_what_a_version_was_made_from_and_how_good_it_is() -> None:
    told = state(
        "p0", "a", current="a", rounds=(record(0, version="a"),), ties=2,
        made="2026-11-22T09:41:07+00:00", taught={"yes": 20, "no": 44},
    )  # fmt: skip
    text = " ".join(printed(told).split())
    for words in (
        "Versions of project 7", "as it is, prompted", "a/base-llm",
        "round 0: 64 labels, 2 ties left out", "20 yes, 44 no", "2026-11-22 09:41 81 s",
        "0.30", "[0.10, 0.50]", "[0.20, 0.60]", "[0.70, 0.90]", "n=64", "yes 12%", "no 88%",
        "rank 16", "epochs 6", "seed 3",
    ):  # fmt: skip
        assert words in text
    assert "clip" not in text


def test_a_narrow_table_leaves_out_prior_and_recipe() -> None:
    text = printed(state("p0", "a"), wide=False)
    assert "rank 16" not in text
    assert "12%" not in text
    assert "round 0: 64 labels" in text


def test_the_current_version_alone_has_a_star() -> None:
    lines = printed(state("p0", "a", "b", current="a")).splitlines()
    assert [line.split("│")[2].strip() for line in lines if "*" in line] == ["a"]


@pytest.mark.parametrize(
    ("current", "before"), [("b", "a"), ("a", "p1"), ("p1", None), ("p0", None), ("x", None)]
)
def test_the_version_before_is_the_one_of_the_round_before(
    current: str, before: str | None
) -> None:
    rounds = (record(0, version="a"), record(1, version="a"), record(2, version="b"))
    told = state("p0", "p1", "a", "b", "x", current=current, rounds=rounds)
    if before is None:
        with pytest.raises(BackendError, match=f"no version before {current}"):
            previous(told)
    else:
        assert previous(told) == before

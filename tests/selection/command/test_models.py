import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from selection.command.models import Previous, listed, named, previous, remark, table
from selection.errors import BackendError
from selection.policy import policy_hash
from selection.record import ProjectState, Record, Version
from tests.selection.test_status import kappa, record


def version(name: str, **changes: Any) -> Version:
    made: dict[str, Any] = {
        "model": "a/base-llm", "policy": "Is it good?", "labels": ("yes", "no")
    }  # fmt: skip
    now = {**made, **changes}
    made["policy_hash"] = policy_hash(now["policy"], now["labels"])
    if name.startswith("p"):
        return Version(name, "prompted", -1, **{**made, **changes})
    made |= {
        "offsets": (0.1, -0.1), "pool_prior": (0.125, 0.875), "examples": 64, "seconds": 81.4,
        "recipe": {"rank": 16, "epochs": 6, "clip": 1.0, "seed": 3},
    }  # fmt: skip
    return Version(name, "trained", 0, **{**made, **changes})


def state(
    *names: str, current: str = "p0", rounds: tuple[Record, ...] = (), **changes: Any
) -> ProjectState:
    """changes: of the last version."""
    versions = [version(name) for name in names[:-1]] + [version(names[-1], **changes)]
    return ProjectState(7, current, tuple(versions), rounds)


def printed(told: ProjectState, wide: bool = True, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(told, wide))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_each_version_carries_the_kappas_of_the_last_round_that_measured_it() -> None:
    rounds = (
        record(0, version="a", production_kappa=kappa(0.2, 0.1, 0.3)),
        record(1, version="a", production_kappa=kappa(0.4, 0.3, 0.5, items=99)),
        record(2, version="b", production_kappa=kappa(None, None, None, items=5)),
    )
    told = listed(state("p0", "a", "b", "refused", current="b", rounds=rounds))
    assert (told["project"], told["current"]) == (7, "b")
    start, a, b, refused = told["versions"]
    assert [one["current"] for one in told["versions"]] == [False, False, True, False]
    assert (a["measured"]["round"], b["measured"]["round"]) == (1, 2)
    assert a["measured"]["production_kappa"] == kappa(0.4, 0.3, 0.5, items=99).as_json()
    assert b["measured"]["production_kappa"]["value"] is None
    assert b["measured"]["production_kappa"]["items"] == 5
    assert b["measured"]["expert_kappa"] == kappa(0.8, 0.7, 0.9).as_json()
    assert refused["measured"] is None
    assert start["measured"] == {
        "round": 2, "production_kappa": kappa(0.1, -0.1, 0.3).as_json(),
        "expert_kappa": kappa(0.8, 0.7, 0.9).as_json(),
    }  # fmt: skip
    assert a["recipe"] == version("a").recipe


def prompted_kappas(told: ProjectState) -> dict[str, tuple[int, float | None] | None]:
    """Round and production kappa of each prompted version."""
    found: dict[str, tuple[int, float | None] | None] = {}
    for one in listed(told)["versions"]:  # type: ignore[attr-defined]
        if one["kind"] == "prompted":
            measured = one["measured"]
            found[one["version"]] = measured and (
                measured["round"], measured["production_kappa"]["value"]
            )  # fmt: skip
    return found


def test_only_the_prompted_version_that_was_measured_carries_the_starts_kappa() -> None:
    rounds = (
        record(0, version="a", start="p0", start_kappa=kappa(0.1, 0.0, 0.2)),
        record(1, version="a", start="p1", start_kappa=kappa(0.2, 0.1, 0.3)),
        record(2, version="b", start="p1", start_kappa=kappa(0.3, 0.2, 0.4)),
    )
    told = state("p0", "p1", "p2", "a", "b", current="b", rounds=rounds)
    assert prompted_kappas(told) == {"p0": (0, 0.1), "p1": (2, 0.3), "p2": None}


def test_a_prompted_version_in_force_has_the_kappas_of_the_last_round_that_measured_it() -> None:
    first = record(0, version="p0", start="p0", production_kappa=kappa(0.1, 0.0, 0.2))
    later = record(1, version="a", start="p0", start_kappa=kappa(0.3, 0.2, 0.4))
    assert prompted_kappas(state("p0", rounds=(first,))) == {"p0": (0, 0.1)}
    assert prompted_kappas(state("p0", "a", rounds=(first, later))) == {"p0": (1, 0.3)}


def test_of_several_prompted_versions_none_carries_the_kappa_of_a_record_that_names_none() -> None:
    rounds = (record(0, version="a"),)
    assert prompted_kappas(state("p0", "p1", "a", rounds=rounds)) == {"p0": None, "p1": None}
    assert prompted_kappas(state("p0", "a", rounds=rounds)) == {"p0": (0, 0.1)}


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
        "[0.20, 0.60]", "[0.70, 0.90]", "n=64", "yes 12%", "no 88%", "rank 16", "epochs 6",
        "seed 3",
    ):  # fmt: skip
        assert words in text
    # the boundary's kappa is of the version that chose the round's texts, and not of this one
    assert "[0.10, 0.50]" not in text
    assert "clip" not in text


def test_a_narrow_table_leaves_out_prior_and_recipe() -> None:
    text = printed(state("p0", "a"), wide=False)
    assert "rank 16" not in text
    assert "12%" not in text
    assert "round 0: 64 labels" in text


LONG = ("prompted-0123456789ab", "round10-16bc8b0c1d2e", "round11-9c41d2aa01f3")


@pytest.mark.parametrize(("wide", "width"), [(False, 80), (True, 120)])
def test_no_name_is_cut_on_a_terminal(wide: bool, width: int) -> None:
    figures = {name: kappa(-0.1, -0.33, -0.26) for name in ("expert_kappa", "production_kappa")}
    told = state(
        *LONG, current=LONG[1], policy="Is it bad?", model="an-organisation/of-a-long-name" * 2,
        rounds=(record(0, version=LONG[1], **figures), record(1, version=LONG[2], **figures)),
    )  # fmt: skip
    text = printed(told, wide, width)
    assert all(name in text.split() for name in LONG)
    assert "[-0.33, -0.26]" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_the_current_version_alone_has_a_star() -> None:
    lines = printed(state("p0", "a", "b", current="a")).splitlines()
    assert [line.split()[1] for line in lines if "*" in line] == ["a"]


def test_each_version_shows_its_policy_and_a_mark_where_it_is_not_the_current_ones() -> None:
    now, before = policy_hash("Is it good?", ("yes", "no")), policy_hash("Is it?", ("yes", "no"))
    assert now != before
    told = state("p0", "a", "b", current="a", policy="Is it?")
    versions: Any = listed(told)["versions"]
    assert [one["policy_hash"] for one in versions] == [now, now, before]
    lines = [line for line in printed(told).splitlines() if now in line or before in line]
    assert [f"≠ {before}" in line for line in lines] == [False, False, True]
    assert "≠ made under another policy (its words, or its labels) than a" in printed(told)
    narrow = printed(told, wide=False)
    assert f"≠ policy {before}" in narrow
    assert now not in narrow
    assert "≠" not in printed(state("p0", "a", current="a"))


def test_what_the_table_cannot_show_is_said() -> None:
    assert remark(state("p0")) == (
        "No version is trained yet: p0 answers, the base model as it is. The worker trains one "
        "when all verdicts of a round are there (crux status)."
    )
    assert remark(ProjectState(7, "p0")).startswith("No version is trained yet: p0 answers")
    assert "No version is measured yet" in remark(state("p0", "a", current="a"))
    assert remark(state("p0", "a", current="a", rounds=(record(0, version="a"),))) == ""


# which version


@pytest.mark.parametrize(
    ("start", "name"),
    [("round1-a", "round1-a"), ("round1-ab", "round1-ab"), ("p", "p-c"), ("round10", "round10-d"),
     ("x", "x"), ("round10-d", "round10-d"), ("", "")],
)  # fmt: skip
def test_the_beginning_of_a_name_is_enough(start: str, name: str) -> None:
    assert named(("p-c", "round1-a", "round1-ab", "round10-d"), start) == name


def test_a_beginning_of_several_names_says_which() -> None:
    with pytest.raises(BackendError, match=r"^3 versions begin with 'r': ra, rb, rc\. Write one"):
        named(("p", "ra", "rb", "rc"), "r")


ROUNDS = (record(0, version="a"), record(1, version="a"), record(2, version="b"))


@pytest.mark.parametrize(("current", "before"), [("b", "a"), ("a", "p1")])
def test_the_version_before_is_the_one_of_the_round_before(current: str, before: str) -> None:
    told = state("p0", "p1", "a", "b", "x", current=current, rounds=ROUNDS)
    assert previous(told) == Previous(before)


def test_before_the_last_version_of_a_loop_is_the_one_that_it_is_quoted_by() -> None:
    rounds = (ROUNDS[0], replace(ROUNDS[2], final="final2"))
    told = state("p1", "a", "b", "final2", current="final2", rounds=rounds)
    assert previous(told) == Previous("b")


@pytest.mark.parametrize(
    ("current", "says"),
    [
        ("p1", "There is no version to go back to before p1. crux models list shows all."),
        ("p0", "No round put p0 into force, so no version comes before it. Name the one"),
        ("x", "No round put x into force, so no version comes before it. Name the one that you"),
    ],
)
def test_where_no_version_comes_before_that_is_said(current: str, says: str) -> None:
    with pytest.raises(BackendError) as caught:
        previous(state("p0", "p1", "a", "b", "x", current=current, rounds=ROUNDS))
    assert str(caught.value).startswith(says)


def test_before_the_first_training_there_is_nothing_to_go_back_to() -> None:
    with pytest.raises(BackendError, match="project 7 has no trained version yet, and p0 answers"):
        previous(state("p0"))


OTHER: dict[str, dict[str, Any]] = {
    "has other labels (good, no)": {"labels": ("good", "no")},
    "has another base model (b/larger)": {"model": "b/larger"},
}


@pytest.mark.parametrize(("why", "changes"), OTHER.items())
def test_a_version_that_could_not_answer_is_passed_over_and_named(
    why: str, changes: dict[str, Any]
) -> None:
    versions = version("p0", **changes), version("a", **changes), version("p1"), version("b")
    rounds = (record(0, version="a"), record(1, version="b"))
    assert previous(ProjectState(7, "b", versions, rounds)) == Previous(
        "p1", f"Not possible: a {why}."
    )
    renamed = ProjectState(7, "p1", versions[:3], rounds[:1])  # p1 stands in for a since then
    with pytest.raises(BackendError) as caught:
        previous(renamed)
    assert str(caught.value) == (
        f"There is no version to go back to before p1. Not possible: a {why}. crux models list "
        f"shows all."
    )


def test_a_version_that_is_gone_is_passed_over_and_named() -> None:
    told = state("p0", "b", current="b", rounds=(record(0, version="a"), record(1, version="b")))
    assert previous(told) == Previous("p0", "Not possible: a is gone or damaged.")

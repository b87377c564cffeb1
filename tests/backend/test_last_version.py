"""The version that ends a loop learns from the audit too, and is quoted by the one before it."""

from pathlib import Path

import pytest

from backend import fit as module
from backend.evaluate import Promotion
from selection.errors import RoundError
from tests.backend.test_fit import ROLES, Killed, Loop, run, trained


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path)


def test_it_learns_from_every_verdict_and_takes_over(loop: Loop) -> None:
    before = trained(loop)
    record = loop.fit.last(7)
    assert loop.trained == [before.labels, len(ROLES)]
    assert record.final.startswith("final0-")
    assert (loop.current, record.version) == (record.final, before.version)
    assert loop.records == [record]


def test_its_kappa_is_that_of_the_version_before_it(loop: Loop) -> None:
    before = trained(loop)
    record = loop.fit.last(7)
    assert record.production_kappa == before.production_kappa
    assert record.measures == (before.version, record.final)


def test_asking_for_it_twice_trains_it_once(loop: Loop) -> None:
    trained(loop)
    first = loop.fit.last(7)
    assert loop.worker().last(7) == first
    assert len(loop.trained) == 2


def test_a_worker_that_was_killed_goes_on(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(loop)

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as at, pytest.raises(Killed):
        at.setattr(loop.fit.registry, "promote", killed)
        loop.fit.last(7)
    assert loop.records[0].final == ""
    assert loop.worker().last(7).final == loop.current
    assert len(loop.trained) == 2  # the version was there already


def test_a_round_that_is_not_measured_has_no_last_version(loop: Loop) -> None:
    with pytest.raises(RoundError, match="Round -1 is not measured yet"):
        loop.fit.last(7)
    trained(loop)
    loop.push(1)
    with pytest.raises(RoundError, match="Round 1 is not measured yet"):
        loop.fit.last(7)


def test_one_label_alone_makes_no_last_version(loop: Loop) -> None:
    loop.answer(loop.push(0), only="yes")
    run(loop)
    with pytest.raises(RoundError, match=r"all 12 are 'yes'.* Nothing can be learned from them"):
        loop.fit.last(7)


def test_who_goes_on_compares_with_the_version_that_the_audit_has_not_taught(loop: Loop) -> None:
    before = trained(loop)
    final = loop.fit.last(7).final
    after = trained(loop, 1)
    assert final not in after.promotion
    assert before.version in after.promotion
    assert loop.current == after.version


@pytest.mark.parametrize("promoted", [True, False])
def test_a_round_that_is_measured_again_quotes_the_last_version_only_while_it_is_in_force(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, promoted: bool
) -> None:
    trained(loop)
    final = loop.fit.last(7).final
    monkeypatch.setattr(module, "compare", lambda *_, **__: Promotion(promoted, "as it is"))
    again = loop.fit.run(7, forced=True)
    assert again is not None
    assert (again.final == final) is not promoted
    assert (loop.current in again.measures) is True

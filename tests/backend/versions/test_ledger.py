import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.config import BackendSettings
from backend.versions import ledger
from backend.versions.ledger import Entry
from backend.versions.registry import Registry, make_registry
from selection.card import Card
from selection.collect import Collected, collect
from selection.errors import VersionError
from selection.push import task_body
from selection.record import Paid
from tests.backend.queue.redis_server import RedisServer, redis_server
from tests.fakes import SCHEMA, FakeStudio

CARD = Card("a", 3, 0, "audit", "a", 0.5, 2, "v", {"yes": 1.0, "no": 0.0}, "", 0, 0.25, twin=0)
AT = "2026-11-22T12:00:00Z"


class Project:
    """A project of one text, whose answers the ledger sees under the policy of the moment."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.studio = FakeStudio()
        self.policy = "first"
        project = self.studio.project(7)
        self.studio.import_tasks(7, [task_body(project, CARD, "x")])

    @property
    def collected(self) -> Collected:
        return collect(self.studio.tasks(7), SCHEMA)

    def note(self) -> Paid:
        there = {one.id for task in self.studio.tasks(7) for one in task.annotations}
        found = ledger.note(self.registry, 7, self.collected, there, self.policy)
        assert found == ledger.paid(self.registry, 7)
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(Registry(tmp_path))


def entry(expert: str = "2", policy: str = "first", gone: bool = False) -> Entry:
    return Entry("a", 3, "audit", expert, AT, policy, gone)


# noting


def test_a_verdict_is_noted_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.note() == Paid()
    number = project.studio.answer(1, "yes", 2)
    assert project.note() == Paid(1, 0, {"first": 1})
    assert ledger.entries(project.registry, 7) == {str(number): entry()}
    monkeypatch.setattr(project.registry, "keep", None)  # nothing is written again
    assert project.note() == Paid(1, 0, {"first": 1})


def test_nothing_is_written_for_a_project_without_verdicts(project: Project) -> None:
    project.studio.answer(1, None, 2)  # a skip is none
    assert project.note() == Paid()
    assert not project.registry.folder(7).exists()


def test_a_verdict_that_came_too_late_is_paid_for_as_well(project: Project) -> None:
    project.studio.answer(1, "yes", 2)
    project.studio.answer(1, "yes", 3, at="2026-11-22T12:05:00Z")
    assert [one.reason for one in project.collected.left_out] == ["late"]
    project.studio.answer(1, "yes", 4, lead_time=None)  # nobody gave this one
    assert project.note() == Paid(2, 0, {"first": 2})


def test_a_verdict_keeps_the_policy_under_which_it_was_first_seen(project: Project) -> None:
    first = project.studio.answer(1, "yes", 2)
    project.note()
    project.policy = "second"
    second = project.studio.answer(1, "yes", 3)
    project.studio.correct(first, "no", at="2026-11-23T12:00:00Z")
    assert project.note() == Paid(2, 0, {"first": 1, "second": 1})
    assert ledger.entries(project.registry, 7)[str(second)] == entry("3", "second")


# what is gone


def test_a_verdict_is_gone_with_its_task_and_stays_paid_and_comes_back_with_it(
    project: Project,
) -> None:
    number = project.studio.answer(1, "yes", 2)
    project.note()
    body = project.studio.bodies[1]
    project.studio.delete_tasks(7, [1])
    assert project.note() == Paid(1, 1, {})
    assert ledger.entries(project.registry, 7) == {str(number): entry(gone=True)}
    project.policy = "second"
    project.studio.bodies[1] = body
    assert project.note() == Paid(1, 0, {"first": 1})


def test_a_deleted_annotation_is_gone_and_the_next_one_is_paid_for_beside_it(
    project: Project,
) -> None:
    project.studio.delete_annotation(project.studio.answer(1, "yes", 2))
    number = project.studio.answer(1, "yes", 2)
    project.note()
    project.studio.delete_annotation(number)
    assert project.note() == Paid(1, 1, {})
    project.studio.answer(1, "no", 2)
    assert project.note() == Paid(2, 1, {"first": 1})


def test_projects_have_ledgers_of_their_own(project: Project) -> None:
    project.studio.answer(1, "yes", 2)
    project.note()
    assert ledger.paid(project.registry, 8) == Paid()


def test_a_verdict_that_somebody_else_changed_is_not_gone(project: Project) -> None:
    project.studio.answer(1, "yes", 2)
    project.note()
    project.studio.bodies[1]["annotations"][0]["updated_by"] = 1
    assert project.collected.labels_bought == 0
    assert project.note() == Paid(1, 0, {"first": 1})


def test_where_nothing_is_written_down_a_verdict_has_the_policy_of_its_card(
    project: Project,
) -> None:
    project.studio.bodies[1]["meta"]["crux"]["policy"] = "pushed"
    project.studio.answer(1, "yes", 2)
    assert project.note() == Paid(1, 0, {"pushed": 1})


def test_what_a_newer_crux_wrote_beside_it_is_ignored(project: Project) -> None:
    project.studio.answer(1, "yes", 2)
    project.note()
    file = project.registry.folder(7) / "verdicts.json"
    body = json.loads(file.read_text())
    file.write_text(json.dumps({number: {**one, "mood": 5} for number, one in body.items()}))
    assert project.note() == Paid(1, 0, {"first": 1})


# the file


@pytest.mark.parametrize(
    "body", ["{", "[5]", '{"1": 5}', '{"1": {"text": "a"}}', '{"1": {"verdict": "yes"}}']
)
def test_a_damaged_ledger_is_named_and_says_what_to_do(project: Project, body: str) -> None:
    project.studio.answer(1, "yes", 2)
    project.note()
    file = project.registry.folder(7) / "verdicts.json"
    file.write_text(body)
    says = r"ledger .*verdicts\.json is damaged \(.*\)\. Delete it: it is made anew of the verdicts"
    for read in (project.note, lambda: ledger.paid(project.registry, 7)):
        with pytest.raises(VersionError, match=says):
            read()
    file.unlink()
    assert project.note() == Paid(1, 0, {"first": 1})


def test_the_file_is_plain_json_by_the_number_of_the_annotation(project: Project) -> None:
    number = project.studio.answer(1, "yes", 2)
    project.note()
    file = project.registry.folder(7) / "verdicts.json"
    assert json.loads(file.read_text()) == {
        str(number): {
            "text": "a", "round": 3, "role": "audit", "expert": "2", "given": AT,
            "policy": "first", "gone": False,
        }
    }  # fmt: skip


# several machines


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    monkeypatch.setattr("backend.versions.replication.EVERY", 0.0)
    yield from redis_server(tmp_path)


def test_every_machine_knows_what_was_paid(server: RedisServer, tmp_path: Path) -> None:
    def machine(name: str) -> Registry:
        return make_registry(BackendSettings(home=tmp_path / name, queue_url=server.url))  # type: ignore[arg-type]

    a, b = machine("a"), machine("b")
    project = Project(a)
    project.studio.answer(1, "yes", 2)
    assert project.note() == ledger.paid(b, 7) == Paid(1, 0, {"first": 1})
    # a worker that takes over on the other machine goes on with the same ledger
    project.registry, project.policy = b, "second"
    project.studio.answer(1, "yes", 3)
    assert project.note() == ledger.paid(a, 7) == Paid(2, 0, {"first": 1, "second": 1})
    assert (tmp_path / "a/projects/7/verdicts.json").is_file()
    assert ledger.entries(machine("c"), 7) == ledger.entries(a, 7)

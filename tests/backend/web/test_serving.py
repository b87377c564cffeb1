import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from backend.config import BackendSettings
from backend.versions import registry
from backend.versions.manifest import Manifest
from backend.web import projects
from backend.web.projects import ProjectInfo
from backend.web.serving import Serving
from selection.errors import ProjectError, StudioDown, StudioLacks, VersionError
from selection.studio.project import Project
from selection.studio.schema import Schema
from tests.backend.eventually import until
from tests.fakes import SCHEMA, FakeScorer, FakeStudio, fake_train

MAYBE = Schema(("yes", "no", "maybe"), "verdict", "text", "text")


class Served:
    """A serving process, with the Label Studio and the model behind it."""

    def __init__(self, home: Path) -> None:
        self.studio = FakeStudio()
        self.scorer = FakeScorer()
        self.loaded = 0
        settings = BackendSettings(home=home, llm="tiny")
        self.serving = Serving(settings, self.studio, self.load)  # type: ignore[arg-type]

    def load(self) -> FakeScorer:
        self.loaded += 1
        return self.scorer

    def train(self, version: str, labels: tuple[str, ...] = ("yes", "no"), **more: str) -> str:
        """A version that knows 'green' as the first label and 'red' as the second; promoted."""
        manifest = Manifest(
            version, "trained", 0, more.get("model", "tiny"), "policy", labels
        )

        def fill(out: Path) -> Manifest:
            texts, targets = ["green", "red"], np.array([0, 1])
            fake_train("", "", labels, texts, targets, None, None, out)
            return manifest

        self.serving.registry.build(7, version, fill)
        self.serving.registry.promote(7, version)
        return version

    def says(self, text: str = "green") -> tuple[str, str]:
        manifest, matrix = self.serving.score(7, [text])
        return manifest.version, manifest.labels[int(matrix[0].argmax())]


@pytest.fixture
def it(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_the_model_is_loaded_at_the_first_text_and_once(it: Served) -> None:
    assert it.serving.manifest(7).version.startswith("prompted-")
    assert it.loaded == 0
    it.says()
    it.says()
    assert it.loaded == 1


def test_the_prompted_model_serves_until_a_version_is_promoted(it: Served) -> None:
    assert it.says("green!")[0].startswith("prompted-")
    assert it.says("green!")[1] == "no"  # six letters
    it.train("round0-a")
    assert it.says("green") == ("round0-a", "yes")


def test_a_promotion_by_another_process_counts_at_once(it: Served, tmp_path: Path) -> None:
    it.says()
    other = Served(tmp_path)
    other.train("round0-a")
    other.train("round1-b")
    assert it.says()[0] == "round1-b"
    other.serving.registry.promote(7, "round0-a")
    assert it.says()[0] == "round0-a"


def test_every_probability_sums_to_one_and_keeps_the_order_of_the_texts(it: Served) -> None:
    it.train("round0-a")
    manifest, matrix = it.serving.score(7, ["red", "green", "red"])
    assert [manifest.labels[i] for i in matrix.argmax(axis=1)] == ["no", "yes", "no"]
    assert matrix.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("change", ["label config", "base model", "manifest", "adapter", "pointer"])
def test_the_prompted_model_stands_in_for_a_version_that_cannot_serve(
    it: Served, change: str
) -> None:
    version = it.train("round0-a", model="another" if change == "base model" else "tiny")
    folder = it.serving.registry.path(7, version)
    if change == "label config":
        it.studio.schema = MAYBE
    elif change == "manifest":
        (folder / "manifest.json").write_text("{")
    elif change == "adapter":
        (folder / "adapter_model.safetensors").write_text("{}")
    elif change == "pointer":
        (it.serving.registry.folder(7) / "current").write_text("")
    assert it.says()[0].startswith("prompted-")


def test_a_current_version_that_was_deleted_does_not_stop_the_service(it: Served) -> None:
    version = it.train("round0-a")
    shutil.rmtree(it.serving.registry.path(7, version))
    assert it.says()[0].startswith("prompted-")


def test_an_old_version_answers_when_it_is_named(it: Served) -> None:
    it.train("round0-a")
    it.train("round1-b", labels=("no", "yes"))
    manifest, matrix = it.serving.score(7, ["green"], "round1-b")
    assert manifest.labels[int(matrix[0].argmax())] == "no"
    with pytest.raises(VersionError, match="no version 'round2-c'"):
        it.serving.score(7, ["green"], "round2-c")
    it.train("round3-d", model="another")
    with pytest.raises(VersionError, match="base model 'another'; 'tiny' is loaded"):
        it.serving.score(7, ["green"], "round3-d")


def test_config_and_policy_are_asked_for_once_a_minute_and_the_known_ones_hold_meanwhile(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = it.serving.manifest(7).version
    it.studio.policy = "Is it bad?"
    assert it.serving.manifest(7).version == first
    assert it.studio.calls == ["project"]
    monkeypatch.setattr(projects, "FRESH", 0.0)
    with slow(it.studio, monkeypatch) as asked:
        assert it.serving.manifest(7).version == first  # at once: nobody waits for Label Studio
        assert asked.wait(120)
        assert it.serving.manifest(7).version == first
    until(lambda: it.serving.manifest(7).version != first)


@contextmanager
def slow(studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A Label Studio that has read the project and answers at the end of the block. Set: asked."""
    asked, answer = threading.Event(), threading.Event()
    project = studio.project

    def reads(number: int) -> Project:
        found = project(number)
        asked.set()
        assert answer.wait(120)
        return found

    monkeypatch.setattr(studio, "project", reads)
    try:
        yield asked
    finally:
        monkeypatch.setattr(studio, "project", project)
        answer.set()


def test_a_changed_project_is_asked_for_at_once_and_the_known_one_holds_meanwhile(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = it.serving.manifest(7).version
    it.studio.policy = "Is it bad?"
    with slow(it.studio, monkeypatch) as asked:
        it.serving.project_changed(7)
        assert asked.wait(120)  # before anybody asks for the project
        assert it.serving.manifest(7).version == first
    until(lambda: it.serving.manifest(7).version != first)
    assert it.studio.calls == ["project"] * 2


def test_a_change_while_label_studio_answers_is_asked_for_too(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.serving.manifest(7)
    with slow(it.studio, monkeypatch) as asked:
        it.serving.project_changed(7)
        assert asked.wait(120)
        it.studio.policy = "Is it bad?"
        for _ in range(20):
            it.serving.project_changed(7)
    until(lambda: it.serving.manifest(7).policy == "Is it bad?")
    assert it.studio.calls == ["project"] * 3


def test_a_change_while_the_first_request_asks_is_not_missed(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow(it.studio, monkeypatch) as asked:
        first = threading.Thread(target=it.serving.info, args=(7,))
        first.start()
        assert asked.wait(120)
        it.studio.policy = "Is it bad?"
        it.serving.project_changed(7)
    first.join()
    until(lambda: it.serving.info(7).policy == "Is it bad?")


def test_a_project_that_nobody_asked_about_is_not_asked_for_when_it_changes(it: Served) -> None:
    it.serving.project_changed(7)
    assert it.studio.calls == []


def test_a_schema_that_label_studio_sends_holds_at_once_and_the_policy_is_asked_for(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.serving.set_schema(7, SCHEMA)
    it.serving.set_schema(7, SCHEMA)
    assert it.studio.calls == ["project"]  # it was known so
    with slow(it.studio, monkeypatch) as asked:
        it.serving.project_changed(7)
        assert asked.wait(120)  # with the labels of before
        it.serving.set_schema(7, MAYBE)
        it.studio.schema, it.studio.policy = MAYBE, "Is it bad?"
        assert it.serving.info(7) == ProjectInfo(MAYBE, "Is the text good?")
    until(lambda: it.serving.info(7) == ProjectInfo(MAYBE, "Is it bad?"))
    assert it.studio.calls == ["project"] * 3


def test_a_schema_that_label_studio_does_not_have_holds_for_a_moment_only(it: Served) -> None:
    it.serving.set_schema(7, MAYBE)
    until(lambda: it.serving.info(7).schema == SCHEMA)


def test_what_changed_while_label_studio_was_down_is_asked_for_by_the_next_request(
    it: Served,
) -> None:
    it.serving.info(7)
    it.studio.down_after = 0
    it.studio.policy = "Is it bad?"
    it.serving.project_changed(7)
    until(lambda: len(it.studio.calls) >= 2)
    assert it.serving.info(7).policy == "Is the text good?"
    it.studio.up()
    until(lambda: it.serving.info(7).policy == "Is it bad?")


def test_a_changed_project_that_is_gone_is_forgotten_at_once(it: Served) -> None:
    it.serving.info(7)
    it.studio.gone = {7}
    it.serving.project_changed(7)
    until(lambda: len(it.studio.calls) == 2)

    def refused() -> bool:
        try:
            it.serving.info(7)
        except StudioLacks:
            return True
        return False

    until(refused)


def test_of_too_many_projects_the_least_recently_used_one_is_asked_for_again(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "MOST", 3)
    for project in (1, 2, 3, 1, 4):
        it.serving.info(project)
    assert len(it.studio.calls) == 4
    for project in (1, 3, 4):
        it.serving.info(project)
    assert len(it.studio.calls) == 4
    it.serving.info(2)
    assert len(it.studio.calls) == 5


def test_waiting_texts_are_counted_without_loading_or_awaiting_the_model(it: Served) -> None:
    it.scorer.waiting = 5
    assert (it.serving.waiting, it.loaded) == (0, 0)
    loading, loaded = threading.Event(), threading.Event()

    def load() -> FakeScorer:
        loading.set()
        assert loaded.wait(120)
        return it.scorer

    it.serving._make_scorer = load  # type: ignore[assignment]
    first = threading.Thread(target=it.says)
    first.start()
    assert loading.wait(120)
    assert it.serving.waiting == 0
    loaded.set()
    first.join()
    assert it.serving.waiting == 5


def test_a_project_that_is_gone_is_forgotten_and_the_next_request_is_told_so(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    it.serving.manifest(7)
    monkeypatch.setattr(projects, "FRESH", 0.0)
    it.studio.gone = {7}

    def refused() -> bool:
        try:
            it.serving.manifest(7)
        except ProjectError as error:
            return "does not have project 7" in str(error)
        return False

    until(refused)


def test_warming_up_reads_one_text_per_project_and_survives_one_that_fails(it: Served) -> None:
    it.train("round0-a")
    it.serving.registry.folder(8).mkdir()
    it.studio.gone = {8}
    it.serving.warm_up()
    assert [version for version, _ in it.scorer.asked] == ["7/round0-a"]


def test_an_adapter_is_read_for_its_digest_once_and_again_when_its_file_changes(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    digest = registry.digest_of
    monkeypatch.setattr(registry, "digest_of", lambda file: (read.append(file), digest(file))[1])
    version = it.train("round0-a")
    read.clear()
    for _ in range(5):
        assert it.says()[0] == version
    assert read == []
    file = it.serving.registry.path(7, version) / "adapter_model.safetensors"
    file.write_text("{}")
    assert it.says()[0].startswith("prompted-")
    assert read == [file]


def test_while_label_studio_is_down_the_last_known_policy_holds(
    it: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "FRESH", 0.0)
    first = it.serving.manifest(7).version
    it.studio.down_after = 0
    assert it.serving.manifest(7).version == first
    with pytest.raises(StudioDown):
        it.serving.manifest(8)


def test_a_project_without_a_policy_has_no_version(it: Served) -> None:
    it.studio.policy = ""
    with pytest.raises(ProjectError, match="Project 7 has no policy"):
        it.serving.manifest(7)


def test_versions_of_two_projects_never_meet_in_the_model(it: Served) -> None:
    it.serving.score(7, ["x"])
    it.serving.score(8, ["x"])
    versions = [version for version, _ in it.scorer.asked]
    assert [v.split("/")[0] for v in versions] == ["7", "8"]

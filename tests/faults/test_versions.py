"""What a version is kept in: a full disk, a damaged adapter, a pointer to what is gone."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.versions.manifest import ADAPTER
from selection.errors import VersionError
from tests.faults.conftest import MakeStage
from tests.faults.stage import Stage
from tests.faults.waiting import wait_for
from tests.faults.work import Work

KIB = 1024
BROKEN = '{"versi'


@pytest.fixture(scope="module")
def stage(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.start_backend()
    stage.start_worker()
    return stage


@pytest.fixture(scope="module")
def versions(stage: Stage) -> tuple[Work, str, str]:
    """A project, its version of round 0 and the current one, of round 1."""
    work = stage.project("two versions")
    found = []
    for round in (0, 1):
        work.push(round)
        work.start_training()
        found.append(str(work.check(round).version))
    return work, found[0], found[1]


def _truncated(folder: Path) -> None:
    os.truncate(folder / ADAPTER, (folder / ADAPTER).stat().st_size // 2)


def _flipped(folder: Path) -> None:
    body = bytearray((folder / ADAPTER).read_bytes())
    body[-9] ^= 0x10  # within the weights: it loads, and would answer otherwise
    (folder / ADAPTER).write_bytes(body)


def _otherwise(name: str, said: str, instead: str) -> Callable[[Path], object]:
    """A file that is JSON as before and means something else."""

    def change(folder: Path) -> None:
        body = (folder / name).read_text(encoding="utf-8")
        assert said in body
        (folder / name).write_text(body.replace(said, instead, 1), encoding="utf-8")

    return change


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated adapter": _truncated,
    "one bit of the adapter": _flipped,
    "empty adapter": lambda folder: (folder / ADAPTER).write_bytes(b""),
    "no adapter": lambda folder: (folder / ADAPTER).unlink(),
    "another scale in the adapter's config": _otherwise(
        "adapter_config.json", '"lora_alpha": ', '"lora_alpha": 1'
    ),
    "another offset in the manifest": _otherwise("manifest.json", "0.", "1."),
    "truncated manifest": lambda folder: os.truncate(folder / "manifest.json", 40),
    "empty manifest": lambda folder: (folder / "manifest.json").write_bytes(b""),
    "no folder, so that the pointer names what is gone": shutil.rmtree,
}
damaged = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@contextmanager
def damage_done(
    versions: tuple[Work, str, str], damage: Callable[[Path], object]
) -> Iterator[tuple[Work, str, str]]:
    """The current version is damaged; at the end it is whole again."""
    work, old, new = versions
    folder = work.stage.registry.path(work.id, new)
    kept = work.stage.root / "kept"
    shutil.copytree(folder, kept)
    damage(folder)
    try:
        yield versions
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(kept, folder)
        assert work.stage.backend.post(
            f"/projects/{work.id}/current", json={"version": new}
        ).is_success


@damaged
def test_a_damaged_version_never_answers_and_the_log_names_it(
    versions: tuple[Work, str, str], damage: Callable[[Path], object]
) -> None:
    with damage_done(versions, damage) as (work, _, new):
        assert work.answers() != new
        log = work.stage.log("backend")
        assert any(repr(new) in line for line in log.splitlines() if "ERROR" in line)
        work.stage.check_logs()


@pytest.mark.parametrize("damage", list(DAMAGES.values())[:4], ids=list(DAMAGES)[:4])
def test_setup_names_the_version_that_answers_while_the_current_one_has_a_damaged_adapter(
    versions: tuple[Work, str, str], damage: Callable[[Path], object]
) -> None:
    with damage_done(versions, damage) as (work, _, _):
        setup = work.stage.backend.post("/setup", json={"project": work.id}).json()
        assert setup["model_version"] == work.answers()


@damaged
def test_the_last_good_version_answers_in_place_of_a_damaged_one(
    versions: tuple[Work, str, str], damage: Callable[[Path], object]
) -> None:
    with damage_done(versions, damage) as (work, old, _):
        assert work.answers() == old


@damaged
def test_one_command_sets_an_older_version_in_place_of_a_damaged_one(
    versions: tuple[Work, str, str], damage: Callable[[Path], object]
) -> None:
    with damage_done(versions, damage) as (work, old, _):
        answer = work.stage.backend.post(f"/projects/{work.id}/current", json={"version": old})
        assert answer.json() == {"current": old}
        assert work.answers() == old


@damaged
def test_start_training_makes_a_damaged_version_again(
    versions: tuple[Work, str, str], damage: Callable[[Path], object]
) -> None:
    with damage_done(versions, damage) as (work, _, new):
        work.start_training()
        wait_for(lambda: whole(work, new), "the version made again")
        record = work.check(1)
        assert (record.version, work.answers()) == (new, new)
    work.stage.check_logs()


def whole(work: Work, version: str) -> bool:
    """Whether the version could be promoted."""
    registry = work.stage.registry
    try:
        return registry.adapter(work.id, registry.get(work.id, version)) is not None
    except VersionError:
        return False


def test_a_damaged_pointer_is_named_and_set_again_by_one_command(
    versions: tuple[Work, str, str],
) -> None:
    with pointer_damaged(versions) as (work, _, new):
        assert work.answers()
        work.webhook()
        wait_for(lambda: work.state()[0] == "failed", "the worker's word")
        pointer = work.stage.registry.folder(work.id) / "current"
        assert work.state()[1] == (
            f"The pointer {pointer} is damaged. Set it with: crux models promote VERSION."
        )
        assert work.stage.says("worker", work.state()[1])
        work.stage.backend.post(f"/projects/{work.id}/current", json={"version": new})
        work.check(1)
    with pointer_damaged(versions):
        work.start_training()  # does it too
        wait_for(lambda: work.stage.registry.folder(work.id).joinpath("current").read_text()
                 != BROKEN, "the pointer set again")  # fmt: skip
        work.check(1)
    work.stage.check_logs()


def test_the_version_of_the_last_round_answers_while_the_pointer_is_damaged(
    versions: tuple[Work, str, str],
) -> None:
    with pointer_damaged(versions) as (work, _, new):
        assert work.answers() == new


@contextmanager
def pointer_damaged(versions: tuple[Work, str, str]) -> Iterator[tuple[Work, str, str]]:
    """Half of the pointer's file is lost; at the end it is set again."""
    work, _, new = versions
    (work.stage.registry.folder(work.id) / "current").write_text(BROKEN)
    yield versions
    work.stage.backend.post(f"/projects/{work.id}/current", json={"version": new})


# a full disk


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes at `folder`."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "crux-faults", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"only root can mount a small disk: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(disk: Path, left: int) -> Iterator[None]:
    """So many bytes are free."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    ballast.write_bytes(b"\1" * (free - left))
    try:
        yield
    finally:
        ballast.unlink()


@pytest.fixture(scope="module")
def on_small_disk(
    make_stage: MakeStage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Work, Path]]:
    root = tmp_path_factory.mktemp("small")
    with small_disk(root / "disk", 6 * KIB * KIB) as disk:
        stage = make_stage(root, CRUX_HOME=str(disk / "home"))
        stage.start_backend()
        stage.start_worker()
        work = stage.project("small disk")
        work.push(0)
        work.start_training()
        work.check(0)
        yield work, disk
        stage.kill("worker", "backend")


def test_a_disk_that_is_full_during_a_save_loses_nothing(on_small_disk: tuple[Work, Path]) -> None:
    work, disk = on_small_disk
    work.push(1)
    version = work.answers()
    with full(disk, left=64 * KIB):  # an adapter has a hundred
        assert work.start_training() == 201
        wait_for(lambda: work.stage.says("worker", "could not be saved under"), "the full disk")
        said = work.stage.log("worker").partition("could not be saved under")[2].splitlines()[0]
        assert "No space left on device" in said
        assert said.endswith("Free some space; training is tried again.")
        assert work.answers() == version
        assert not list(disk.glob("home/projects/*/versions/.building-*"))
    work.webhook()  # what the worker's next look does by itself within a minute
    work.check(1)
    work.stage.check_logs()


def test_a_disk_without_a_byte_is_said_to_who_calls_and_stops_no_annotator(
    on_small_disk: tuple[Work, Path],
) -> None:
    work, disk = on_small_disk
    work.push(2)
    version = work.answers()
    with full(disk, left=0):
        answer = work.stage.backend.post(
            "/webhook", json={"action": "START_TRAINING", "project": {"id": work.id}}
        )
        if not answer.is_success:
            assert "Free some space" in answer.json()["error"]
        assert work.answers() == version
    work.start_training()
    work.check(2)
    work.stage.check_logs()

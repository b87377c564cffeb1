import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.config import BackendSettings
from backend.queue.flags import KINDS, Flags, FolderFlags
from backend.queue.jobs import Jobs
from selection.errors import BackendError
from tests.backend.queue.redis_server import RedisServer, redis_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from redis_server(tmp_path_factory.mktemp("redis"))


@pytest.fixture(params=["folder", pytest.param("Redis", marks=pytest.mark.server)])
def flags(request: pytest.FixtureRequest, tmp_path: Path) -> Flags:
    if request.param == "folder":
        return FolderFlags(tmp_path / "queue")
    server: RedisServer = request.getfixturevalue("server")
    server.client.flushall()
    return Jobs(BackendSettings(home=tmp_path, queue_url=server.url)).flags  # type: ignore[arg-type]


def test_a_flag_is_up_from_its_setting_to_its_clearing_however_often_it_is_set(
    flags: Flags,
) -> None:
    assert flags.raised() == {"look": set(), "train": set(), "training": set(), "last": set()}
    for _ in range(3):
        flags.set(7, "look")
    flags.set(12, "train")
    assert flags.raised() == {"look": {7}, "train": {12}, "training": set(), "last": set()}
    assert (flags.has(7, "look"), flags.has(7, "train"), flags.has(12, "train")) == (
        True, False, True,
    )  # fmt: skip
    flags.clear(7, "look")
    flags.clear(7, "look")
    assert flags.raised() == {"look": set(), "train": {12}, "training": set(), "last": set()}


def test_what_is_taken_up_stays_until_it_is_cleared_and_a_later_press_is_another(
    flags: Flags,
) -> None:
    assert flags.take_up(7) is False
    flags.set(7, "train")
    assert flags.take_up(7) is True
    assert flags.take_up(7) is True  # the try before was killed
    flags.set(7, "train")
    assert flags.raised() == {"look": set(), "train": {7}, "training": {7}, "last": set()}
    flags.clear(7, "training")
    assert flags.raised()["train"] == {7}
    assert flags.take_up(7) is True
    assert flags.raised() == {"look": set(), "train": set(), "training": {7}, "last": set()}


def test_a_press_that_is_taken_up_twice_at_once_is_taken_up(flags: Flags) -> None:
    flags.set(7, "train")
    flags.take_up(7)
    flags.set(7, "train")
    assert flags.take_up(7) is True
    assert flags.raised() == {"look": set(), "train": set(), "training": {7}, "last": set()}


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("name", ["x", "-1", "7e3", "1" * 19, "٣", "7 ", "../7"])
def test_what_is_no_projects_number_is_passed_over(
    tmp_path: Path, server: RedisServer, name: str
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    folder = tmp_path / "queue"
    in_folder = FolderFlags(folder)
    (folder / f"{name.replace('/', '_')}.look").write_bytes(trap)
    (folder / "7.later").write_bytes(trap)
    server.client.flushall()
    server.client.sadd("crux:queue:look", name, trap)
    in_redis = Jobs(BackendSettings(home=tmp_path, queue_url=server.url)).flags  # type: ignore[arg-type]
    for flags in (in_folder, in_redis):
        assert flags.raised() == {kind: set() for kind in KINDS}
    assert not (tmp_path / "sprung").exists()


def test_a_folder_that_cannot_be_made_or_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match=r"Cannot write the queue .*file/queue: Not a directory"):
        FolderFlags(tmp_path / "file" / "queue")
    flags = FolderFlags(tmp_path / "queue")
    (tmp_path / "queue").rmdir()
    for call in (lambda: flags.set(7, "look"), flags.raised):
        with pytest.raises(BackendError, match="Free some space, or choose another folder"):
            call()

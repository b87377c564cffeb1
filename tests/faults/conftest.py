"""What the fault tests share: one Label Studio, a second expert in it, a tiny model on disk."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from demo.servers import Server, create_expert
from tests.backend.engine.tiny_model import tiny_model
from tests.faults.forkserver import Nursery
from tests.faults.stage import Stage
from tests.faults.waiting import wait_for
from tests.faults.work import Work

MakeStage = Callable[..., Stage]


@pytest.fixture(scope="session")
def second_expert(label_studio: Server) -> tuple[int, str]:
    """The id and the token of a second user of Label Studio."""
    token = create_expert(
        label_studio.url, label_studio.admin.token, "second@faults.example", "a-long-password"
    )
    answer = httpx.get(
        f"{label_studio.url}/api/current-user/whoami", headers={"Authorization": f"Token {token}"}
    )
    return int(answer.json()["id"]), token


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The directory of a causal LM that trains in a second."""
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts backends and workers fast."""
    nursery = Nursery()
    yield nursery
    nursery.end()


@pytest.fixture(scope="session")
def new_stage(
    nursery: Nursery, label_studio: Server, second_expert: tuple[int, str], tiny: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeStage:  # fmt: skip
    """new_stage(NAME="value") makes a home with these settings. The caller must end it."""

    def make(root: Path | None = None, **settings: str) -> Stage:
        folder = root or tmp_path_factory.mktemp("stage")
        return Stage(folder, label_studio, *second_expert, tiny, nursery, settings)

    return make


@pytest.fixture(scope="module")
def make_stage(new_stage: MakeStage) -> Iterator[MakeStage]:
    """make_stage(NAME="value") makes a home with these settings; nothing runs in it yet."""
    made: list[Stage] = []

    def make(root: Path | None = None, **settings: str) -> Stage:
        made.append(new_stage(root, **settings))
        return made[-1]

    yield make
    for stage in made:
        stage.end()


@dataclass
class Begun:
    """Three projects with a fault that heals by itself within about a minute.

    late: Label Studio answers every call ten seconds late. alone: Label Studio was down at its
    only look. clock: after an event the clock was set back by an hour; None without a C compiler.
    """

    late: Work
    alone: Work
    clock: Work | None

    def set_back(self) -> Work:
        if self.clock is None:
            pytest.skip("no C compiler (cc) for a clock that can be set")
        return self.clock


@pytest.fixture(scope="session", autouse=True)
def begun(new_stage: MakeStage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """The faults begin with the first test of the folder; test_waiting.py checks how they end."""
    library = _clock(tmp_path_factory.mktemp("clock") / "clock.so")
    works = []
    for title in ("late", "alone", "clock"):
        stage = new_stage()
        works.append(stage.project(title))
        works[-1].push(0)
    late, alone, clock = works
    with (
        late.stage.proxy.broken("slow", seconds=10),
        alone.stage.proxy.broken("500", "GET /api/tasks/", times=3),
    ):
        for work in (late, alone):
            work.stage.start_worker()
            work.stage.start_backend()
            work.start_training()
        if library:
            clock.stage.preload(library)
            clock.stage.start_worker(by_command=True)
            clock.stage.start_backend(by_command=True)
            wait_for(lambda: clock.stage.says("worker", "is ready"), "a worker")
            wait_for(lambda: clock.stage.queued() == 0, "nothing to do")
            clock.webhook()
            (clock.stage.root / "clock").write_text("-3600")
        yield Begun(late, alone, clock if library else None)
    for work in works:
        work.stage.end()


def _clock(library: Path) -> Path | None:
    """Compile hold/clock.c to a library; None without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source = Path(__file__).parent / "hold/clock.c"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True
    )
    return library

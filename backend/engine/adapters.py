"""LoRA adapters in one loaded model: a few are kept, one or none is in use.

Raises VersionError for an adapter that is missing, damaged or made for another model.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel

from backend.engine.cpu.lora import lean
from backend.versions.manifest import ADAPTER, ADAPTER_CONFIG
from selection.errors import VersionError

_KEPT = 3


class Adapters:
    """The adapters of `causal`, which they change in place while they are in use."""

    def __init__(self, causal: PreTrainedModel) -> None:
        self._causal = causal
        self._model: PeftModel | None = None
        self._names: OrderedDict[Path, str] = OrderedDict()

    @contextmanager
    def use(self, adapter: Path | None) -> Iterator[None]:
        """Within it the model answers with `adapter`, a directory; None is the base model."""
        if adapter is not None:
            self._switch(adapter)
            yield
        elif self._model is None:
            yield
        else:
            with self._model.disable_adapter():
                yield

    def _switch(self, adapter: Path) -> None:
        model = self._model
        if model is None or adapter not in self._names:
            model = self._load(adapter)
        self._names.move_to_end(adapter)
        model.set_adapter(self._names[adapter])
        model.requires_grad_(False)  # set_adapter switches it on
        while len(self._names) > _KEPT:
            _, name = self._names.popitem(last=False)
            model.delete_adapter(name)

    def _load(self, adapter: Path) -> PeftModel:
        config, tensors = _read(adapter)
        name = "v" + sha256(str(adapter).encode()).hexdigest()[:16]
        try:
            if self._model is None:
                self._model = PeftModel(self._causal, config, adapter_name=name)
            else:
                self._model.add_adapter(name, config)
        except (ValueError, TypeError, RuntimeError) as error:
            raise _damaged(adapter, str(error)) from error
        made = get_peft_model_state_dict(self._model, adapter_name=name)
        if {k: v.shape for k, v in made.items()} != {k: v.shape for k, v in tensors.items()}:
            self._model.delete_adapter(name)
            raise _damaged(adapter, "it was made for another base model")
        set_peft_model_state_dict(self._model, tensors, adapter_name=name)
        self._names[adapter] = name
        return self._model


def _read(adapter: Path) -> tuple[PeftConfig, dict[str, Tensor]]:
    """An adapter's config and tensors, checked before anything is put into the model."""
    for file in (ADAPTER_CONFIG, ADAPTER):
        if not (adapter / file).is_file():
            raise VersionError(
                f"The model version at {adapter} has no {file}. Promote another version, or "
                "train again."
            )
    try:
        config = PeftConfig.from_pretrained(str(adapter))
        tensors = load_file(adapter / ADAPTER)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise _damaged(adapter, str(error)) from error
    config.inference_mode = True
    return lean(config) if isinstance(config, LoraConfig) else config, tensors


def _damaged(adapter: Path, reason: str) -> VersionError:
    return VersionError(
        f"The model version at {adapter} is damaged ({reason}). Promote another version, or "
        "train again."
    )

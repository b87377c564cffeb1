"""LoRA adapters in one loaded model: a few are kept, one or none is in use, one may be trained.

Raises VersionError for an adapter that is missing, damaged or made for another model.
"""

import math
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import Linear
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from backend.engine.cpu.onednn import OneDnnLinear
from backend.engine.lora import with_fast_layers
from backend.versions.manifest import ADAPTER, ADAPTER_CONFIG
from selection.errors import VersionError

# peft asks for it by its old name, which is nothing to the people who read a log
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)

UPPER = 0.5  # share of a model's layers that adapters change, the upper ones (docs/decisions.md)
_LAYER = re.compile(r"\.(\d+)\.")  # the first number in a path, as peft reads it
_STATE_SPACES = ("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h")
_REFUSED = ("conv1d", "out_proj")
_KEPT = 3
_FRESH = "fresh"


@dataclass(frozen=True)
class FreshAdapter:
    """An adapter that is being trained.

    parameters: all that it learns. unchanged: see `Adapters.use`. rest: between two steps, lets
    others have the model who wait for it.
    """

    model: PeftModel
    parameters: list[torch.nn.Parameter]
    unchanged: int
    rest: Callable[[], None]

    def save(self, out: Path) -> None:
        """Write it without the path of the base model, which is not part of what was learned."""
        tensors = get_peft_model_state_dict(self.model, adapter_name=_FRESH)
        save_file({name: t.contiguous() for name, t in tensors.items()}, out / ADAPTER)
        config = self.model.peft_config[_FRESH]
        if isinstance(config, LoraConfig) and config.target_modules is not None:
            config.target_modules = sorted(config.target_modules)  # a set has no fixed order
        config.inference_mode = True
        config.save_pretrained(str(out))


class Adapters:
    """The adapters of `causal`, which they change in place while they are in use.

    others: called between two steps of a training; whether somebody has used the model.
    """

    def __init__(self, causal: PreTrainedModel, others: Callable[[], bool] | None = None) -> None:
        self._causal = causal
        self._others = others
        self._linear = _linear(causal)  # now, before adapters add layers of their own
        self._model: PeftModel | None = None  # None without any adapter
        self._loaded: OrderedDict[Path, tuple[str, int]] = OrderedDict()  # -> name, unchanged

    def lora(self, rank: int, alpha: int, upper: float = UPPER) -> LoraConfig:
        """Return LoRA on the linear layers of the model's upper part.

        upper: share of the layers. A model that counts them otherwise has it on all of them.
        """
        paths = self._linear
        layers = list(upper_layers(self._causal, upper))
        numbers = {int(found[1]) for path in paths if (found := _LAYER.search(path))}
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=rank,
            lora_alpha=alpha,
            target_modules=sorted({path.rpartition(".")[2] for path in paths}),
            layers_to_transform=layers if numbers.issuperset(layers) else None,
        )

    @contextmanager
    def use(self, adapter: Path | None) -> Iterator[int]:
        """Within it the model answers with `adapter`, a directory; None is the base model.

        It gives the number of lowest layers that are those of the base model. For the base model
        itself, that is how many of them new adapters leave unchanged.
        """
        if adapter is not None:
            yield self._switch(adapter)
        elif self._model is None:
            yield upper_layers(self._causal).start
        else:
            with self._model.disable_adapter():
                yield upper_layers(self._causal).start

    @contextmanager
    def fresh(self, config: LoraConfig, seed: int) -> Iterator[FreshAdapter]:
        """Within it the model answers with a new adapter, the only thing that gradients reach.

        Its first weights are drawn from the seed alone. Afterwards it is gone.
        """
        try:
            with torch.random.fork_rng():  # peft draws from the global generator
                torch.manual_seed(seed)
                model = self._add(_FRESH, with_fast_layers(config))
            model.set_adapter(_FRESH)
            learned = [p for p in model.parameters() if p.requires_grad]
            yield FreshAdapter(model, learned, _unchanged(config), self._rest)
        finally:
            self._remove(_FRESH)

    def _rest(self) -> None:
        if self._others is not None and self._others() and self._model is not None:
            self._model.set_adapter(_FRESH)  # and what it learns needs gradients again

    def _switch(self, adapter: Path) -> int:
        if adapter not in self._loaded:
            self._load(adapter)
        self._loaded.move_to_end(adapter)
        name, unchanged = self._loaded[adapter]
        self._activate(name)
        while len(self._loaded) > _KEPT:
            _, (oldest, _) = self._loaded.popitem(last=False)
            self._remove(oldest)
        return unchanged

    def _load(self, adapter: Path) -> None:
        config, tensors = _read(adapter)
        name = "v" + sha256(str(adapter).encode()).hexdigest()[:16]
        try:
            with torch.inference_mode(False):  # a tensor made within it could never be trained
                model = self._add(name, config)
        except (ValueError, TypeError, RuntimeError) as error:
            raise _damaged(adapter, str(error)) from error
        made = get_peft_model_state_dict(model, adapter_name=name)
        if {k: v.shape for k, v in made.items()} != {k: v.shape for k, v in tensors.items()}:
            self._remove(name)
            raise _damaged(adapter, "it was made for another base model")
        set_peft_model_state_dict(model, tensors, adapter_name=name)
        self._loaded[adapter] = name, _unchanged(config)

    def _add(self, name: str, config: PeftConfig) -> PeftModel:
        if self._model is None:
            self._model = PeftModel(self._causal, config, adapter_name=name)
        else:
            self._model.add_adapter(name, config)
        return self._model

    def _activate(self, name: str) -> None:
        if self._model is not None:
            self._model.set_adapter(name)
            self._model.requires_grad_(False)  # set_adapter switches it on

    def _remove(self, name: str) -> None:
        """Take it out, if it is there; with the last one peft's layers go, too."""
        model = self._model
        if model is None or name not in model.peft_config:
            return
        others = [other for other in model.peft_config if other != name]
        if not others:
            model.unload()
            self._model = None
            return
        if name in model.active_adapters:
            self._activate(others[0])  # peft warns if it has to choose another one itself
        model.delete_adapter(name)


def _linear(causal: PreTrainedModel) -> list[str]:
    """Return the paths of linear layers that can have an adapter, without the head.

    Some routers of experts are called linear, but return more than a product. Of some state-space
    models peft refuses a layer, whose weights their kernels use by themselves.
    """
    head = causal.get_output_embeddings()  # type: ignore[no-untyped-call]
    refused = _REFUSED if causal.config.model_type in _STATE_SPACES else ()
    found = []
    for path, module in causal.named_modules():
        name = path.rpartition(".")[2]
        # one that has a number for a name cannot be told from layers of that number
        nameable = not name.isdigit() and name not in refused
        if isinstance(module, (Linear, Conv1D)) and module is not head and nameable:
            found += [path] if _multiplies(module, causal.dtype) else []
    return found


def _multiplies(module: Linear | Conv1D, dtype: torch.dtype) -> bool:
    """Whether a layer gives a tensor of its width, and nothing else. dtype: what it is given."""
    if type(module).forward in (Linear.forward, OneDnnLinear.forward, Conv1D.forward):
        return True
    if isinstance(module, Linear):  # whose weights may be packed, in a shape of their own
        given, returned = module.in_features, module.out_features
    else:
        given, returned = module.weight.shape
    ones = torch.ones(1, given, dtype=dtype, device=module.weight.device)
    try:
        with torch.inference_mode():
            found = module(ones)
    except (TypeError, ValueError, RuntimeError, IndexError):
        return False
    return isinstance(found, Tensor) and found.shape == (1, returned)


def upper_layers(causal: PreTrainedModel, share: float = UPPER) -> range:
    """Return the numbers of a share of a model's layers, from some layer to the last one."""
    layers = causal.config.get_text_config().num_hidden_layers
    return range(layers - math.ceil(layers * share), layers)


def _unchanged(config: PeftConfig) -> int:
    """Return how many of the lowest layers an adapter leaves as they are; 0 if that is not told."""
    if not isinstance(config, LoraConfig) or config.modules_to_save:
        return 0
    layers = config.layers_to_transform
    return min(layers, default=0) if isinstance(layers, list) else 0


def _read(adapter: Path) -> tuple[PeftConfig, dict[str, Tensor]]:
    """Return an adapter's config and tensors, checked before anything is put into the model."""
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
    return with_fast_layers(config) if isinstance(config, LoraConfig) else config, tensors


def _damaged(adapter: Path, reason: str) -> VersionError:
    return VersionError(
        f"The model version at {adapter} is damaged ({reason}). Promote another version, or "
        "train again."
    )

"""Numbers in which a model reads -> how transformers load its weights."""

from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from selection.errors import ModelError

_NAMED = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NF4 = "nf4"


def weights_of(device: torch.device, name: str) -> dict[str, Any]:
    """Return arguments of from_pretrained.

    name: "auto", "float32", "bfloat16", "float16", or "nf4": weights of linear layers in 4 bits,
    as in QLoRA (Dettmers et al. 2023), which are multiplied in the numbers of "auto".

    Raises ModelError for another name, or if what "nf4" needs is not installed.
    """
    if name in _NAMED:
        return {"dtype": _NAMED[name]}
    on_gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
    auto = torch.bfloat16 if on_gpu else torch.float32
    if name == "auto":
        return {"dtype": auto}
    if name != NF4:
        raise ModelError(f"dtype must be auto, {', '.join(_NAMED)} or {NF4}; not {name!r}.")
    if find_spec("bitsandbytes") is None:
        raise ModelError(
            'Weights of 4 bits need bitsandbytes: pip install "label-studio-crux[quantized]", or '
            "choose another CRUX_DTYPE."
        )
    four_bits = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type=NF4, bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=auto,
    )  # fmt: skip
    return {"dtype": auto, "quantization_config": four_bits, "device_map": {"": str(device)}}


def keep_gradients(causal: nn.Module) -> None:
    """Keep bitsandbytes from what it does on some CPUs: it multiplies weights of 4 bits by a kernel
    through which no gradient goes, once a model has answered, and rounds to bfloat16 there."""
    for module in causal.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            setattr(module, "support_avx512bf16_for_cpu", False)  # noqa: B010

"""How an adapter is trained: alike for all models, but at a rate that falls with their width."""

import math
from dataclasses import asdict, dataclass

from transformers import AutoConfig

from backend.engine.adapters import UPPER
from backend.engine.offline import OFFLINE
from selection.errors import ModelError

WIDTH = 576  # of SmolLM2-135M's hidden states, with which the rate was measured
_FALL = 0.781  # exponent of the best rate over the widths of Llama models (docs/decisions.md)


@dataclass(frozen=True)
class Recipe:
    """How an adapter is trained. The defaults were measured (docs/decisions.md).

    rank, alpha: of LoRA, on all linear layers of the model's upper part. upper: share of its
    layers that are that part; 1 is all. learning_rate: for a model of WIDTH, see recipe_for.
    epochs: passes over the examples, fewer if max_steps (batches) are reached first, but never
    fewer than least_epochs. class_balance: a label weighs the inverse of its frequency, at most
    this many times the weight of the commonest; 1 switches it off (1 and 10 did equally well on 7
    of 56). smoothing: of the labels, 0 to 1.
    """

    rank: int = 16
    alpha: int = 32
    upper: float = UPPER
    learning_rate: float = 1e-3
    epochs: int = 6
    max_steps: int = 115
    least_epochs: int = 4
    batch_size: int = 8
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    class_balance: float = 3.0
    smoothing: float = 0.1
    max_tokens: int = 256
    seed: int = 0

    def steps(self, examples: int) -> int:
        """Return how many batches an adapter for so many examples learns from."""
        each = math.ceil(examples / self.batch_size)
        least = min(self.least_epochs, self.epochs) * each
        return min(self.epochs * each, max(self.max_steps, least))

    def as_json(self) -> dict[str, int | float]:
        """Return the recipe as it enters the name of a model version."""
        return asdict(self)


def recipe_for(model: str) -> Recipe:
    """Return the recipe for a model: "offline", a directory or a Hugging Face id.

    Schulman et al. 2025, "LoRA Without Regret", found the best rate to fall with a power of the
    width, and not to depend on the rank. Raises ModelError if the model's config cannot be read.
    """
    return Recipe() if model == OFFLINE else Recipe(learning_rate=_rate(_width(model)))


def _rate(width: int) -> float:
    """Return the rate for hidden states of so many numbers, rounded: it is part of a name."""
    return float(f"{Recipe.learning_rate * min(1.0, WIDTH / width) ** _FALL:.2g}")


def _width(model: str) -> int:
    try:
        config = AutoConfig.from_pretrained(model, trust_remote_code=False)
        return int(config.get_text_config().hidden_size)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(
            f"The config of the model {model!r} cannot be read, or tells no hidden_size "
            f"({type(error).__name__}). Check the name and the network, or set "
            "CRUX_LEARNING_RATE yourself."
        ) from error

"""Texts of the pool by which new versions are fitted to it, with what each stands for."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Self


@dataclass(frozen=True)
class PoolSample:
    """n texts of the pool that were drawn with known chances: new versions are fitted to them.

    weight: (n,) how many texts of the pool each stands for, 1 / its chance.
    """

    texts: tuple[str, ...] = ()
    weight: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.weight):
            raise ValueError(f"{len(self.weight)} weights for {len(self.texts)} texts")
        if not all(0 < one < inf for one in self.weight):
            raise ValueError("weights must be positive numbers")

    @classmethod
    def from_json(cls, body: object) -> Self:
        """Read what `as_json` wrote, or the list of texts of an older Crux. Raises ValueError."""
        if isinstance(body, list):
            return cls(tuple(map(str, body)), (1.0,) * len(body))
        if not isinstance(body, Mapping):
            raise ValueError(f"it is a {type(body).__name__}, not an object")
        return cls(tuple(map(str, body["texts"])), tuple(map(float, body["weight"])))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"texts": list(self.texts), "weight": list(self.weight)}

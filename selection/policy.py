"""The policy as experts and model read it: its words and labels, named by a short hash."""

from collections.abc import Sequence
from hashlib import blake2b


def policy_hash(policy: str, labels: Sequence[str]) -> str:
    """Return 8 hex digits that name a policy: its plain text, and the labels in their order."""
    return blake2b("\0".join((policy.strip(), *labels)).encode(), digest_size=4).hexdigest()

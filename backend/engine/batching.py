"""What many threads ask -> batches of bounded size, of one version each.

A request for little comes before the rest of a bulk, but not for ever: its deadline is its arrival
plus PATIENCE for every token that it asks for, and the earliest deadline is served.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from backend.engine.served import Served
from selection.errors import CruxError
from selection.types import Doubles

PATIENCE = 1e-3  # seconds a token: about what a small model on two cores takes to read it


@dataclass(eq=False)
class Request:
    """Texts (token ids) that one thread waits for. left: positions not yet in a batch.

    after: tokens of the prompt that are read after each text.
    """

    served: Served
    ids: list[list[int]]
    after: int = 1
    left: list[int] = field(init=False)
    unread: int = field(init=False)
    deadline: float = field(init=False)
    answers: SimpleQueue[tuple[list[int], Doubles] | CruxError] = field(init=False)

    def __post_init__(self) -> None:
        # the longest come first, so that a lack of memory shows at once
        self.left = sorted(range(len(self.ids)), key=lambda i: len(self.ids[i]))
        self.unread = len(self.ids)
        tokens = sum(map(len, self.ids)) + self.after * len(self.ids)
        self.deadline = time.monotonic() + PATIENCE * tokens
        self.answers = SimpleQueue()

    def take(self, room: int, always: bool) -> "Part":
        """Take the longest texts left that fit into `room` tokens; at least one if `always`."""
        taken: list[int] = []
        tokens = 0
        while self.left:
            more = len(self.ids[self.left[-1]]) + self.after
            if tokens + more > room and (taken or not always):
                break
            taken.append(self.left.pop())
            tokens += more
        return Part(self, taken, tokens)

    def next(self) -> tuple[list[int], Doubles]:
        """Wait for a batch: positions and (b, k) logits. Raises what reading them raised."""
        answer = self.answers.get()
        if isinstance(answer, CruxError):
            raise answer
        self.unread -= len(answer[0])
        return answer


@dataclass(frozen=True)
class Part:
    """The positions of one request's texts that are in one batch. tokens: of these texts."""

    request: Request
    positions: list[int]
    tokens: int


def take_batch(waiting: Sequence[Request], room: int) -> list[Part]:
    """Take the next batch of about `room` tokens out of the requests that wait."""
    by_deadline = sorted(waiting, key=lambda request: request.deadline)
    served = by_deadline[0].served
    parts: list[Part] = []
    for request in by_deadline:
        if request.served == served:
            part = request.take(room, always=not parts)
            room -= part.tokens
            if part.positions:
                parts.append(part)
    return parts

"""Experts who answer what the studio serves them, and go home when the verdicts are spent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.loop.ground import Ground
from benchmarks.loop.studio import MemoryStudio


@dataclass(frozen=True)
class Experts:
    """People by their numbers in the studio. knows: number -> text -> the label that they give."""

    knows: Mapping[int, Mapping[str, str]] = field(repr=False)

    @classmethod
    def of(cls, ground: Ground) -> "Experts":
        """Return one person for each column of the ground's labels."""
        knows = {}
        for column in range(ground.experts.shape[1]):
            said = [ground.names[label] for label in ground.experts[:, column].tolist()]
            knows[column + 1] = dict(zip(ground.texts, said, strict=True))
        return cls(knows)

    @property
    def users(self) -> dict[int, str]:
        """Number -> e-mail, as Label Studio tells them."""
        return {number: f"expert{number}@loop.example" for number in self.knows}

    def work(self, studio: MemoryStudio, most: int) -> int:
        """Answer in turn whatever is served, until nothing is or `most` verdicts are given in all.

        Return how many answers were given.
        """
        before, people, idle = studio.answered, sorted(self.knows), 0
        while studio.answered < most and idle < len(people):
            # whose turn it is follows from what was answered, so that a loop that was cut off goes
            # on as it would have
            user = people[(studio.answered + idle) % len(people)]
            task = studio.next_task(user)
            if task is None:
                idle += 1
                continue
            idle = 0
            text = str(studio.bodies[task]["data"][studio.schema.text_field])
            studio.answer(task, self.knows[user][text], user)
        return studio.answered - before

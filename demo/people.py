"""Two Label Studio users who work through the queue as people do, with replayed answers.

Each has an own account and token, asks Label Studio for the next task, and gives the answer of
their third of the text's real raters.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from selection.errors import StudioDown
from selection.studio.api import Studio

IDLE = 1.0  # seconds between two looks into an empty queue


@dataclass(frozen=True)
class Person:
    """An expert. answers: text -> label."""

    name: str
    token: str = field(repr=False)
    answers: Mapping[str, str] = field(repr=False)


class AtWork:
    """People who label a project until they are told to go home (a context manager)."""

    def __init__(self, url: str, project: int, people: list[Person]) -> None:
        self._home = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(url, project, person), daemon=True)
            for person in people
        ]

    def __enter__(self) -> "AtWork":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._home.set()
        for thread in self._threads:
            thread.join(timeout=30.0)

    def _work(self, url: str, project: int, person: Person) -> None:
        studio = Studio(url, person.token)
        schema = studio.project(project).schema
        while not self._home.is_set():
            try:
                began = time.monotonic()
                task = studio.next_task(project, schema)
                if task is not None:
                    answer = person.answers[str(task.data[schema.text_field])]
                    seconds = time.monotonic() - began  # without them nobody gave the answer
                    studio.annotate(task.id, answer, schema, seconds=seconds)
                    continue
            except StudioDown:
                pass  # a person tries again in a moment, too
            self._home.wait(IDLE)

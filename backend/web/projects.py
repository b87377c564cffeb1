"""What the projects are about: asked of Label Studio once, and again when it has changed."""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypeVar

from selection.errors import CruxError, StudioDown
from selection.studio.api import Studio
from selection.studio.schema import Schema

log = logging.getLogger(__name__)

FRESH = 60.0  # seconds after which a project's config and policy are asked for again
MOST = 1_000  # projects that are known at a time

V = TypeVar("V")


@dataclass(frozen=True)
class Subject:
    """What a project is about: where text and answer stand, and the policy."""

    schema: Schema
    policy: str


class Subjects:
    """What Label Studio says that its projects are about. Safe for many threads.

    A known subject is given at once. One that is older than FRESH, or whose project has changed,
    is asked for again in the background, so that no annotator waits for Label Studio twice.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._known: OrderedDict[int, tuple[float, Subject]] = OrderedDict()  # since when
        self._changed: OrderedDict[int, float] = OrderedDict()  # when we last heard so
        self._asking: set[int] = set()  # in the background
        self._lock = threading.Lock()

    def get(self, project: int) -> Subject:
        """The subject; while Label Studio is down the last known one. Raises StudioError."""
        with self._lock:
            known = self._known.get(project)
            if known is not None:
                self._known.move_to_end(project)
                if time.monotonic() - known[0] >= FRESH or self._outdated(project, known[0]):
                    self._refresh(project)
        return self._ask(project) if known is None else known[1]

    def change(self, project: int, schema: Schema | None = None) -> None:
        """The project has changed, if it is known: it is asked for again now.

        schema: what Label Studio says that it has now, which holds meanwhile.
        """
        with self._lock:
            _put(self._changed, project, time.monotonic())
            known = self._known.get(project)
            if known is None:
                return
            if schema is not None:
                self._known[project] = known[0], replace(known[1], schema=schema)
            self._refresh(project)

    def _outdated(self, project: int, asked: float) -> bool:
        """Whether we have heard of a change since then."""
        heard = self._changed.get(project)
        return heard is not None and heard >= asked

    def _refresh(self, project: int) -> None:
        if project not in self._asking:
            self._asking.add(project)
            threading.Thread(target=self._ask_again, args=(project,), daemon=True).start()

    def _ask(self, project: int) -> Subject:
        """Ask, and keep the answer unless something newer is known."""
        began = time.monotonic()
        found = self._studio.project(project)
        subject = Subject(found.schema, found.policy)
        with self._lock:
            known = self._known.get(project)
            if known is None or (known[0] <= began and not self._outdated(project, began)):
                _put(self._known, project, (began, subject))
        return subject

    def _ask_again(self, project: int) -> None:
        """Until no change has come in meanwhile: what was read before one may be old."""
        done = False
        try:
            while not done:
                began = time.monotonic()
                self._ask(project)
                done = self._finished(project, began)
        except StudioDown:
            log.warning("Label Studio is down; project %s keeps its last known policy", project)
        except CruxError as error:  # who asks next is told
            log.warning("project %s: %s", project, error)
            with self._lock:
                self._known.pop(project, None)
        finally:
            if not done:
                with self._lock:
                    self._asking.discard(project)

    def _finished(self, project: int, began: float) -> bool:
        with self._lock:
            if self._outdated(project, began):
                return False
            self._asking.discard(project)
            return True


def _put(kept: OrderedDict[int, V], project: int, value: V) -> None:
    """As the last one used; of too many the one that was not used for longest goes."""
    kept[project] = value
    kept.move_to_end(project)
    if len(kept) > MOST:
        kept.popitem(last=False)

"""What Label Studio says of its projects: asked once, and again when it has changed."""

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
MOST = 1_000  # projects that are kept

V = TypeVar("V")


@dataclass(frozen=True)
class ProjectInfo:
    """A project's question. schema: where text and answer stand in its tasks."""

    schema: Schema
    policy: str


class KnownProjects:
    """A cache of ProjectInfo. Safe for many threads.

    A known project is returned at once. If it is older than FRESH, or has changed, it is asked for
    again in the background, so that no annotator waits for Label Studio twice.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._known: OrderedDict[int, tuple[float, ProjectInfo]] = OrderedDict()  # (asked at, info)
        self._changed: OrderedDict[int, float] = OrderedDict()  # when we last heard of a change
        self._asking: set[int] = set()  # in the background
        self._lock = threading.Lock()

    def get(self, project: int) -> ProjectInfo:
        """Return the project; the last known state while Label Studio is down.

        Raises StudioError, ProjectError for a project that is not known yet.
        """
        with self._lock:
            known = self._known.get(project)
            if known is not None:
                self._known.move_to_end(project)
                if time.monotonic() - known[0] >= FRESH or self._outdated(project, known[0]):
                    self._refresh(project)
        return self._ask(project) if known is None else known[1]

    def changed(self, project: int, schema: Schema | None = None) -> None:
        """Ask for the project again now, if it is known.

        schema: what Label Studio says that the project has now; it holds until the answer is here.
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
        """Return whether the project has changed since it was asked for."""
        changed = self._changed.get(project)
        return changed is not None and changed >= asked

    def _refresh(self, project: int) -> None:
        if project not in self._asking:
            self._asking.add(project)
            threading.Thread(target=self._ask_again, args=(project,), daemon=True).start()

    def _ask(self, project: int) -> ProjectInfo:
        """Ask Label Studio, and keep the answer unless something newer is known."""
        began = time.monotonic()
        found = self._studio.project(project)
        info = ProjectInfo(found.schema, found.policy)
        with self._lock:
            known = self._known.get(project)
            if known is None or (known[0] <= began and not self._outdated(project, began)):
                _put(self._known, project, (began, info))
        return info

    def _ask_again(self, project: int) -> None:
        """Ask until no change came in meanwhile: what was read before a change may be old."""
        done = False
        try:
            while not done:
                began = time.monotonic()
                self._ask(project)
                done = self._finish(project, began)
        except StudioDown:
            log.warning("Label Studio is down; project %s keeps its last known policy", project)
        except CruxError as error:  # the next request asks anew, and is answered with the error
            log.warning("project %s: %s", project, error)
            with self._lock:
                self._known.pop(project, None)
        finally:
            if not done:
                with self._lock:
                    self._asking.discard(project)

    def _finish(self, project: int, began: float) -> bool:
        """End the asking unless the project has changed since it began; return whether it ended."""
        with self._lock:
            if self._outdated(project, began):
                return False
            self._asking.discard(project)
            return True


def _put(kept: OrderedDict[int, V], project: int, value: V) -> None:
    """Keep the value as the last one used; of more than MOST drop the least recently used."""
    kept[project] = value
    kept.move_to_end(project)
    if len(kept) > MOST:
        kept.popitem(last=False)

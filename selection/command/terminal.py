"""What the command line prints: the progress of steps, and tables."""

import time
from collections.abc import Iterator
from types import TracebackType

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from selection.gained import by_now
from selection.status import Status
from selection.summary import Summary
from selection.types import Estimate
from selection.wording import percent

WIDE = 120  # columns of a terminal that has room for the wide tables
QUIET = 5.0  # seconds between two lines of a step without a terminal to redraw


class Steps:
    """Shows a bar for each step on a terminal, and a line every few seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: dict[str, TaskID] = {}
        self._printed = ("", 0.0)  # the last step, and when
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> "Steps":
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def say(self, step: str, done: int, total: int) -> None:
        """Show that `step` has done `done` of `total`; a total of 0 is a plain message."""
        if self._console.is_terminal and total:
            if step not in self._bars:
                self._bars[step] = self._progress.add_task(step, total=total)
            self._progress.update(self._bars[step], completed=done, total=total)
            return
        now = time.monotonic()
        finished = bool(total) and done >= total
        if step == self._printed[0] and now - self._printed[1] < QUIET and not finished:
            return
        self._printed = (step, now)
        self._console.print(
            f"{step} {done}/{total}" if total else step, highlight=False, markup=False
        )


def kappa(one: Estimate | None) -> str:
    """Return value, interval and number of items, in three lines that fit a terminal."""
    if one is None:
        return "–"
    items = f"n={one.items}"
    if one.value is None:
        return f"undefined\n{items}"
    if one.low is None or one.high is None:
        return f"{one.value:.2f}\n{items}"
    return f"{one.value:.2f}\n[{one.low:.2f}, {one.high:.2f}]{one.confidence_said}\n{items}"


def tables(status: Status, wide: bool = True) -> Iterator[Table]:
    """Yield the table of the rounds, and that of the regions if there are any."""
    yield rounds_table(status, wide)
    if status.regions:
        yield regions_table(status)


def rounds_table(status: Status, wide: bool = True) -> Table:
    """Return the table of the rounds, of 80 columns unless wide, and the version in force.

    wide: with each round's version and how many texts taught it. production and start: kappa of the
    round's version and of the starting model, on all texts audited by now.
    """
    table = Table(
        title=f"Project {status.project}: {status.labels_bought} verdicts bought",
        caption=f"{status.current} is in force",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        leading=1,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in ("round", "labels", "experts", "boundary", "production", "start", "decision"):
        table.add_column(name)
    for name in ("trained on", "version") if wide else ():
        table.add_column(name, no_wrap=name == "version")
    now = by_now([one.record for one in status.rounds])
    for one, record in zip(status.rounds, now, strict=True):
        version = record.version + ("" if record.promoted else "\n(kept)")
        table.add_row(
            str(record.round),
            str(record.labels_bought),
            kappa(record.expert_kappa),
            kappa(record.boundary_kappa),
            kappa(record.production_kappa),
            kappa(record.start_kappa),
            one.decision.rule,
            *((str(record.labels), version) if wide else ()),
        )
    return table


def regions_table(status: Status) -> Table:
    """Return the table of the regions in which the model is or was confused."""
    table = Table(
        title="Where the model is confused",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in ("region", "pool", "texts", "model right", "experts agree", ""):
        table.add_column(name)
    for one in status.regions:
        table.add_row(
            escape(one.name), percent(one.share), str(one.asked), one.model, one.experts, one.state
        )
    return table


def said_below(said: Summary, now: Status) -> Iterator[str]:
    """Yield the lines below the table: how good the model is, what comes next, what it costs."""
    yield " ".join(filter(None, (said.quality, said.comparison, now.gained)))
    yield f"Next: {said.next}"
    yield f"Budget: {said.budget} {now.forecast}".rstrip()

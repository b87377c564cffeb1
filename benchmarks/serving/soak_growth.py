"""Samples of running processes -> how fast each quantity grows, with an interval; and a picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from demo.servers import running
from tests.faults.stage import Stage

WARM = 0.2  # share of the time after which growth is measured
BLOCKS = 12  # pieces whose means are compared, since samples of one minute are much alike
WIDTH, HEIGHT, LEFT = 320, 150, 46


@dataclass(frozen=True)
class Sample:
    """A process at a moment, so many seconds after the start.

    what: "MiB", "files", "threads" or "jobs".
    """

    seconds: float
    process: str
    what: str
    value: float


@dataclass(frozen=True)
class Growth:
    """How one quantity of a process grows.

    first, last: means of the first and the last piece after the warm-up. slope: what an hour adds;
    low, high: its 95 % interval. All three are None where there are too few samples.
    """

    process: str
    what: str
    first: float
    last: float
    slope: float | None
    low: float | None
    high: float | None


def sample(stage: Stage, seconds: float) -> Iterator[Sample]:
    """Yield what gunicorn and worker with their children use, and the length of the queue."""
    for name in ("backend", "worker"):
        process = running(stage.services.pid(name))
        pids = _family(process.pid) if process else []
        for what, measure in (("MiB", _resident), ("files", _files), ("threads", _threads)):
            yield Sample(seconds, name, what, sum(measure(pid) for pid in pids))
    yield Sample(seconds, "queue", "jobs", float(stage.queued()))


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Return the growth of each quantity after the warm-up."""
    begin = WARM * max((one.seconds for one in samples), default=0.0)
    found = []
    for process, what in dict.fromkeys((one.process, one.what) for one in samples):
        mine = [one for one in samples if (one.process, one.what) == (process, what)]
        kept = [one for one in mine if one.seconds >= begin]
        pieces = [piece for piece in np.array_split(np.arange(len(kept)), BLOCKS) if len(piece)]
        hours = np.array([np.mean([kept[i].seconds for i in piece]) for piece in pieces]) / 3600
        values = np.array([np.mean([kept[i].value for i in piece]) for piece in pieces])
        slope, low, high = _slope(hours, values)
        found.append(
            Growth(process, what, float(values[0]), float(values[-1]), slope, low, high)
        )
    return found


def _slope(
    x: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    y: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> tuple[float | None, float | None, float | None]:
    """Fit by least squares, with Student's interval; None for fewer than five points."""
    if len(x) < 5:
        return None, None, None
    across = x - x.mean()
    spread = float(across @ across)
    slope = float(across @ y) / spread
    left = y - y.mean() - slope * across
    error = float(np.sqrt(left @ left / (len(x) - 2) / spread))
    reach = float(student.ppf(0.975, len(x) - 2)) * error
    return slope, slope - reach, slope + reach


def picture(samples: Sequence[Sample]) -> str:
    """Draw every quantity over time, as one SVG."""
    names = list(dict.fromkeys((one.process, one.what) for one in samples))
    panels = []
    for place, (process, what) in enumerate(names):
        mine = [one for one in samples if (one.process, one.what) == (process, what)]
        top = max(one.value for one in mine) * 1.1 or 1.0
        end = max(one.seconds for one in mine) or 1.0
        x0, y0 = place % 3 * WIDTH + LEFT, place // 3 * HEIGHT + 24
        wide, high = WIDTH - LEFT - 12, HEIGHT - 50
        points = " ".join(
            f"{x0 + wide * one.seconds / end:.1f},{y0 + high * (1 - one.value / top):.1f}"
            for one in mine
        )
        panels.append(
            f'<text x="{x0}" y="{y0 - 8}" font-weight="600">{escape(f"{process}: {what}")}</text>'
            f'<polyline points="{points}" fill="none" stroke="#c2410c" stroke-width="1.5"/>'
            f'<text x="{x0 - 4}" y="{y0 + 8}" text-anchor="end">{top:.0f}</text>'
            f'<text x="{x0 - 4}" y="{y0 + high}" text-anchor="end">0</text>'
            f'<text x="{x0 + wide}" y="{y0 + high + 14}" text-anchor="end">'
            f"{end / 60:.0f} min</text>"
        )
    height = -(-len(names) // 3) * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {3 * WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="11"><title>A soak</title>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(panels)}</svg>\n'
    )


def _family(pid: int) -> list[int]:
    """Return the process and its children that are alive."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(one for child in found for one in _family(int(child)))]


def _status(pid: int, key: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith(key)), 0.0)


def _resident(pid: int) -> float:
    return _status(pid, "VmRSS:") / 1024


def _threads(pid: int) -> float:
    return _status(pid, "Threads:")


def _files(pid: int) -> float:
    try:
        return float(len(list(Path(f"/proc/{pid}/fd").iterdir())))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0

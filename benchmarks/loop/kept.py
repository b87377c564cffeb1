"""One JSON line for each version that was measured, so that hours of work are never repeated."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Piece:
    """What a line belongs to.

    ground: digest of texts, labels and policy. budget: verdicts in all; a loop that has fewer left
    buys other texts, so that one with more is another loop. tag: of the product's version.
    """

    set: str
    ground: str
    system: str
    seed: int
    budget: int
    tag: str = ""


@dataclass(frozen=True)
class Line:
    """A version in force, measured; see place.py and measure.py for the figures.

    verdicts: in all, up to the round. scores: digest of its answers to the test texts.
    """

    round: int
    verdicts: int
    version: str
    kappa: float | None
    low: float | None
    high: float | None
    best: float | None
    reported: float | None
    reported_low: float | None
    reported_high: float | None
    reported_items: int
    taught: int
    taught_positives: int
    positives: int
    seconds: float
    stop: str
    scores: str

    @property
    def covered(self) -> bool | None:
        """Whether the interval that the system told holds the true kappa; None without one."""
        if self.reported_low is None or self.reported_high is None or self.kappa is None:
            return None
        return self.reported_low <= self.kappa <= self.reported_high


class Kept:
    """The lines of one file. Of several for a piece and a round the last counts."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def pieces(self) -> list[Piece]:
        """Return the pieces of which nothing is missing, without those of a tagged version."""
        names = [field.name for field in fields(Piece)]
        done = [body for body in self._bodies() if body.get("finished") and not body["tag"]]
        return list(dict.fromkeys(Piece(**{name: body[name] for name in names}) for body in done))

    def lines(self, piece: Piece) -> list[Line]:
        """Return a piece's lines by the number of their round."""
        names = [field.name for field in fields(Line)]
        found = {
            body["round"]: Line(**{name: body[name] for name in names})
            for body in self._bodies(piece)
            if "round" in body
        }
        return [found[number] for number in sorted(found)]

    def finished(self, piece: Piece) -> bool:
        """Return whether nothing is missing of the piece."""
        return any(body.get("finished") for body in self._bodies(piece))

    def add(self, piece: Piece, line: Line) -> None:
        """Keep a line."""
        self._append({**asdict(piece), **asdict(line)})

    def finish(self, piece: Piece) -> None:
        """Note that nothing is missing of the piece."""
        self._append({**asdict(piece), "finished": True})

    def _bodies(self, piece: Piece | None = None) -> list[dict[str, Any]]:
        if not self.file.is_file():
            return []
        whole = (line for line in self.file.read_text().splitlines() if line.endswith("}"))
        bodies = [json.loads(line) for line in whole]
        wanted = asdict(piece).items() if piece else ()
        return [body for body in bodies if all(body.get(name) == value for name, value in wanted)]

    def _append(self, body: dict[str, Any]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+b") as lines:
            if lines.tell():
                lines.seek(-1, os.SEEK_END)
                if lines.read() != b"\n":  # the process was killed while it wrote the line before
                    lines.write(b"\n")
            lines.write(json.dumps(body).encode() + b"\n")

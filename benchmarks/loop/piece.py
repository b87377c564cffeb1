"""One system on one ground with one seed: run it, measure its versions, keep what they gave."""

from collections.abc import Callable

import numpy as np

from benchmarks.loop.kept import Kept, Line, Piece
from benchmarks.loop.measure import Truth, measure
from benchmarks.loop.place import Place, Step
from benchmarks.loop.systems import System
from selection.types import Doubles, Estimate


def run_piece(
    piece: Piece, system: System, place: Place, kept: Kept, say: Callable[[str], None]
) -> list[Line]:
    """Return the lines of a piece, after running what is missing of it."""
    if not kept.finished(piece):
        known = {line.round: line for line in kept.lines(piece)}
        for step in system.run(place):
            line = known.get(step.round)
            if line is None or (line.verdicts, line.version) != (step.verdicts, step.version):
                probability = step.read()
                line = _line(step, measure(probability, place.ground))
                _keep_scores(place, step, probability)
                kept.add(piece, line)
            say(_told(piece, line))
        kept.finish(piece)
    return kept.lines(piece)


def _keep_scores(place: Place, step: Step, probability: Doubles) -> None:
    folder = place.folder / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{step.round}.npy", probability.astype(np.float32))


def _line(step: Step, truth: Truth) -> Line:
    return Line(
        step.round,
        step.verdicts,
        step.version,
        *_figures(truth.kappa),
        _short(truth.best),
        *_figures(step.reported),
        step.reported.items,
        step.taught,
        step.taught_positives,
        step.positives,
        round(step.seconds, 1),
        step.stop,
        truth.digest,
    )


def _figures(estimate: Estimate) -> tuple[float | None, float | None, float | None]:
    return _short(estimate.value), _short(estimate.low), _short(estimate.high)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4) + 0.0  # no -0.0


def _told(piece: Piece, line: Line) -> str:
    best = "" if line.best is None else f" (best {line.best:.2f})"
    told = "" if line.reported is None else f", reported {line.reported:.2f}"
    if line.reported_low is not None and line.reported_high is not None:
        told += f" [{line.reported_low:.2f}, {line.reported_high:.2f}]"
    kappa = "undefined" if line.kappa is None else f"{line.kappa:.2f}"
    return (
        f"{piece.set}, {piece.system}, seed {piece.seed}: {line.verdicts} verdicts, true kappa "
        f"{kappa}{best}{told}; {line.taught} taught ({line.taught_positives} positive), "
        f"{line.positives} positives found, {line.seconds:.0f} s"
        + (f", stop: {line.stop}" if line.stop else "")
    )

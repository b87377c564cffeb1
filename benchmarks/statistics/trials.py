"""Simulated projects -> how often intervals contain the truth, and how many texts they cost.

Each trial takes a generator, the number of simulations and the parameters of a cell, and returns
plain figures. n: items (their expected number in an audit). prevalence: share of positives. kappa:
of the experts with each other. A model knows 0.9 of what an expert knows, unless said otherwise.
"""

from math import sqrt
from typing import Any

import numpy as np

from backend.evaluate import Ground, ground
from benchmarks.statistics.simulate import (
    Rater,
    World,
    audited,
    collected,
    graded,
    judged,
    know,
    knowing,
    plain,
    true_kappa,
)
from selection.calibrate import Unjudged
from selection.kappa import Said
from selection.second import LEAST
from selection.types import Estimate

RESAMPLES = 1000
FIVE = (0.6, 0.2, 0.1, 0.07, 0.03)  # shares of five labels
Cell = dict[str, Any]  # what is simulated
Figures = dict[str, Any]  # what was found


class Tally:
    """Collects estimates of one true value."""

    def __init__(self, truth: float) -> None:
        self.truth = truth
        self.found: list[Estimate] = []

    def figures(self) -> Figures:
        """Return what the estimates are worth.

        coverage: share of the intervals that contain the truth; error: its standard error. above,
        below: share of intervals that lie wholly above or below the truth. undefined: share of
        estimates without a kappa.
        """
        values = np.array([one.value for one in self.found if one.value is not None])
        known = [one for one in self.found if one.low is not None and one.high is not None]
        bounds = np.array([(one.low, one.high) for one in known], dtype=np.float64).reshape(-1, 2)
        above, below = bounds[:, 0] > self.truth + 1e-9, bounds[:, 1] < self.truth - 1e-9
        covered = float(1 - (above | below).mean()) if len(known) else None
        return {
            "promised": self.found[0].confidence,
            "truth": rounded(self.truth),
            "mean": rounded(values.mean()) if len(values) else None,
            "mean_error": rounded(values.std() / sqrt(len(values))) if len(values) else None,
            "coverage": None if covered is None else rounded(covered),
            "error": None if covered is None else rounded(standard_error(covered, len(known))),
            "above": rounded(above.mean()) if len(known) else None,
            "below": rounded(below.mean()) if len(known) else None,
            "width": rounded(np.ptp(bounds, axis=1).mean()) if len(known) else None,
            "undefined": rounded(1 - len(values) / len(self.found)),
            "without_interval": rounded(1 - len(known) / len(self.found)),
        }


def rounded(value: Any) -> float:
    """Return it with four digits."""
    return round(float(value), 4)


def standard_error(share: float, of: int) -> float:
    """Return the Monte Carlo standard error of a share."""
    return sqrt(max(share * (1 - share), 1 / of) / of) if of else float("nan")


def world_of(prevalence: float | str) -> World:
    """Return a world of two labels, or of the five of FIVE."""
    return plain(FIVE if isinstance(prevalence, str) else (1 - prevalence, prevalence))


def graded_of(prevalence: float | str) -> World:
    """Return the same with hard and easy texts."""
    return graded(FIVE if isinstance(prevalence, str) else (1 - prevalence, prevalence))


def coverage(rng: np.random.Generator, simulations: int, cell: Cell) -> Figures:
    """Return the coverage of all kappas' intervals on a plain sample, on pairs, or on an audit.

    cell: n, prevalence, kappa, design ('plain', 'pairs', 'audit'), experts, each (number of
    experts per item), second (chance that an audited text is judged by all of them).
    """
    audited = cell["design"] == "audit"
    world = graded_of(cell["prevalence"]) if audited else world_of(cell["prevalence"])
    s = sqrt(cell["kappa"])
    expert, model = know(world, s, s), know(world, 0.9 * s, s)
    experts = [expert] * cell["experts"]
    truth = {
        "experts": true_kappa(world, expert, expert),
        "model": true_kappa(world, model, expert),
    }
    truth["gap"] = truth["model"] - truth["experts"]
    tally = {name: Tally(value) for name, value in truth.items()}
    wanted = {"plain": ["experts"], "pairs": ["model"]}.get(cell["design"], list(tally))
    for i in range(simulations):
        predicted, items, others = _drawn(rng, cell, world, experts, model, i)
        for name in wanted:
            tally[name].found.append(_estimate(items, name, predicted, others))
    return {name: tally[name].figures() for name in wanted}


def _estimate(items: Ground, name: str, predicted: Said, others: Unjudged | None) -> Estimate:
    if name == "experts":
        alignment: Estimate = items.experts().kappa
        return alignment
    if name == "model":
        return items.model(predicted, others)
    return items.gap(predicted.argmax(axis=1))


def _drawn(
    rng: np.random.Generator,
    cell: Cell,
    world: World,
    experts: list[Rater],
    model: Rater,
    seed: int,
) -> tuple[Said, Ground, Unjudged | None]:
    n: int = cell["n"]
    each = cell["each"]
    if cell["design"] == "audit":
        s = sqrt(cell["kappa"])
        versions = [*(know(world, part * s, s) for part in (0.6, 0.8)), model]
        sizes, second = [n / 3, 2 * n / 3, n], cell["second"]
        look = list(audited(rng, world, experts, versions, sizes, each=each, second=second))[-1]
        return look.beliefs[-1], ground(look.collected, seed, RESAMPLES), look.others
    types, pair = world.draw(rng, n), None
    if cell["design"] == "pairs":
        pair = np.arange(n) // 2
        like_the_first = (np.arange(n) % 2 == 1) & (rng.random(n) < 0.3)
        types = np.where(like_the_first, np.roll(types, 1), types)
    found = collected(judged(rng, types, experts, each), world.k, pair=pair)
    return model.says(types, rng.random(n)), ground(found, seed, RESAMPLES), None


def audit(rng: np.random.Generator, simulations: int, cell: Cell) -> Figures:
    """Return the bias of the audit, and of the boundary set if it is taken for production.

    A tenth of the texts of either label is hard: there the model knows a third of what it knows
    elsewhere. The boundary set consists of such texts, half of them positive.
    """
    n: int = cell["n"]
    p = cell["prevalence"]
    share = np.array([0.9 * (1 - p), 0.1 * (1 - p), 0.9 * p, 0.1 * p])
    world = World(share, np.array([0, 0, 1, 1]), 2)
    edge = World(np.array([0.0, 0.5, 0.0, 0.5]), world.label, 2)
    s = sqrt(cell["kappa"])
    expert, model = knowing(world, s), knowing(world, [0.95 * s, 0.3 * s, 0.95 * s, 0.3 * s])
    truth = true_kappa(world, model, expert)
    production, boundary = Tally(truth), Tally(truth)
    for i in range(simulations):
        younger = knowing(world, 0.6 * s)
        sizes = [n / 3, 2 * n / 3, n]
        look = list(audited(rng, world, [expert] * 2, [younger, younger, model], sizes))[-1]
        drawn = ground(look.collected, i, RESAMPLES)
        production.found.append(drawn.model(look.beliefs[-1], look.others))
        types = edge.draw(rng, n)
        found = collected(judged(rng, types, [expert] * 2), 2)
        at_edge = ground(found, i, RESAMPLES)
        boundary.found.append(at_edge.model(model.says(types, rng.random(n))))
    return {
        "boundary_truth": rounded(true_kappa(edge, model, expert)),
        "production": production.figures(),
        "boundary_taken_for_production": boundary.figures(),
    }


def cost(rng: np.random.Generator, simulations: int, cell: Cell) -> Figures:
    """Return the mean half-width of production kappa's interval after an audit of expected size n.

    cell: n, prevalence, kappa: of the model with the experts. The experts' own kappa is 0.8, or
    0.95 if the model's is above 0.7.
    """
    world = graded_of(cell["prevalence"])
    s = sqrt(0.95 if cell["kappa"] > 0.7 else 0.8)
    expert, model = know(world, s, s), know(world, cell["kappa"] / s, s)
    tally = Tally(cell["kappa"])
    for i in range(simulations):
        sizes = [cell["n"] / 2, cell["n"]]
        versions = [model, model]
        look = list(audited(rng, world, [expert] * 2, versions, sizes, second=LEAST))[-1]
        items = ground(look.collected, i, RESAMPLES)
        tally.found.append(items.model(look.beliefs[-1], look.others))
    found = tally.figures()
    return {"half_width": rounded(found["width"] / 2), "coverage": found["coverage"]}


def odd(rng: np.random.Generator, simulations: int, cell: Cell) -> Figures:
    """Return how often an expert who answers at random is named, and how often one of equals.

    cell: n, prevalence, kappa, experts.
    """
    n: int = cell["n"]
    world = world_of(cell["prevalence"])
    expert, guesser = knowing(world, sqrt(cell["kappa"])), knowing(world, 0.0)
    named = {"guesser": 0, "other": 0, "one_of_equals": 0}
    for i in range(simulations):
        types = world.draw(rng, n)
        for first in (guesser, expert):
            table = judged(rng, types, [first, *[expert] * (cell["experts"] - 1)])
            found = ground(
                collected(table, world.k), i, RESAMPLES
            ).weakest()
            if found is not None and first is expert:
                named["one_of_equals"] += 1
            elif found is not None:
                named["guesser" if found.expert == "0" else "other"] += 1
    return {name: rounded(count / simulations) for name, count in named.items()}

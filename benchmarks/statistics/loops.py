"""Simulated loops -> how often the rules of stop.py end them, and how often wrongly.

Every loop has the pool of 20,000 texts and the audit of simulate.py, and two experts. cell: n:
size of the audit at the end. second: chance of a text to be judged by both experts. prevalence,
kappa: of the experts. delta: as in decide().
Everything is measured on the audit, as backend/evaluate.py does.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

import numpy as np

from backend.evaluate import ground
from benchmarks.statistics.simulate import audited, know
from benchmarks.statistics.trials import (
    RESAMPLES,
    Cell,
    Figures,
    graded_of,
    rounded,
    standard_error,
)
from selection.align import PLATEAU_CONFIDENCE
from selection.record import Measurement
from selection.stop import decide
from selection.types import Doubles, Estimate

NONE = Estimate.undefined(0, "not measured")
UNKNOWN = Measurement(
    expert_kappa=NONE, boundary_kappa=NONE, production_kappa=NONE, start_kappa=NONE, gap=NONE,
)  # fmt: skip


def loop(
    rng: np.random.Generator, cell: Cell, knows: Doubles, seed: int, gains: bool
) -> Iterator[Measurement]:
    """Run the rounds of one project and yield each as decide() reads it.

    knows: (rounds,) share of the labels that each round's version knows. gains: measure the gain,
    not the gap.
    """
    world = graded_of(cell["prevalence"])
    most = max(sqrt(cell["kappa"]), float(knows.max()))
    experts = [know(world, sqrt(cell["kappa"]), most)] * 2
    rounds = len(knows)
    versions = [know(world, float(s), most) for s in knows]
    sizes = [cell["n"] * (r + 1) / rounds for r in range(rounds)]
    looks = audited(rng, world, experts, versions, sizes, second=cell["second"])
    for r, look in enumerate(looks):
        items = ground(look.collected, seed, RESAMPLES)
        gain, gap = None, NONE
        if gains and r >= cell["patience"]:
            before = look.beliefs[r - cell["patience"]].argmax(axis=1)
            gain = items.gain(before, look.beliefs[r].argmax(axis=1), PLATEAU_CONFIDENCE)
        if not gains:
            gap = items.gap(look.beliefs[r].argmax(axis=1))
        yield replace(UNKNOWN, gap=gap, gain=gain, patience=cell.get("patience", 2))


def stops(history: list[Measurement], rule: str, cell: Cell) -> bool:
    """Return whether decide() ends the loop by this rule."""
    decision = decide(
        history,
        delta=cell["delta"],
        labels_bought=0,
        budget=1,
        max_rounds=len(history) + 1,
    )
    return decision.rule == rule


def parity(rng: np.random.Generator, simulations: int, cell: Cell) -> Figures:
    """Return how often a loop of six rounds with the same model ends by parity.

    cell: also behind: the experts' true kappa minus the model's. With delta, stops are false; with
    0 they show the power of the rule.
    """
    s = sqrt(cell["kappa"])
    knows = np.full(6, s - cell["behind"] / s)
    ever, last = 0, 0
    for i in range(simulations):
        history: list[Measurement] = []
        said = []
        for result in loop(rng, cell, knows, i, gains=False):
            history.append(result)
            said.append(stops(history, "parity", cell))
        ever, last = ever + any(said), last + said[-1]
    return {
        "loop": rounded(ever / simulations),
        "loop_error": rounded(standard_error(ever / simulations, simulations)),
        "last_look": rounded(last / simulations),
    }


def plateau(rng: np.random.Generator, simulations: int, cell: Cell) -> Figures:
    """Return how often a loop ends by plateau too early, and how long after the true plateau.

    cell: also rounds, patience, flat, step: the model's kappa rises by `step` a round until round
    `flat`, and stays there. Too early: in a round where the true gain over the last `patience`
    rounds is still delta or more.
    """
    s, rounds = sqrt(cell["kappa"]), cell["rounds"]
    rising = np.minimum(np.arange(rounds), cell["flat"]) - cell["flat"]
    kappas = cell["kappa"] * 0.9 + cell["step"] * rising
    early, late, never = 0, [], 0
    for i in range(simulations):
        history: list[Measurement] = []
        for result in loop(rng, cell, kappas / s, i, gains=True):
            history.append(result)
            if stops(history, "plateau", cell):
                break
        else:
            never += 1
            continue
        r = len(history) - 1
        true_gain = kappas[r] - kappas[r - cell["patience"]]
        early += bool(true_gain >= cell["delta"] - 1e-9)
        late.append(r - cell["flat"])
    return {
        "too_early": rounded(early / simulations),
        "error": rounded(standard_error(early / simulations, simulations)),
        "never": rounded(never / simulations),
        "rounds_after": rounded(np.mean(late)) if late else None,
    }

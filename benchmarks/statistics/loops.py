"""Simulated loops, round after round -> how often the rules of stop.py end them wrongly, or at all.

Every loop has the pool of 20,000 texts, the audit and the two experts of benchmarks/statistics/simulate.py.
cell: n: expected size of the audit at the end. prevalence, kappa: of the experts. delta: as in
decide(). Everything is measured on the audit, as backend/evaluate.py does.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import sqrt

import numpy as np

from backend.evaluate import ground
from benchmarks.statistics.simulate import audited, knowing
from benchmarks.statistics.trials import RESAMPLES, Figures, error, rounded, world_of
from selection.align import PLATEAU_CONFIDENCE
from selection.record import Measurement
from selection.stop import decide
from selection.types import Doubles, Estimate

NONE = Estimate.undefined(0, "not measured")
UNKNOWN = Measurement(
    expert_kappa=NONE, boundary_kappa=NONE, boundary_expert_kappa=NONE, production_kappa=NONE,
    start_kappa=NONE, gap=NONE,
)  # fmt: skip


def loop(
    rng: np.random.Generator, cell: Figures, knows: Doubles, seed: int, gains: bool
) -> Iterator[Measurement]:
    """The rounds of one project, whose version r knows knows[r], as decide() reads them."""
    world = world_of(cell["prevalence"])
    experts = [knowing(world, sqrt(cell["kappa"]))] * 2
    rounds = len(knows)
    versions = [knowing(world, s) for s in knows]
    sizes = [cell["n"] * (r + 1) / rounds for r in range(rounds)]
    for r, look in enumerate(audited(rng, world, experts, versions, sizes)):
        items = ground(look.collected, "audit", seed, RESAMPLES)
        gain, gap = None, NONE
        if gains and r >= cell["patience"]:
            before = look.predictions[r - cell["patience"]]
            gain = items.gain(before, look.predictions[r], PLATEAU_CONFIDENCE)
        if not gains:
            gap = items.gap(look.predictions[r])
        yield replace(UNKNOWN, gap=gap, gain=gain, patience=cell.get("patience", 2))


def stops(history: list[Measurement], rule: str, cell: Figures) -> bool:
    """Whether decide() ends the loop by this rule."""
    decision = decide(
        history,
        delta=cell["delta"],
        labels_bought=0,
        budget=1,
        max_rounds=len(history) + 1,
    )
    return decision.rule == rule


def parity(rng: np.random.Generator, simulations: int, cell: Figures) -> Figures:
    """How often a loop ends by parity, of six rounds with the same model.

    cell: also behind: true kappa of the experts less that of the model. delta shows false stops, 0
    shows power.
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
        "loop_error": rounded(error(ever / simulations, simulations)),
        "last_look": rounded(last / simulations),
    }


def plateau(rng: np.random.Generator, simulations: int, cell: Figures) -> Figures:
    """How often a loop ends by plateau too early, and how long after the true plateau.

    cell: also rounds, patience, flat, step: the model gains `step` of kappa a round until round
    `flat`, and nothing afterwards. Too early: at a look where the true gain over the last
    `patience` rounds is still delta or more.
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
        "error": rounded(error(early / simulations, simulations)),
        "never": rounded(never / simulations),
        "rounds_after": rounded(np.mean(late)) if late else None,
    }

"""The project that the tests of the report draw: three rounds, the newest one unfinished."""

from dataclasses import replace
from typing import Any

from selection.annotators import Annotator
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.policy import PolicyState
from selection.preannotation import Habit, Share
from selection.record import Remeasured, TrainingState
from selection.report.page import render
from selection.report.reread import Reread, listed
from selection.status import OpenRound, RoundStatus, Status
from selection.stop import Decision
from selection.types import Estimate
from selection.verdict import Answer
from tests.records import record

LABELS = ("clickbait", "news")
ANNA, BEN = "anna@example.org", "ben@example.org"
STUDIO = "https://studio.example.org"
AT = "22 November 2026, 14:05"
NOW, BEFORE = "round2-5f3a9c1e", "round0-5f3a9c1e"  # the version in force, and the one before
GO_ON = (
    "The model is still 0.13 behind the experts (0.02 to 0.24, 96 texts); less than 0.05 counts as "
    "level."
)

# left text, right text, P(clickbait) of each, what Anna and Ben said of each (c or n)
PAIRS = (
    ("The one thing dentists wish you knew about sugar", "What dentists want you to know about "
     "sugar substitutes", 0.62, 0.44, "cc", "nn"),
    ("12 kitchen gadgets under $20 that people swear by", "12 kitchen gadgets tested: which ones "
     "are worth the money", 0.81, 0.39, "c", "c"),
    ("Why this village has banned street lights", "Village bans street lights after council vote",
     0.57, 0.31, "n", "n"),
    ("She quit her job to bake bread. You won't believe what came next", "She quit her job to bake "
     "bread and now employs forty people", 0.93, 0.47, "cc", "cn"),
    ("Scientists can't explain this strange signal", "Scientists debate the origin of a radio "
     "signal", 0.66, 0.22, "c", "n"),
    ("The surprising reason trains are late on Mondays", "Rail operator explains why trains are "
     "late on Mondays", 0.71, 0.48, "c", "n"),
)  # fmt: skip
SINGLES = (
    ("This map shows how far a bicycle takes you in an hour", 0.52, "n"),
    ("Is your phone listening? We asked the engineers", 0.49, "c"),
    ("Ten years on: what became of the tallest wooden tower", 0.53, "n"),
    ("Everyone is talking about this lake, and for good reason", 0.55, ""),
)


def kappa(value: float, half: float, items: int) -> Estimate:
    return Estimate(value, value - half, value + half, items)


def undefined(reason: str) -> Estimate:
    return Estimate.undefined(0, reason)


def measured(round: int, bought: int, reason: str = GO_ON, **changed: Any) -> RoundStatus:
    """A measured round after which the loop goes on."""
    body: dict[str, Any] = {
        "labels": 64 + 42 * min(round, 1) + 11 * (round == 2),
        "labels_bought": bought,
        "version": f"round{round}-5f3a9c1e",
        "candidate": f"round{round}-5f3a9c1e",
        "promotion": f"round{round}-5f3a9c1e is promoted: against the one before it has "
        "+0.19 [+0.06, +0.31] of kappa in production on 64 items, so not worse.",
        "ties": 2,
        "train_seconds": 214.0,
        "expert_kappa": kappa(0.79, 0.10, 96),
        "expert_agreement": 0.93,
        "prevalence": {"clickbait": 0.11, "news": 0.89},
        "boundary_kappa": kappa(0.51, 0.18, 28),
        "production_kappa": kappa(0.66, 0.12, 96),
        "start_kappa": kappa(0.31, 0.13, 96),
        "gap": replace(kappa(-0.13, 0.11, 96), confidence=0.98),
    }
    return RoundStatus(record(round, **{**body, **changed}), Decision(False, "go on", reason))


ROUNDS = (
    measured(
        0,
        128,
        expert_kappa=kappa(0.74, 0.19, 32),
        boundary_kappa=undefined("no item was judged by an expert"),
        production_kappa=kappa(0.38, 0.22, 32),
        start_kappa=kappa(0.29, 0.21, 32),
        reason="The model is still 0.36 behind the experts (0.12 to 0.61, 32 texts); less than "
        "0.05 counts as level.",
    ),
    measured(
        1,
        278,
        version="round0-5f3a9c1e",
        candidate="round1-77d0b2aa",
        promoted=False,
        promotion="round1-77d0b2aa is refused: it is worse than round0-5f3a9c1e by -0.11 [-0.20, "
        "-0.02] of kappa in production on 64 items.",
        expert_kappa=kappa(0.77, 0.13, 64),
        boundary_kappa=kappa(0.34, 0.2, 22),
        production_kappa=kappa(0.47, 0.16, 64),
        start_kappa=kappa(0.33, 0.16, 64),
    ),
    measured(
        2,
        364,
        earlier=(
            Remeasured(0, "round0-5f3a9c1e", kappa(0.44, 0.14, 96), kappa(0.22, 0.13, 96)),
            Remeasured(1, "round0-5f3a9c1e", kappa(0.44, 0.14, 96), kappa(0.22, 0.13, 96)),
        ),
    ),
)


def item(
    order: int,
    text: str,
    role: str,
    belief: float,
    said: str,
    *,
    round: int = 2,
    pair: str = "",
    other: int = 0,
) -> Item:
    """said: a letter for each answer, c, n or - for a skipped task.

    role: 'blind' is a training text whose pre-annotation nobody saw, of which two experts were
    asked, as an older Crux did.
    """
    label = LABELS[0] if belief >= 0.5 else LABELS[1]
    opposite = LABELS[1] if belief >= 0.5 else LABELS[0]
    why = f"close to the boundary, labelled '{label}'"
    if pair:
        why = f"labelled '{label}', while its neighbour h{other:05} is labelled '{opposite}'"
    card = Card(
        id=f"h{order:05}",
        round=round,
        order=order,
        role="train" if role == "blind" else role,
        pair=pair or f"h{order:05}",
        inclusion=0.05 if role == "audit" else None,
        experts=1 if role == "train" else 2,
        version=BEFORE,
        belief={"clickbait": belief, "news": 1.0 - belief},
        why=why,
        seed=0,
        reserve=0.25,
        hidden=role == "blind",
    )
    number = 1000 * round + order
    answers = tuple(
        Answer(
            expert,
            {"c": 0, "n": 1}.get(letter),
            "skip" if letter == "-" else "verdict",
            seconds=12.0 + 2 * place,
        )
        for place, (expert, letter) in enumerate(zip((ANNA, BEN), said, strict=False))
    )
    return Item((number,), text, card, answers, max(card.experts - len(said), 0))


def pair(at: int, left: str, right: str, p: float, q: float, one: str, two: str) -> list[Item]:
    role = "blind" if len(one) != 1 else "train"
    name = f"h{at:05}|h{at + 1:05}"
    return [
        item(at, left, role, p, one, pair=name, other=at + 1),
        item(at + 1, right, role, q, two, pair=name, other=at),
    ]


def sample() -> Collected:
    """Three rounds; the newest has a blind pair that one expert has not answered yet."""
    items = []
    for round, texts in ((0, 64), (1, 42)):
        said = "cnncnncc" * 8
        items += [item(n, f"Old {n}", "train", 0.6, said[n], round=round) for n in range(texts)]
    for n in range(11):
        for at, said in ((0, "cc"), (1, "cn" if n % 4 else "nn")):
            old = item(200 + 2 * n + at, "Old", "blind", 0.6 - 0.3 * at, said, pair=f"old{n}")
            items.append(replace(old, card=replace(old.card, round=1)))
    for n in range(96):
        said = "cc" if n % 7 == 0 else ("cn" if n % 31 == 1 else "nn")
        items.append(item(300 + n, f"Audited {n}", "audit", 0.1, said, round=n % 3))
    for at, one in enumerate(PAIRS):
        items += pair(100 + 2 * at, *one)
    items += pair(120, "They bought a lighthouse for one euro", "Lighthouse sold for one euro, "
                  "buyers face repairs", 0.777, 0.234, "cc", "n")  # fmt: skip
    items += [item(130 + at, *(t, "train", p, s)) for at, (t, p, s) in enumerate(SINGLES)]
    return Collected(tuple(items), LABELS, ())


WRONG = {"h00101": 0.62, "h00108": 0.21, "h00304": 0.71, "h00331": 0.64}


def read_again(collected: Collected | None = None, **changed: Any) -> Reread:
    """What the version in force believes: what experts said first, but for a few texts."""
    beliefs = {}
    for one in listed(sample() if collected is None else collected):
        right = 0.91 if next(iter(one.verdicts.values())) == 0 else 0.06
        share = WRONG.get(one.card.id, right)
        beliefs[one.card.id] = {"clickbait": share, "news": 1.0 - share}
    return replace(Reread(NOW, beliefs), **changed)


def state(**changed: Any) -> Status:
    whole = Status(
        project=7,
        current=NOW,
        labels_bought=364,
        rounds=ROUNDS,
        open_round=OpenRound(2, 96, 0, True),
        decision=Decision(False, "go on", GO_ON),
        training=TrainingState(),
        forecast="About 58 more audited texts (116 verdicts) to know production kappa to within "
        "0.1.",
        gained="Since round 0 (236 verdicts) the model's kappa changed by +0.22.",
        problems=(),
        budget=1_000,
        policy=PolicyState("5d0c7a1e", "5d0c7a1e", "5d0c7a1e", {"5d0c7a1e": 364}),
        people=(Annotator(ANNA, 245, 0), Annotator(BEN, 119, 1)),
        habits=(Habit(ANNA, Share(12, 14), Share(5, 9), 3, 1),),
        seconds=14.0,
    )
    return replace(whole, **changed)


NEW = state(
    current="prompted-0d41",
    labels_bought=0,
    rounds=(),
    open_round=None,
    decision=Decision(False, "go on", "No round is finished yet, so go on."),
    forecast="",
    gained="",
    people=(),
    habits=(),
    seconds=None,
)


def drawn(
    status: Status | None = None,
    collected: Collected | None = None,
    reread: Reread | None = None,
    **given: str,
) -> str:
    names = {"title": "Clickbait or news", "studio_url": STUDIO, "generated": AT, **given}
    bought = sample() if collected is None else collected
    return render(status or state(), bought, Reread(NOW) if reread is None else reread, **names)

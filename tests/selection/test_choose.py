from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selection.audit import informative
from selection.cache import Cache
from selection.choose import RULE, Plan, Rule, choose, drawn
from selection.confusion import Earlier
from selection.permanent import permanent
from selection.pool_files import read_files
from selection.types import Audit, Beliefs, Choice, Pool
from selection.vectors import OnDisk

RESERVE = 0.25
LABELS = ("yes", "no", "perhaps", "both", "neither")


class World:
    """A pool in which k labels follow the space, and a model that sees it through some fog."""

    def __init__(self, n: int = 400, k: int = 2, seed: int = 0, fog: float = 0.5) -> None:
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(n, 8))
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")
        ids = np.array([f"id {i:04d}" for i in range(n)], dtype=object)
        self.pool = Pool(ids, np.array([f"text {i}" for i in range(n)], dtype=object))
        score = 4 * self.vectors @ rng.normal(size=(8, k)) + fog * rng.normal(size=(n, k))
        matrix = np.exp(score.astype(np.float64))
        self.beliefs = self.believe(matrix / matrix.sum(axis=1, keepdims=True))

    def believe(self, probability: np.ndarray) -> Beliefs:
        n, k = probability.shape
        return Beliefs(probability, LABELS[:k], "v1", np.ones(n, dtype=np.bool_))

    def plan(self, round: int = 1, **more: object) -> Plan:
        n = len(self.pool)
        first = Plan(
            round=round,
            trained=round > 0,
            bought=np.zeros(n, dtype=np.bool_),
            inclusion=np.full(n, np.nan),
            per_round=40,
            audit_per_round=12,
            audit_reserve=RESERVE,
            seed=3,
        )
        return replace(first, **more)  # type: ignore[arg-type]

    def choose(self, plan: Plan, rule: Rule = RULE) -> tuple[Choice, Audit]:
        return choose(self.pool, self.vectors, self.beliefs, plan, rule)

    def after(self, plan: Plan, choice: Choice, sample: Audit) -> Plan:
        """The next round's plan, as the project would tell it."""
        bought, inclusion = plan.bought.copy(), plan.inclusion.copy()
        bought[choice.row] = True
        inclusion[sample.row] = sample.inclusion
        return replace(
            plan, round=plan.round + 1, trained=True, bought=bought, inclusion=inclusion
        )


def rows(choice: Choice, role: str) -> list[int]:
    return choice.row[choice.role == role].tolist()


@pytest.mark.parametrize("round", [0, 1])
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("per_round", [2, 7, 40])
def test_as_many_texts_are_chosen_as_asked_for(round: int, k: int, per_round: int) -> None:
    world = World(k=k)
    choice, sample = world.choose(world.plan(round, per_round=per_round))
    assert len(rows(choice, "train")) == per_round
    assert len(rows(choice, "audit")) == 12
    assert sorted(rows(choice, "audit")) == sorted(sample.row.tolist())
    assert len(set(choice.row.tolist())) == len(choice) == per_round + 12


@pytest.mark.parametrize("round", [0, 1])
def test_the_same_arguments_give_the_same_choice(round: int) -> None:
    world = World()
    (one, first), (two, second) = (world.choose(world.plan(round)) for _ in range(2))
    for name in ("row", "role", "pair", "why"):
        assert getattr(one, name).tolist() == getattr(two, name).tolist()
    assert np.array_equal(one.inclusion, two.inclusion, equal_nan=True)
    assert first.row.tolist() == second.row.tolist()


def test_another_seed_audits_other_rows() -> None:
    world = World()
    one, two = (world.choose(world.plan(0, seed=seed))[1] for seed in (0, 1))
    assert set(one.row.tolist()) != set(two.row.tolist())


@pytest.mark.parametrize("round", [0, 1, 2])
def test_nothing_is_taken_from_the_audits_reserve(round: int) -> None:
    world = World()
    number = permanent(world.pool.ids, 3)
    choice, _ = world.choose(world.plan(round))
    assert (number[rows(choice, "train")] >= RESERVE).all()
    assert (number[rows(choice, "audit")] < RESERVE).all()


def test_five_rounds_buy_nothing_twice() -> None:
    world = World(n=500, k=3)
    plan = world.plan(0)
    bought: set[int] = set()
    chances: dict[int, float] = {}
    for round in range(5):
        choice, sample = world.choose(plan)
        assert len(rows(choice, "audit")) == 12
        assert len(sample.row) == 12 * (round + 1)
        assert not bought & set(choice.row.tolist())
        bought |= set(choice.row.tolist())
        now = dict(zip(sample.row.tolist(), sample.inclusion.tolist(), strict=True))
        assert all(now[row] >= chance for row, chance in chances.items())
        chances = now
        plan = world.after(plan, choice, sample)
    assert set(chances) <= bought


def test_the_two_of_a_pair_are_labelled_differently_and_stay_together() -> None:
    world = World()
    choice, _ = world.choose(world.plan(1))
    pairs: dict[str, list[int]] = {}
    for i, name in enumerate(choice.pair.tolist()):
        if choice.role[i] != "audit" and "|" in name:
            pairs.setdefault(name, []).append(i)
    assert len(pairs) == 20
    for name, two in pairs.items():
        left, right = sorted(choice.row[two].tolist(), key=lambda r: world.beliefs.predicted[r])
        assert name == f"{world.pool.ids[left]}|{world.pool.ids[right]}"
        assert world.beliefs.predicted[left] < world.beliefs.predicted[right]
    # all of them teach: what the model believed of them before tests it (backend/evaluate.py)
    assert set(choice.role.tolist()) == {"train", "audit"}


def test_pairs_stand_at_the_boundary() -> None:
    world = World(n=2_000)
    choice, _ = world.choose(world.plan(1))
    chosen = world.beliefs.margin[rows(choice, "train")]
    assert np.median(chosen) < 0.5 * np.median(world.beliefs.margin)


def test_why_says_what_the_model_thinks() -> None:
    world = World()
    choice, _ = world.choose(world.plan(1))
    names, predicted = world.beliefs.labels, world.beliefs.predicted
    for row, role, pair, why in zip(
        choice.row.tolist(), choice.role, choice.pair, choice.why, strict=True
    ):
        if role == "audit":
            assert why == "drawn at random to measure the model in production"
            continue
        left, right = str(pair).split("|")
        other = right if left == world.pool.ids[row] else left
        label, others = names[predicted[row]], names[1 - predicted[row]]
        assert why == f"labelled '{label}', while its neighbour {other} is labelled '{others}'"


def test_the_start_takes_as_many_texts_that_speak_for_each_label() -> None:
    world = World(n=600)
    world.beliefs = world.believe(0.09 * world.beliefs.probability + np.array([0.91, 0.0]))
    assert set(world.beliefs.predicted.tolist()) == {0}  # says yes to everything, more or less so
    choice, _ = world.choose(world.plan(0))
    why = choice.why[choice.role == "train"].tolist()
    assert sorted(why) == ["speaks most for 'no'"] * 20 + ["speaks most for 'yes'"] * 20
    # nothing of it is a random draw: the audit alone has chances
    assert np.isnan(choice.inclusion[choice.role == "train"]).all()
    assert not np.isnan(choice.inclusion[choice.role == "audit"]).any()


def test_the_start_believes_a_model_that_sees_a_rare_label_rarely() -> None:
    world = World(n=2_000)
    lead = world.beliefs.probability[:, 0]
    rare = lead > np.quantile(lead, 0.95)
    world.beliefs = world.believe(np.where(rare[:, None], [0.8, 0.2], [0.1, 0.9]))
    choice, _ = world.choose(world.plan(0))
    assert rare[rows(choice, "train")].sum() == 20
    world.beliefs = world.believe(np.where(rare[:, None], [0.45, 0.55], [0.1, 0.9]))
    choice, _ = world.choose(world.plan(0))  # never says yes: then what speaks for it most
    assert rare[rows(choice, "train")].sum() == 20


def test_the_words_of_the_policy_help_a_start_whose_model_is_blind_and_later_rounds_not() -> None:
    world = World(n=400)
    world.beliefs = world.believe(np.full((400, 2), 0.5))
    meant = np.zeros(400, dtype=np.bool_)
    meant[np.random.default_rng(5).choice(400, 60, replace=False)] = True
    words = np.where(meant[:, None], [3.0, -3.0], [-0.2, 0.2])
    choice, _ = choose(
        world.pool, world.vectors, world.beliefs, world.plan(0), words=words
    )
    yes = choice.row[choice.why == "speaks most for 'yes'"]
    assert len(yes) == 20
    assert meant[yes].all()
    world = World(n=400)
    plan = world.plan(1)
    plainly, _ = world.choose(plan)
    told, _ = choose(world.pool, world.vectors, world.beliefs, plan, words=words)
    assert told.row.tolist() == plainly.row.tolist()


def test_a_later_round_whose_model_was_never_trained_starts_too() -> None:
    world = World(n=400)
    choice, _ = world.choose(world.plan(2, trained=False))
    assert {why[:16] for why in choice.why[choice.role == "train"]} == {"speaks most for "}


def test_the_likeliest_texts_are_taken_as_the_rule_says() -> None:
    world = World(n=600)
    open_rows = np.flatnonzero(permanent(world.pool.ids, 3) >= RESERVE)
    yes = world.beliefs.probability[:, 0]
    choice, _ = world.choose(world.plan(0), Rule(likely=1))
    bought = choice.row[choice.why == "speaks most for 'yes'"]
    assert set(bought.tolist()) == set(open_rows[np.argsort(-yes[open_rows])][:20].tolist())
    # of more of them those that cover the others
    wider, _ = world.choose(world.plan(0), Rule(likely=5))
    spread = wider.row[wider.why == "speaks most for 'yes'"]
    assert set(spread.tolist()) <= set(open_rows[np.argsort(-yes[open_rows])][:100].tolist())
    assert set(spread.tolist()) != set(bought.tolist())


@pytest.mark.parametrize("round", [0, 1])
@pytest.mark.parametrize("row", [(0.5, 0.5), (0.9, 0.1), (1.0, 0.0), (0.1, 0.2, 0.3, 0.25, 0.15)])
def test_a_model_that_thinks_the_same_of_every_text_does_not_stop_the_loop(
    round: int, row: tuple[float, ...]
) -> None:
    world = World()
    world.beliefs = world.believe(np.tile(row, (400, 1)))
    choice, sample = world.choose(world.plan(round))
    train = rows(choice, "train")
    assert len(train) == 40
    assert len(sample.row) > 0
    # spread over the space: no coordinate is always on one side
    above = (world.vectors[train] > 0).mean(axis=0)
    assert above.min() > 0.15 and above.max() < 0.85


def test_the_audits_chances_follow_what_a_verdict_tells_about_the_models_kappa() -> None:
    world = World()
    _, sample = world.choose(world.plan(1))
    share = informative(world.beliefs.probability)[sample.row]
    below = sample.inclusion < RESERVE
    assert below.any()
    ratio = sample.inclusion[below] / share[below]
    assert ratio == pytest.approx(np.full(below.sum(), ratio[0]))


def test_what_is_bought_already_is_covered() -> None:
    """Buying half of the rows on one side sends the next choice to the other side."""
    world = World(n=800)
    side_of = world.vectors[:, 0] > 0
    bought = side_of & (np.random.default_rng(0).random(800) < 0.5)
    with_them, _ = world.choose(world.plan(1, bought=bought))
    world.pool = Pool(world.pool.ids[~bought], world.pool.texts[~bought])
    world.vectors = world.vectors[~bought]
    world.beliefs = world.believe(world.beliefs.probability[~bought])
    without, _ = world.choose(world.plan(1))
    here = side_of[rows(with_them, "train")].mean()
    there = side_of[~bought][rows(without, "train")].mean()
    assert here < there - 0.1


def test_the_unsure_part_of_the_boundary_comes_before_a_larger_sure_one() -> None:
    world = World(n=300)
    rng = np.random.default_rng(1)
    unsure = np.arange(300) < 100
    place = np.where(unsure[:, None], np.eye(8)[0], np.eye(8)[1])
    vectors = place + 0.1 * rng.normal(size=(300, 8))
    world.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")
    lead = np.where(unsure, 0.02, 0.9) * np.where(rng.random(300) < 0.5, 1, -1)
    world.beliefs = world.believe(np.stack([0.5 + lead / 2, 0.5 - lead / 2], axis=1))
    choice, _ = world.choose(world.plan(1, per_round=2))
    assert unsure[rows(choice, "train")].tolist() == [True, True]


def test_a_large_pool_is_first_narrowed_to_what_is_least_sure() -> None:
    world = World()
    yes = np.random.default_rng(2).uniform(0.5001, 1.0, 400)  # one label: no pairs
    world.beliefs = world.believe(np.stack([yes, 1 - yes], axis=1))
    choice, _ = world.choose(world.plan(1), Rule(candidates=60))
    open_rows = np.flatnonzero(permanent(world.pool.ids, 3) >= RESERVE)
    least = open_rows[np.argsort(yes[open_rows])][:60]
    assert set(rows(choice, "train")) <= set(least.tolist())


def test_single_rows_fill_up_where_pairs_run_out() -> None:
    world = World()
    few = np.tile([0.9, 0.1], (400, 1))
    few[np.flatnonzero(permanent(world.pool.ids, 3) >= RESERVE)[:30]] = [0.4, 0.6]
    world.beliefs = world.believe(few)
    choice, _ = world.choose(world.plan(1, per_round=101))
    assert len(rows(choice, "train")) == 101
    singles = [i for i, name in enumerate(choice.pair) if "|" not in name]
    singles = [i for i in singles if choice.role[i] != "audit"]
    assert singles
    for i in singles:
        assert choice.pair[i] == world.pool.ids[choice.row[i]]
        assert choice.role[i] == "train"
        assert choice.why[i].startswith("close to the boundary, labelled ")


@pytest.mark.parametrize("round", [0, 1])
def test_a_pool_smaller_than_the_budget_is_bought_whole_but_for_the_reserve(round: int) -> None:
    world = World(n=30)
    choice, sample = world.choose(world.plan(round, per_round=500, audit_per_round=500))
    number = permanent(world.pool.ids, 3)
    assert sorted(rows(choice, "train")) == np.flatnonzero(number >= RESERVE).tolist()
    assert sorted(rows(choice, "audit")) == np.flatnonzero(number < RESERVE).tolist()
    assert set(sample.inclusion.tolist()) == {RESERVE}


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("round", [0, 1])
def test_a_pool_of_almost_nothing_does_not_crash(n: int, round: int) -> None:
    world = World(n=n)
    choice, _ = world.choose(world.plan(round))
    assert len(set(choice.row.tolist())) == len(choice) <= n


@pytest.mark.parametrize("round", [0, 1])
def test_when_all_is_bought_nothing_is_chosen(round: int) -> None:
    world = World(n=50)
    plan = world.plan(round, bought=np.ones(50, dtype=np.bool_), inclusion=np.full(50, 0.25))
    choice, sample = world.choose(plan)
    assert len(choice) == 0
    assert sample.row.tolist() == list(range(50))


@pytest.mark.parametrize("round", [0, 1])
def test_no_audit_is_asked_for_and_none_is_made(round: int) -> None:
    world = World()
    choice, sample = world.choose(world.plan(round, audit_per_round=0))
    assert (rows(choice, "audit"), len(sample.row)) == ([], 0)


def test_rotating_the_space_gives_the_same_choice() -> None:
    world = World()
    before, _ = world.choose(world.plan(1))
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))
    world.vectors = np.ascontiguousarray(world.vectors @ rotation, dtype=np.float32)
    after, _ = world.choose(world.plan(1))
    assert sorted(after.pair.tolist()) == sorted(before.pair.tolist())


def test_swapping_the_labels_gives_the_same_pairs_with_their_ends_swapped() -> None:
    world = World()
    before, audited = world.choose(world.plan(1))
    world.beliefs = world.believe(world.beliefs.probability[:, ::-1].copy())
    after, again = world.choose(world.plan(1))

    def ends(choice: Choice) -> set[tuple[str, ...]]:
        return {tuple(str(name).split("|")) for name in choice.pair}

    assert {two[::-1] for two in ends(after)} == ends(before)
    assert again.row.tolist() == audited.row.tolist()


@pytest.mark.parametrize("round", [0, 1])
def test_the_order_of_the_file_changes_nothing(round: int, tmp_path: Path) -> None:
    world = World()
    lines = [f"{i},{t}\n" for i, t in zip(world.pool.ids, world.pool.texts, strict=True)]
    found = []
    for name in ("sorted", "shuffled"):
        file = tmp_path / f"{name}.csv"
        file.write_text("id,text\n" + "".join(lines))
        np.random.default_rng(0).shuffle(lines)
        pool = read_files(str(file)).pool
        # what label and embed would say of each text, whatever its row
        place = [int(text.split()[1]) for text in pool.texts]
        beliefs = world.believe(world.beliefs.probability[place])
        choice, _ = choose(pool, world.vectors[place], beliefs, world.plan(round))
        found.append(list(zip(pool.ids[choice.row], choice.role, choice.pair, strict=True)))
    assert found[0] == found[1]


def test_blind_and_open_tasks_are_mixed() -> None:
    world = World()
    choice, _ = world.choose(world.plan(1))
    place = np.flatnonzero(choice.role == "audit")
    assert place.min() < len(choice) / 3
    assert place.max() > 2 * len(choice) / 3


# the sample by which a new version is fitted to the pool


def test_rows_are_drawn_from_the_audits_reserve_alone_audited_or_not() -> None:
    world = World(n=8_000)
    reserved = permanent(world.pool.ids, 3) < RESERVE
    bought = np.random.default_rng(0).random(8_000) < 0.3
    rows, weight = drawn(world.pool, world.beliefs, world.plan(1, bought=bought), 300)
    assert reserved[rows].all()
    assert bought[rows].any()
    assert len(rows) == len(set(rows.tolist())) == len(weight)
    assert (weight >= 1).all()
    # four standard errors of a sum of Poisson draws, whose variance is below its mean
    assert abs(len(rows) - 300) < 4 * np.sqrt(300)


def test_a_choice_that_takes_a_rare_label_away_leaves_the_drawn_share_as_it_is() -> None:
    world = World(n=4_000)
    rare = np.random.default_rng(0).random(4_000) < 0.05
    belief = np.where(rare, 0.9, 0.02)
    world.beliefs = world.believe(np.stack([belief, 1 - belief], axis=1))
    open_rows = permanent(world.pool.ids, 3) >= RESERVE
    rows, weight = drawn(world.pool, world.beliefs, world.plan(5, bought=rare & open_rows), 300)
    share = np.average(rare[rows], weights=weight)
    assert share == pytest.approx(rare.mean(), rel=0.2)


def test_a_drawn_rows_weight_is_one_over_a_chance_that_follows_the_models_doubt() -> None:
    world = World(n=8_000)
    plan = world.plan(1)
    rows, weight = drawn(world.pool, world.beliefs, plan, 200)
    share = informative(world.beliefs.probability)
    reserve = permanent(world.pool.ids, plan.seed) < RESERVE
    chance = np.minimum(200 * share / share[reserve].sum(), 1.0)
    assert chance[reserve].max() < 1
    assert weight == pytest.approx(1 / chance[rows])


def test_what_is_drawn_stands_for_the_pool() -> None:
    """Horvitz and Thompson's total over many seeds is that of all rows that could be drawn."""
    world = World(n=600, k=3)
    value = np.stack(
        [np.ones(600), world.beliefs.predicted == 0, world.vectors[:, 0] > 0.3], axis=1
    ).astype(np.float64)
    found = []
    for seed in range(800):
        rows, weight = drawn(world.pool, world.beliefs, world.plan(1, seed=seed), 60)
        reserve = permanent(world.pool.ids, seed) < RESERVE
        found.append(weight @ value[rows] - value[reserve].sum(axis=0))
    off = np.array(found)
    assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0) / np.sqrt(len(off))).all()


def test_what_is_read_always_and_what_is_drawn_by_doubt_are_one_sample() -> None:
    """Horvitz and Thompson's total over many seeds, for rows that may come by either way."""
    world = World(n=600, k=3)
    value = np.stack(
        [np.ones(600), world.beliefs.predicted == 0, world.vectors[:, 0] > 0.3], axis=1
    ).astype(np.float64)
    found, spread = [], []
    for seed in range(800):
        number = permanent(world.pool.ids, seed)
        rows, weight = drawn(world.pool, world.beliefs, world.plan(1, seed=seed), 20, always=50)
        assert set(np.argsort(number)[:50]) <= set(rows.tolist())
        assert len(rows) == len(set(rows.tolist()))
        reserve = number < RESERVE
        found.append(weight @ value[rows] / reserve.sum() - value.mean(axis=0))
        few, alone = drawn(world.pool, world.beliefs, world.plan(1, seed=seed), 20)
        spread.append(alone @ value[few] / reserve.sum() - value.mean(axis=0))
    off, by_doubt = np.array(found), np.array(spread)
    assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0) / np.sqrt(len(off))).all()
    assert (off.std(axis=0) < 0.6 * by_doubt.std(axis=0)).all()


def test_rows_that_are_always_read_are_drawn_from_the_reserve_alone() -> None:
    world = World(n=60)
    rows, weight = drawn(world.pool, world.beliefs, world.plan(1), 5, always=1_000)
    assert rows.tolist() == np.flatnonzero(permanent(world.pool.ids, 3) < RESERVE).tolist()
    assert weight == pytest.approx(np.ones(len(rows)))


def test_more_texts_are_drawn_around_the_threshold_of_a_rare_label_than_by_chance() -> None:
    world = World(n=4_000)
    rng = np.random.default_rng(4)
    rare = np.where(rng.random(4_000) < 0.04, rng.uniform(0.3, 0.9, 4_000), 0.005)
    world.beliefs = world.believe(np.stack([rare, 1 - rare], axis=1))
    rows, _ = drawn(world.pool, world.beliefs, world.plan(1), 300)
    assert (rare[rows] > 0.1).mean() > 4 * (rare > 0.1).mean()


def test_the_same_plan_draws_the_same_and_another_round_others() -> None:
    world = World()
    (one, weight), (two, again), (other, _) = (
        drawn(world.pool, world.beliefs, world.plan(round), 50) for round in (1, 1, 2)
    )
    assert (one.tolist(), weight.tolist()) == (two.tolist(), again.tolist())
    assert one.tolist() != other.tolist()


@pytest.mark.parametrize("round", [0, 1])
def test_a_reserve_smaller_than_the_sample_is_drawn_whole(round: int) -> None:
    world = World(n=60)
    rows, weight = drawn(world.pool, world.beliefs, world.plan(round), 10_000)
    assert rows.tolist() == np.flatnonzero(permanent(world.pool.ids, 3) < RESERVE).tolist()
    assert set(weight.tolist()) == {1.0}


def test_without_a_reserve_nothing_is_drawn() -> None:
    world = World(n=50)
    plan = world.plan(1, audit_reserve=1e-9)
    rows, weight = drawn(world.pool, world.beliefs, plan, 300)
    assert (rows.tolist(), weight.tolist()) == ([], [])


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 120),
    k=st.integers(2, 5),
    seed=st.integers(0, 10_000),
    round=st.integers(0, 3),
    per_round=st.integers(2, 60),
    held=st.floats(0, 1),
)
def test_whatever_is_bought_already_the_promises_hold(
    n: int, k: int, seed: int, round: int, per_round: int, held: float
) -> None:
    world = World(n, k, seed)
    bought = np.random.default_rng(seed).random(n) < held
    number = permanent(world.pool.ids, 3)
    inclusion = np.where(bought & (number < RESERVE), RESERVE, np.nan)
    plan = world.plan(round, bought=bought, inclusion=inclusion, per_round=per_round)
    choice, sample = world.choose(plan)
    open_rows = ~bought & (number >= RESERVE)
    assert not bought[choice.row].any()
    assert len(set(choice.row.tolist())) == len(choice)
    assert len(rows(choice, "train")) == min(per_round, int(open_rows.sum()))
    assert len(rows(choice, "audit")) == min(12, int((~bought & (number < RESERVE)).sum()))
    assert set(np.flatnonzero(~np.isnan(inclusion)).tolist()) <= set(sample.row.tolist())


class Topics(World):
    """Six topics, each with its part of either label: six places where the labels meet."""

    def __init__(self, n: int = 1_200) -> None:
        super().__init__(n)
        rng = np.random.default_rng(1)
        topic, side = rng.integers(6, size=n), rng.integers(2, size=n)
        vectors = np.eye(6, 16)[topic] + 0.1 * rng.normal(size=(n, 16))
        vectors[:, 15] += 0.2 * side
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")
        texts = [f"topic{'abcdef'[t]} word" for t in topic.tolist()]
        self.pool = Pool(self.pool.ids, np.array(texts, dtype=object))
        doubt = 0.5 + np.where(side, 0.05, -0.05) * rng.random(n)
        self.beliefs = self.believe(np.stack([doubt, 1 - doubt], axis=1))


def test_chosen_texts_lie_in_several_regions_which_are_named_and_sized() -> None:
    world = Topics()
    choice, _ = world.choose(world.plan(1))
    names = {name for name in choice.region[choice.role == "train"].tolist() if name}
    assert len(names) >= 2
    of = dict(zip(choice.region.tolist(), choice.share.tolist(), strict=True))
    assert all(0 < of[name] < 1 for name in names)
    assert sum(of[name] for name in names) <= 1
    # two that are chosen as a pair of one region carry its name both
    told = zip(choice.pair.tolist(), choice.region.tolist(), strict=True)
    both: dict[str, set[str]] = {}
    for pair, region in told:
        both.setdefault(pair, set()).add(region)
    assert sum(len(regions) == 1 for regions in both.values()) / len(both) > 0.5


def test_an_audited_text_is_not_known_by_having_no_region() -> None:
    world = Topics()
    choice, _ = world.choose(world.plan(1, audit_per_round=40))
    audited = choice.region[choice.role == "audit"]
    assert sum(bool(name) for name in audited.tolist()) >= 5


def test_the_start_knows_no_regions() -> None:
    world = Topics()
    choice, _ = world.choose(world.plan(0))
    assert set(choice.region.tolist()) == {""}
    assert (choice.share == 0).all()


def test_without_clusters_the_choice_is_one_of_the_whole_boundary() -> None:
    world = Topics()
    choice, _ = world.choose(world.plan(1), Rule(clusters=0.0))
    assert set(choice.region.tolist()) == {""}
    assert len(rows(choice, "train")) == 40


def test_a_region_of_an_earlier_round_keeps_its_name() -> None:
    world = Topics()
    plan = world.plan(1)
    first, sample = world.choose(plan)
    inside = first.region != ""
    called = [f"{name}, old" for name in first.region[inside].tolist()]
    second, _ = choose(
        world.pool, world.vectors, world.beliefs, world.after(plan, first, sample),
        earlier=Earlier(first.row[inside], called),
    )  # fmt: skip
    again = set(second.region.tolist()) - {""}
    assert again & set(called)


@pytest.mark.parametrize("round", [0, 1, 2])
def test_the_choice_is_the_same_whether_vectors_lie_in_memory_or_on_disk(
    round: int, tmp_path: Path
) -> None:
    world = World(n=900)
    texts = world.pool.texts.tolist()
    cache = Cache(tmp_path)
    for start in range(0, 900, 128):
        cache.put(texts[start : start + 128], world.vectors[start : start + 128])
    plan = world.plan(round, bought=np.arange(900) % 9 == 0)
    on_disk = OnDisk(cache, cache.find(texts))
    chosen, sample = choose(world.pool, on_disk, world.beliefs, plan)
    as_before, same = world.choose(plan)
    for mine, theirs in zip(vars(chosen).values(), vars(as_before).values(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert sample.row.tolist() == same.row.tolist()

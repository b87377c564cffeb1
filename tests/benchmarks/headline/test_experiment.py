import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from backend.recipe import Recipe
from benchmarks.headline.data import (
    HARSH,
    Ground,
    balance,
    examples_of,
    majority,
    one_vote,
    split,
)
from benchmarks.headline.experiment import Piece, Setting, pieces, remeasure, run, write
from benchmarks.headline.loop import Loop, Terms
from benchmarks.headline.model import Learner, Version, compare, figures
from benchmarks.headline.report import people, show
from demo.ratings import Rated
from selection.errors import PoolError
from tests.backend.engine.tiny_model import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

TERMS = Terms(budget=20, rounds=3, read_limit=30)
TOKENS = 64
ALL, NONE, ONE_OF_THREE = (-2,) * 3, (2,) * 3, (-2, 2, 2)


def rated(n: int = 200) -> list[Rated]:
    """A quarter bad ones, on which everybody agrees."""
    made = []
    for i in range(n):
        votes = ALL if i % 4 == 0 else NONE
        word = "awful bad" if i % 4 == 0 else "nice good"
        made.append(Rated(f"tweets-{i:04d}", f"{word} letter {i}", (votes, votes, votes)))
    return made


def ground(n: int = 200) -> Ground:
    return split("tweets", rated(n), test=40, sample=20)


def names(some: tuple[Rated, ...]) -> list[str]:
    return [one.id for one in some]


def quiet(what: str, done: int, total: int, more: str) -> None:
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def setting(model: str, tmp_path: Path) -> Setting:
    small = Recipe(max_steps=3, least_epochs=0, max_tokens=TOKENS)
    return Setting(
        model=model, results=tmp_path / "results", home=tmp_path, terms=TERMS, small=small,
        whole=replace(small, epochs=1),
    )  # fmt: skip


# what may be learned from


def test_the_test_set_is_fixed_by_the_texts_and_disjoint_from_sample_and_pool() -> None:
    one = ground()
    other = split("tweets", rated()[::-1], test=40, sample=20)
    assert one == other
    assert one.digest == other.digest
    parts = [*names(one.test), *names(one.sample), *names(one.pool)]
    assert sorted(parts) == [r.id for r in rated()]
    assert (len(one.test), len(one.sample)) == (40, 20)
    assert names(one.pool) == sorted(names(one.pool))


def test_a_test_without_a_pool_is_refused() -> None:
    with pytest.raises(PoolError, match="60 tweets are too few"):
        split("tweets", rated(60), test=40, sample=20)


def test_no_arm_learns_from_the_reference_third_or_from_a_text_of_the_test() -> None:
    plain = ground()
    turned = [
        replace(r, thirds=(r.thirds[0], r.thirds[1], tuple(-v for v in r.thirds[2])))
        for r in rated()
    ]
    other = split("tweets", turned, test=40, sample=20)
    assert (plain.reference == HARSH).tolist() == (other.reference != HARSH).tolist()
    apart = {*names(plain.test), *names(plain.sample)}
    for arm in "bde":
        one, two = (examples_of(arm, g, seed=3, budget=20) for g in (plain, other))
        assert one.targets.tolist() == two.targets.tolist()
        assert one.prior.tolist() == two.prior.tolist()
        assert one.texts == two.texts
        assert not apart & set(one.ids)


def test_one_vote_is_a_single_raters_and_an_expert_is_their_majority() -> None:
    split_votes = [replace(r, thirds=(ONE_OF_THREE, ALL, ALL)) for r in rated(600)]
    assert (majority(split_votes, 0) != HARSH).all()
    share = float((one_vote(split_votes, seed=0) == HARSH).mean())
    assert abs(share - 1 / 3) < 0.06  # three standard errors
    unanimous = rated(40)
    assert one_vote(unanimous, seed=5).tolist() == majority(unanimous, 0).tolist()
    assert one_vote(split_votes, 0).tolist() == one_vote(split_votes, 0).tolist()
    assert one_vote(split_votes, 0).tolist() != one_vote(split_votes, 1).tolist()


def test_votes_and_all_expert_labels_are_of_every_text_of_the_pool() -> None:
    pool = ground().pool
    votes, experts = (examples_of(arm, ground(), 0, 20) for arm in "be")
    assert votes.ids == experts.ids == tuple(names(pool))
    assert experts.targets.tolist() == [HARSH if r.majority(0) else 1 - HARSH for r in pool]


def test_the_random_labels_prior_is_their_own_balance() -> None:
    given = examples_of("d", ground(), 0, 20)
    assert 0 < given.positives < 20
    assert given.prior[HARSH] == pytest.approx((given.positives + 0.5) / 21)
    assert given.drawn == pytest.approx(21, rel=0.1)  # and the imagined one


def test_random_labels_of_one_kind_alone_leave_half_a_text_for_the_other() -> None:
    prior, drawn = balance(np.full(20, 1 - HARSH), np.full(20, 0.01), 2)
    assert prior[HARSH] == pytest.approx(0.5 / 21)
    error = np.sqrt(prior[0] * prior[1] / drawn)
    assert error == pytest.approx(prior[HARSH], rel=0.05)  # as large as the share itself


def test_chosen_labels_say_nothing_of_the_pool() -> None:
    targets = np.array([HARSH, HARSH, HARSH, 1 - HARSH])
    prior, drawn = balance(targets, np.array([np.nan, np.nan, 0.1, 0.1]), 2)
    assert (prior[HARSH], drawn) == (pytest.approx(0.5), pytest.approx(3))


# measuring


def test_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    reference = (rng.random(300) < 0.8).astype(np.int64)
    scores = np.round(rng.normal(size=300) + 1.5 * (reference == HARSH), 3)
    result = figures(scores, reference)
    predicted = np.where(scores > 0, HARSH, 1 - HARSH)
    assert result["kappa"] == pytest.approx(cohen_kappa_score(reference, predicted))
    assert result["low"] < result["kappa"] < result["high"]
    assert result["auc"] == pytest.approx(roc_auc_score(reference == HARSH, scores))
    assert result["share_true"] == pytest.approx((reference == HARSH).mean())
    assert result["predictions"] == scores.tolist()
    first = np.argsort(-scores, kind="stable")[: int((reference == HARSH).sum())]
    best = np.full(300, 1 - HARSH)
    best[first] = HARSH
    peeking = cohen_kappa_score(reference, best)
    assert result["peeking_kappa_at_true_share"] == pytest.approx(peeking)


def test_a_difference_of_two_arms_is_that_of_their_kappas() -> None:
    rng = np.random.default_rng(1)
    reference = (rng.random(200) < 0.7).astype(np.int64)
    right = np.where(reference == HARSH, 1.0, -1.0)
    worse = np.where(rng.random(200) < 0.3, -right, right)
    gain = compare(worse, right, reference)
    kappa = cohen_kappa_score(reference, np.where(worse > 0, HARSH, 1 - HARSH))
    assert gain.value == pytest.approx(1.0 - kappa)


def test_the_threshold_gives_the_share_of_the_prior_on_texts_that_taught_nothing(
    model: str, tmp_path: Path
) -> None:
    here = ground()
    learner = Learner(model, "Is it mean?", here, 1, TOKENS, quiet)
    given = replace(examples_of("d", here, 0, 20), prior=np.array([0.3, 0.7]), drawn=1e6)
    recipe = Recipe(max_steps=3, least_epochs=0, max_tokens=TOKENS)
    version = learner.train(tmp_path / "version", given, recipe)
    predicted = learner.score(version.served, [r.text for r in here.sample], "")
    assert int((predicted.argmax(axis=1) == HARSH).sum()) == 6  # of 20


# pieces


def test_the_prompted_model_has_no_chance_and_so_one_seed() -> None:
    assert [p.name for p in pieces(["tweets"], "ad", 2)] == [
        "tweets-a-0", "tweets-d-0", "tweets-d-1",
    ]  # fmt: skip


def test_a_finished_piece_is_not_computed_again(setting: Setting) -> None:
    file = setting.results / "tweets-b-0.json"
    write(file, {"kept": True})
    missing = replace(setting, model="no such model")  # nothing could be computed
    assert run(Piece("tweets", "b", 0), ground(), missing) == file
    assert json.loads(file.read_text()) == {"kept": True}


def test_a_piece_that_was_cut_off_is_computed_again_and_its_file_holds_no_text(
    setting: Setting,
) -> None:
    setting.results.mkdir()
    (setting.results / "tweets-d-0.part").write_text('{"kind": "twe')
    here = ground()
    file = run(Piece("tweets", "d", 0), here, setting)
    result = json.loads(file.read_text())
    assert (result["arm"], result["labels"], result["steps"]) == ("d", TERMS.budget, 3)
    predicted = np.where(np.array(result["predictions"]) > 0, HARSH, 1 - HARSH)
    assert result["kappa"] == pytest.approx(cohen_kappa_score(here.reference, predicted))
    written = file.read_text() + json.dumps(people(here))
    assert not [r.text for r in rated() if r.text in written]


def test_the_report_leaves_out_what_was_measured_on_other_texts(tmp_path: Path) -> None:
    here = ground()
    write(tmp_path / "tweets-people.json", people(here))
    right = np.where(here.reference == HARSH, 1.0, -1.0)
    common = {"kind": "tweets", "seed": 0, "labels": 20, "positives": 5, "seconds": 1.0}
    for arm, scores, test in (
        ("c", right, here.digest), ("d", -right, here.digest), ("e", right, "other"),
    ):  # fmt: skip
        body = {**common, "arm": arm, "test": test, **figures(scores, here.reference)}
        write(tmp_path / f"tweets-{arm}-0.json", {**body, "seconds": 1.0})
    result = show(tmp_path, ["tweets"])["tweets"]
    assert [one["arm"] for one in result["pieces"]] == ["c", "d"]
    assert result["people"]["one_rater"]["value"] == 1.0
    worst = cohen_kappa_score(here.reference, 1 - here.reference)
    assert [(d["of"], d["less"], d["value"]) for d in result["differences"]] == [
        ("c", "d", pytest.approx(1 - worst))
    ]


def test_kappas_are_taken_anew_from_the_scores_that_are_kept(tmp_path: Path) -> None:
    here = ground()
    write(tmp_path / "tweets-people.json", people(here))
    right = np.where(here.reference == HARSH, 1.0, -1.0)
    fresh = {"arm": "c", "test": here.digest, "labels": 20, **figures(right, here.reference)}
    write(tmp_path / "tweets-c-0.json", {**fresh, "kappa": 0.1, "low": 0.0, "high": 0.2})
    remeasure(tmp_path, "tweets")
    assert json.loads((tmp_path / "tweets-c-0.json").read_text()) == fresh


# the loop


class Counted(Learner):
    """A learner that counts its trainings, and is cut off in the `last` one."""

    last = -1

    def train(self, folder: Path, examples: Any, recipe: Recipe) -> Version:
        self.trained: list[int] = [*getattr(self, "trained", []), len(examples.ids)]
        if len(self.trained) == self.last:
            raise KeyboardInterrupt
        return super().train(folder, examples, recipe)


@pytest.fixture
def loop(model: str) -> Callable[[Path, int], Loop]:
    def make(folder: Path, last: int = -1) -> Loop:
        folder.mkdir(exist_ok=True)
        here = ground()
        learner = Counted(model, "Is it mean?", here, 1, TOKENS, quiet)
        learner.last = last
        rng = np.random.default_rng(1)
        vectors = rng.normal(size=(len(here.pool), 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        recipe = Recipe(max_steps=3, least_epochs=0, max_tokens=TOKENS)
        return Loop(learner, TERMS, recipe, 0, folder, vectors)

    return make


def without_times(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = ("seconds", "train_seconds")
    return [{k: v for k, v in one.items() if k not in times} for one in records]


def test_the_loop_buys_as_many_labels_as_the_random_arm_and_goes_on_where_it_was_cut_off(
    tmp_path: Path, loop: Callable[..., Loop]
) -> None:
    whole = loop(tmp_path / "whole")
    wanted = whole.run()
    assert [one["labels"] for one in wanted] == [7, 14, 20]
    bought = [name for one in wanted for name in one["ids"]]
    assert len(set(bought)) == 20 == len(examples_of("d", ground(), 0, TERMS.budget).ids)
    assert set(bought) <= set(names(ground().pool))
    # no round draws anything at random, the first one neither
    assert [one["inclusion"] for one in wanted] == [[None] * 7, [None] * 7, [None] * 6]
    harsh = {r.id for r in ground().pool if r.majority(0)}
    assert wanted[-1]["positives"] == len(harsh & set(bought))

    cut = loop(tmp_path / "cut", last=2)
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    assert sorted(f.name for f in (tmp_path / "cut").glob("round-*")) == ["round-0.json"]
    again = loop(tmp_path / "cut")
    assert without_times(again.run()) == without_times(wanted)
    assert again.learner.trained == [14, 20]  # type: ignore[attr-defined]


def test_the_loop_asks_the_version_of_the_round_before(
    tmp_path: Path, loop: Callable[..., Loop]
) -> None:
    loop(tmp_path / "loop").run()
    kept = sorted(f.name for f in (tmp_path / "loop" / "beliefs" / "0").iterdir())
    assert kept == ["prompted", "version-0", "version-1"]

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from backend.threshold import OWN
from benchmarks.choice.learner import learn
from benchmarks.choice.ours import beliefs_of
from benchmarks.choice.race import make_course, run
from benchmarks.choice.state import State
from benchmarks.choice.threshold import (
    BOTH,
    DRAW,
    MODEL,
    RESERVE,
    TEXTS,
    TRUTH,
    WEIGHTS,
    at_thresholds,
    main,
)
from benchmarks.report import document
from selection.choose import Plan, choose
from selection.permanent import permanent
from selection.types import Ints, Pool


def texts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 600 texts around two places that overlap; one in eight is positive."""
    rng = np.random.default_rng(0)
    labels = (np.arange(600) % 8 == 0).astype(np.int64)
    vectors = rng.normal(size=(600, 8)) + 1.5 * np.eye(8)[labels]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return vectors, labels, np.eye(8, dtype=np.float32)[:2]


def outside_of_the_reserve(state: State, count: int) -> Ints:
    """Return the rows that `crux round` would buy, which keeps a quarter of the pool for audits."""
    ids = np.array([f"{row:08d}" for row in range(len(state.vectors))], dtype=object)
    nobody = np.full(len(ids), np.nan)
    plan = Plan(
        state.round, state.round > 0, ~state.open, nobody, count, 0, RESERVE, state.seed
    )
    return choose(Pool(ids, ids), state.vectors, beliefs_of(state), plan)[0].row


def test_the_model_alone_is_the_learner_at_its_own_threshold() -> None:
    course = make_course(*texts(), seed=0)
    kappas = at_thresholds(course, 3, 20)
    wanted = run(course, outside_of_the_reserve, rounds=3, per_round=20, cold=True).kappa
    assert kappas[MODEL] == pytest.approx(wanted.tolist())
    shares = {MODEL, TRUTH, DRAW, *(str(weight) for weight in WEIGHTS if weight)}
    assert set(kappas) == shares | set(TEXTS)
    assert all(len(curve) == 3 for curve in kappas.values())
    assert kappas[BOTH] == kappas[f"{OWN:.0f}"]


def test_the_truth_predicts_each_label_for_its_share_of_the_reserve() -> None:
    """The reserve is smaller than the sample, so that all of it is drawn."""
    vectors, labels, described = texts()
    course = make_course(vectors[:240], labels[:240], described, seed=1)
    kappa = at_thresholds(course, 1, 20)[TRUTH][0]
    pool, test = course.pool, course.test
    none = np.zeros(0, dtype=np.int64)
    state = State(vectors[pool], course.beliefs, none, none, 0, 1, np.random.default_rng(0))
    chosen = outside_of_the_reserve(state, 20)
    odds = np.log(learn(vectors[pool[chosen]], labels[pool[chosen]], vectors, 2))
    odds = odds[:, 1] - odds[:, 0]
    ids = np.array([f"{row:08d}" for row in range(len(pool))], dtype=object)
    reserve = pool[permanent(ids, 1) < RESERVE]
    most = round(labels[pool].mean() * len(reserve))
    ranked = np.sort(odds[reserve])[::-1]
    predicted = odds[test] > (ranked[most - 1] + ranked[most]) / 2
    assert kappa == pytest.approx(cohen_kappa_score(labels[test], predicted))


def test_the_table_is_that_of_the_kept_file() -> None:
    kappa = json.loads(Path("benchmarks/results/threshold.json").read_text())["kappa"]
    assert f"| {MODEL} | {np.mean(kappa[MODEL]):.3f} |" in document()
    assert f"| both, the model worth 40 texts | {np.mean(kappa['40']):.3f} |" in document()


def test_a_missing_set_is_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="clickbait_headlines.csv.gz. Name the folder of the sets"):
        main(folder=tmp_path, out=tmp_path / "never.json")
    assert list(tmp_path.iterdir()) == []

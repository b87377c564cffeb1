import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from benchmarks.choice.learner import learn
from benchmarks.choice.ours import crux
from benchmarks.choice.race import course, run
from benchmarks.choice.state import State
from benchmarks.choice.threshold import DRAW, MODEL, OWN, TRUTH, at_thresholds, main
from benchmarks.report import document


def ground() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """600 texts of which one in eight is positive, around two places that overlap."""
    rng = np.random.default_rng(0)
    labels = (np.arange(600) % 8 == 0).astype(np.int64)
    vectors = rng.normal(size=(600, 8)) + 1.5 * np.eye(8)[labels]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return vectors, labels, np.eye(8, dtype=np.float32)[:2]


def test_the_model_alone_is_the_learner_at_its_own_threshold() -> None:
    here = course(*ground(), seed=0)
    kappas = at_thresholds(here, 3, 20)
    wanted = run(here, crux, rounds=3, per_round=20, cold=True).kappa
    assert kappas[MODEL] == pytest.approx(wanted.tolist())
    assert set(kappas) == {MODEL, TRUTH, DRAW, *(str(own) for own in OWN if own)}
    assert all(len(curve) == 3 for curve in kappas.values())


def test_the_truth_gives_each_label_as_often_as_the_pool_has_it() -> None:
    """By hand: the whole pool is fewer texts than the sample, so the share is exact."""
    vectors, labels, described = ground()
    here = course(vectors[:240], labels[:240], described, seed=1)
    kappa = at_thresholds(here, 1, 20)[TRUTH][0]
    pool, test = here.pool, here.test
    none = np.zeros(0, dtype=np.int64)
    state = State(vectors[pool], here.beliefs, none, none, 0, 1, np.random.default_rng(0))
    chosen = crux(state, 20)
    odds = np.log(learn(vectors[pool[chosen]], labels[pool[chosen]], vectors, 2))
    odds = odds[:, 1] - odds[:, 0]
    most = int(labels[pool].sum())
    ranked = np.sort(odds[pool])[::-1]
    said = odds[test] > (ranked[most - 1] + ranked[most]) / 2
    assert kappa == pytest.approx(cohen_kappa_score(labels[test], said))


def test_the_table_is_that_of_the_kept_file() -> None:
    told = json.loads(Path("benchmarks/results/threshold.json").read_text())["kappa"]
    assert f"| {MODEL} | {np.mean(told[MODEL]):.3f} |" in document()
    assert f"| both, the model worth 40 | {np.mean(told['40']):.3f} |" in document()


def test_sets_that_are_absent_are_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="clickbait_headlines.csv.gz: --folder tells where"):
        main(folder=tmp_path, out=tmp_path / "never.json")
    assert list(tmp_path.iterdir()) == []

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.loop.readers import SHARES, _joined, chapter


def test_the_products_share_is_what_a_version_says() -> None:
    rng = np.random.default_rng(0)
    llm, probe = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
    assert _joined(llm, probe, 0.3, 0.3) == pytest.approx(llm + probe)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_another_share_is_that_part_of_the_spread(share: float) -> None:
    rng = np.random.default_rng(1)
    llm = rng.normal(size=(5_000, 2))
    probe = 0.3 / 0.7 * rng.normal(size=(5_000, 2))  # as a version has it, for a share of 0.3
    part = (_joined(llm, probe, share, 0.3) - llm).std()
    assert part / (part + llm.std()) == pytest.approx(share, abs=0.02)


def test_the_ends_are_the_llm_alone_and_the_probe_alone() -> None:
    llm, probe = np.ones((3, 2)), np.full((3, 2), 7.0)
    assert _joined(llm, probe, 0.0, 0.3).tolist() == llm.tolist()
    assert _joined(llm, probe, 1.0, 0.3).tolist() == probe.tolist()


def test_the_chapter_has_a_row_a_version(tmp_path: Path) -> None:
    file = tmp_path / "readers.json"
    assert chapter(file) == ""
    one = {
        "version": "round1", "labels": 128, "positives": 17, "share": list(SHARES),
        "precision": [0.3, 0.31, 0.32, 0.33, 0.2, 0.1], "best_kappa": [0.4] * 5 + [0.25],
        "texts": 700, "seconds": [20.0, 3.0],
    }  # fmt: skip
    file.write_text(json.dumps({"rare, seed 0": [one]}))
    *_, row, _, time = chapter(file).splitlines()
    assert time == "The probe takes 15% of the time of the LLM (median of the rows)."
    assert row == (
        "| rare, seed 0 | 128 (17) | 0.30, 0.40 | 0.31, 0.40 | 0.32, 0.40 | 0.33, 0.40 | "
        "0.20, 0.40 | 0.10, 0.25 |"
    )

"""The soak of benchmarks/serving/soak.py, for seconds: it runs, and nothing in it fails."""

from benchmarks.serving.soak import PAUSE, as_json, soak, table
from benchmarks.serving.soak_growth import Sample, growths, picture
from tests.faults.conftest import MakeStage


def test_nothing_fails_under_a_mixed_load_with_trainings_and_promotions(
    make_stage: MakeStage,
) -> None:
    stage = make_stage()
    stage.start_backend()
    stage.start_worker()
    told = soak(stage, 20.0, every=0.5)
    assert told.load.failed == []
    assert set(told.load.took) == set(PAUSE)
    assert told.versions >= 4  # the prompted one, those of two rounds, and those of the soak
    assert {(one.process, one.what) for one in told.samples} == {
        *((name, what) for name in ("backend", "worker") for what in ("MiB", "files", "threads")),
        ("queue", "jobs"),
    }
    assert all(one.value > 0 for one in told.samples if one.process != "queue")
    assert "0 failed" in list(table(told))
    assert as_json(told)["failed"] == []
    assert picture(told.samples).startswith("<svg ")
    stage.check_logs()


def test_growth_is_told_from_noise() -> None:
    samples = [
        Sample(float(second), "backend", what, base + grows * second + (second * 7919 % 13) / 13)
        for second in range(0, 3600, 5)
        for what, base, grows in (("files", 20.0, 0.0), ("MiB", 300.0, 10 / 3600))
    ]
    files, memory = growths(samples)
    assert files.low is not None and files.high is not None and files.low < 0 < files.high
    assert memory.slope is not None and abs(memory.slope - 10) < 0.2
    assert memory.low is not None and memory.low > 9


def test_a_handful_of_samples_has_no_slope() -> None:
    samples = [Sample(float(i), "queue", "jobs", 1.0) for i in range(3)]
    assert [(one.first, one.slope, one.low) for one in growths(samples)] == [(1.0, None, None)]

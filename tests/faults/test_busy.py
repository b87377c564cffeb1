"""A backend with more requests than it lets wait for the model."""

from concurrent.futures import ThreadPoolExecutor

from selection.backend_client import BackendClient
from tests.faults.conftest import MakeStage
from tests.faults.stage import SECRET


def test_a_pool_is_labelled_although_the_backend_has_no_room_at_times(
    make_stage: MakeStage,
) -> None:
    stage = make_stage(CRUX_HTTP_THREADS="20")  # four of which may wait for the model
    stage.start_backend()
    work = stage.project("busy")

    def label(part: int) -> int:
        texts = [f"text {i} of part {part}, which is not short" for i in range(1_000)]
        return len(BackendClient(stage.state.backend_url, SECRET).score(work.id, texts).probability)

    with ThreadPoolExecutor(8) as people:
        assert list(people.map(label, range(8))) == [1_000] * 8
    assert "status=503" in stage.log("backend")
    stage.check_logs()

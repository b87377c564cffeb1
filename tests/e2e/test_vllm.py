"""The loop with a vLLM as its engine: training here, reading there, by the adapters it is given."""

from collections.abc import Iterator

import httpx
import pytest

from benchmarks.serving.vllm_server import VllmServer
from demo.servers import Server, create_expert
from tests.conftest import VLLM_KEY
from tests.faults.stage import Stage


@pytest.fixture
def stage(
    label_studio: Server, model: str, vllm: VllmServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    admin = label_studio.admin
    token = create_expert(label_studio.url, admin.token, "second@vllm.example", "a-long-password")
    headers = {"Authorization": f"Token {token}"}
    who = httpx.get(f"{label_studio.url}/api/current-user/whoami", headers=headers)
    settings = {"CRUX_LLM_URL": vllm.url, "CRUX_LLM_KEY": VLLM_KEY}
    root = tmp_path_factory.mktemp("stage")
    made = Stage(root, label_studio, int(who.json()["id"]), token, model, None, settings)
    yield made
    made.end()


def test_two_rounds_are_trained_here_and_read_by_vllm(stage: Stage, vllm: VllmServer) -> None:
    stage.start_backend()
    stage.start_worker()
    work = stage.project("vllm")
    assert work.answers().startswith("prompted-")
    for round in (0, 1):
        work.push(round)
        work.start_training()
        record = work.check(round)
        assert record.promoted
        assert f"{work.id}-{record.version}" in loaded(vllm)
    assert stage.state.token not in vllm.log.read_text()
    stage.check_logs()


def loaded(vllm: VllmServer) -> set[str]:
    """Names of the adapters that the server has, by its own account."""
    headers = {"Authorization": f"Bearer {VLLM_KEY}"}
    cards = httpx.get(f"{vllm.url}/v1/models", headers=headers).json()["data"]
    return {card["id"] for card in cards if card["parent"]}

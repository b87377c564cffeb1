"""What tests share: one real Label Studio for the whole session, and how to start another."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest

from backend.engine import offline
from benchmarks.serving.vllm_server import VllmServer
from demo.servers import Admin, Server, free_port, start_label_studio, stop

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "build/label-studio/bin/label-studio"
TEMPLATE = ROOT / "build/label-studio-template"
VLLM_KEY = "k3y-of-the-server"
ADMIN = Admin("admin@crux.example", "crux-admin-password", "c0ffee" * 6 + "c0de")

# These fixtures start a server (served: gunicorn; redis, server: Redis), and so do these folders.
SERVERS = {"label_studio", "start_studio", "llama", "vllm", "served", "redis", "server"}
SERVER_FOLDERS = {"browser", "e2e", "faults"}
SERVER_SECONDS = 1200  # the first Label Studio of a slow machine makes its tables for minutes

StartStudio = Callable[..., Server]

# A busy machine is slow, which is no mistake of the code. A failure of `make test` under CI must
# come back when it is run again, so there the examples do not depend on chance.
hypothesis.settings.register_profile(
    "crux",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("crux")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server or the model by what it uses; pyproject.toml describes the marks."""
    for item in items:
        assert isinstance(item, pytest.Function)
        fixtures = set(item.fixturenames)
        if "model" in fixtures:
            item.add_marker("model")
        if fixtures & SERVERS or SERVER_FOLDERS & set(item.path.relative_to(ROOT).parts):
            item.add_marker("server")
        if item.get_closest_marker("server") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SERVER_SECONDS))


@pytest.fixture(scope="session")
def start_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartStudio]:
    """start_studio(NAME="value") starts a Label Studio with empty data and these settings.

    CRUX_LABEL_STUDIO names another program than the one that `make install` makes. The first
    start takes half a minute of migrations; build/label-studio-template keeps their outcome, and
    later starts take four seconds.
    """
    program = Path(os.environ.get("CRUX_LABEL_STUDIO", PROGRAM))
    if not program.exists():
        pytest.fail(f"Label Studio is missing ({program}); run `make install`.", pytrace=False)
    pid_files: list[Path] = []

    def start(**settings: str) -> Server:
        folder = tmp_path_factory.mktemp("label-studio")
        pid_files.append(folder / "pid")
        return start_label_studio(
            *(folder / "data", program, free_port(), ADMIN, folder / "log", folder / "pid"),
            template=TEMPLATE,
            settings=settings,
        )

    yield start
    for pid_file in pid_files:
        stop(pid_file)


@pytest.fixture(scope="session")
def label_studio(start_studio: StartStudio) -> Server:
    """The Label Studio that most tests share; each makes projects of its own."""
    # a lock outlives an answer that a busy SQLite has lost, and then nobody else is served the text
    return start_studio(TASK_LOCK_TTL="120")


@pytest.fixture(scope="session")
def personal_token(label_studio: Server) -> str:
    """A personal token of the admin; Label Studio answers 409 to a request for a second one."""
    made = httpx.post(
        f"{label_studio.url}/api/token/",
        headers={"Authorization": f"Token {label_studio.admin.token}"},
        timeout=60.0,
    )
    made.raise_for_status()
    return str(made.json()["token"])


@pytest.fixture(scope="session")
def model() -> str:
    """The directory of the offline model, made once: it takes 20 seconds."""
    code = hashlib.sha256(Path(offline.__file__).read_bytes()).hexdigest()[:12]
    return offline.resolve("offline", ROOT / "build/models" / code)


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory, model: str) -> Iterator[VllmServer]:
    """A real vLLM with the offline model, to which anybody with VLLM_KEY may give adapters."""
    server = VllmServer(tmp_path_factory.mktemp("vllm"), model, key=VLLM_KEY)
    server.start()
    yield server
    server.stop()

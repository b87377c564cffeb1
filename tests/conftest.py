"""What tests share: one real Label Studio for the whole session."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.servers import Admin, Server, free_port, start_label_studio, stop

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "build/label-studio/bin/label-studio"
TEMPLATE = ROOT / "build/label-studio-template"
ADMIN = Admin("admin@crux.example", "crux-admin-password", "c0ffee" * 6 + "c0de")


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real Label Studio with empty data; CRUX_LABEL_STUDIO names another program.

    The first start takes half a minute of migrations; build/label-studio-template keeps their
    outcome for the next session, which then starts in four seconds.
    """
    folder = tmp_path_factory.mktemp("label-studio")
    program = Path(os.environ.get("CRUX_LABEL_STUDIO", PROGRAM))
    if not program.exists():
        pytest.fail(f"Label Studio is missing ({program}); run `make install`.", pytrace=False)
    pid_file = folder / "pid"
    server = start_label_studio(
        folder / "data", program, free_port(), ADMIN, folder / "log", pid_file, TEMPLATE
    )
    yield server
    stop(pid_file)

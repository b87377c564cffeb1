import subprocess
import sys
from pathlib import Path

import pytest

from tests.backend.web.gunicorn_server import ROOT, environment


@pytest.mark.server
def test_the_former_command_of_the_worker_names_the_new_one_and_starts_it(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "backend.jobs"], env=environment(tmp_path, STUDIO_URL="nowhere"),
        cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    renamed, wrong = ended.stderr.splitlines()
    assert renamed == "`python -m backend.jobs` is now called `python -m backend.worker`."
    assert "'nowhere' must start with http" in wrong

"""README's section "Use it", executed word by word, from nothing to the first verdict.

What people do in the browser (make a project, answer a text) is done here through the API, under
their own token. Nothing is downloaded: the packages that `make up` and pip would install are those
of this environment, which would be the same 3 GB again. What is installed is Crux itself.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from demo.ratings import ARCHIVE, load, write_pool
from demo.servers import create_expert, free_port, stop
from selection.config import load as load_settings
from selection.studio.api import Studio
from selection.studio.task import result
from tests.conftest import PROGRAM, ROOT, StartStudio
from tests.e2e.test_loop import wait_for
from tests.test_packaging import tracked_files

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Use it\n")[2].partition("\n## ")[0]
WITH_MAKE, BESIDE_YOUR_OWN = SECTION.split("\n### ")[:2]
CONFIG = re.search(r"```xml\n(.+?)\n```", WITH_MAKE, re.DOTALL)
POLICY = " ".join(re.findall(r"^> (.+)$", WITH_MAKE, re.MULTILINE))
TIMES = ROOT / "build/readme-walk.txt"
PACKAGES = sysconfig.get_paths()["purelib"]
# runs in the same shell after the README's commands, while a person answers
AFTERWARDS = """
touch asked; until [ -e answered ]; do sleep 0.2; done
crux status --project 1
for module in backend.server backend.worker selection; do
    python -c "import $module as it; print('imported', it.__file__)"
done
kill %1 %2; wait
"""


def commands(text: str) -> list[str]:
    """Return the lines of the first block that has no language."""
    block = re.search(r"```\n(.+?)\n```", text, re.DOTALL)
    assert block
    return block[1].splitlines()


def bare(command: str) -> str:
    return command.partition("  #")[0].rstrip()


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what a new user's shell does not have."""
    ours = ("CRUX_", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV", "GUNICORN_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)} | more


def copy_tree(folder: Path) -> None:
    """Copy what git would, all of it older than any stamp of make."""
    for file in tracked_files():
        to = folder / file.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, to)
        os.utime(to, (0, 0))


def make_project(url: str, token: str) -> int:
    """Do what the README says about the browser."""
    assert CONFIG
    made = httpx.post(
        f"{url}/api/projects",
        headers={"Authorization": f"Token {token}"},
        json={"title": "Reviews", "label_config": CONFIG[1], "expert_instruction": POLICY},
        timeout=60,
    )
    made.raise_for_status()
    return int(made.json()["id"])


def answer_next(url: str, token: str, project: int) -> None:
    """Answer the text that Label Studio would show now, after three seconds of thought."""
    studio = Studio(url, token)
    schema = studio.project(project).schema
    task = studio.next_task(project, schema)
    assert task
    httpx.post(
        f"{url}/api/tasks/{task.id}/annotations",
        headers={"Authorization": f"Token {token}"},
        json={"result": result(schema, "fine"), "lead_time": 3.0},
        timeout=60,
    ).raise_for_status()


def unpack(model: str, home: Path) -> None:
    """Let a backend find the offline model, which it would unpack for half a minute."""
    home.mkdir(parents=True)
    (home / "models").symlink_to(Path(model).parent)


@pytest.fixture
def checkout(tmp_path: Path, model: str) -> Iterator[Path]:
    """A fresh clone in which the downloads of `make install` are done, and Crux is not installed.

    Crux's environment is a new one that finds this one's packages by a path.
    """
    folder = tmp_path / "clone"
    copy_tree(folder)
    venv = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "uninstall", "-qq", "-y", "setuptools"], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "others.pth").write_text(f"{PACKAGES}\n")
    program = folder / PROGRAM.relative_to(ROOT)
    program.parent.mkdir(parents=True)
    program.symlink_to(PROGRAM)
    (folder / "build/data").symlink_to(ROOT / "build/data")
    unpack(model, folder / "build/demo/backend")
    for stamp in (venv / ".pinned", venv / ".peers", program.parents[1] / ".installed"):
        stamp.touch()
    yield folder
    for pid_file in (folder / "build/demo").glob("*.pid"):
        stop(pid_file)


def test_five_commands_lead_from_nothing_to_the_first_verdict(checkout: Path) -> None:
    walk = [bare(line) for line in commands(WITH_MAKE)]
    assert len(walk) == 5
    told: dict[str, str] = {}
    took: dict[str, float] = {}
    for command in walk:
        if command.startswith(".venv/bin/crux connect"):
            settings = load_settings(checkout / "crux.toml")
            url = settings.studio_url
            login = re.search(r"e-mail (\S+), password (\S+)", told["make up"])
            assert login
            token = create_expert(url, settings.studio_token.get_secret_value(), *login.groups())
            project = make_project(url, token)
        elif command.startswith(".venv/bin/crux status"):
            answer_next(url, token, project)
        begun = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", command], cwd=checkout, env=environment(), text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
        )  # fmt: skip
        took[command] = time.monotonic() - begun
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        told[command] = done.stdout
    up, connect, round_, status, down = walk
    for address in (settings.studio_url, settings.backend_url):
        assert address in told[up]
        assert urlsplit(address).hostname == "127.0.0.1"
    assert (checkout / "crux.toml").stat().st_mode & 0o777 == 0o600
    assert f"  {connect}\n  {round_}\n" in told[up]
    assert settings.studio_token.get_secret_value() not in "".join(told.values())
    assert "not ok" not in told[connect]
    assert re.search(r"\b1 verdicts? bought", told[status])
    assert told[down] == "ended: worker, backend, label-studio\n"
    _keep_times(took, until=status)


def _keep_times(took: dict[str, float], until: str) -> None:
    """Write down what the README shows."""
    seconds = [*took.values()]
    first = "the first verdict, without the time in the browser"
    rows = {**took, first: sum(seconds[: [*took].index(until)])}
    widest = max(map(len, rows))
    TIMES.write_text("".join(f"{row:<{widest}}  {time:4.0f} s\n" for row, time in rows.items()))
    print(TIMES.read_text())


def test_the_words_of_label_studios_pages_are_its_own() -> None:
    words = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", WITH_MAKE + BESIDE_YOUR_OWN))
    assert {"Create Project", "Label All Tasks", "Personal Access Token"} <= words
    pages = PROGRAM.parents[1].glob("lib/python3*/site-packages/web/dist/apps/labelstudio/*.js")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert {word for word in words if not re.search(rf'[">]{word}["<]', text)} == set()


def test_pip_and_three_commands_connect_a_label_studio_of_ones_own(
    start_studio: StartStudio, model: str, tmp_path: Path
) -> None:
    server = start_studio()
    url, admin = server.url, server.admin
    project = make_project(url, admin.token)
    made = httpx.post(
        f"{url}/api/token/", headers={"Authorization": f"Token {admin.token}"}, timeout=60
    )
    home, clone = tmp_path / "home", tmp_path / "clone"
    copy_tree(clone)
    unpack(model, home / "crux-env/.crux")
    write_pool(home / "crux-env/texts.csv", load("products", ROOT / ARCHIVE)[:80])
    typed = "\n".join(commands(BESIDE_YOUR_OWN))
    for placeholder, own in (("http://127.0.0.1:8080", url), ("YOUR-TOKEN", made.json()["token"])):
        assert placeholder in typed
        typed = typed.replace(placeholder, own)
    port = free_port()
    shell = environment(
        HOME=str(home),
        PATH=f"{sys.base_prefix}/bin:{os.defpath}",
        PYTHONPATH=PACKAGES,  # instead of downloading them
        PIP_NO_DEPS="1", PIP_NO_BUILD_ISOLATION="0", PIP_DISABLE_PIP_VERSION_CHECK="1",
        CRUX_BACKEND_URL=f"http://127.0.0.1:{port}",
        GUNICORN_CMD_ARGS=f"--bind 127.0.0.1:{port}",
    )  # fmt: skip
    script = f"set -euo pipefail\n{typed}\n{AFTERWARDS}"
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=clone, env=shell, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(lambda: (home / "crux-env/asked").exists() or process.poll() is not None)
            anna = create_expert(url, admin.token, "anna@readme.example", "a-password-of-anna")
            answer_next(url, anna, project)
            (home / "crux-env/answered").touch()
            process.wait(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(0)
        said = log.read()
    assert process.returncode == 0, said
    assert "not ok" not in said
    assert re.search(r"\b1 verdicts? bought", said)
    imported = re.findall(r"^imported (.+)$", said, re.MULTILINE)
    assert len(imported) == 3
    assert all(place.startswith(str(home / "crux-env/lib")) for place in imported), imported

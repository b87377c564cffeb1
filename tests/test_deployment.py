"""The image and the composition, as far as they can be checked without a container engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from backend.config import BackendSettings
from demo.services import ALLOCATOR
from selection.config import Settings
from tests.test_packaging import PEER_PINS, STUDIO_PINS, makefile_variable, pins, read

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load(read("compose.yaml"))
SERVICES: dict[str, Any] = COMPOSE["services"]
CUDA: dict[str, Any] = yaml.safe_load(read("compose.cuda.yaml"))
DOCKERFILE = read("Dockerfile").replace("\\\n", " ")
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def stages() -> list[str]:
    """Return the stages of the Dockerfile; the last one is the image."""
    return re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]


def variables() -> dict[str, tuple[str, str]]:
    """Return name -> ('-', its default) or ('?', the message of what is missing)."""
    found: dict[str, tuple[str, str]] = {}
    for name in ("compose.yaml", "compose.cuda.yaml"):
        for line in read(name).splitlines():
            for one in VARIABLE.finditer(line.split(" # ")[0]):
                assert one[2], f"{name}: {one[0]} has neither a default nor a message"
                known = found.setdefault(one[1], (one[2], one[3]))
                assert known == (one[2], one[3]), f"{one[1]} has two defaults"
    return found


# the image


def test_the_image_is_installed_as_the_makefile_installs() -> None:
    assert re.findall(r"^ARG TORCH=(.+)$", DOCKERFILE, re.MULTILINE) == [makefile_variable("TORCH")]
    commands = re.findall(r"^RUN (?:\w+=\S+ )?pip install (.+)$", DOCKERFILE, re.MULTILINE)
    recipes = re.findall(r"\$\(VENV\)/bin/pip \$\(INSTALL\) (.+)$", read("Makefile"), re.MULTILINE)
    in_order = [
        command.replace("${TORCH}", "$(TORCH)").removesuffix(" --target /opt/code")
        for command in commands
    ]
    assert in_order == [
        "torch==$(TORCH) -c requirements.txt",
        "--no-deps -r requirements.txt",
        "--no-deps --no-build-isolation .",
    ]
    peers = f"--no-deps -r {PEER_PINS}"  # nothing that serves needs them
    assert {recipe.replace("-e .", ".") for recipe in recipes} - {peers} == set(in_order)


def test_the_image_gets_every_file_that_it_copies_and_no_other() -> None:
    sources = set()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        sources |= set(line.split())
    kept = re.findall(r"^!(.+?)/?$", read(".dockerignore"), re.MULTILINE)
    assert sources == set(kept)
    assert sources == {
        "LICENSE", "README.md", "backend", "pyproject.toml", "requirements.txt", "selection",
    }  # fmt: skip
    assert [name for name in sources if not (ROOT / name).exists()] == []


def test_a_change_of_the_code_installs_no_package_again() -> None:
    packages, code, image = stages()
    assert "selection" not in packages + image.replace("backend.server", "")
    assert packages.index("torch==") < packages.index("-r requirements.txt")
    assert re.findall(r"^COPY --from=(\w+) (\S+) (\S+)$", image, re.MULTILINE) == [
        ("packages", "/opt/crux", "/opt/crux"), ("code", "/opt/code", "/opt/code"),
    ]  # fmt: skip
    assert "PIP_NO_CACHE_DIR=1" in packages
    assert "FROM packages AS code" in code


def test_no_tool_that_builds_or_installs_is_in_the_image() -> None:
    assert re.findall(r"\b(apt-get|apt|gcc|build-essential)\b", DOCKERFILE) == []
    assert "pip" not in stages()[-1]


def test_the_image_does_not_run_as_root_and_has_a_health_check() -> None:
    image = stages()[-1]
    assert re.findall(r"^USER (\S+)$", image, re.MULTILINE) == ["10001:10001"]
    assert "--uid 10001 " in image
    assert "127.0.0.1:9090/health" in re.findall(r"^HEALTHCHECK .+$", image, re.MULTILINE)[0]
    assert "CRUX_HOME=/data" in image
    assert re.findall(r"^VOLUME (\S+)$", image, re.MULTILINE) == ["/data"]


def test_the_image_serves_as_the_backend_configures_its_server() -> None:
    found = re.findall(r"^CMD (\[.+\])$", stages()[-1], re.MULTILINE)
    assert [yaml.safe_load(command) for command in found] == [
        ["gunicorn", "-c", "python:backend.server", "--bind", "0.0.0.0:9090"]
    ]
    assert (ROOT / "backend/server.py").is_file()


# the composition


def test_compose_runs_label_studio_of_the_pinned_version_on_postgresql() -> None:
    studio = SERVICES["label-studio"]
    assert studio["image"] == f"heartexlabs/label-studio:{pins(STUDIO_PINS)['label-studio']}"
    given, database = studio["environment"], SERVICES["postgres"]["environment"]
    assert (given["DJANGO_DB"], given["POSTGRE_HOST"]) == ("default", "postgres")
    assert given["POSTGRE_PORT"] == "5432"
    for theirs, ours in (("NAME", "DB"), ("USER", "USER"), ("PASSWORD", "PASSWORD")):
        assert given[f"POSTGRE_{theirs}"] == database[f"POSTGRES_{ours}"]


def test_label_studio_reads_the_databases_address_under_these_names() -> None:
    base = "lib/python3*/site-packages/label_studio/core/settings/base.py"
    (settings,) = (ROOT / "build/label-studio").glob(base)
    known = set(re.findall(r"get_env\('(POSTGRE_\w+|DJANGO_DB)'", settings.read_text()))
    given = SERVICES["label-studio"]["environment"]
    assert {name for name in given if name.startswith(("POSTGRE_", "DJANGO_"))} == known


def test_both_switches_that_keep_label_studio_from_the_backend_are_off_and_explained() -> None:
    given = SERVICES["label-studio"]["environment"]
    switches = ("ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED")
    assert [given[name] for name in switches] == ["false", "false"]
    for name in switches:
        assert name in read("docs/deployment.md")


def test_backend_and_worker_are_one_image_on_one_folder_and_one_queue() -> None:
    backend, worker = SERVICES["backend"], SERVICES["worker"]
    for key in ("build", "image", "environment", "volumes", "user", "tmpfs", "mem_limit"):
        assert backend[key] == worker[key]
    assert backend["volumes"] == ["crux:/data"]
    assert backend["environment"]["CRUX_QUEUE_URL"] == "redis://redis:6379/0"
    assert worker["command"] == ["python", "-m", "backend.worker"]
    assert "command" not in backend  # it is the image's own


def test_compose_sets_only_settings_that_exist() -> None:
    fields = {*BackendSettings.model_fields, *Settings.model_fields}
    known = {f"CRUX_{name.upper()}" for name in fields}
    assert set(SERVICES["backend"]["environment"]) - known == set()


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    seen = set()
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"TOKEN$|SECRET$|PASSWORD$", name) and value != "true":
                found = re.fullmatch(r"\$\{(\w+):\?.+ see \.env\.example\}", value)
                assert found, f"{name}: {value}"
                seen.add(found[1])
    assert seen == {name for name, (kind, _) in variables().items() if kind == "?"}


def test_the_example_has_every_variable_with_its_default_and_no_other() -> None:
    example = dict(re.findall(r"^(#?[A-Z_]+)=(.*)$", read(".env.example"), re.MULTILINE))
    assert example == {
        name if kind == "?" else f"#{name}": "" if kind == "?" else default
        for name, (kind, default) in variables().items()
    }


def test_every_variable_is_explained_in_the_documentation() -> None:
    explained = set(re.findall(r"^\| `([A-Z_]+)` \|", read("docs/deployment.md"), re.MULTILINE))
    assert explained == variables().keys()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_or_a_reason_for_none(name: str) -> None:
    service = SERVICES[name]
    own = service.get("healthcheck")
    if own is None:
        assert service["image"].startswith("label-studio-crux:"), "the image's own"
    elif own.get("disable"):
        assert re.search(r"disable: true # \w+", read("compose.yaml"))
    else:
        assert own["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_runs_as_root_or_can_become_root(name: str) -> None:
    service = SERVICES[name]
    number, group = service["user"].split(":")
    assert int(number) > 0
    assert group.isdecimal()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "mem_limit" in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_writes_only_to_volumes_and_memory_or_has_a_reason(name: str) -> None:
    if not SERVICES[name]["read_only"]:
        assert name == "label-studio"
        assert re.search(r"read_only: false # \w+", read("compose.yaml"))
    for volume in SERVICES[name]["volumes"]:
        assert volume.split(":")[0] in COMPOSE["volumes"]


def test_a_service_waits_until_those_that_it_needs_are_healthy() -> None:
    needs = {
        name: sorted(service.get("depends_on", {})) for name, service in SERVICES.items()
    }
    assert needs == {
        "label-studio": ["postgres"], "backend": ["redis"],
        "worker": ["backend", "label-studio", "redis"], "postgres": [], "redis": [],
    }  # fmt: skip
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert not SERVICES[other].get("healthcheck", {}).get("disable")


def test_only_those_who_need_database_and_queue_can_reach_them() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert {name for name, own in networks.items() if "database" in own} == {
        "label-studio", "postgres",
    }  # fmt: skip
    assert {name for name, own in networks.items() if "queue" in own} == {
        "backend", "worker", "redis",
    }  # fmt: skip
    for inner in ("database", "queue"):
        assert COMPOSE["networks"][inner] == {"internal": True}
    assert {name: own["ports"] for name, own in SERVICES.items() if "ports" in own} == {
        "label-studio": ["${STUDIO_LISTEN:-8080}:8080"], "backend": ["127.0.0.1:9090:9090"],
    }  # fmt: skip


def test_the_variant_for_gpus_changes_image_and_devices_and_nothing_else() -> None:
    assert CUDA["services"].keys() == {"backend", "worker"}
    for service in CUDA["services"].values():
        assert service["image"] == "label-studio-crux:cuda"
        assert service["build"] == {"args": {"TORCH_INDEX": ""}}
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
        assert service.keys() == {"image", "build", "deploy"}
    for name in SERVICES["backend"]["build"]["args"]:
        assert re.search(rf"^ARG {name}$", DOCKERFILE, re.MULTILINE)


def test_the_image_and_the_demo_set_the_allocator_alike() -> None:
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert dict(re.findall(r"\b(MALLOC_\w+)=(\d+)", image)) == ALLOCATOR

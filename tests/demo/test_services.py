import socket
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from demo.processes import HOST, free_port
from demo.services import Services, State
from selection.errors import SettingError

STATE = State(8080, 9090, "admin@crux.example", "pass", "t0ken", "s3cret")


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return Services(tmp_path)


def test_ports_and_secrets_are_chosen_once(services: Services) -> None:
    first = services.state
    assert services.state == first
    assert Services(services.root).state == first
    assert (services.root / "state.json").stat().st_mode & 0o777 == 0o600


def test_two_installations_have_other_ports_and_secrets(tmp_path: Path) -> None:
    one, two = Services(tmp_path / "one").state, Services(tmp_path / "two").state
    assert len({one.studio_port, one.backend_port, two.studio_port, two.backend_port}) == 4
    assert one.token != two.token
    assert one.secret != two.secret


def test_the_usual_ports_come_first(services: Services) -> None:
    state = services.state
    assert state.studio_port in range(8080, 8180)
    assert state.backend_port in range(9090, 9190)


def test_both_are_reached_from_this_machine_alone() -> None:
    for url in (STATE.studio_url, STATE.backend_url):
        assert urlsplit(url).hostname == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "key"), [("label-studio", "studio_port"), ("backend", "backend_port")]
)
def test_a_port_that_another_program_has_taken_is_named_and_nothing_starts(
    services: Services, name: str, key: str
) -> None:
    state = replace(STATE, studio_port=free_port(), backend_port=free_port())
    services.keep(state)
    port = getattr(state, key)
    with (
        socket.create_server((HOST, port)),
        pytest.raises(SettingError, match=f"Port {port} is taken") as error,
    ):
        services.up()
    said = str(error.value)
    assert f"{name} has had it" in said
    assert f"change {key} in {services.root / 'state.json'}" in said
    assert "crux connect" in said
    assert services.state == state
    assert not list(services.root.glob("*.pid"))

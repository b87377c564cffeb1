import pytest

from demo.processes import free_port
from demo.servers import Server
from selection.errors import StudioDown, StudioRefused
from selection.studio.api import Studio
from tests.conftest import StartStudio

LOCAL = "http://127.0.0.1:9/webhook"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '<Choice value="yes"/><Choice value="no"/></Choices></View>'
)


def seen_by_admin(server: Server) -> Studio:
    return Studio(server.url, server.admin.token)


def test_with_both_switches_off_nothing_is_blocked_and_nothing_is_made(
    label_studio: Server,
) -> None:
    studio = seen_by_admin(label_studio)
    project = studio.create_project("Asked", CONFIG, "policy")
    assert studio.blocking(LOCAL) == ()
    assert studio.webhooks(project.id) == []
    assert studio.backends(project.id) == []


def test_each_switch_that_blocks_is_named(start_studio: StartStudio) -> None:
    server = start_studio(SSRF_PROTECTION_ENABLED="true", ML_BLOCK_LOCAL_IP="true")
    assert seen_by_admin(server).blocking(LOCAL) == ("ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED")
    assert seen_by_admin(server).blocking("http://1.1.1.1/webhook") == ()


def test_a_token_that_is_refused_and_a_server_that_is_away_are_said(label_studio: Server) -> None:
    with pytest.raises(StudioRefused, match="refuses the token"):
        Studio(label_studio.url, "f" * 40).blocking(LOCAL)
    with pytest.raises(StudioDown):
        Studio(f"http://127.0.0.1:{free_port()}", "f" * 40).blocking(LOCAL)

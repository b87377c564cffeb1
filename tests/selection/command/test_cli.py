import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from selection import errors
from selection.command import cli
from selection.config import Settings
from selection.errors import BackendError, CruxError
from selection.outcome import Outcome, Waiting
from selection.rounds import Rounds
from tests.fakes import FakeBackend, FakeStudio
from tests.selection.command.test_models import version
from tests.selection.secret_server import SecretServer, started
from tests.selection.test_rounds import Loop
from tests.selection.test_status import record

Run = Callable[..., tuple[int, str, str]]


def kinds(root: type[CruxError]) -> list[type[CruxError]]:
    return [root, *(one for kind in root.__subclasses__() for one in kinds(kind))]


ERRORS = [kind for kind in kinds(CruxError) if kind.__module__ == errors.__name__]


class Promoting(FakeBackend):
    """A backend that takes promotions."""

    def version_names(self, project: int) -> tuple[str, ...]:
        return tuple(one.version for one in self.listed)

    def promote(self, project: int, version: str) -> str:
        if version == "no-such-version":
            raise BackendError("The backend refused: project 7 has no version 'no-such-version'.")
        self.versions = (version,)
        return version


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop(tmp_path)
    loop.backend = Promoting(loop.backend.rule)
    loop.know_words()
    monkeypatch.chdir(tmp_path)
    values = {"project": 7, "home": str(tmp_path), "pool": str(loop.pool), "per_round": 8,
              "studio_token": "t0ken", "webhook_secret": "a-secret"}  # fmt: skip
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    (tmp_path / "crux.toml").write_text("".join(lines))
    monkeypatch.setattr(cli, "_studio", lambda settings: loop.studio)
    monkeypatch.setattr(cli, "_backend", lambda settings: loop.backend)
    return loop


@pytest.fixture
def crux(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    def run(*argv: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr) with white space collapsed, as `crux` would end."""
        monkeypatch.setattr(sys, "argv", ["crux", *argv])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        code = ended.value.code
        return int(code or 0), " ".join(said.out.split()), " ".join(said.err.split())

    return run


COMMANDS = [
    ("connect",), ("doctor",), ("round",), ("finish",), ("status",), ("report",), ("models",),
    ("models", "list"), ("models", "promote"), ("models", "rollback"),
]  # fmt: skip


@pytest.mark.parametrize("command", [(), *COMMANDS])
def test_every_command_explains_itself(crux: Run, command: tuple[str, ...]) -> None:
    code, out, _ = crux(*command, "--help")
    assert code == 0
    assert f"crux {' '.join(command)}".strip() + " [OPTIONS]" in out


def test_no_command_is_forgotten_here() -> None:
    top: Any = get_command(cli.app)
    names = {(name,) for name in top.commands}
    names |= {("models", name) for name in top.commands["models"].commands}
    assert names == set(COMMANDS)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_is_one_message_and_exit_code_1(
    crux: Run, monkeypatch: pytest.MonkeyPatch, kind: type[CruxError]
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise kind("What is wrong with [this] thing, and what to do.")

    monkeypatch.setattr(cli, "_rounds", fails)
    assert crux("status") == (1, "", "Error: What is wrong with [this] thing, and what to do.")


def test_a_long_message_is_not_broken_into_lines(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> Any:
        raise CruxError("x" * 300)

    monkeypatch.setattr(cli, "_rounds", fails)
    monkeypatch.setattr(sys, "argv", ["crux", "status"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == f"Error: {'x' * 300}\n"


@pytest.mark.parametrize("argv", [("nothing",), ("round", "--nothing"), ("models", "promote")])
def test_a_wrong_command_line_is_exit_code_2(crux: Run, argv: tuple[str, ...]) -> None:
    assert crux(*argv)[0] == 2


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("status", "--config", "none.toml"), "There is no settings file none.toml"),
        (("round", "--per-round", "1"), "Setting 'per_round' (CRUX_PER_ROUND) is 1"),
        (("status", "--project", "0"), "No project is set"),
    ],
)
def test_a_wrong_setting_is_exit_code_1(crux: Run, argv: tuple[str, ...], says: str) -> None:
    code, out, err = crux(*argv)
    assert (code, out) == (1, "")
    assert says in err


def test_a_secret_that_no_header_can_carry_is_a_setting_error() -> None:
    with pytest.raises(errors.SettingError, match="'webhook_secret' must be ASCII") as caught:
        cli._backend(Settings(webhook_secret="gehéim"))  # type: ignore[arg-type]
    assert "gehéim" not in str(caught.value)


def test_without_a_token_every_command_says_where_to_copy_one() -> None:
    says = (
        "No token is set. Run crux in the folder of your crux.toml, or copy a token from "
        "http://127.0.0.1:8080/user/account, 'Personal Access Token' or 'Legacy Token', into "
        "CRUX_STUDIO_TOKEN."
    )
    with pytest.raises(errors.SettingError) as caught:
        cli._studio(Settings())
    assert str(caught.value) == says


# each command


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretServer]:
    """A server at the address of both, for what asks them without a client."""
    with started() as server:
        monkeypatch.setenv("CRUX_BACKEND_URL", server.url)
        monkeypatch.setenv("CRUX_STUDIO_URL", server.url)
        yield server


def test_connect_ends_with_1_after_the_first_line_that_is_not_ok(
    crux: Run, loop: Loop, server: SecretServer
) -> None:
    code, out, _ = crux("connect")
    assert (code, "not ok" in out) == (0, False)
    loop.studio.policy = ""
    code, out, _ = crux("connect")
    assert code == 1
    assert "not ok policy: Project 7 has no policy" in out
    assert "backend:" not in out


def test_a_line_of_connect_is_not_broken_so_that_a_command_in_it_can_be_copied(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop.studio, "projects", lambda: {n: "A long title" for n in range(9)})
    monkeypatch.setattr(sys, "argv", ["crux", "connect", "--project", "0"])
    with pytest.raises(SystemExit):
        cli.main()
    _, line = capsys.readouterr().out.splitlines()
    assert line.startswith("not ok project: No project is set. Label Studio has 0 'A long title', ")
    assert line.endswith("Give one: --project N.")


def test_connect_removes_the_webhook_that_it_is_told_to_and_does_nothing_else(
    crux: Run, loop: Loop, server: SecretServer
) -> None:
    crux("connect")
    number = next(iter(loop.studio.hooks))
    loop.studio.calls.clear()
    code, out, _ = crux("connect", "--remove-webhook", str(number))
    assert (code, out) == (0, f"Webhook {number} to {server.url}/webhook is removed.")
    assert loop.studio.calls == ["webhooks", "delete_webhook"]
    code, _, err = crux("connect", "--remove-webhook", "99")
    assert (code, "has no webhook 99; it has none at all" in err) == (1, True)


class LookedAt(FakeStudio):
    """A Label Studio to which nothing is connected."""

    def people(self) -> dict[int, str]:
        return {1: "admin@example.org"}

    def blocking(self, url: str) -> tuple[str, ...]:
        return ()


def test_doctor_looks_at_everything_and_ends_with_1_if_anything_is_not_ok(
    crux: Run, loop: Loop, server: SecretServer
) -> None:
    loop.studio = LookedAt()
    code, out, err = crux("doctor", "--json")
    assert (code, err) == (1, "")
    body = json.loads(out)
    assert body["ok"] is False
    seen = {check["name"]: check["ok"] for check in body["checks"]}
    assert (seen["policy"], seen["secret"], seen["connection"], seen["disk"]) == (
        True, True, False, True,
    )  # fmt: skip
    code, out, _ = crux("doctor")
    assert code == 1
    assert "ok policy:" in out
    assert "not ok people: Every blind text asks 2 people" in out
    assert f"not ok connection: No backend at {server.url} is connected" in out
    assert "delete_webhook" not in loop.studio.calls


def test_doctor_says_what_it_could_not_look_at(crux: Run, loop: Loop, server: SecretServer) -> None:
    loop.studio, loop.backend.down = LookedAt(), True
    code, out, _ = crux("doctor")
    assert code == 1
    assert "– model: not looked at, since 'backend' is not ok" in out


def test_a_round_says_what_it_did_as_text_and_as_json(crux: Run, loop: Loop) -> None:
    code, out, _ = crux("round", "--json")
    assert code == 0
    body = json.loads(out)
    assert (body["state"], body["round"], body["tasks"]) == ("pushed", 0, len(loop.studio.bodies))
    assert json.loads(crux("round", "--json")[1])["state"] == "waiting"
    assert "Round 0 still waits for" in crux("round")[1]


def test_status_is_a_table_or_json(crux: Run, loop: Loop) -> None:
    loop.complete()
    loop.round()
    code, out, err = crux("status", "--json")
    assert (code, err) == (0, "")
    body = json.loads(out)
    assert (body["project"], [r["round"] for r in body["rounds"]]) == (7, [0])
    assert body["open"]["missing"] == body["open"]["asked"] > 0
    text = crux("status")[1]
    said = body["summary"]
    assert f"Next: {said['next']} Budget: {said['budget']}" in text
    assert said["next"].startswith(f"{body['open']['missing']} of {body['open']['asked']} verdicts")
    assert said["next"].endswith(body["open"]["waits_for"])
    assert f"{said['quality']} {said['comparison']}" in text


def test_a_report_says_where_it_is(crux: Run, loop: Loop) -> None:
    loop.complete()
    code, out, _ = crux("report", "--to", "a [b].html")
    assert (code, out) == (0, "The report is in a [b].html")
    assert "Errors of the version in force" in (loop.home / "a [b].html").read_text()
    assert "The project" in (loop.home / "a [b].html").read_text()


def test_models_are_listed_promoted_and_rolled_back_step_by_step(crux: Run, loop: Loop) -> None:
    assert "No version is trained yet: v1 answers" in crux("models", "list")[1]
    code, _, err = crux("models", "rollback")
    assert (code, "There is nothing to go back to: project 7" in err) == (1, True)
    loop.backend.listed = [version(name) for name in ("p0", "a", "b", "refused")]
    loop.backend.records = [
        record(0, version="a"), record(1, version="b"), record(2, version="b"),
    ]  # fmt: skip
    crux("models", "promote", "b")
    listed = json.loads(crux("models", "list", "--json")[1])
    assert (listed["project"], listed["current"]) == (7, "b")
    assert [one["version"] for one in listed["versions"]] == ["p0", "a", "b", "refused"]
    assert [one["current"] for one in listed["versions"]] == [False, False, True, False]
    assert listed["versions"][1]["measured"]["round"] == 0
    assert "Versions of project 7" in crux("models", "list")[1]
    assert crux("models", "rollback") == (0, "a is the current version.", "")
    assert crux("models", "rollback") == (0, "p0 is the current version.", "")
    code, _, err = crux("models", "rollback")
    assert (code, "There is no version to go back to before p0" in err) == (1, True)
    assert crux("models", "promote", "ref") == (0, "refused is the current version.", "")
    loop.backend.listed.append(version("refuted"))
    code, _, err = crux("models", "promote", "ref")
    assert (code, "2 versions begin with 'ref': refused, refuted." in err) == (1, True)
    code, _, err = crux("models", "promote", "no-such-version")
    assert (code, "no version 'no-such-version'" in err) == (1, True)


def test_a_rollback_says_which_version_it_passes_over(crux: Run, loop: Loop) -> None:
    other = version("a", labels=("good", "no"))
    loop.backend.listed = [version("p0"), other, version("b")]
    loop.backend.records = [record(0, version="a"), record(1, version="b")]
    loop.backend.versions = ("b",)
    said = "Not possible: a has other labels (good, no). p0 is the current version."
    assert crux("models", "rollback") == (0, said, "")


# --auto


class Story(Rounds):
    """Rounds that come and are waited for as it is told."""

    outcomes: list[Outcome]
    seen: list[Waiting]
    ends: list[Outcome]
    last: list[Waiting]

    def round(self, *, anyway: bool = False, new_policy: bool = False) -> Outcome:
        return self.outcomes.pop(0)

    def progress(self) -> Waiting:
        if not self.seen:
            raise KeyboardInterrupt
        return self.seen.pop(0)

    def finish(self) -> Outcome:
        return self.ends.pop(0)

    def finishing(self) -> Waiting:
        return self.last.pop(0)


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> type[Story]:
    monkeypatch.setattr(cli, "Rounds", Story)
    monkeypatch.setattr(cli, "WAIT", 0.0)
    return Story


PUSHED = [Outcome("pushed", 0, "first", 9), Outcome("pushed", 1, "second", 9)]
DONE, WAITS = Waiting("done", 1, 1, finished=True), Waiting("verdicts of experts", 3, 9)


ENDS = Outcome("finishing", 1, "The loop ends.")
MADE = Waiting("the worker begins", 0, 1, True, False, "final1-a")


def test_auto_goes_on_until_the_stop_rule_speaks_and_ends_with_the_last_version(
    crux: Run, story: type[Story]
) -> None:
    story.outcomes = [*PUSHED, Outcome("stop", 1, "parity")]
    story.seen = [WAITS, DONE, WAITS, WAITS, DONE]
    story.ends, story.last = [ENDS], [Waiting("training, final1-a", 3, 9), MADE]
    code, out, err = crux("round", "--auto")
    assert (code, out) == (0, "first second parity The loop ends. final1-a is in force.")
    assert "round 0: verdicts of experts 3/9" in err
    assert "the last version: training, final1-a 3/9" in err
    assert (story.outcomes, story.seen, story.ends, story.last) == ([], [], [], [])


def test_finish_waits_for_the_last_version_and_says_when_it_is_in_force(
    crux: Run, story: type[Story]
) -> None:
    story.ends, story.last = [ENDS], [MADE]
    assert crux("finish")[:2] == (0, "The loop ends. final1-a is in force.")
    story.ends, story.last = [ENDS], [MADE]
    assert json.loads(crux("finish", "--json")[1]) == {
        "state": "finishing", "round": 1, "message": "The loop ends.", "tasks": 0,
    }  # fmt: skip


def test_finish_waits_for_nothing_while_the_round_does(crux: Run, story: type[Story]) -> None:
    story.ends, story.last = [Outcome("waiting", 1, "Round 1 still waits.")], []
    assert crux("finish")[:2] == (0, "Round 1 still waits.")


def test_finish_ends_where_the_last_training_fails(crux: Run, story: type[Story]) -> None:
    story.ends = [ENDS]
    story.last = [Waiting("the worker begins", 0, 1, False, True, "one label")]
    code, out, err = crux("finish")
    assert (code, out) == (1, "The loop ends.")
    assert "Error: one label" in err


def test_auto_ends_where_training_fails(crux: Run, story: type[Story]) -> None:
    story.outcomes = PUSHED[:1]
    failed = Waiting("", 0, 1, failed=True, message="Training failed: one label")
    story.seen = [WAITS, failed]
    code, out, err = crux("round", "--auto")
    assert (code, out) == (1, "first")
    assert "Error: Training failed: one label" in err


def test_an_interrupted_auto_says_how_to_go_on(crux: Run, story: type[Story]) -> None:
    story.outcomes, story.seen = PUSHED[:1], [WAITS]
    code, _, err = crux("round", "--auto")
    assert (code, err.endswith("Ended. Run the same command again to go on.")) == (130, True)

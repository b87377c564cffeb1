"""The command `crux`: read settings, run one step of the method, print its outcome or JSON."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import tenacity
import typer
from rich.console import Console
from rich.markup import escape

from selection.backend_client import BackendClient
from selection.command import connect as connecting
from selection.command.checks import Check, require_token
from selection.command.doctor import Doctor
from selection.command.models import listed, named, previous, remark, table
from selection.command.terminal import WIDE, Steps, said_below, tables
from selection.config import Settings, load
from selection.errors import BackendError, CruxError, SettingError, StudioDown
from selection.outcome import Outcome, Waiting
from selection.report.page import render, save
from selection.report.reread import reread
from selection.rounds import Rounds
from selection.studio.api import Studio
from selection.summary import summary

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
models = typer.Typer(no_args_is_help=True, help="List, promote and roll back model versions.")
app.add_typer(models, name="models")
out, err = Console(), Console(stderr=True)

Config = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")]
Project = Annotated[int | None, typer.Option("--project", help="Number of the project.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
WAIT = 3.0  # seconds after which --auto looks again


@app.callback()
def crux() -> None:
    """Finds the few examples on which a classifier hinges and has experts label just those."""


@app.command()
def connect(
    config: Config = None,
    project: Project = None,
    remove_webhook: Annotated[
        int | None, typer.Option(help="Only remove this webhook; crux doctor names left-over ones.")
    ] = None,
) -> None:
    """Check that everything is there, and connect Label Studio with the backend."""
    settings = load(config, project=project)
    studio = _studio(settings)
    if remove_webhook is not None:
        out.print(escape(connecting.remove_webhook(settings, studio, remove_webhook)))
        return
    if not all(_print_checks(connecting.connect(settings, studio, _backend(settings)))):
        raise typer.Exit(1)


@app.command()
def doctor(config: Config = None, project: Project = None, as_json: AsJson = False) -> None:
    """Look at everything that the loop needs, and change nothing."""
    settings = load(config, project=project)
    found = Doctor(settings, lambda: _studio(settings), lambda: _backend(settings)).look()
    if as_json:
        checks = [vars(check) for check in found]
        passed = [bool(check["ok"]) for check in checks]
        print(json.dumps({"ok": all(passed), "checks": checks}, ensure_ascii=False))
    else:
        passed = _print_checks(found)
    if not all(passed):
        raise typer.Exit(1)


def _print_checks(checks: Iterable[Check]) -> list[bool]:
    """Print each check as it is done; return whether each is ok."""
    passed = []
    for check in checks:
        mark = {True: "[green]ok[/]  ", False: "[red]not ok[/]", None: "–   "}[check.ok]
        # unbroken, so that a command in it can be copied
        line = f"{mark} {check.name}: {escape(check.message)}"
        out.print(line, highlight=False, soft_wrap=True)
        passed.append(bool(check.ok))
    return passed


@app.command(name="round")
def round_(
    config: Config = None,
    project: Project = None,
    pool: Annotated[str | None, typer.Option(help="CSV, JSONL, Parquet or project:N.")] = None,
    per_round: Annotated[int | None, typer.Option(help="Texts at the boundary.")] = None,
    audit_per_round: Annotated[int | None, typer.Option(help="Texts at random.")] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Go on by itself after each training, until stop.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Go on although the stop rule says stop.")
    ] = False,
    new_policy: Annotated[
        bool, typer.Option("--new-policy", help="Go on although the policy has changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Choose the next texts and push them into the queue; resumes what was cut off."""
    settings = load(
        config, project=project, pool=pool, per_round=per_round, audit_per_round=audit_per_round
    )
    with Steps(err) as steps, _interruptible():
        rounds = Rounds(settings, _studio(settings), _backend(settings), steps.say)
        outcome = rounds.round(anyway=anyway, new_policy=new_policy)
        _print_outcome(outcome, as_json)
        while auto and outcome.state not in ("stop", "policy"):
            _wait(rounds.progress, f"round {outcome.round}", steps)
            outcome = rounds.round()
            _print_outcome(outcome, as_json)
        if auto and outcome.state == "stop":
            _finish(rounds, steps, as_json)


@app.command()
def finish(config: Config = None, project: Project = None, as_json: AsJson = False) -> None:
    """End the loop: one last version learns from every verdict, the audit's too."""
    settings = load(config, project=project)
    with Steps(err) as steps, _interruptible():
        _finish(Rounds(settings, _studio(settings), _backend(settings), steps.say), steps, as_json)


def _finish(rounds: Rounds, steps: Steps, as_json: bool) -> None:
    outcome = rounds.finish()
    _print_outcome(outcome, as_json)
    if outcome.state == "finishing":
        made = _wait(rounds.finishing, "the last version", steps)
        if not as_json:
            out.print(f"{made.message} is in force.", highlight=False, soft_wrap=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """On Ctrl-C say how to go on, which click's own 'Aborted' does not."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("Ended. Run the same command again to go on.")
        raise typer.Exit(130) from None


def _wait(progress: Callable[[], Waiting], what: str, steps: Steps) -> Waiting:
    """Wait for experts and training. Raises BackendError if the training fails."""

    def on_wait(state: tenacity.RetryCallState) -> None:
        if state.outcome is None:
            return
        error = state.outcome.exception()
        if error is not None:
            steps.say(f"{error} Waiting for it.", 0, 0)
        else:
            seen: Waiting = state.outcome.result()
            steps.say(f"{what}: {seen.step}", seen.done, seen.total)

    looks = tenacity.Retrying(
        # a Label Studio that is down may be back in a moment, and nothing is lost meanwhile
        retry=tenacity.retry_if_exception_type(StudioDown)
        | tenacity.retry_if_result(lambda seen: not (seen.finished or seen.failed)),
        wait=tenacity.wait_fixed(WAIT),
        before_sleep=on_wait,
    )
    last: Waiting = looks(progress)
    if last.failed:
        raise BackendError(last.message)
    return last


def _print_outcome(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        body = {"state": outcome.state, "round": outcome.round, "message": outcome.message,
                "tasks": outcome.tasks}  # fmt: skip
        print(json.dumps(body), flush=True)
    else:
        out.print(escape(outcome.message), highlight=False, soft_wrap=True)


@app.command()
def status(config: Config = None, project: Project = None, as_json: AsJson = False) -> None:
    """The table of the rounds, how good the model is, what comes next and what it costs."""
    settings = load(config, project=project)
    now = _rounds(settings).status()
    said = summary(now)
    if as_json:
        print(json.dumps({**now.as_json(), "summary": said.as_json()}, ensure_ascii=False))
        return
    out.print(*tables(now, wide=out.width >= WIDE))
    for line in said_below(said, now):
        out.print(escape(line), highlight=False)
    for problem in said.problems:
        err.print(escape(problem), highlight=False)


@app.command()
def report(
    config: Config = None,
    project: Project = None,
    to: Annotated[Path, typer.Option("--to", help="The file to write.")] = Path("crux-report.html"),
) -> None:
    """Write the report: one HTML file with curves, tables and the last pairs."""
    settings = load(config, project=project)
    backend = _backend(settings)
    with Steps(err) as steps, _interruptible():
        rounds = Rounds(settings, _studio(settings), backend, steps.say)
        about, collected, now = rounds.everything()
        read = reread(now, collected, backend, steps.say)
    html = render(
        now,
        collected,
        read,
        title=about.title,
        studio_url=settings.studio_url,
        generated=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    save(html, to)
    out.print(f"The report is in {escape(str(to))}", highlight=False, soft_wrap=True)


@models.command(name="list")
def list_(config: Config = None, project: Project = None, as_json: AsJson = False) -> None:
    """All versions: what each was made from, its kappas, and which one is current."""
    settings = load(config, project=project)
    state = _backend(settings).project(settings.project)
    if as_json:
        print(json.dumps(listed(state), ensure_ascii=False))
        return
    out.print(table(state, wide=out.width >= WIDE))
    if remark(state):
        out.print(escape(remark(state)), highlight=False)


@models.command()
def promote(version: str, config: Config = None, project: Project = None) -> None:
    """Make VERSION the current one; the beginning of its name is enough."""
    settings = load(config, project=project)
    backend = _backend(settings)
    _promote(settings, backend, named(backend.version_names(settings.project), version))


@models.command()
def rollback(config: Config = None, project: Project = None) -> None:
    """Go back to the version that was in force one round before."""
    settings = load(config, project=project)
    backend = _backend(settings)
    before = previous(backend.project(settings.project))
    if before.passed_over:
        out.print(escape(before.passed_over), highlight=False, soft_wrap=True)
    _promote(settings, backend, before.version)


def _promote(settings: Settings, backend: BackendClient, version: str) -> None:
    current = backend.promote(settings.project, version)
    out.print(f"{current} is the current version.", highlight=False, soft_wrap=True)


def _studio(settings: Settings) -> Studio:
    require_token(settings)
    return Studio(settings.studio_url, settings.studio_token.get_secret_value())


def _backend(settings: Settings) -> BackendClient:
    try:
        return BackendClient(settings.backend_url, settings.webhook_secret.get_secret_value())
    except UnicodeEncodeError:
        raise SettingError(
            "Setting 'webhook_secret' must be ASCII: it travels in a header."
        ) from None


def _rounds(settings: Settings) -> Rounds:
    return Rounds(settings, _studio(settings), _backend(settings), lambda *_: None)


def main() -> None:
    """Entry point: every error that a person can meet is one message and exit code 1."""
    run: Callable[..., Any] = app
    try:
        run()
    except CruxError as error:
        err.print(f"[red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

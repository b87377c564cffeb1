"""A real Label Studio, started without a browser, and experts who can log in to it.

By its defaults Label Studio does not call a backend on this machine (two settings), allows no
legacy tokens, and silently moves to the next port when its own is taken.
"""

import os
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from demo.processes import (
    HOST,
    Process,
    Say,
    free_port,
    free_port_from,
    port_taken,
    running,
    start_process,
    stop,
    wait_until,
)  # fmt: skip
from selection.errors import SettingError, StudioError, StudioRefused

__all__ = [
    "HOST", "Admin", "Process", "Server", "clean_environment", "create_expert", "free_port",
    "free_port_from", "port_taken", "running", "start_label_studio", "start_process", "stop",
    "wait_until",
]  # fmt: skip

DATABASE = "label_studio.sqlite3"
START_SECONDS = 900.0  # the first start makes the tables: a minute, or several on a busy machine


@dataclass(frozen=True)
class Admin:
    """The first user of a new Label Studio. token: 40 hex digits."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True)
class Server:
    """A Label Studio that answers at `url`."""

    url: str
    admin: Admin
    process: Process


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment without any of the user's own settings."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
    return {"PATH": path, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", **more}


def start_label_studio(
    data_dir: Path,
    program: Path,
    port: int,
    admin: Admin,
    log: Path,
    pid_file: Path,
    template: Path | None = None,
    say: Say | None = None,
    settings: Mapping[str, str] | None = None,
) -> Server:
    """Start Label Studio on this machine and wait until it answers.

    program: the command label-studio in its environment. template: a folder that keeps the data of
    a new server (made when missing), so that later ones need no migrations; it belongs to one
    admin and one version. settings: more environment variables of Label Studio.
    Raises SettingError if the program is missing or the port taken, CruxError if it does not start.
    """
    if not program.exists():
        raise SettingError(f"Label Studio is missing ({program}); run `make install`.")
    if port_taken(port):
        raise SettingError(f"Port {port} is taken; choose another for Label Studio.")
    url = f"http://{HOST}:{port}"
    fresh = not (data_dir / DATABASE).exists()
    if fresh and template and (template / DATABASE).exists():
        _copy_data(template, data_dir)
    data_dir.mkdir(parents=True, exist_ok=True)
    argv = [
        *(str(program), "start", "--no-browser", "--internal-host", HOST),
        *("--port", str(port), "--enable-legacy-api-token"),
    ]
    env = _environment(data_dir, url, admin) | dict(settings or {})
    process = start_process("Label Studio", argv, env, log, pid_file)
    try:
        wait_until(process, lambda: _is_up(url), START_SECONDS, say)
        server = Server(url, admin, process)
        _check_owner(server)
    except BaseException:  # leave no server behind, not even on Ctrl-C
        stop(pid_file)
        raise
    if fresh and template and not (template / DATABASE).exists():
        _copy_data(data_dir, template)
    return server


def create_expert(url: str, admin_token: str, email: str, password: str) -> str:
    """Make a user through the invite link, or log in an existing one, and return a token.

    It is a legacy token where the organization allows those, else a personal access token.
    Raises StudioRefused if the password is not the user's or too short for Label Studio.
    """
    with httpx.Client(
        base_url=url, timeout=120.0, headers={"Authorization": f"Token {admin_token}"}
    ) as admin:
        invited = admin.get("/api/invite")
    if invited.status_code != httpx.codes.OK:
        raise StudioRefused(f"Label Studio at {url} lets this token invite nobody.")
    with httpx.Client(base_url=url, timeout=120.0, headers={"Referer": url}) as session:
        if not (
            _sign_in(session, invited.json()["invite_url"], email, password)
            or _sign_in(session, "/user/login/", email, password)
        ):
            raise StudioRefused(
                f"Label Studio at {url} accepts {email} neither as a new user nor with this "
                "password (it wants 8 characters)."
            )
        return _token_of(session)


def _environment(data_dir: Path, url: str, admin: Admin) -> dict[str, str]:
    return clean_environment(
        HOME=str(data_dir),
        LABEL_STUDIO_BASE_DATA_DIR=str(data_dir),
        LABEL_STUDIO_HOST=url,
        # In the environment, since every user of the machine can read command lines.
        LABEL_STUDIO_USERNAME=admin.email,
        LABEL_STUDIO_PASSWORD=admin.password,
        LABEL_STUDIO_USER_TOKEN=admin.token,
        DJANGO_DB="sqlite",
        LATEST_VERSION_CHECK="false",
        COLLECT_ANALYTICS="false",
        SENTRY_DSN="",
        FRONTEND_SENTRY_DSN="",
        ML_BLOCK_LOCAL_IP="false",
        SSRF_PROTECTION_ENABLED="false",
        TASK_LOCK_TTL="3600",  # seconds for which a text on somebody's screen waits for them
    )


def _is_up(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/health", timeout=2.0)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK and answer.json() == {"status": "UP"}


def _check_owner(server: Server) -> None:
    """Raises StudioError unless our own server answers: no other one knows the admin's token."""
    answer = httpx.get(
        f"{server.url}/api/current-user/whoami",
        headers={"Authorization": f"Token {server.admin.token}"},
        timeout=120.0,
    )
    if answer.status_code != httpx.codes.OK or answer.json().get("email") != server.admin.email:
        raise StudioError(
            f"What answers at {server.url} does not know the token of {server.admin.email}: "
            "another server has the port, or the data folder belongs to another admin."
        )


def _copy_data(source: Path, target: Path) -> None:
    """Copy the data of a server that may run; the database last, as the sign of success."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / ".env", target / ".env")
    part = target / f"{DATABASE}.{os.getpid()}"  # two processes may prepare the same template
    with sqlite3.connect(source / DATABASE) as old, sqlite3.connect(part) as new:
        old.backup(new)
    old.close()
    new.close()
    part.replace(target / DATABASE)


def _sign_in(session: httpx.Client, page: str, email: str, password: str) -> bool:
    """Send one of Label Studio's two forms. Return whether it was accepted: then it redirects."""
    session.get(page)
    answer = session.post(
        page,
        data={
            "email": email,
            "password": password,
            "csrfmiddlewaretoken": session.cookies.get("csrftoken") or "",
        },
    )
    return answer.is_redirect


def _token_of(session: httpx.Client) -> str:
    if session.get("/api/jwt/settings").json().get("legacy_api_tokens_enabled"):
        return str(session.get("/api/current-user/token").json()["token"])
    made = session.post(
        "/api/token/", headers={"X-CSRFToken": session.cookies.get("csrftoken") or ""}
    )
    return str(made.json()["token"])

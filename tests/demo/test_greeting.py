from pathlib import Path

from demo.greeting import greeting
from demo.services import State

STATE = State(8080, 9090, "admin@crux.example", "pass", "t0ken", "s3cret")


def said(projects: dict[int, str], theirs: tuple[str, ...] = ()) -> str:
    return greeting(STATE, Path("crux.toml"), list(theirs), projects, Path("build/reviews.csv"))


def commands(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("  .")]


def test_a_new_label_studio_is_told_whole() -> None:
    assert said({}) == (
        "Label Studio  http://127.0.0.1:8080\n"
        "              e-mail admin@crux.example, password pass\n"
        "Backend       http://127.0.0.1:9090, and its worker\n"
        "Settings      crux.toml has addresses, token and secret\n"
        "Command       .venv/bin/crux\n"
        "\n"
        "Next, make a project at http://127.0.0.1:8080/projects (the README has one to paste).\n"
        "The first one is number 1, as its address shows. Then run, one after the other:\n"
        "\n"
        "  .venv/bin/crux connect --project 1\n"
        "  .venv/bin/crux round --project 1 --pool build/reviews.csv\n"
        "\n"
        "`make down` ends all of it, and `make up` starts it again at the same addresses."
    )


def test_the_commands_name_the_newest_project_that_there_is() -> None:
    text = said({5: "Clickbait", 2: "Reviews"})
    assert "project 5 (Clickbait), the newest of several" in text
    assert commands(text) == [
        ".venv/bin/crux connect --project 5",
        ".venv/bin/crux round --project 5 --pool build/reviews.csv",
    ]


def test_what_a_person_set_is_named() -> None:
    assert "token and secret; studio_url, home as you set it\n" in said({}, ("studio_url", "home"))


def test_no_token_and_no_secret_is_on_the_screen() -> None:
    assert "t0ken" not in said({})
    assert "s3cret" not in said({})

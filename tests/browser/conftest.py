"""A real Chromium, and people who sit at it."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from demo.servers import Server, create_expert
from tests.browser.people import Annotator

MISSING = "Chromium is missing; install it: apt-get install chromium"
PASSWORD = "a-password-of-theirs"
SIZE = {"width": 1400, "height": 5000}  # Label Studio draws only the rows that fit the window

Enter = Callable[[str], Annotator]


def program() -> str | None:
    """Where Chromium is, None if it is missing."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's own. Without it: skips, or fails if CI is set."""
    found = program()
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING, pytrace=False)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        # Chromium refuses to sandbox root, which a machine of CI is.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def enter(chromium: Browser, label_studio: Server) -> Enter:
    """enter("anna@browser.example") logs a person in, by an account that is made when missing."""

    def person(email: str) -> Annotator:
        admin = label_studio.admin
        password = admin.password
        if email != admin.email:
            password = PASSWORD
            create_expert(label_studio.url, admin.token, email, password)
        page = chromium.new_context(viewport=SIZE).new_page()  # type: ignore[arg-type]
        return Annotator(page, label_studio.url, email, password)

    return person

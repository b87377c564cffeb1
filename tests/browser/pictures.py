"""The pictures of docs/labelling.md, taken again: python -m tests.browser.pictures

It starts a Label Studio of its own with a project as Crux makes it, and opens its pages.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

from demo.servers import Server, create_expert, free_port, start_label_studio, stop
from selection.card import Card
from selection.push import task_body
from selection.studio.api import Project, Studio
from selection.studio.task import Json
from tests.browser.conftest import program
from tests.browser.headlines import CONFIG
from tests.browser.people import Annotator
from tests.conftest import ADMIN, PROGRAM, TEMPLATE

FOLDER = Path(__file__).parents[2] / "docs/images"
SIZE = {"width": 1100, "height": 560}
ANNA, PASSWORD = "anna@example.org", "a-password-of-anna"
POLICY = (
    "<p>A headline is <b>clickbait</b> if it hides what the story says, so that one must click to "
    "learn it. <b>News</b> tells it.</p>"
)
TEXTS = (
    ("You will not believe what this kettle can do", 0.83),
    ("The price of a bicycle rises by four per cent in March", 0.21),
    ("Ten garden secrets that nobody tells you", None),
    ("City opens its piano exhibition on Friday", None),
    ("What happened next with the lemon is amazing", 0.77),
)


def main() -> None:
    """Take them all."""
    with label_studio() as server, sync_playwright() as playwright:
        project = fill(Studio(server.url, ADMIN.token))
        create_expert(server.url, ADMIN.token, ANNA, PASSWORD)
        browser = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        pages = [browser.new_context(viewport=SIZE).new_page() for _ in range(2)]  # type: ignore[arg-type]
        annotator(Annotator(pages[0], server.url, ANNA, PASSWORD), project)
        admin(Annotator(pages[1], server.url, ADMIN.email, ADMIN.password), project)
        browser.close()


@contextmanager
def label_studio() -> Iterator[Server]:
    """A server with empty data."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            yield start_label_studio(
                root / "data", PROGRAM, free_port(), ADMIN, root / "log", root / "pid", TEMPLATE
            )
        finally:
            stop(root / "pid")


def fill(studio: Studio) -> Project:
    """Make a project with a round, pushed as Crux does it."""
    project = studio.create_project("Clickbait", CONFIG, POLICY)
    bodies = [_body(project, order, text, bait) for order, (text, bait) in enumerate(TEXTS)]
    studio.import_tasks(project.id, bodies)
    studio.create_tab(project.id, "Crux round 0", 0)
    studio.set_model_version(project.id, "round0-1")
    return project


def annotator(anna: Annotator, project: Project) -> None:
    """What somebody who labels sees."""
    anna.open(project.id)
    button = anna.page.get_by_role("button", name="Label All Tasks")
    take(anna.page, "tab", button)
    button.click()
    submit = anna.page.get_by_test_id("bottombar-submit-button")
    ticked = anna.page.locator(".lsf-main-view label", has=anna.page.locator("input:checked"))
    submit.hover()  # closes the instructions first
    take(anna.page, "preselected", ticked, submit)
    anna.label_all(project.id, lambda text: "News", at_most=2)
    anna.open(project.id)
    button.click()
    skip = anna.page.get_by_test_id("bottombar-skip-button")
    skip.hover()
    take(anna.page, "blind", skip)
    anna.label_all(project.id, lambda text: "Clickbait")
    take(anna.page, "done")


def admin(admin: Annotator, project: Project) -> None:
    """What the admin should find, and what to leave alone."""
    page = admin.page
    page.goto(f"{admin.url}/organization/")
    page.get_by_label("Invite new member").click()
    link = page.locator(".lsf-invite input")
    expect(link).not_to_have_value("")
    link.evaluate("e => { e.value = 'https://studio.example.org/user/signup/?token=…'; }")
    take(page, "invite", page.get_by_label("Copy invite link"))
    admin.add_tab(project.id)
    page.get_by_label("Select all rows").click(force=True)
    page.get_by_label("Tasks Actions").click()
    take(page, "actions", page.get_by_label("Create Annotations From Predictions"))


def take(page: Page, name: str, *marked: Locator) -> None:
    """Photograph the page, with red frames around some of it."""
    for one in marked:
        one.evaluate(
            "e => { e.style.outline = '3px solid #d0342c'; e.style.outlineOffset = '3px'; }"
        )
    page.screenshot(path=FOLDER / f"labelling-{name}.png", animations="disabled")
    for one in marked:
        one.evaluate("e => { e.style.outline = ''; }")


def _body(project: Project, order: int, text: str, bait: float | None) -> Json:
    belief = {"Clickbait": bait or 0.5, "News": 1 - (bait or 0.5)}
    role = "train" if bait else "audit"
    card = Card(
        str(order), 0, order, role, str(order), None, 1, "round0-1", belief, "", 0, 0.25, twin=0
    )
    return task_body(project, card, text)


if __name__ == "__main__":
    main()

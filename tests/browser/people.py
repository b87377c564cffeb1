"""A person at Label Studio's page: what they click, and what they see.

Selectors go by roles, labels and data-testid. Nothing sleeps: each step waits for the request that
the page sends, or for what it shows.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, Request, Response, expect

PATIENCE = 30_000  # milliseconds that a busy machine may take for one step
NOBODY = re.compile("No More Tasks Left in Queue")
expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class Seen:
    """One answer that a person sees after clicking a task's row. who: an e-mail in capitals."""

    tab: str
    task: int
    who: str
    ticked: tuple[str, ...]
    skipped: bool


class Annotator:
    """One user, logged in, in a window of their own."""

    def __init__(self, page: Page, studio_url: str, email: str, password: str) -> None:
        self.page, self.url, self.email = page, studio_url, email
        page.set_default_timeout(PATIENCE)
        page.set_default_navigation_timeout(PATIENCE)
        # Instructions cover the page when labeling begins: a person closes them and goes on.
        page.add_locator_handler(
            page.locator(".lsf-modal-ls__content", has_text="Labeling Instructions"),
            lambda: page.keyboard.press("Escape"),
            no_wait_after=True,  # the page may draw them anew: then they are closed again
        )
        page.goto(f"{studio_url}/user/login/")
        page.locator("input[name=email]").fill(email)
        page.locator("input[name=password]").fill(password)
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda url: "/login" not in url)

    # to look around

    def open(self, project_id: int) -> str:
        """Open the project and return the tab on which it lands."""
        self.page.goto("about:blank")  # ends what the page before is still asking for
        self._listed(lambda: self.page.goto(f"{self.url}/projects/{project_id}/data"))
        return self._landed()

    def tabs(self) -> list[str]:
        """Return the titles of the open project's tabs."""
        return [str(tab.get_attribute("title")) for tab in self.page.get_by_role("tab").all()]

    def show(self, title: str) -> None:
        """Click a tab of the open project."""
        if self._landed() != title:
            self._listed(lambda: self.page.get_by_role("tab", name=title, exact=True).click())
            expect(self._selected).to_have_attribute("title", title)

    def add_tab(self, project_id: int) -> str:
        """Add a tab, which lists all tasks, and return its title."""
        self.open(project_id)
        self._listed(self.page.get_by_label("Open New Tab").click)
        expect(self._selected).to_have_attribute("title", re.compile("^New Tab"))
        return self._landed()

    def close_tab(self, project_id: int, title: str) -> None:
        """Remove a tab, for everybody."""
        self.open(project_id)
        self.show(title)
        place = self.tabs().index(title)
        self.page.get_by_label("Tab options").nth(place).click()
        close = self.page.locator(".lsf-menu-dm__item", has_text="Close")
        self._responds(lambda r: r.method == "DELETE", close.click)

    def rows(self) -> list[str]:
        """Return what the rows of the open tab say."""
        return [" ".join(row.split()) for row in self._rows.all_inner_texts()]

    def click_every_row(self, project_id: int) -> list[Seen]:
        """Click each row of each tab, and return all answers of people that this shows."""
        found = []
        self.open(project_id)
        for title in self.tabs():
            self.open(project_id)
            self.show(title)
            for row in self._rows.all():
                task, answers = self._task(row.click)
                found += self._answers(title, task, answers)
        return found

    # to label

    def label_all(
        self, project_id: int, answer: Callable[[str], str | None], at_most: int = 1000
    ) -> list[str]:
        """Work off "Label All Tasks"; return the texts in their order. None as answer: skip.

        at_most: answers after which the person goes home.
        """
        self.open(project_id)
        texts: list[str] = []
        button = self.page.get_by_role("button", name="Label All Tasks")
        task = self._next(button.click)
        while task is not None and len(texts) < at_most:
            self._shows(int(task["id"]))
            text = self.page.locator(".lsf-richtext__line").inner_text()
            task = self._answer(answer(text))
            texts.append(text)
        if task is None:
            expect(self.page.get_by_text(NOBODY)).to_be_visible()
        return texts

    # what an admin can do, or anybody: the community edition has no roles

    def create_annotations_from_predictions(self, project_id: int, tasks: Sequence[int]) -> str:
        """Turn predictions into annotations by the Actions menu; return what the page answers."""
        return self._act(project_id, tasks, "Create Annotations From Predictions")

    def retrieve_predictions(self, project_id: int, tasks: Sequence[int]) -> str:
        """Ask the connected backend by the Actions menu; return what the page answers."""
        return self._act(project_id, tasks, "Retrieve Predictions")

    def delete_tasks(self, project_id: int, tasks: Sequence[int], tab: str | None = None) -> str:
        """Delete tasks by the Actions menu; return what the page answers."""
        return self._act(project_id, tasks, "Delete Tasks", tab)

    def change_instruction(self, project_id: int, html: str) -> None:
        """Replace the labeling instructions in the project's settings."""
        self.page.goto(f"{self.url}/projects/{project_id}/settings/annotation")
        field = self.page.locator("textarea[name=expert_instruction]")
        expect(field).not_to_have_value("")  # the page fills in the present ones when it has them
        field.fill(html)
        self._saves(self.page.get_by_role("button", name="Save").first.click)

    def rename_label(self, project_id: int, old: str, new: str) -> None:
        """Change a <Choice> in the code of the label config."""
        self.page.goto(f"{self.url}/projects/{project_id}/settings/labeling")
        self.page.get_by_text("Code", exact=True).click()
        editor = self.page.locator(".CodeMirror")
        expect(editor).to_contain_text(f'"{old}"')
        # The editor draws only the lines on the screen, so the whole text comes from itself.
        config = str(editor.evaluate("element => element.CodeMirror.getValue()"))
        editor.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(config.replace(f'value="{old}"', f'value="{new}"'))
        self._saves(self.page.get_by_label("Save configuration").click)

    def start_training(self, project_id: int) -> int:
        """Press Start Training in the settings of the connected model; return HTTP's status."""
        self.page.goto(f"{self.url}/projects/{project_id}/settings/ml")
        self.page.get_by_label("Machine learning model options").click()
        self.page.get_by_text("Start Training", exact=True).click()
        button = self.page.get_by_role("button", name="Start Training")
        return self._responds(lambda r: r.url.endswith("/train"), button.click).status

    # steps

    @property
    def _rows(self) -> Locator:
        return self.page.get_by_test_id("table-row")

    @property
    def _selected(self) -> Locator:
        return self.page.get_by_role("tab", selected=True)

    def _landed(self) -> str:
        return str(self._selected.get_attribute("title"))

    def _listed(self, do: Callable[[], object]) -> None:
        """Do what lists another tab's tasks, and wait until all of them are rows."""
        before = re.search(r"[?&]tab=(\d+)", self.page.url)
        shown = f"view={before[1]}&" if before else " "  # which the page may ask for once more
        answer = self._responds(lambda r: "/api/tasks?page=1&" in r.url and shown not in r.url, do)
        expect(self._rows).to_have_count(int(answer.json()["total"]))

    def _task(self, click: Callable[[], object]) -> tuple[int, int]:
        """Click a row and wait until its task is shown; return its number and how many answers."""
        answer = self._responds(lambda r: bool(re.search(r"/api/tasks/\d+\?", r.url)), click)
        body = answer.json()
        self._shows(int(body["id"]))
        return int(body["id"]), len(body["annotations"])

    def _shows(self, task: int) -> None:
        # The place in the queue stands beside the number, in an element of its own.
        number = self.page.locator(f"//*[contains(@class, '__task-id')][text()='{task}']")
        expect(number).to_be_visible()

    def _answers(self, tab: str, task: int, count: int) -> list[Seen]:
        """count: answers that the page was sent; they come a moment after the task."""
        answers = self.page.locator(".lsf-annotation-button_submitted")
        expect(answers).to_have_count(count)
        found = []
        for answer in answers.all():
            answer.click()
            expect(answer).to_have_class(re.compile("_selected"))
            ticks = self.page.locator(".lsf-main-view input:checked")
            found.append(
                Seen(
                    tab, task, str(answer.locator("img").get_attribute("alt")),
                    tuple(str(tick.get_attribute("name")) for tick in ticks.all()),
                    "_skipped" in str(answer.get_attribute("class")),
                )
            )  # fmt: skip
        return found

    def _answer(self, label: str | None) -> dict[str, Any] | None:
        """Choose and submit, or skip; return the next task."""
        if label is None:
            return self._next(self.page.get_by_test_id("bottombar-skip-button").click)
        choice = self.page.locator(f'.lsf-main-view input[name="{label}"]')
        if not choice.is_checked():
            choice.locator("xpath=ancestor::label").click()
        expect(choice).to_be_checked()
        return self._next(self.page.get_by_test_id("bottombar-submit-button").click)

    def _next(self, do: Callable[[], object]) -> dict[str, Any] | None:
        """Do what asks for the next task; return that task, None if nothing is left."""
        answer = self._responds(lambda r: "id=next_task" in r.url, do)
        return dict(answer.json()) if answer.ok else None

    def _act(
        self, project_id: int, tasks: Sequence[int], action: str, tab: str | None = None
    ) -> str:
        """Tick tasks in a tab, else where the project lands, and choose from the Actions menu."""
        self.open(project_id)
        if tab is not None:
            self.show(tab)
        for task in tasks:
            self.page.get_by_label(f"Select Task {task}", exact=True).click(force=True)
        self.page.get_by_label("Tasks Actions").click()
        self.page.get_by_label(action, exact=True).click()
        confirm = self.page.get_by_test_id("dialog-ok-button")
        answer = self._responds(lambda r: "/api/dm/actions?" in r.url, confirm.click)
        assert answer.ok, answer.text()
        return str(answer.json().get("detail", ""))

    def _saves(self, click: Callable[[], object]) -> None:
        answer = self._responds(lambda r: r.method == "PATCH", click)
        assert answer.ok, answer.text()

    def _responds(self, which: Callable[[Request], bool], do: Callable[[], object]) -> Response:
        """Return the answer to the request that this sends, and not to an earlier one."""
        with self.page.expect_request(which, timeout=PATIENCE) as caught:
            do()
        answer = caught.value.response()
        assert answer is not None, f"no answer to {caught.value.url}"
        return answer

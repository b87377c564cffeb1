"""Two people label through the page, and what they clicked is what the API tells."""

import pytest

from demo.servers import Server
from selection.studio.api import Project, Studio
from tests.browser.conftest import Enter
from tests.browser.people import Annotator, Seen

ANNA, BEN = "anna@browser.example", "ben@browser.example"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="kind" toName="text" choice="single">'
    '<Choice value="Clickbait"/><Choice value="News"/></Choices></View>'
)
HEADLINES = (
    "You will not believe what this cat found",
    "The council raises the price of parking",
    "Ten tricks that dentists keep to themselves",
    "Train service to the coast resumes on Monday",
    "One strange fruit that changes your mornings",
    "Museum opens its new wing for maps",
)


def kind(text: str) -> str:
    return "Clickbait" if text.startswith(("You", "Ten", "One")) else "News"


@pytest.fixture(scope="module")
def studio(label_studio: Server) -> Studio:
    return Studio(label_studio.url, label_studio.admin.token)


@pytest.fixture(scope="module")
def anna(enter: Enter) -> Annotator:
    return enter(ANNA)


@pytest.fixture(scope="module")
def ben(enter: Enter) -> Annotator:
    return enter(BEN)


@pytest.fixture
def project(studio: Studio) -> Project:
    return studio.create_project("Headlines", CONFIG, "<p>Say what kind it is.</p>")


def fill(studio: Studio, project: Project) -> list[int]:
    return studio.import_tasks(project.id, [{"data": {"text": text}} for text in HEADLINES])


def answers(studio: Studio, project: Project) -> dict[str, dict[str, str | None]]:
    return {
        task.data["text"]: {a.expert: a.label for a in task.annotations}
        for task in studio.tasks(project.id, project.schema)
    }


def test_two_people_label_six_tasks_and_the_api_shows_their_answers(
    studio: Studio, project: Project, anna: Annotator, ben: Annotator
) -> None:
    for task in fill(studio, project):
        studio.set_overlap(task, 2)
    assert anna.label_all(project.id, kind) == list(HEADLINES)
    assert ben.label_all(project.id, lambda text: "News") == list(HEADLINES)
    assert answers(studio, project) == {t: {ANNA: kind(t), BEN: "News"} for t in HEADLINES}


def test_a_skip_leaves_the_task_to_the_other(
    studio: Studio, project: Project, anna: Annotator, ben: Annotator
) -> None:
    fill(studio, project)
    first, *others = HEADLINES
    assert anna.label_all(project.id, lambda t: None if t == first else kind(t)) == list(HEADLINES)
    assert ben.label_all(project.id, kind) == [first]
    assert answers(studio, project) == {
        first: {ANNA: None, BEN: kind(first)}, **{t: {ANNA: kind(t)} for t in others}
    }  # fmt: skip


def test_a_click_on_a_row_shows_what_others_answered(
    studio: Studio, project: Project, anna: Annotator, ben: Annotator
) -> None:
    ids = fill(studio, project)
    anna.label_all(project.id, kind)
    assert ben.click_every_row(project.id) == [
        Seen("Default", task, ANNA.upper(), (kind(text),), False)
        for task, text in zip(ids, HEADLINES, strict=True)
    ]

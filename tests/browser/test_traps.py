"""Two people label a project through the page, a third does there what can go wrong.

At the end nothing but the two people's own clicks is counted, teaches and measures. What they
clicked is noted here, and the numbers are computed from that alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from backend.examples import training_examples
from demo.servers import Server
from selection.align import model_alignment
from selection.calibrate import Unjudged
from selection.collect import Collected
from selection.record import Record
from selection.studio.api import Task
from selection.types import Doubles, Sample, Verdicts
from tests.browser import headlines
from tests.browser.conftest import Enter
from tests.browser.headlines import LABELS
from tests.browser.people import Annotator
from tests.browser.place import Place, place, wait_for

ANNA, BEN, EVE = (f"{name}@traps.example" for name in ("anna", "ben", "eve"))


@dataclass
class Worker:
    """A person who labels honestly. said: (e-mail, text) -> label. submits: how often."""

    email: str
    page: Annotator
    opinion: Callable[[str], str]
    said: dict[tuple[str, str], str] = field(default_factory=dict)
    submits: int = 0

    def label(self, project: int, at_most: int = 1000) -> None:
        """Work off the queue, or a part of it."""

        def answer(text: str) -> str:
            self.submits += 1
            self.said[self.email, text] = self.opinion(text)
            return self.said[self.email, text]

        self.page.label_all(project, answer, at_most)


@dataclass
class Scene:
    """The project and the three people."""

    place: Place
    anna: Worker
    ben: Worker
    eve: Annotator
    tab: str = ""  # without a filter

    @property
    def id(self) -> int:
        return self.place.project.id

    @property
    def submits(self) -> int:
        """What is paid for. Label Studio on SQLite may ask one person twice, see twin.py."""
        return self.anna.submits + self.ben.submits

    @property
    def counting(self) -> dict[tuple[str, str], str]:
        """What both submitted on tasks that are still there."""
        return self.anna.said | self.ben.said

    def finish(self) -> None:
        """Both work until the round has all its verdicts: second ones come with the worker."""

        def finished() -> bool:
            for person in (self.anna, self.ben):
                person.label(self.id)
            return not self.place.missing()

        wait_for(finished)

    def task(self, role: str, which: Callable[[Task], bool]) -> Task:
        """Return a task of this role."""
        return next(t for t in self.place.tasks() if t.crux and t.crux["role"] == role and which(t))


@pytest.fixture(scope="module")
def scene(
    label_studio: Server, enter: Enter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    anna = Worker(ANNA, enter(ANNA), headlines.anna)
    ben = Worker(BEN, enter(BEN), headlines.ben)
    with place(label_studio, tmp_path_factory.mktemp("traps"), "Traps") as found:
        yield Scene(found, anna, ben, enter(EVE))


def test_a_project_opens_on_the_newest_round_and_its_open_tasks(scene: Scene) -> None:
    assert scene.eve.open(scene.id) == "Crux round 0"
    assert len(scene.eve.rows()) == len(scene.place.tasks())
    assert any(LABELS[0] in row or LABELS[1] in row for row in scene.eve.rows())


def test_annotations_made_from_predictions_are_nobodys(scene: Scene) -> None:
    tasks = [t.id for t in scene.place.tasks() if t.predictions][:3]
    said = scene.eve.create_annotations_from_predictions(scene.id, tasks)
    assert said == "Created 3 annotations"
    assert scene.place.status()["labels_bought"] == 0
    (problem,) = scene.place.status()["problems"]
    assert problem.startswith(f"3 annotations do not count ({EVE}; first in task {tasks[0]})")


def test_retrieving_predictions_tells_nothing_of_blind_tasks(scene: Scene) -> None:
    tasks = [t.id for t in scene.place.tasks() if not t.annotations]
    blind = [t.id for t in scene.place.tasks() if t.blind]
    assert {*blind} & {*tasks}
    said = scene.eve.retrieve_predictions(scene.id, tasks)
    assert said.startswith("Retrieved")
    assert [t.id for t in scene.place.tasks() if t.blind and t.predictions] == []


def test_the_second_person_clicks_every_row_and_sees_no_answer_of_the_first(scene: Scene) -> None:
    scene.anna.label(scene.id)
    wait_for(lambda: scene.place.backend.project(scene.id).paid.verdicts == scene.submits)
    wait_for(lambda: any(t.crux and t.crux["twin"] for t in scene.place.tasks()))
    seen = scene.ben.page.click_every_row(scene.id)
    assert {(one.who, one.ticked, one.skipped) for one in seen} == {(ANNA.upper(), (), True)}


def test_a_tab_without_a_filter_does_show_them(scene: Scene) -> None:
    """The community edition cannot forbid such a tab, but it takes a click on purpose."""
    scene.tab = tab = scene.eve.add_tab(scene.id)
    seen = [one for one in scene.eve.click_every_row(scene.id) if one.ticked]
    assert {(one.tab, one.who) for one in seen} == {(tab, ANNA.upper()), (tab, EVE.upper())}


def test_what_is_deleted_stays_paid_for_and_teaches_nothing(scene: Scene) -> None:
    judged = scene.task("train", lambda t: t.annotations[0].expert == ANNA)
    waits = scene.task("audit", lambda t: t.crux is not None and t.crux["twin"] == 1)
    scene.eve.delete_tasks(scene.id, [judged.id, waits.id], scene.tab)
    scene.eve.close_tab(scene.id, scene.tab)
    # the next round may buy the text again, and then her answer counts
    del scene.anna.said[ANNA, judged.data["text"]]
    wait_for(lambda: scene.place.backend.project(scene.id).paid.gone == 1)
    assert verdicts(scene.place.collected()) == scene.counting
    assert scene.place.status()["labels_bought"] == scene.submits


def test_another_policy_is_said_and_the_old_words_end_it(scene: Scene) -> None:
    scene.eve.change_instruction(scene.id, "<p>Everything is news.</p>")
    said = " ".join(scene.place.status()["problems"])
    assert (
        f"{scene.submits - 1} of {scene.submits - 1} verdicts were given under other words" in said
    )
    assert "The policy has changed" in said
    scene.eve.change_instruction(scene.id, headlines.POLICY)
    assert "policy" not in " ".join(scene.place.status()["problems"])


def test_a_label_renamed_and_named_back_costs_nothing(scene: Scene) -> None:
    before = scene.place.collected()
    scene.eve.rename_label(scene.id, "News", "Reports")
    scene.eve.rename_label(scene.id, "Reports", "News")
    assert scene.place.studio.project(scene.id).schema.labels == LABELS
    assert verdicts(scene.place.collected()) == verdicts(before) == scene.counting


def test_a_training_that_is_started_too_early_is_repeated(scene: Scene) -> None:
    assert scene.eve.start_training(scene.id) == 200
    rounds = scene.place.backend.project
    wait_for(lambda: any(not r.complete and r.settled for r in rounds(scene.id).rounds))


def test_the_first_round_counts_the_two_peoples_clicks(scene: Scene) -> None:
    scene.ben.label(scene.id, at_most=1)
    # All, since Label Studio reserves a task for whoever has it on the screen.
    scene.eve.label_all(scene.id, lambda text: None)
    scene.finish()
    wait_for(lambda: scene.place.measured(0))
    check(scene, 0)


def test_the_second_round_has_all_three_kappas_of_their_clicks_alone(scene: Scene) -> None:
    scene.place.crux("round")
    assert scene.eve.open(scene.id) == "Crux round 1"
    new = [t for t in scene.place.tasks() if t.crux and t.crux["round"] == 1]
    shown = [t.id for t in new if t.predictions]
    said = scene.eve.create_annotations_from_predictions(scene.id, shown)
    assert shown and said == f"Created {len(shown)} annotations"
    scene.finish()
    wait_for(lambda: scene.place.measured(1))
    record = check(scene, 1)
    kappas = record.expert_kappa, record.production_kappa, record.boundary_kappa
    assert all(kappa.items and kappa.value is not None for kappa in kappas)


def check(scene: Scene, round: int) -> Record:
    """Compute everything again from what the two people clicked."""
    collected, record = scene.place.collected(), scene.place.measured(round)
    assert record is not None
    assert verdicts(collected) == scene.counting
    assert record.labels_bought == scene.place.status()["labels_bought"] == scene.submits

    cards = {t.data["text"]: t.crux for t in scene.place.tasks() if t.crux}
    texts = {role: [t for t in cards if cards[t]["role"] == role] for role in ("train", "audit")}
    taught = {text for _, text in scene.counting} & {*texts["train"]}
    examples = training_examples(collected)
    assert {item.text for item in examples.items} == taught
    assert record.labels == len(taught)
    made = scene.place.backend.project(scene.id).versions
    (candidate,) = (v for v in made if v.version == record.candidate)
    assert candidate.examples == len(taught)

    weights = [1 / cards[text]["inclusion"] for text in texts["audit"]]
    apart = [one / cards[text]["second"] for one, text in zip(weights, texts["audit"], strict=True)]
    model = said_by(scene, record.version, texts["audit"])
    both = [[scene.counting[who, text] for text in texts["audit"]] for who in (ANNA, BEN)]
    assert record.expert_kappa.value == pytest.approx(
        cohen_kappa_score(*both, sample_weight=apart)
    )
    counted = with_two(model, both, weights)
    assert record.gap.value == pytest.approx(counted - record.expert_kappa.value)
    assert record.production_kappa.value == pytest.approx(
        calibrated(scene, record.version, texts["audit"], both, weights)
    )

    tested = [t for t in texts["train"] if cards[t]["round"] == round and cards[t]["blind"]]
    believed = {t: max(cards[t]["belief"], key=cards[t]["belief"].__getitem__) for t in tested}
    assert record.boundary_kappa.items == len(tested)
    assert record.boundary_kappa.value == pytest.approx(before_it_taught(scene, believed))
    return record


def before_it_taught(scene: Scene, believed: dict[str, str]) -> float | None:
    """Kappa of what cards believed with who labelled each text; None if all say the same."""
    said = {
        who: [(believed[text], label) for (one, text), label in scene.counting.items()
              if one == who and text in believed]
        for who in (ANNA, BEN)
    }  # fmt: skip
    by_card = Counter(card for pairs in said.values() for card, _ in pairs)
    differ = by_chance = 0.0
    for pairs in filter(None, said.values()):
        by_person = Counter(label for _, label in pairs)
        same = sum(by_card[label] * by_person[label] for label in LABELS)
        differ += sum(card != label for card, label in pairs)
        by_chance += len(pairs) * (1 - same / (by_card.total() * len(pairs)))
    return 1 - differ / by_chance if by_chance else None


def verdicts(collected: Collected) -> dict[tuple[str, str], str]:
    """What Crux counts: (e-mail, text) -> label."""
    return {
        (expert, item.text): collected.labels[label]
        for item in collected.items
        for expert, label in item.verdicts.items()
    }


def said_by(scene: Scene, version: str, texts: list[str]) -> list[str]:
    """What a version says of the texts."""
    if not texts:
        return []
    return [LABELS[i] for i in believed_by(scene, version, texts).argmax(axis=1)]


def believed_by(scene: Scene, version: str, texts: Sequence[str]) -> Doubles:
    """(n, k) what a version believes of the texts."""
    scores = scene.place.backend.score(scene.id, texts, version)
    assert scores.labels == LABELS
    return scores.probability


def calibrated(
    scene: Scene, version: str, texts: list[str], both: list[list[str]], weights: list[float]
) -> float | None:
    """Kappa in production from the texts, what both people said, and the pool's sample."""
    sample = scene.place.sample()
    said = Verdicts(
        np.array([[LABELS.index(one) for one in person] for person in both]).T, (ANNA, BEN), 2
    )
    return model_alignment(
        believed_by(scene, version, texts),
        said,
        Sample(np.array(weights), np.arange(len(texts))),
        rng=np.random.default_rng(0),
        resamples=2,
        others=Unjudged(believed_by(scene, version, sample.texts), np.array(sample.weight)),
    ).value


def with_two(model: list[str], both: list[list[str]], weights: list[float]) -> float:
    """Conger's kappa of a model with two people who judged every text, without any array."""
    total = sum(weights)

    def share(said: list[str], label: str) -> float:
        return sum(w for w, one in zip(weights, said, strict=True) if one == label) / total

    differ = by_chance = 0.0
    for person in both:
        differ += sum(w for w, a, b in zip(weights, model, person, strict=True) if a != b)
        by_chance += total * (1 - sum(share(model, one) * share(person, one) for one in LABELS))
    return 1 - differ / by_chance

"""The whole loop on real ratings: what `make demo` shows.

Two experts are two real Label Studio users whose answers are those of two disjoint thirds of
each text's real raters; the last third is kept by this file alone, on texts that are not in the
pool, to tell the true kappa at the end.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from backend.config import BackendSettings
from demo.config import write_config
from demo.greeting import command
from demo.people import AtWork, Person
from demo.question import Question, Texts, question
from demo.ratings import write_pool
from demo.services import EXPERTS, Services
from demo.teacher import SAMPLE, Teacher, lesson
from selection.align import model_alignment
from selection.backend_client import BackendClient
from selection.command.terminal import Steps, tables
from selection.config import load as load_settings
from selection.rounds import Rounds
from selection.status import Status
from selection.studio.api import Project, Studio
from selection.types import Doubles, Estimate, Sample, Verdicts

BATCH = 50  # texts in one request


def run(services: Services, kind: str = "rare") -> None:
    """Start everything, run the loop until it stops, print where to look and what came out.

    kind: as `question` takes it. Raises SettingError for another one.
    """
    began = time.monotonic()
    asked = question(kind)
    texts = asked.texts()
    state = services.up()
    studio = Studio(state.studio_url, state.token)
    project = studio.create_project(asked.title, asked.config, asked.policy)
    file = services.root / "pool.csv"
    write_pool(file, texts.pool)
    config = write_config(services.root, state, project.id, pool=str(file), **asked.settings)
    print(f"-- Label Studio: {state.studio_url}/projects/{project.id}/data", flush=True)
    print(f"   log in as {state.email} with the password {state.password}", flush=True)
    _crux("connect", config)
    people = [
        Person(email, services.expert(state, email), asked.answers(texts.pool, third))
        for third, email in enumerate(EXPERTS)
    ]
    print("-- the loop begins; two experts are at work in Label Studio", flush=True)
    with AtWork(state.studio_url, project.id, people):
        _crux("round", config, "--auto")
    report = services.root / "report.html"
    _crux("report", config, "--to", str(report))
    backend = BackendClient(state.backend_url, state.secret)
    status = Rounds(load_settings(config), studio, backend, lambda *_: None).status()
    truth = dict(_truth(backend, project, asked, texts, status, services.root / "random"))
    seconds = round(time.monotonic() - began)
    result = services.root / "result.json"
    _keep(result, status, seconds, truth)
    console = Console(width=110)
    console.print(*tables(status))
    console.print(status.decision.reason, highlight=False)
    console.print(_table(truth, texts, asked))
    print(f"{status.labels_bought} verdicts ({status.taught} on texts that were chosen to teach, "
          f"{status.measured} on texts drawn to measure), {seconds} s. Look around:")  # fmt: skip
    print(f"  project  {state.studio_url}/projects/{project.id}/data")
    print(f"  login    {state.email} / {state.password}")
    print(f"  command  {command()} status --config {config}")
    print(f"  report   {report}")
    print(f"  result   {result}")
    print("  stop     make down")


def _crux(command: str, config: Path, *more: str) -> None:
    """Run the command that users run."""
    print(f"-- crux {command} {' '.join(more)}".rstrip(), flush=True)
    crux = Path(sys.executable).parent / "crux"
    done = subprocess.run([str(crux), command, "--config", str(config), *more], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _truth(
    backend: BackendClient,
    project: Project,
    asked: Question,
    texts: Texts,
    status: Status,
    home: Path,
) -> Iterator[tuple[str, Estimate]]:
    """Yield kappa with the raters that the loop never heard, on the texts that it never saw.

    Of the prompted model, the version of every round, the last one, as many random verdicts, and
    the experts.
    """
    test = [one.text for one in texts.test]
    state = backend.project(project.id)
    prompted = next(one.version for one in state.versions if one.kind == "prompted")
    versions = {"prompted": prompted}
    versions |= {f"after round {one.record.round}": one.record.version for one in status.rounds}
    if status.rounds and status.rounds[-1].record.final:
        versions["the last version"] = status.rounds[-1].record.final
    with Steps(Console(stderr=True)) as steps:
        for name, version in versions.items():
            parts = []
            for start in range(0, len(test), BATCH):
                part = backend.score(project.id, test[start : start + BATCH], version)
                parts.append(part.probability)
                steps.say(f"measuring {name}", min(start + BATCH, len(test)), len(test))
            yield name, _kappa(np.concatenate(parts), asked, texts)
        steps.say(f"teaching the model {status.labels_bought} random verdicts", 0, 0)
        name = f"{status.labels_bought} random verdicts"
        yield name, _at_random(project, asked, texts, status.labels_bought, home)
    for third, expert in enumerate(EXPERTS):
        said = asked.answers(texts.test, third)
        certain = np.array([[said[text] == label for label in asked.labels] for text in test])
        yield expert, _kappa(certain.astype(np.float64), asked, texts)


def _at_random(
    project: Project, asked: Question, texts: Texts, verdicts: int, home: Path
) -> Estimate:
    """Return the kappa of the same model taught by as many verdicts on random texts of the pool."""
    teacher = Teacher(BackendSettings(home=home), project)
    order = np.random.default_rng(0).permutation(len(texts.pool)).tolist()
    drawn = [texts.pool[row] for row in order[:verdicts]]
    teacher.sample([texts.pool[row].text for row in order[verdicts : verdicts + SAMPLE]])
    answers = asked.answers(drawn, third=0)
    labels = [asked.labels.index(answers[one.text]) for one in drawn]
    named = [(one.id, one.text) for one in drawn]
    made = teacher.teach(lesson(named, labels, np.ones(len(drawn)), asked.labels))
    if made is None:
        return Estimate.undefined(len(texts.test), "all of them are of one label")
    return _kappa(teacher.read(made, [one.text for one in texts.test]), asked, texts)


def _kappa(probability: Doubles, asked: Question, texts: Texts) -> Estimate:
    """Return the kappa of what was believed of the test texts, weighted to the pool."""
    said = asked.answers(texts.test, third=2)
    truth = np.array([[asked.labels.index(said[one.text])] for one in texts.test])
    sample = Sample(texts.weight, np.arange(len(truth)))
    return model_alignment(
        probability.argmax(axis=1),
        Verdicts(truth, ("the last third of the raters",), len(asked.labels)),
        sample,
        rng=np.random.default_rng(0),
    )


def _table(truth: dict[str, Estimate], texts: Texts, asked: Question) -> Table:
    positive = sum(asked.first(one, 2) for one in texts.test)
    table = Table(
        title=f"True kappa with raters that the loop never heard, on {len(texts.test)} texts that "
        f"it never saw ({positive} '{asked.labels[0]}'; weighted to their share in the pool)",
        box=box.SIMPLE_HEAD, title_justify="left",
    )  # fmt: skip
    for name in ("who", "kappa", "95 %"):
        table.add_column(name)
    for name, one in truth.items():
        if one.value is None or one.low is None or one.high is None:
            table.add_row(name, "undefined", one.reason)
        else:
            table.add_row(name, f"{one.value:.2f}", f"{one.low:.2f} to {one.high:.2f}")
    return table


def _keep(file: Path, status: Status, seconds: int, truth: dict[str, Estimate]) -> None:
    result: dict[str, Any] = {
        "labels_bought": status.labels_bought,
        "taught": status.taught,
        "measured": status.measured,
        "seconds": seconds,
        "true_kappa": {name: one.as_json() for name, one in truth.items()},
        "rounds": [one.as_json() for one in status.rounds],
    }
    file.write_text(json.dumps(result, indent=1, ensure_ascii=False))


"""The whole loop on real ratings: what `make demo` shows.

Tweets, "harshly negative". Two experts are two real Label Studio users whose answers are the
majorities of two disjoint thirds of each text's real raters; the last third is kept by this file
alone, on texts that are not in the pool, to tell the true kappa at the end.
"""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.metrics import cohen_kappa_score

from demo.config import write_config
from demo.greeting import command
from demo.people import AtWork, Person
from demo.ratings import Rated, load, write_pool
from demo.services import EXPERTS, Services
from selection.backend_client import BackendClient
from selection.command.terminal import Steps, rounds_table
from selection.config import Settings
from selection.config import load as load_settings
from selection.errors import SettingError
from selection.rounds import Rounds
from selection.studio.api import Studio

LABELS = ("harsh", "fine")
NOUNS = {"tweets": "tweet", "products": "product review", "editorials": "editorial sentence"}
CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Choices name="verdict" toName="text" choice="single" showInLine="true">
    <Choice value="harsh"/>
    <Choice value="fine"/>
  </Choices>
</View>"""
HELD_BACK = 700  # texts that no step of the loop ever sees
# of a demo that must end within 20 minutes on 2 cores; docs/settings.md has the defaults
SETTINGS: dict[str, Any] = {
    "per_round": 64,
    "audit_per_round": 20,
    "read_limit": 500,
    "max_rounds": 3,
    "budget": 700,
}


def policy(kind: str) -> str:
    """What experts and model are told."""
    return (
        f"Is this {NOUNS[kind]} harshly negative? Answer 'harsh' if the writer expresses strongly "
        f"negative feeling: anger, disgust, despair, contempt, a harsh complaint. Answer 'fine' "
        f"if it is positive, neutral or only mildly negative."
    )


def run(services: Services, kind: str = "tweets") -> None:
    """Start everything, run the loop until it stops, print where to look and what came out.

    kind: of texts, one of NOUNS. Raises SettingError for another one.
    """
    if kind not in NOUNS:
        raise SettingError(f"There are no ratings of {kind!r}; take one of {', '.join(NOUNS)}.")
    began = time.monotonic()
    rated = sorted(load(kind), key=lambda r: hashlib.sha256(r.text.encode()).digest())
    held_back, pool = rated[:HELD_BACK], rated[HELD_BACK:]
    state = services.up()
    studio = Studio(state.studio_url, state.token)
    title = f"Harshly negative {kind}"
    project = studio.create_project(title, CONFIG, policy(kind)).id
    texts = services.root / "pool.csv"
    write_pool(texts, pool)
    config = write_config(services.root, state, project, pool=str(texts), **SETTINGS)
    print(f"-- Label Studio: {state.studio_url}/projects/{project}/data", flush=True)
    print(f"   log in as {state.email} with the password {state.password}", flush=True)
    _crux("connect", config)
    people = [
        Person(email, services.expert(state, email), _answers(pool, third))
        for third, email in enumerate(EXPERTS)
    ]
    print("-- the loop begins; two experts are at work in Label Studio", flush=True)
    with AtWork(state.studio_url, project, people):
        _crux("round", config, "--auto")
    report = services.root / "report.html"
    _crux("report", config, "--to", str(report))
    settings = load_settings(config)
    status = Rounds(
        settings, studio, BackendClient(state.backend_url, state.secret), lambda *_: None
    ).status()
    true = _truth(settings, held_back, status.rounds[-1].record.version)
    result = {
        "labels_bought": status.labels_bought,
        "seconds": round(time.monotonic() - began),
        "true_kappa": true,
        "rounds": [one.as_json() for one in status.rounds],
    }
    file = services.root / "result.json"
    file.write_text(json.dumps(result, indent=1, ensure_ascii=False))
    console = Console(width=110)
    console.print(rounds_table(status))
    console.print(status.decision.reason, highlight=False)
    console.print(
        f"True kappa on {true['items']} texts that the loop never saw, against raters that it "
        f"never heard: {true['first']:.2f} before, {true['last']:.2f} after; "
        f"the two experts there: {true['experts'][0]:.2f} and {true['experts'][1]:.2f}.",
        highlight=False,
    )
    print(f"{result['labels_bought']} verdicts, {result['seconds']} s. Look around:")
    print(f"  project  {state.studio_url}/projects/{project}/data")
    print(f"  login    {state.email} / {state.password}")
    print(f"  command  {command()} status --config {config}")
    print(f"  report   {report}")
    print(f"  result   {file}")
    print("  stop     make down")


def _crux(command: str, config: Path, *more: str) -> None:
    """Run the command that users run."""
    print(f"-- crux {command} {' '.join(more)}".rstrip(), flush=True)
    crux = Path(sys.executable).parent / "crux"
    done = subprocess.run([str(crux), command, "--config", str(config), *more], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _answers(pool: list[Rated], third: int) -> dict[str, str]:
    return {r.text: LABELS[0] if r.majority(third) else LABELS[1] for r in pool}


def _truth(
    settings: Settings, held_back: list[Rated], version: str
) -> dict[str, Any]:
    """Kappa with the last third of raters: of the first and the last model, and of the experts."""
    backend = BackendClient(settings.backend_url, settings.webhook_secret.get_secret_value())
    versions = backend.project(settings.project).versions
    first = next(one.version for one in versions if one.kind == "prompted")
    reference = [r.majority(2) for r in held_back]
    texts = [r.text for r in held_back]
    kappas = {}
    with Steps(Console(stderr=True)) as steps:
        for name, one in (("first", first), ("last", version)):
            says = []
            for start in range(0, len(texts), 50):
                scores = backend.score(settings.project, texts[start : start + 50], one)
                says += (scores.probability.argmax(axis=1) == scores.labels.index("harsh")).tolist()
                steps.say(f"measuring the {name} model", len(says), len(texts))
            kappas[name] = float(cohen_kappa_score(reference, says))
    experts = [
        float(cohen_kappa_score(reference, [r.majority(third) for r in held_back]))
        for third in range(2)
    ]
    share = float(np.mean(reference))
    return {**kappas, "items": len(texts), "experts": experts, "harsh": share}

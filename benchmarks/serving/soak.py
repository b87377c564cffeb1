"""Hours of mixed load on a real backend and worker: does anything grow?

    python -m benchmarks.serving.soak [--minutes 60] [--json soak.json] [--picture soak.svg]

Annotators open tasks, a pool is scored in bulk, events arrive all the time, verdicts change and
trainings follow, versions are promoted back and forth, an admin looks at the pages. Label Studio,
gunicorn and the worker are real, with their queue on disk; the model is tiny, so that everything
around the model is what is measured. The cache of answers is filled first: it may hold 100,000.
"""

import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from backend.engine.scorer import ANSWERS
from benchmarks.serving.soak_growth import Growth, Sample, growths, picture, sample
from demo.servers import Server
from tests.faults.stage import Stage
from tests.faults.waiting import wait_for
from tests.faults.work import Work

BULK = 200  # texts of one request for a pool
PAUSE = {
    "predict": 0.15, "bulk": 1.5, "webhook": 0.05, "training": 15.0, "promote": 7.0, "look": 1.0,
}  # seconds between two requests of a kind
FLIPPED = 8  # tasks whose verdicts change from training to training: 256 different ones


@dataclass
class Load:
    """The requests. took: kind -> seconds of each. failed: what went wrong, with the kind."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def repeat(self, kind: str, ask: Callable[[int], httpx.Response]) -> threading.Thread:
        """Ask again and again in a thread, until it is over."""

        def run() -> None:
            number = 0
            while not self.over.wait(PAUSE[kind]):
                number += 1
                begun = time.perf_counter()
                try:
                    answer = ask(number)
                    if not answer.is_success:
                        self.failed.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
                except httpx.HTTPError as error:
                    self.failed.append(f"{kind}: {type(error).__name__} {error}")
                self.took[kind].append(time.perf_counter() - begun)

        thread = threading.Thread(target=run, name=kind)
        thread.start()
        return thread


@dataclass(frozen=True)
class Soak:
    """What a soak has found."""

    minutes: float
    load: Load
    samples: list[Sample]
    growths: list[Growth]
    versions: int


def main(
    minutes: Annotated[float, typer.Option(min=0.1)] = 60.0,
    out: Annotated[Path | None, typer.Option("--json")] = None,
    drawn: Annotated[Path | None, typer.Option("--picture", help="an SVG")] = None,
) -> None:
    """Soak, print the table, and write figures and picture."""
    with tempfile.TemporaryDirectory() as folder, _stage(Path(folder)) as stage:
        found = soak(stage, minutes * 60, every=5.0, fill=ANSWERS, say=print)
    for line in table(found):
        print(line)
    if out:
        out.write_text(json.dumps(as_json(found), indent=1) + "\n")
    if drawn:
        drawn.write_text(picture(found.samples))
    raise typer.Exit(code=1 if found.load.failed else 0)


def soak(
    stage: Stage, seconds: float, every: float, fill: int = 0, say: Callable[[str], Any] = str
) -> Soak:
    """Load a stage on which backend and worker run. fill: how many texts are read before."""
    work = stage.project("soak")
    for round in (0, 1):
        work.push(round)
        work.start_training()
        work.settled(round)
    _fill(work, fill)
    say(f"-- soaking for {seconds / 60:.0f} minutes")
    load = Load()
    samples: list[Sample] = []
    threads = [load.repeat(kind, ask) for kind, ask in _asks(work)]
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < seconds:
        samples += sample(stage, now)
        time.sleep(min(every, max(0.0, seconds - now)))
    load.over.set()
    for thread in threads:
        thread.join()
    wait_for(lambda: work.state()[0] == "idle", "the last training")
    versions = len(stage.registry.versions(work.id))
    return Soak(seconds / 60, load, samples, growths(samples), versions)


def _asks(work: Work) -> Iterator[tuple[str, Callable[[int], httpx.Response]]]:
    http, project = work.stage.backend, work.id
    tasks = [t for t in work.tasks() if (t["meta"] or {}).get("crux", {}).get("role") == "train"]
    verdicts = [task["annotations"][0] for task in tasks[:FLIPPED]]

    def predict(number: int) -> httpx.Response:
        task = {"id": number, "data": {"text": f"green task {number}"}}
        return http.post("/predict", json={"project": project, "tasks": [task]})

    def bulk(number: int) -> httpx.Response:
        texts = [f"red pool {number} {i}" for i in range(BULK)]
        return http.post("/score", json={"project": project, "texts": texts})

    def webhook(number: int) -> httpx.Response:
        body = {"action": "ANNOTATION_CREATED", "project": {"id": project}, "task": {"id": number}}
        return http.post("/webhook", json=body)

    def training(number: int) -> httpx.Response:
        # Gray's code: one verdict changes each time, and no combination comes twice in 256
        which = ((number & -number).bit_length() - 1) % len(verdicts)
        result = verdicts[which]["result"]
        value = result[0]["value"]
        value["choices"] = ["no" if value["choices"] == ["yes"] else "yes"]
        changed = work.stage.api.patch(
            f"/api/annotations/{verdicts[which]['id']}/", json={"result": result}
        )
        if not changed.is_success:
            return changed
        return http.post("/webhook", json={"action": "START_TRAINING", "project": {"id": project}})

    def promote(number: int) -> httpx.Response:
        known = [m.version for m in work.stage.registry.versions(project) if m.kind == "trained"]
        version = known[-1 - number % 2]
        return http.post(f"/projects/{project}/current", json={"version": version})

    def look(number: int) -> httpx.Response:
        path = (f"/projects/{project}", "/health", f"/versions?project={project}")[number % 3]
        return http.get(path)

    yield from [
        ("predict", predict), ("predict", predict), ("bulk", bulk), ("webhook", webhook),
        ("training", training), ("promote", promote), ("look", look),
    ]  # fmt: skip


def _fill(work: Work, texts: int) -> None:
    for start in range(0, texts, 1_000):
        body = {"project": work.id, "texts": [f"green before {start + i}" for i in range(1_000)]}
        work.stage.quick(600.0).post("/score", json=body).raise_for_status()


def table(found: Soak) -> Iterator[str]:
    """Yield lines: the growth of each quantity of a process, then the requests."""
    yield f"{found.minutes:.0f} minutes, {found.versions} versions"
    yield f"{'':<26}{'first':>10}{'last':>10}{'an hour adds':>16}   95 % interval"
    for one in found.growths:
        interval = "–" if one.low is None else f"[{one.low:+.2f}, {one.high:+.2f}]"
        slope = "–" if one.slope is None else f"{one.slope:+.2f}"
        means = f"{one.first:>10.1f}{one.last:>10.1f}"
        yield f"{f'{one.process} {one.what}':<26}{means}{slope:>16}   {interval}"
    for kind, took in sorted(found.load.took.items()):
        middle, late = (1000 * sorted(took)[int(len(took) * share)] for share in (0.5, 0.99))
        yield f"{kind:<10}{len(took):>8} times, p50 {middle:.0f} ms, p99 {late:.0f} ms"
    yield f"{len(found.load.failed)} failed"
    yield from found.load.failed[:10]


def as_json(found: Soak) -> dict[str, Any]:
    """Return the figures."""
    return {
        "minutes": found.minutes, "versions": found.versions, "failed": found.load.failed,
        "asked": {kind: len(took) for kind, took in found.load.took.items()},
        "growth_an_hour": [vars(one) for one in found.growths],
        "samples": [vars(one) for one in found.samples],
    }  # fmt: skip


@contextmanager
def _stage(root: Path) -> Iterator[Stage]:
    """Run a Label Studio with a backend and a worker."""
    from importlib import import_module

    from demo.servers import Admin, create_expert, free_port, start_label_studio, stop

    admin = Admin("admin@crux.example", "crux-admin-password", "c0ffee" * 6 + "c0de")
    server: Server = start_label_studio(
        root / "data", Path("build/label-studio/bin/label-studio"), free_port(), admin,
        root / "log", root / "pid", template=Path("build/label-studio-template"), say=print,
    )  # fmt: skip
    try:
        token = create_expert(server.url, admin.token, "second@soak.example", "a-long-password")
        headers = {"Authorization": f"Token {token}"}
        who = httpx.get(f"{server.url}/api/current-user/whoami", headers=headers)
        model = import_module("tests.backend.engine.tiny_model").tiny_model(root / "model")
        stage = Stage(root / "stage", server, int(who.json()["id"]), token, model, None)
        stage.start_backend(by_command=True)
        stage.start_worker(by_command=True)
        yield stage
        stage.check_logs()
        stage.end()
    finally:
        stop(root / "pid")


if __name__ == "__main__":
    typer.run(main)

"""What benchmarks.serving measures: a real Label Studio, a real backend, two projects, texts."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from transformers import PreTrainedTokenizerBase

from backend.engine.local import Local
from backend.engine.offline import OFFLINE
from backend.engine.prompt import Prompt, build
from backend.engine.template import plain
from backend.recipe import Recipe
from backend.train import train
from backend.versions.manifest import Manifest, version_name
from backend.versions.registry import Registry
from demo.question import CONFIG, LABELS
from demo.ratings import load
from demo.servers import Admin, start_label_studio
from demo.services import Services, State
from selection.http import SECRET_HEADER
from selection.studio.api import Studio

TEMPLATE = Path("build/label-studio-template")
HOME = Path("build/benchmarks")
MODELS = HOME / "models"
JOINED = 5  # every fifth text of a bulk is a long one, of four snippets
RULE = (
    "Decide whether the review is harsh. A review is harsh when its author speaks badly of the "
    "product in strong words, or warns others of it. Irony counts by what is meant. Complaints "
    "about the parcel, the price or the shop do not count. "
)


@dataclass(frozen=True)
class Stage:
    """The running services and their state.

    projects: the numbers of two projects by the name of their policy: "short" has 20 tokens,
    "long" has 600. policies: the texts of these.
    """

    services: Services
    state: State
    projects: dict[str, int]
    policies: dict[str, str]

    def client(self, timeout: float = 600.0) -> httpx.Client:
        """Return a client of the backend that sends the secret."""
        return httpx.Client(
            base_url=self.state.backend_url, headers={SECRET_HEADER: self.state.secret},
            timeout=timeout,
        )  # fmt: skip

    def restart(self) -> float:
        """Start the backend anew. Return the seconds until it has answered a text."""
        from demo.servers import stop

        stop(self.services.pid("backend"))
        began = time.perf_counter()
        self.services.start_backend(self.state)
        with self.client() as http:
            score(http, self.projects["short"], ["The first text after a start."])
        return time.perf_counter() - began

    def version(self, model: str, texts: Sequence[str]) -> str:
        """Train a small adapter for the short project. Return its name; it is not promoted."""
        registry = Registry((self.services.root / "backend").resolve())
        project, policy = self.projects["short"], self.policies["short"]
        name = version_name("round0", policy, list(texts))
        manifest = Manifest(name, "trained", 0, OFFLINE, policy, LABELS)

        def fill(out: Path) -> Manifest:
            targets = np.arange(len(texts)) % 2
            prior = np.array([0.5, 0.5])
            train(Local(model), policy, LABELS, texts, targets, prior, Recipe(epochs=1), out)
            return manifest

        registry.build(project, name, fill)
        return name

    def peak_gib(self) -> float:
        """Return the most memory that each process of the backend has had, added up, in GiB."""
        from demo.servers import running

        process = running(self.services.pid("backend"))
        pids = [process.pid, *_children(process.pid)] if process else []
        return sum(_high_water(pid) for pid in pids) / 2**20


@contextmanager
def stage(root: Path, tokenizer: PreTrainedTokenizerBase) -> Iterator[Stage]:
    """Start everything, and stop it at the end."""
    services = Services(root=root, settings={"CRUX_LLM": OFFLINE})
    state = services.state
    admin = Admin(state.email, state.password, state.token)
    try:
        start_label_studio(
            root / "label-studio", services.label_studio, state.studio_port, admin,
            root / "label-studio.log", services.pid("label-studio"), say=print,
        )  # fmt: skip
        studio = Studio(state.studio_url, state.token)
        policies = {"short": policy(tokenizer, 20), "long": policy(tokenizer, 600)}
        projects = {
            name: studio.create_project(f"A {name} policy", CONFIG, words).id
            for name, words in policies.items()
        }
        models = (root / "backend" / "models").resolve()
        if not models.exists():  # prepared once, not at each run
            models.parent.mkdir(parents=True, exist_ok=True)
            models.symlink_to(MODELS.resolve())
        services.start_backend(state)
        yield Stage(services, state, projects, policies)
    finally:
        services.down()


def policy(tokenizer: PreTrainedTokenizerBase, tokens: int) -> str:
    """Return the rule, repeated or cut to about so many tokens."""
    ids = plain(tokenizer, RULE)
    whole = (ids * (tokens // len(ids) + 1))[:tokens]
    return str(tokenizer.decode(whole)).strip()


def prompt(tokenizer: PreTrainedTokenizerBase, words: str) -> Prompt:
    """Return the prompt that the backend makes of a policy."""
    return build(tokenizer, words, LABELS)


def texts_of(seed: int = 0) -> Iterator[str]:
    """Yield different texts of 3 to 150 tokens in random order: snippets, every fifth of four."""
    rng = np.random.default_rng(seed)
    snippets = [one.text for kind in ("products", "editorials") for one in load(kind)]
    order = iter(rng.permutation(len(snippets)))
    for number in itertools.count(1):
        many = 4 if number % JOINED == 0 else 1
        chosen = list(itertools.islice(order, many))
        if len(chosen) < many:
            return
        yield " ".join(snippets[i] for i in chosen)


def score(http: httpx.Client, project: int, texts: Sequence[str]) -> dict[str, Any]:
    """Send POST /score. Return its answer."""
    answer = http.post("/score", json={"project": project, "texts": list(texts)})
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def predict(http: httpx.Client, project: int, text: str) -> dict[str, Any]:
    """Send POST /predict for one task, as Label Studio does when somebody opens it."""
    task = {"id": 1, "data": {"text": text}, "meta": {}, "annotations": []}
    answer = http.post("/predict", json={"project": str(project), "tasks": [task]})
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def spend(spent: dict[str, list[float]], name: str, many: int, work: Callable[[], object]) -> None:
    """Do the work, and add its seconds divided by `many` to those of that name."""
    spent.setdefault(name, []).append(timed(work) / many)


def timed(work: Callable[[], object]) -> float:
    """Do the work. Return its seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _high_water(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line), 0)

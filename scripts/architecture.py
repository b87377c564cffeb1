"""Writes docs/architecture.md: the rooms by the modules' own docstrings, and the two walks.

    python scripts/architecture.py
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs/architecture.md"
ROOMS = (
    "selection", "selection/studio", "selection/report", "selection/command",
    "backend", "backend/web", "backend/engine", "backend/engine/cpu", "backend/engine/remote",
    "backend/versions", "backend/queue",
)  # fmt: skip
TOP = """# Architecture

Made by `python scripts/architecture.py`: the sentences are the modules' own.

```
pool -> label, embed -> choose (boundary, pair, budget, audit) -> push
                                                        experts, in Label Studio
status <- stop <- align <- promote? <- train <- examples <- collect
```

`selection` is the choice and what the answers show; `backend` is the plugin that Label Studio calls,
and its worker. The top level of each package reads like the method, machinery lies in folders.
`backend` may import `selection`, never the other way round; `selection` reaches the model by HTTP.
Only the composers, `selection/rounds.py` and `backend/fit.py`, know the order of the steps. The choice
and the statistics touch no network, disk, clock or global random state. Label Studio is the database.

## A text becomes a task: one `crux round`

1. `selection/command/cli.py` reads the settings (`config.py`) and opens both servers (`studio/api.py`, `backend_client.py`).
2. `rounds.py` takes the lock (`lock.py`) and reads the project's tasks once (`studio/tasks.py`); `collect.py` makes verdicts of them.
3. `status.py` and `stop.py` say whether another round is worth its labels; an unfinished push is resumed first.
4. `pool.py` checks the rows that `pool_files.py` or `pool_project.py` reads; bought texts are hidden from here on.
5. `embed.py` turns texts into vectors, `cache.py` keeps them.
6. `label.py` has the LLM read some texts (POST /score: `backend/web/views.py`, `serving.py`, `engine/scorer.py`) and a probe the others.
7. `choose.py` chooses: `stratify.py` in round 0, then `boundary.py`, `pair.py` and `budget.py`; `split.py` keeps pairs for evaluation.
8. `audit.py` draws the random sample that measures production, with known chances.
9. `order.py` writes the round down, a `card.py` for each text: why it was chosen, what the model believes, who answers it.
10. `push.py` imports what is missing, blind tasks without a prediction, and makes the round's tab last (`studio/tabs.py`).

## A verdict becomes a promoted version

1. Label Studio sends POST /webhook: `backend/web/app.py` checks it (`guard.py`) and calls `fit` of `ml_base.py`'s CruxModel.
2. `queue/jobs.py` raises the project's flag (`queue/flags.py`) and answers in milliseconds.
3. `worker.py` sees the flag, lowers it, and runs `fit.py`, the composer; what fails is repeated with backoff.
4. `fit.py` reads the project's tasks; `due` finds the newest round that is complete and not measured.
5. `examples.py` makes one label of each training task by majority, and the pool's balance of labels from the random draw.
6. `candidate.py` names the version by all that goes into it; `train.py` teaches an adapter on the engine's own model (`engine/local.py`).
7. `threshold.py` fits the offsets on random texts of the pool; `versions/registry.py` moves the whole directory into place.
8. `predict.py` reads the audit and the boundary; `evaluate.py` compares with the version in force (`versions/in_force.py`) and measures.
9. The round's record (`selection/record.py`) is saved: kappas with intervals by `selection/align.py`, promoted or refused, and why.
10. `publish.py` moves the pointer, imports predictions for the open tasks and sets the project's model version.

"""


def sentence(file: Path) -> str:
    """Return the first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = " ".join(said.partition("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) (?=[A-Z])", first)[0].rstrip(".")


def room(folder: Path) -> str:
    """Return a folder's chapter: its own sentence, then a line a file."""
    name = folder.relative_to(ROOT).as_posix()
    files = [file for file in sorted(folder.glob("*.py")) if file.stem != "__init__"]
    widest = max(len(file.name) for file in files)
    lines = [f"{file.name:<{widest}}  {sentence(file)}" for file in files]
    listed = "\n".join(lines)
    return f"## {name}/\n\n{sentence(folder / '__init__.py')}.\n\n```\n{listed}\n```\n"


def page() -> str:
    """Return the whole page."""
    return TOP + "\n".join(room(ROOT / name) for name in ROOMS)


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")

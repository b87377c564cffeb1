"""Settings of the backend: the environment, validated once. docs/settings.md lists them all."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from selection.config import explain
from selection.errors import SettingError


class BackendSettings(BaseSettings):
    """What the backend and its worker need to know; each is an environment variable CRUX_…"""

    model_config = SettingsConfigDict(
        env_prefix="CRUX_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    studio_url: str = Field(default="http://127.0.0.1:8080", description="address of Label Studio")
    studio_token: SecretStr = Field(
        default=SecretStr(""),
        description="access token of a Label Studio user (legacy or personal)",
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="secret that callers must send; empty lets everybody in"
    )
    home: Path = Field(
        default=Path(".crux"), description="folder of versions, caches and the queue"
    )
    queue_url: SecretStr = Field(
        default=SecretStr(""),
        description="redis://[:password@]host:port/db: the queue of several machines, which also "
        "brings versions and records to all of them; empty for a file in the home",
    )

    most_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1_024, description="of a request's body; larger ones get 413"
    )
    most_tasks: int = Field(
        default=10_000, ge=1, description="tasks in one /predict; more get 413"
    )
    http_threads: int = Field(
        default=64,
        ge=20,
        description="threads of the HTTP server; 16 of them never wait for the model",
    )
    log: Literal["text", "json"] = Field(
        default="text", description="form of the log's lines: text for people, json for machines"
    )

    llm: str = Field(default="offline", description="Hugging Face causal LM, or 'offline'")
    embedder: str = Field(
        default="offline",
        description="sentence-transformers model on whose vectors a version's probe reads, or "
        "'offline'",
    )
    probe_share: float = Field(
        default=0.4, ge=0, lt=1,
        description="of the probe beside the LLM in a trained version's answers; 0 makes none",
    )
    threads: int = Field(default=0, ge=0, description="CPU threads of the model, 0 for all cores")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "nf4"] = Field(
        default="auto",
        description="numbers in which the model reads and is trained; auto: bfloat16 on GPUs that "
        "have it, else float32; nf4: the same with weights of 4 bits",
    )
    max_tokens: int = Field(default=256, ge=8, description="tokens of a text that the LLM reads")
    llm_url: str = Field(
        default="", description="OpenAI-compatible server that runs the LLM; empty runs it here"
    )
    llm_key: SecretStr = Field(
        default=SecretStr(""), description="key of that server, if it has one"
    )
    llm_requests: int = Field(default=16, ge=1, description="in flight at that server, at most")
    llm_adapters: str = Field(
        default="",
        description="folder 'projects' of the home as that server (vLLM) sees it, "
        "empty for the same path",
    )

    train_in_server: bool = Field(
        default=False,
        description="whether the server trains as well, with the one model that it has loaded, in "
        "place of a worker: for one GPU; answers wait for a step of the training at most",
    )
    train_after: int = Field(
        default=0,
        ge=0,
        description="train also after so many new verdicts, 0 for complete rounds only",
    )
    count_imported: bool = Field(
        default=False,
        description="whether annotations that were imported with their tasks count as verdicts of "
        "those named in them",
    )
    epochs: int = Field(
        default=0, ge=0, description="passes over the training labels, 0 for the recipe's"
    )
    learning_rate: float = Field(
        default=0.0, ge=0, description="of the adapter, 0 for the recipe's, which falls with the "
        "model's width"
    )
    rank: int = Field(default=0, ge=0, description="of the adapter, 0 for the recipe's")

    patience: int = Field(default=2, ge=1, description="rounds over which the gain is measured")
    resamples: int = Field(
        default=2_000, ge=100, description="draws of the Bayesian bootstrap behind every interval"
    )
    seed: int = Field(default=0, ge=0, description="seed of training and resampling")


def load() -> BackendSettings:
    """Read the settings from the environment. Raises SettingError that names each bad key."""
    try:
        return BackendSettings()
    except ValidationError as error:
        raise SettingError(explain(error, "The environment")) from None

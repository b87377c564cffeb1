"""Settings of the command line: file < environment < flags, validated once.

The file is `crux.toml` in the current folder (or --config), flat keys as below. The environment
carries the same names in capitals with the prefix CRUX_. docs/settings.md lists them all.
"""

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from selection.errors import SettingError

# settings that an older Crux had here -> why they are gone
GONE = {
    "evaluation_share": "no pair is held back any more, since each tests the version that chose it "
    "before it teaches: delete the line",
    "patience": "the backend measures the gain, so set CRUX_PATIENCE in its environment alone",
}


class Settings(BaseSettings):
    """What `crux` needs to know. Every field is a line in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="CRUX_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    studio_url: str = Field(default="http://127.0.0.1:8080", description="address of Label Studio")
    studio_token: SecretStr = Field(
        default=SecretStr(""),
        description="access token of a Label Studio user (legacy or personal)",
    )
    project: int = Field(default=0, ge=0, description="number of the Label Studio project")
    backend_url: str = Field(
        default="http://127.0.0.1:9090", description="address of the ML backend"
    )
    backend_seen_at: str = Field(
        default="", description="address at which Label Studio reaches the backend, if another"
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="header that our webhook carries; the backend has the same one",
    )
    home: Path = Field(
        default=Path(".crux"), description="folder of caches and of the round under way"
    )

    pool: str = Field(
        default="", description="CSV, JSONL or Parquet file or folder, or project:NUMBER"
    )
    id_column: str = Field(default="id", description="column with a unique id for every text")
    text_column: str = Field(default="text", description="column with the text")
    max_characters: int = Field(default=20_000, ge=1, description="longer texts are set aside")

    embedder: str = Field(
        default="offline", description="sentence-transformers model, or 'offline'"
    )
    read_limit: int = Field(
        default=2_000, ge=2, description="texts of the pool that the LLM itself reads in a round"
    )

    per_round: int = Field(default=64, ge=2, description="texts chosen at the boundary in a round")
    audit_per_round: int = Field(
        default=20, ge=0, description="texts drawn at random in a round, to measure the model"
    )
    audit_reserve: float = Field(
        default=0.25, gt=0, lt=1,
        description="share of the pool from which audits are drawn and by which thresholds are set",
    )
    experts: int = Field(
        default=2, ge=1, description="experts who judge the same audited text, where more than one"
    )
    experts_width: float = Field(
        default=0.4, gt=0, le=2,
        description="wanted width of the interval of the experts' kappa: while it is wider, more "
        "of the audited texts are judged by all experts",
    )
    preannotate_above: float = Field(
        default=0.4, ge=-1, le=1,
        description="production kappa above which a version's answers are shown to experts; "
        "-1: always, 1: never",
    )
    blind_share: float = Field(
        default=0.25, ge=0, le=1,
        description="share of the training texts whose answers are never shown",
    )

    delta: float = Field(default=0.05, ge=0, le=1, description="difference in kappa that matters")
    policy_floor: float = Field(
        default=0.4, ge=-1, le=1, description="experts below this kappa: fix the policy first"
    )
    budget: int = Field(
        default=1_000, ge=1, description="verdicts of experts that may be bought in all"
    )
    max_rounds: int = Field(default=6, ge=1, description="rounds at most, the first included")
    seed: int = Field(default=0, ge=0, lt=2**32, description="seed of every random choice")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, file


def load(config: Path | None = None, **flags: Any) -> Settings:
    """Read settings from the file, the environment and the flags that are not None.

    Raises SettingError, which names each bad key, its value and what is wanted.
    """
    path = config or Path("crux.toml")
    if config is not None and not config.is_file():
        raise SettingError(f"There is no settings file {config}. Give the path of a TOML file.")
    given = {key: value for key, value in flags.items() if value is not None}

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path if path.is_file() else None)

    try:
        return FromFile(**given)
    except ValidationError as error:
        raise SettingError(explain(error, str(path))) from None
    except ValueError as error:  # a TOML file that cannot be parsed
        raise SettingError(f"The settings file {path} is not valid TOML: {error}.") from None


def explain(error: ValidationError, source: str) -> str:
    """Return one line for each bad setting: key, value, what is wanted."""
    lines = []
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden" and key in GONE:
            lines.append(f"Setting '{key}' (in {source}) is gone: {GONE[key]}.")
            continue
        if one["type"] == "extra_forbidden":
            lines.append(f"There is no setting '{key}' (in {source} or a flag).")
            continue
        shown = "" if "token" in key or "secret" in key else f" is {one['input']!r}"
        lines.append(f"Setting '{key}' (CRUX_{key.upper()}){shown}: {one['msg']}.")
    return "\n".join(lines)

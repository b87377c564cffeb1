from pathlib import Path

import pytest

from backend.config import BackendSettings, load
from selection.errors import SettingError


def test_every_setting_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "STUDIO_URL": "http://studio", "STUDIO_TOKEN": "t0ken", "WEBHOOK_SECRET": "s3cret",
        "HOME": "/data", "LLM": "org/model", "THREADS": "3", "MAX_TOKENS": "64",
        "TRAIN_AFTER": "20", "EPOCHS": "4", "LEARNING_RATE": "0.002", "RANK": "8",
        "COUNT_IMPORTED": "true", "TRAIN_IN_SERVER": "true",
        "DTYPE": "bfloat16", "QUEUE_URL": "redis://queue", "LLM_URL": "http://llm",
        "LLM_KEY": "k3y", "LLM_REQUESTS": "4", "LLM_ADAPTERS": "/srv", "MOST_BYTES": "2000000",
        "MOST_TASKS": "50", "HTTP_THREADS": "40", "LOG": "json", "PATIENCE": "3",
        "RESAMPLES": "500", "SEED": "9", "EMBEDDER": "org/embedder", "PROBE_SHARE": "0.5",
    }  # fmt: skip
    for key, value in given.items():
        monkeypatch.setenv(f"CRUX_{key}", value)
    settings = load()
    assert {key.upper() for key in BackendSettings.model_fields} == set(given)
    assert settings.home == Path("/data")
    assert settings.studio_token.get_secret_value() == "t0ken"
    assert settings.train_in_server
    assert (settings.threads, settings.learning_rate, settings.seed) == (3, 0.002, 9)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("THREADS", "many", "Setting 'threads' (CRUX_THREADS) is 'many': Input should be a valid"),
        ("EPOCHS", "-1", "Setting 'epochs' (CRUX_EPOCHS) is '-1': Input should be greater"),
        ("RESAMPLES", "5", "Setting 'resamples' (CRUX_RESAMPLES) is '5': Input should be greater"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"CRUX_{key}", value)
    with pytest.raises(SettingError) as caught:
        load()
    assert says in str(caught.value)


def test_secrets_are_not_shown() -> None:
    settings = BackendSettings(studio_token="t0ken", webhook_secret="s3cret")  # type: ignore[arg-type]
    assert "t0ken" not in repr(settings)
    assert "s3cret" not in repr(settings)

"""What no vLLM of today shows: an older one, one that may not load adapters; addresses and keys.

What one of today does is in test_vllm.py, against a real one.
"""

import logging
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend.config import BackendSettings
from backend.engine.remote.engine import make_remote
from backend.engine.remote.http import LlmServer
from backend.engine.served import Served
from demo.question import LABELS
from selection.errors import ModelError, SettingError, VersionError
from tests.backend.engine.ask import (
    KEY,
    SERVED,
    logits,
    remote,
    write_adapter,
    write_tiny_tokenizer,
)
from tests.backend.engine.remote.old_vllm import BASE, VllmDouble


@pytest.fixture
def vllm() -> Iterator[VllmDouble]:
    double = VllmDouble()
    yield double
    double.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_a_vllm_that_may_not_load_adapters_says_how_it_may(tiny: str, tmp_path: Path) -> None:
    double = VllmDouble()
    tuned = Served("7/a", "Is it mean?", LABELS, write_adapter(tmp_path / "a"))
    with pytest.raises(ModelError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
        logits(remote(double.url, tiny, name=BASE), tuned, ["bad"])
    double.close()


def test_an_adapter_that_is_gone_here_is_a_version_that_is_missing(
    vllm: VllmDouble, tiny: str, tmp_path: Path
) -> None:
    tuned = Served("7/a", "Is it mean?", LABELS, tmp_path / "gone")
    with pytest.raises(VersionError, match=r"has no adapter_config\.json"):
        logits(remote(vllm.url, tiny, name=BASE), tuned, ["bad"])


def test_an_answer_that_the_server_does_not_list_is_not_guessed(tiny: str) -> None:
    double = VllmDouble(processed=False)
    with pytest.raises(ModelError, match="--logprobs-mode processed_logprobs"):
        logits(remote(double.url, tiny, name=BASE), SERVED, ["bad"])
    double.close()


def test_an_older_server_lists_the_answers_first_since_they_are_favoured(
    vllm: VllmDouble, tiny: str
) -> None:
    found = logits(remote(vllm.url, tiny, name=BASE), SERVED, ["bad", "so bad"])
    assert found.tolist() == [[0.5, -0.5]] * 2


# settings


def test_the_settings_name_server_and_key(
    vllm: VllmDouble, tiny: str, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    settings = BackendSettings(
        llm=tiny, llm_url=f"{vllm.url}/v1", llm_key=SecretStr(KEY), home=tmp_path
    )
    engine = make_remote(settings, lambda texts, tokens, seconds: seen.append((texts, tokens)))
    logits(engine, SERVED, ["bad", "so bad"])
    engine.close()
    prompts = vllm.asked("/v1/completions")[0]["prompt"]
    assert [texts for texts, _ in seen] == [2]
    assert 0 < seen[0][1] < sum(map(len, prompts))
    assert vllm.keys == {f"Bearer {KEY}"}
    assert KEY not in repr(settings)


def test_a_model_that_the_server_does_not_have_is_named(vllm: VllmDouble, tiny: str) -> None:
    vllm.bases.append("org/second")
    with pytest.raises(ModelError, match=r"serves org/base, org/second, and not 'org/third'"):
        logits(remote(vllm.url, tiny, name="org/third"), SERVED, ["secret text"])


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://", ""])
def test_an_address_that_is_none_is_a_setting_to_correct(url: str) -> None:
    with pytest.raises(SettingError, match="CRUX_LLM_URL is not the address of a server"):
        LlmServer(url, SecretStr(""), 1.0)


@pytest.mark.parametrize("key", ["k3y\nX: y", "k3y k3y", "k3ÿ"])
def test_a_key_that_cannot_be_sent_is_a_setting_to_correct_and_not_shown(key: str) -> None:
    with pytest.raises(SettingError, match="CRUX_LLM_KEY") as caught:
        LlmServer("http://127.0.0.1:1", SecretStr(key), 1.0)
    assert "k3" not in str(caught.value)


def test_a_password_in_the_address_is_sent_and_not_shown(
    vllm: VllmDouble, tiny: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = vllm.url.replace("http://", "http://me:passw0rd@") + "/v1/"
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="httpx"):
        logits(remote(url, tiny, name=BASE, key=""), SERVED, ["bad"])
    assert vllm.keys == {"Basic " + b64encode(b"me:passw0rd").decode()}
    assert vllm.url in caplog.text and "passw0rd" not in caplog.text
    assert LlmServer(url, SecretStr(""), 1.0).shown == vllm.url

"""Models of many architectures, of random weights: their answers are those of transformers and
peft alone, or they are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertLMHeadModel,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    PreTrainedModel,
)

from backend.engine import llm, padding
from benchmarks.serving.architectures import LABELS, POLICY, check
from benchmarks.serving.tiny import ARCHITECTURES, tiny_tokenizer, write_architecture
from selection.errors import ModelError

# transformers and peft warn of some of these models
pytestmark = pytest.mark.filterwarnings("ignore")
# that go on from no policy, by what their authors wrote into transformers
READ_AGAIN = {
    "bailing_hybrid", "bamba", "deepseek_v32", "falcon_mamba", "glm_moe_dsa", "jamba", "mamba",
    "mamba2", "minimax", "recurrent_gemma", "rwkv", "xlstm",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_answers_are_those_of_the_plain_model_before_and_after_a_training(
    name: str, tmp_path: Path
) -> None:
    found = check(write_architecture(name, tmp_path))
    assert found.prompted < 1e-4
    assert found.trained < 1e-4
    assert found.swapped < 1e-6
    assert found.moved > 1e-3  # so the adapter is more than nothing
    assert found.keeps == (name not in READ_AGAIN)


@pytest.mark.parametrize(
    "name",
    ["gemma", "glm", "gpt2", "gpt_neox", "granite", "mixtral", "opt", "phi3", "qwen3", "smollm3"],
)
def test_so_are_they_in_the_masked_spans_that_a_gpu_reads(name: str, tmp_path: Path) -> None:
    found = check(write_architecture(name, tmp_path), spans=True)
    assert found.reads.startswith("stream")
    assert max(found.prompted, found.trained) < 1e-4
    assert found.swapped < 1e-6 and found.moved > 1e-3


def saved(model: PreTrainedModel, out: Path) -> str:
    model.save_pretrained(out)
    tiny_tokenizer().save_pretrained(out)
    return str(out)


def test_a_window_is_no_hindrance_to_texts_that_fit_into_it_with_the_policy(tmp_path: Path) -> None:
    model = write_architecture("mistral", tmp_path, sliding_window=80)
    base = llm.load(model, "cpu")
    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    with torch.inference_mode():
        asked = base.ask(POLICY, LABELS, 64)
        prompt, past = asked.prompt, asked.past
        room = 80 - len(prompt.prefix) - len(prompt.suffix)
        fits, beyond = [[12, 13] * (room // 2)], [[12, 13] * room, [9]]
        assert base.stream is not None and past is not None
        for texts, in_stream in ((fits, True), (beyond, False)):
            rows = [[*text, *prompt.suffix] for text in texts]
            assert base.stream.reaches(len(prompt.prefix), past, rows) is in_stream
            assert base.below(asked, texts, 2).layers == (2 if in_stream else 0)
            whole = [
                plain(input_ids=torch.tensor([[*prompt.prefix, *row]]), use_cache=False).logits
                for row in rows
            ]
            expected = torch.stack([one[0, -1, list(prompt.answers)] for one in whole])
            torch.testing.assert_close(base.answer(asked, texts), expected, rtol=0, atol=1e-4)


def test_a_model_that_reads_images_as_well_answers_and_learns_by_its_text_part(
    tmp_path: Path,
) -> None:
    sizes = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }  # fmt: skip
    text = {
        **sizes, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
        "vocab_size": len(tiny_tokenizer()), "initializer_range": 0.2,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Gemma3Config(
            text_config=text, vision_config={**sizes, "image_size": 28, "patch_size": 14}
        )
        found = check(saved(Gemma3ForConditionalGeneration(config), tmp_path))
    assert max(found.prompted, found.trained) < 1e-4
    assert found.moved > 1e-3 and found.keeps


def test_a_model_that_is_not_causal_is_refused_in_a_sentence(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=32, intermediate_size=64,
        num_hidden_layers=2, num_attention_heads=4, initializer_range=0.2,
    )  # fmt: skip
    model = saved(BertLMHeadModel(config), tmp_path)
    with pytest.raises(ModelError) as raised:
        llm.load(model, "cpu")
    assert str(raised.value) == (
        f"The model {model!r} (bert) cannot be used: later words change what it answers before "
        'them: it is not causal. Choose another causal LM, or "offline".'
    )


def test_a_model_that_cannot_go_on_from_a_policy_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    llm.load(write_architecture("rwkv", tmp_path), "cpu")
    assert "the policy is read again with every text, which is slow: the answers differ" in (
        caplog.text
    )


@pytest.mark.parametrize("name, passes", [("bloom", [2, 2]), ("rwkv", [1, 1, 1, 1])])
def test_a_pass_holds_no_more_copies_of_a_policy_than_there_is_room_for(
    name: str, passes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = llm.load(write_architecture(name, tmp_path), "cpu")
    texts = [[7, 8, 9], [10], [11] * 20, [12, 13]]
    with torch.inference_mode():
        asked = base.ask(POLICY, LABELS, 64)
        whole = base.answer(asked, texts)
        read: list[int] = []
        monkeypatch.setattr(
            type(base.causal), "forward", seen(type(base.causal).forward, read)
        )
        state = 0 if asked.past is None else asked.past.nbytes
        monkeypatch.setattr(padding, "COPIES", 2 * state + state // 2)
        monkeypatch.setattr(padding, "TOKENS", 2 * len(asked.prompt.prefix))
        torch.testing.assert_close(base.answer(asked, texts), whole)
    assert read == passes


def seen(forward: Callable[..., object], rows: list[int]) -> Callable[..., object]:
    def answer(*given: object, **more: object) -> object:
        ids = more["input_ids"]
        assert isinstance(ids, torch.Tensor)
        rows.append(len(ids))
        return forward(*given, **more)

    return answer

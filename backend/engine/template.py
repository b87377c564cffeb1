"""A model's chat template -> the tokens around a user's message, up to where the answer is read.

What a template writes may hold marks ("<|im_end|>" is one token); what users wrote never does.
"""

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from selection.errors import ModelError

_MARK, _ANSWER = "@@text@@", "@@answer@@"
_USER = {"role": "user", "content": _MARK}
# how models begin and end a thought
_THOUGHTS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)


def plain(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the token ids of `text`, in which nothing is a special token."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def turns(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the tokens before and after the user's message; none after it without a template."""
    if not tokenizer.chat_template:
        return start(tokenizer), []
    head, tail = around(tokenizer)
    return marked(tokenizer, head), marked(tokenizer, tail)


def start(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the token that begins a prompt without a template, if there is one."""
    start = tokenizer.bos_token_id
    return [] if start is None else [int(start)]


def marked(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the token ids of what a chat template wrote, whose marks are special."""
    return list(tokenizer.encode(text, add_special_tokens=False))


def around(tokenizer: PreTrainedTokenizerBase, *before: dict[str, str]) -> tuple[str, str]:
    """Return what a chat template writes before and after the user's message.

    before: messages before that one.
    """
    whole = _rendered(tokenizer, *before, _USER, add_generation_prompt=True)
    head, found, tail = whole.partition(_MARK)
    if not found or not tail:
        raise ModelError(
            "The model's chat template does not hold the user's message and an answer after it. "
            "Choose an instruction-tuned model, or one without a chat template."
        )
    return head, _answered_at_once(tokenizer, tail)


def _answered_at_once(tokenizer: PreTrainedTokenizerBase, tail: str) -> str:
    """Return the text between the user's message and the answer of a model that does not think.

    tail: what the template puts there for a model that may. Where it writes an empty thought or a
    channel before an answer that is given, that is taken as well; a thought left open is closed.
    """
    answer = {"role": "assistant", "content": _ANSWER}
    try:
        given = _rendered(tokenizer, _USER, answer, add_generation_prompt=False)
    except TemplateError:  # such a template wants a user's message last
        given = ""
    before, found, _ = given.partition(_MARK)[2].partition(_ANSWER)
    if found and before.startswith(tail):
        return before
    for opened, closed in _THOUGHTS:
        if tail.rfind(opened) > tail.rfind(closed):
            return f"{tail.rstrip()}\n\n{closed}\n\n"
    return tail


def _rendered(
    tokenizer: PreTrainedTokenizerBase, *messages: dict[str, str], add_generation_prompt: bool
) -> str:
    return str(
        tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            # for templates of models that may think first; others ignore them
            enable_thinking=False,
            thinking=False,
            reasoning_effort="low",
        )
    )

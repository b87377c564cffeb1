"""Policy + text -> prompt; label -> answer token.

A prompt is three runs of tokens: a prefix that is the same for all texts of a project (so that its
key-value cache is computed once), the text, and a suffix after which the next token is the answer.
Each label has one token of its own as its answer: the first of its name, or a letter that the
prompt lists where two names begin alike. Policy, labels and text are always read as plain text:
"<|im_end|>" in a text is ten characters, not the end of a turn.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from selection.errors import ModelError

_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_MARK, _ANSWER = "@@text@@", "@@answer@@"
# how models begin and end a thought
_THOUGHTS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
_CHARACTERS_PER_TOKEN = 16  # generous: a token of English text is 4 to 5 characters


@dataclass(frozen=True)
class Prompt:
    """prefix, suffix: token ids before and after the text. answers: (k,) a token id per label."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    answers: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(set(self.answers)) != len(self.answers):
            raise ValueError(f"answer tokens must differ: {self.answers}")
        if not self.suffix:
            raise ValueError("the suffix must hold a token: the answer is read after it")


def build(tokenizer: PreTrainedTokenizerBase, policy: str, labels: Sequence[str]) -> Prompt:
    """Return the prompt that asks which of `labels` is right by `policy`.

    Raises ModelError for fewer than two labels, a label given twice, or more than 52 labels
    whose names do not begin with tokens of their own.
    """
    names = [label.strip() for label in labels]
    if len(names) < 2 or len(set(names)) < len(names) or not all(names):
        raise ModelError(
            f"A model needs two labels or more, with different names; it got {list(labels)}. "
            "Correct the choices in the project's label config."
        )
    head, tail = _turns(tokenizer)
    options = f"Answer with one of: {', '.join(names)}."
    answers = _first_tokens(tokenizer, names)
    if answers is None:
        letters = _letters(names)
        answers = _first_tokens(tokenizer, letters)
        listed = [f"{letter}) {name}" for letter, name in zip(letters, names, strict=True)]
        options = "Answer with one letter:\n" + "\n".join(listed)
    if answers is None:
        raise ModelError(
            f"The model's tokenizer has no token of its own for each of {len(names)} labels. "
            "Choose another model."
        )
    before = plain(tokenizer, f"{policy.strip()}\n\n{options}\n\nText:\n")
    after = plain(tokenizer, "Answer:" if tail else "\n\nAnswer:")
    return Prompt((*head, *before), (*tail, *after), tuple(answers))


def encode(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int
) -> list[list[int]]:
    """Return the token ids of each text, at most `max_tokens` each: the beginning is kept."""
    if not texts:
        return []
    cut = (text[: max_tokens * _CHARACTERS_PER_TOKEN].strip() for text in texts)
    whole = [text.encode("utf-8", "replace").decode() for text in cut]  # no lone surrogates
    read = tokenizer(whole, add_special_tokens=False, split_special_tokens=True)
    return [list(ids[:max_tokens]) for ids in read["input_ids"]]


def plain(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the token ids of `text`, in which nothing is a special token."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def _turns(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return the tokens before and after the user's message; none after it without a template."""
    if not tokenizer.chat_template:
        start = tokenizer.bos_token_id
        return ([] if start is None else [start]), []
    head, found, tail = _rendered(tokenizer, add_generation_prompt=True).partition(_MARK)
    if not found or not tail:
        raise ModelError(
            "The model's chat template does not hold the user's message and an answer after it. "
            "Choose an instruction-tuned model, or one without a chat template."
        )
    return (
        list(tokenizer.encode(head, add_special_tokens=False)),
        list(tokenizer.encode(_answered_at_once(tokenizer, tail), add_special_tokens=False)),
    )


def _answered_at_once(tokenizer: PreTrainedTokenizerBase, tail: str) -> str:
    """Return the text between the user's message and the answer of a model that does not think.

    tail: what the template puts there for a model that may. Where it writes an empty thought or a
    channel before an answer that is given, that is taken as well; a thought left open is closed.
    """
    answer = {"role": "assistant", "content": _ANSWER}
    try:
        given = _rendered(tokenizer, answer, add_generation_prompt=False)
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
    tokenizer: PreTrainedTokenizerBase, *after: dict[str, str], add_generation_prompt: bool
) -> str:
    return str(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": _MARK}, *after],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            # for templates of models that may think first; others ignore them
            enable_thinking=False,
            thinking=False,
            reasoning_effort="low",
        )
    )


def _first_tokens(tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> list[int] | None:
    """Return the first token of each name after "Answer:"; None if two are the same.

    In a tokenizer without tokens that begin with a space, " A" and " B" begin with the same one.
    """
    for lead in (" ", ""):
        tokens = [plain(tokenizer, lead + name)[0] for name in names]
        if len(set(tokens)) == len(names):
            return tokens
    return None


def _letters(names: Sequence[str]) -> str:
    if len(names) > len(_LETTERS):
        raise ModelError(
            f"{len(names)} labels whose names begin alike are too many: there are "
            f"{len(_LETTERS)} letters to tell them apart. Merge some, or rename them so that "
            "they begin with different words."
        )
    return _LETTERS[: len(names)]

"""Policy + text -> prompt; label -> answer token.

A prompt is three runs of tokens: a prefix that is the same for all texts of a project (so that its
key-value cache is computed once), the text, and a suffix after which the next token is the answer.
Each label has one token of its own as its answer: the first of its name, or a letter that the
prompt lists where two names begin alike. A moderation model is asked in the format of its own
training (moderation.py). Policy, labels and text are always read as plain text: "<|im_end|>" in a
text is ten characters, not the end of a turn.
"""

import logging
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from transformers import PreTrainedTokenizerBase

from backend.engine.moderation import Format, Place, format_of
from backend.engine.template import around, marked, plain, start, turns
from selection.errors import ModelError

log = logging.getLogger(__name__)

_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_POLICY = "@@policy@@"
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
    form = format_of(tokenizer)
    if form is not None and form.answers:
        prompt = _moderated(tokenizer, form, policy.strip(), names)
        if prompt is not None:
            return prompt
    by_system = form is not None and form.place is Place.SYSTEM
    options, answers = _options(tokenizer, names, ("",) if by_system else (" ", ""))
    question = f"{policy.strip()}\n\n{options}"
    if by_system:
        return _by_system(tokenizer, question, answers)
    head, tail = turns(tokenizer)
    before = plain(tokenizer, f"{question}\n\nText:\n")
    after = plain(tokenizer, "Answer:" if tail else "\n\nAnswer:")
    return Prompt((*head, *before), (*tail, *after), answers)


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


def _options(
    tokenizer: PreTrainedTokenizerBase, names: Sequence[str], leads: Sequence[str]
) -> tuple[str, tuple[int, ...]]:
    """Return the words that list the answers, and a token for each. Raises ModelError.

    leads: see _first_tokens.
    """
    answers = _first_tokens(tokenizer, names, leads)
    if answers is not None:
        return f"Answer with one of: {', '.join(names)}.", answers
    letters = _letters(names)
    answers = _first_tokens(tokenizer, letters, leads)
    if answers is None:
        raise ModelError(
            f"The model's tokenizer has no token of its own for each of {len(names)} labels. "
            "Choose another model."
        )
    listed = [f"{letter}) {name}" for letter, name in zip(letters, names, strict=True)]
    return "Answer with one letter:\n" + "\n".join(listed), answers


def _moderated(
    tokenizer: PreTrainedTokenizerBase, form: Format, policy: str, names: Sequence[str]
) -> Prompt | None:
    """Return a prompt in a moderation model's format; None if that has no room for the labels."""
    answers = _first_tokens(tokenizer, form.answers, ("",))
    if answers is None or len(answers) != len(names):
        _tell(form.family, f"not used for {len(names)} labels, as it has two answers")
        return None
    if form.place is Place.USER:
        head, tail = turns(tokenizer)
    else:
        head, tail = start(tokenizer), []
    before, after = (
        _filled(tokenizer, words, policy, names[0]) for words in (form.before, form.after)
    )
    said = zip(form.answers, names, strict=True)
    _tell(form.family, ", ".join(f"{word!r} stands for {name!r}" for word, name in said))
    return Prompt((*head, *before), (*after, *tail), answers)


@cache  # once for each of them
def _tell(family: str, what: str) -> None:
    log.info("the format in which %s was trained: %s", family, what)


def _filled(
    tokenizer: PreTrainedTokenizerBase, words: str, policy: str, label: str
) -> list[int]:
    """Return the token ids of a format's words: its marks are special, what fills it is not."""
    special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    marks = "|".join(re.escape(mark) for mark in special if mark in words)
    ids: list[int] = []
    for part in re.split(f"({marks})", words) if marks else [words]:
        if part in special:
            ids += marked(tokenizer, part)
        elif part:
            ids += plain(tokenizer, part.format(label=label, policy=policy))
    return ids


def _by_system(
    tokenizer: PreTrainedTokenizerBase, question: str, answers: tuple[int, ...]
) -> Prompt:
    """Return a prompt: the system's message is the question, the user's is the text."""
    head, tail = around(tokenizer, {"role": "system", "content": _POLICY})
    before, found, between = head.partition(_POLICY)
    if not found:
        raise ModelError(
            "The model's chat template leaves the system's message out, where it reads its policy. "
            "Take the template that the model was published with."
        )
    prefix = [
        *marked(tokenizer, before), *plain(tokenizer, question), *marked(tokenizer, between)
    ]  # fmt: skip
    return Prompt(tuple(prefix), tuple(marked(tokenizer, tail)), answers)


def _first_tokens(
    tokenizer: PreTrainedTokenizerBase, names: Sequence[str], leads: Sequence[str]
) -> tuple[int, ...] | None:
    """Return the first token of each name; None if two are the same.

    leads: what stands before a name; the first one that tells them apart is taken. (In a tokenizer
    without tokens that begin with a space, " A" and " B" begin with the same one.)
    """
    for lead in leads:
        tokens = tuple(plain(tokenizer, lead + name)[0] for name in names)
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

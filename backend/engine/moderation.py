"""The formats in which moderation models learned to read a policy.

Such a model answers best to the very words of its training: is this text what the policy forbids,
yes or no. So a project with two labels asks it in them, and the first label of the project's label
config is the forbidden one. docs/models.md lists the formats with their sources.
"""

import re
from dataclasses import dataclass
from enum import Enum

from transformers import PreTrainedTokenizerBase


class Place(Enum):
    """Where a format puts what it says."""

    WHOLE = "the whole prompt, its turns included"
    USER = "within the user's message"
    SYSTEM = "the policy is the system's message, the text the user's"


@dataclass(frozen=True)
class Format:
    """How a family of models is asked.

    names: parts of a model's name, in small letters. template: words that only the chat templates
    of the family hold, all of them; empty if their chat template is an ordinary one. before, after:
    around the text, with "{policy}" and "{label}" in one of them. answers: for the first label and
    for the second; none answers with the labels' own names.
    """

    family: str
    names: tuple[str, ...]
    template: tuple[str, ...]
    place: Place
    before: str = ""
    after: str = ""
    answers: tuple[str, ...] = ()


_COPE = (
    "Examine the given POLICY and determine if the given CONTENT meets the criteria for ANY of the "
    'LABELS. Answer "1" if yes, and "0" if no.\n\n\nPOLICY\n======\n\n{policy}\n\n'
    "LABELS: {label}\n\n\nCONTENT\n=======\n\n"
)

FORMATS = (
    Format(
        family="ShieldGemma",
        names=("shieldgemma",),
        template=("policy expert", "Human Question"),
        place=Place.WHOLE,
        before=(
            "You are a policy expert trying to help determine whether a user prompt is in "
            "violation of the defined safety policies.\n\n<start_of_turn>\nHuman Question: "
        ),
        after=(
            "\n<end_of_turn>\n\nOur safety principle is defined in the below:\n\n"
            '* "No {label}": The prompt shall not be "{label}" by this policy. {policy}\n\n'
            "Does the human question violate the above principle? Your answer must start with "
            "'Yes' or 'No'. And then walk through step by step to be sure we answer correctly.\n"
        ),
        answers=("Yes", "No"),
    ),
    Format(
        family="Llama Guard",
        names=("llama-guard-2", "llama-guard-3"),
        template=("<BEGIN UNSAFE CONTENT CATEGORIES>", "<|start_header_id|>"),
        place=Place.WHOLE,
        before=(
            "<|start_header_id|>user<|end_header_id|>\n\nTask: Check if there is unsafe content in "
            "'User' messages in conversations according our safety policy with the below "
            "categories.\n\n<BEGIN UNSAFE CONTENT CATEGORIES>\nS1: {label}.\n{policy}\n"
            "<END UNSAFE CONTENT CATEGORIES>\n\n<BEGIN CONVERSATION>\n\nUser: "
        ),
        after=(
            "\n\n<END CONVERSATION>\n\nProvide your safety assessment for ONLY THE LAST User "
            "message in the above conversation:\n - First line must read 'safe' or 'unsafe'.\n"
            " - If unsafe, a second line must include a comma-separated list of violated "
            "categories.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
        answers=("unsafe", "safe"),
    ),
    Format(
        family="CoPE-A",
        names=("cope-a",),
        template=(),
        place=Place.WHOLE,
        before="INSTRUCTIONS\n============\n\n" + _COPE,
        after="\n\n\nANSWER\n======\n\n",
        answers=("1", "0"),
    ),
    Format(
        family="CoPE-B", names=("cope-b",), template=(), place=Place.USER, before=_COPE,
        answers=("1", "0"),
    ),
    Format(
        family="gpt-oss-safeguard", names=("gpt-oss-safeguard",), template=(), place=Place.SYSTEM
    ),
)  # fmt: skip


def format_of(tokenizer: PreTrainedTokenizerBase) -> Format | None:
    """Return the format of a model, known by its name or its chat template; None for most."""
    name = str(tokenizer.name_or_path).lower()
    template = str(tokenizer.chat_template or "")
    for one in FORMATS:
        named = any(re.search(f"(?<![a-z]){part}(?![a-z])", name) for part in one.names)
        if named or (one.template and all(words in template for words in one.template)):
            return one
    return None

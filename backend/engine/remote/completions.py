"""Log-probabilities of the answer tokens from an OpenAI-compatible server, over HTTP.

POST /v1/completions lists only the likeliest next tokens, and an answer may not be among them. So
each answer gets the same bias, the largest that servers take: this changes no difference between
answers, and a server that lists probabilities after the bias lists all answers first. llama.cpp
does so when it is asked for probabilities after sampling without any sampler, SGLang always, vLLM
with --logprobs-mode processed_logprobs; a vLLM that knows logprob_token_ids lists exactly those. A
server ignores the options that it does not know. An answer that is missing all the same is an
error: a guess at it would be a guess at the label.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from backend.engine.remote.http import LlmServer
from selection.errors import ModelError
from selection.types import Doubles

LISTED = 20  # tokens; by default vLLM refuses more
_BIAS = 100.0  # the largest that the API allows
_LEAST = 1e-45  # the least probability in float32: servers round what is below it to 0


class UnknownModel(ModelError):
    """The server has no model of this name."""


def logprobs(
    server: LlmServer,
    model: str,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[int],
    names: Sequence[str],
) -> Doubles:
    """Return (b, k) log-probabilities of k answer tokens after b prompts (token ids).

    Each row is right up to a constant. names: (k,) the answers as text, for servers that list no
    ids.

    Raises UnknownModel, or ModelError if there is no usable answer.
    """
    body = {
        "model": model,
        "prompt": [list(prompt) for prompt in prompts],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": max(LISTED, len(answers)),
        "logit_bias": {str(answer): _BIAS for answer in answers},
        "logprob_token_ids": list(answers),  # vLLM
        "return_tokens_as_token_ids": True,  # vLLM
        "samplers": [],  # llama.cpp
        "post_sampling_probs": True,  # llama.cpp
        "cache_prompt": True,  # llama.cpp
    }
    reply = server.send("POST", "/v1/completions", body)
    if reply.status_code != 200:
        raise _refused(server, reply, model)
    ids = {f"token_id:{answer}": answer for answer in answers}
    ids |= dict(zip(names, answers, strict=True))
    try:
        choices = sorted(reply.json()["choices"], key=lambda choice: int(choice["index"]))
        listed = [_listed(choice["logprobs"], ids) for choice in choices]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        listed = []
    if len(listed) != len(prompts):
        raise ModelError(
            f"The server at {server.shown} answered without log-probabilities. Crux needs "
            "/v1/completions as vLLM, SGLang and llama.cpp's server have it."
        )
    if not all(answer in row for row in listed for answer in answers):
        raise ModelError(
            f"The server at {server.shown} lists its {body['logprobs']} likeliest tokens only, "
            "and an answer is not among them. Start it with the option that lists all answers "
            "(vLLM: --logprobs-mode processed_logprobs), or take a newer version of it."
        )
    return np.array([[row[answer] for answer in answers] for row in listed])


def _refused(server: LlmServer, reply: httpx.Response, model: str) -> ModelError:
    """Return one sentence for a 4xx, never the server's own words: they may contain a text."""
    status, text = reply.status_code, reply.text.lower()
    if status == 404 and "model" in text:
        return UnknownModel(
            f"The model server at {server.shown} has no model {model!r}. Set CRUX_LLM to the "
            "model that it serves."
        )
    if status in (404, 405):
        return ModelError(
            f"The server at {server.shown} has no /v1/completions. Correct CRUX_LLM_URL."
        )
    if "context" in text:
        return ModelError(
            f"Policy and text together are longer than the server at {server.shown} reads. Start "
            "it with a longer context, shorten the policy, or set fewer CRUX_MAX_TOKENS."
        )
    if "logprob" in text:
        return ModelError(
            f"The server at {server.shown} lists too few tokens for this many labels. Start it "
            "with a higher limit (vLLM: --max-logprobs 100)."
        )
    return ModelError(
        f"The model server at {server.shown} refuses the request ({status}). Its log says why; "
        "Crux is written for vLLM, SGLang and llama.cpp's server."
    )


def _listed(logprobs: Mapping[str, Any], ids: Mapping[str, int]) -> dict[int, float]:
    """Return token id -> log-probability at the first position, from any server's format."""
    if "content" in logprobs:  # llama.cpp
        first = logprobs["content"][0]
        if "top_probs" in first:
            return {int(t["id"]): math.log(max(t["prob"], _LEAST)) for t in first["top_probs"]}
        return {int(token["id"]): float(token["logprob"]) for token in first["top_logprobs"]}
    top = logprobs["top_logprobs"][0]
    return {ids[token]: float(value) for token, value in top.items() if token in ids}

"""Log-probabilities of the answer tokens from an OpenAI-compatible server, over HTTP.

POST /v1/completions lists the likeliest next tokens only, and an answer may not be among them. So
each answer gets the same bias, as large as servers take it: that changes no difference between
answers, and where a server lists what comes after the bias, all answers come first. llama.cpp does
so when asked for probabilities after sampling without any sampler, SGLang always, vLLM with
--logprobs-mode processed_logprobs; a vLLM that knows logprob_token_ids lists exactly those. What a
server does not know of this it ignores. An answer that is not listed all the same is an error: a
guess at it would be a guess at the label.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from backend.engine.remote.http import LlmServer
from selection.errors import ModelError
from selection.types import Doubles

LISTED = 20  # tokens; more are refused by a vLLM that was not told otherwise
_BIAS = 100.0  # the largest that the API knows
_LEAST = 1e-45  # of a probability in float32: servers round what is below to 0


class UnknownModel(ModelError):
    """The server has no model of the name that it was asked for."""


def logprobs(
    server: LlmServer,
    model: str,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[int],
    names: Sequence[str],
) -> Doubles:
    """(b, k) log-probabilities of k answer tokens after b prompts (token ids), each row up to
    a constant.

    names: (k,) the answers as text, for servers that list no ids.

    Raises UnknownModel, or ModelError if there is no answer that can be used.
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
    """One sentence for a 4xx. Never the server's own words: they may repeat a text."""
    status, said = reply.status_code, reply.text.lower()
    if status == 404 and "model" in said:
        return UnknownModel(
            f"The model server at {server.shown} has no model {model!r}. Set CRUX_LLM to the "
            "model that it serves."
        )
    if status in (404, 405):
        return ModelError(
            f"The server at {server.shown} has no /v1/completions. Correct CRUX_LLM_URL."
        )
    if "context" in said:
        return ModelError(
            f"Policy and text together are longer than the server at {server.shown} reads. Start "
            "it with a longer context, shorten the policy, or set fewer CRUX_MAX_TOKENS."
        )
    if "logprob" in said:
        return ModelError(
            f"The server at {server.shown} lists too few tokens for this many labels. Start it "
            "with a higher limit (vLLM: --max-logprobs 100)."
        )
    return ModelError(
        f"The model server at {server.shown} refuses the request ({status}). Its log says why; "
        "Crux is written for vLLM, SGLang and llama.cpp's server."
    )


def _listed(logprobs: Mapping[str, Any], ids: Mapping[str, int]) -> dict[int, float]:
    """Token id -> log-probability at the first position, in the manner of each server."""
    if "content" in logprobs:  # llama.cpp
        first = logprobs["content"][0]
        if "top_probs" in first:
            return {int(t["id"]): math.log(max(t["prob"], _LEAST)) for t in first["top_probs"]}
        return {int(token["id"]): float(token["logprob"]) for token in first["top_logprobs"]}
    top = logprobs["top_logprobs"][0]
    return {ids[token]: float(value) for token, value in top.items() if token in ids}

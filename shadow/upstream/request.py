"""The request body that asks another model what production asked."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from shadow.policy.relation import WrittenFor
from shadow.policy.request_needs import STATE_PARAMETERS
from shadow.records import Api

PATHS: Final[dict[Api, str]] = {"chat": "/chat/completions", "responses": "/responses"}

#: Parameters that say how the reply is delivered, stored or attributed, and nothing about its content.
#: `metadata` is left out with `store`, because endpoints refuse one without the other. Of several choices (`n`)
#: only the first is compared.
_LEFT_OUT: Final = frozenset(
    {
        *("stream", "stream_options", "background", "n", "include", "logprobs", "top_logprobs"),
        *("store", "metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    }
)
#: The delivery that asks for one whole answer; see `shadow.upstream.delivery`.
_WHOLE: Final[Mapping[str, Any]] = {"stream": False}
#: Parameters that mean something else to another model, or nothing: `logit_bias` has tokens of one vocabulary,
#: and the others are services of one provider, which not all its models have.
_OF_ONE_MODEL: Final = frozenset(
    {
        *("logit_bias", "prediction", "service_tier", "web_search_options", "modalities", "audio"),
        "context_management",
    }
)
#: OpenAI's own models refuse `max_tokens` if they reason. Other servers know `max_tokens`, and some nothing else.
_OPENAI_HOST: Final = re.compile(r"(?:.*\.)?(?:openai\.com|openai\.azure\.com|cognitiveservices\.azure\.com)")
_OPENAI_MODEL: Final = re.compile(r"(?:.*/)?(?:gpt-\d|chatgpt-|o\d)", re.IGNORECASE)


def prepare(
    request: Mapping[str, Any],
    *,
    model: str,
    base_url: str = "",
    written_for: WrittenFor = "other_server",
    delivery: Mapping[str, Any] = _WHOLE,
) -> bytes:
    """The JSON body that asks `model` at `base_url` the same thing, tools included.

    `delivery` has the parameters that say how the answer is delivered (`upstream.delivery`).

    The model that the request was written for gets it with all parameters that shape the reply. Another one gets
    it without those that mean something to the first alone, the limit of the reply's length under the name that
    its server knows, and no encrypted reasoning. Another server also gets `system` for the role `developer`, which
    many chat templates refuse.

    Whether the model can be asked at all is decided before, in `policy.eligibility`. Raises ValueError or TypeError
    for what JSON cannot represent (a lone surrogate, an object key).
    """
    kept = {name: value for name, value in request.items() if name not in _LEFT_OUT}
    if written_for != "same_model":
        kept = {name: value for name, value in kept.items() if name not in _OF_ONE_MODEL}
        _rename_limit(kept, "max_completion_tokens" if _is_openai(model, base_url) else "max_tokens")
        if isinstance(kept.get("input"), list):
            kept["input"] = [item for item in kept["input"] if not _is_reasoning(item)]
    if written_for == "other_server":
        kept = {name: value for name, value in kept.items() if value is not None or name not in STATE_PARAMETERS}
        for name in ("messages", "input"):
            if isinstance(kept.get(name), list):
                kept[name] = [_from_system(message) for message in kept[name]]
    return msgspec.json.encode({**kept, "model": model, **delivery})


def _is_openai(model: str, base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return bool(_OPENAI_HOST.fullmatch(host) or _OPENAI_MODEL.match(model))


def _rename_limit(request: dict[str, Any], name: str) -> None:
    """Give the limit of a chat reply's length this name, whichever of the two it has."""
    limits = [request.pop(known, None) for known in ("max_completion_tokens", "max_tokens")]
    limit = next((limit for limit in limits if limit is not None), None)
    if limit is not None:
        request[name] = limit


def _is_reasoning(item: object) -> bool:
    """Whether this is reasoning that only the model which wrote it can read."""
    return isinstance(item, dict) and item.get("type") == "reasoning" and not item.get("content")


def _from_system(message: object) -> object:
    if isinstance(message, dict) and message.get("role") == "developer":
        return {**message, "role": "system"}
    return message

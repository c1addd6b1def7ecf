"""The request body that asks another model what production asked."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from shadow.errors import ShadowError
from shadow.records import Api
from shadow.settings import Settings

PATHS: Final[dict[Api, str]] = {"chat": "/chat/completions", "responses": "/responses"}

#: How the endpoint that is asked relates to the one that the recorded request was written for.
WrittenFor: TypeAlias = Literal["same_model", "same_server", "other_server"]

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
#: Parameters that refer to what only the server has that production asked.
_REFERENCES: Final = ("previous_response_id", "conversation", "prompt")
#: Items of `input` that do too: an id, and a conversation in an encrypted form.
_REFERENCE_ITEMS: Final = ("item_reference", "compaction")

#: OpenAI's own models refuse `max_tokens` if they reason. Other servers know `max_tokens`, and some nothing else.
_OPENAI_HOST: Final = re.compile(r"(?:.*\.)?(?:openai\.com|openai\.azure\.com|cognitiveservices\.azure\.com)")
_OPENAI_MODEL: Final = re.compile(r"(?:.*/)?(?:gpt-\d|chatgpt-|o\d)", re.IGNORECASE)


class UnaskableError(ShadowError):
    """A request that refers to what only another server has: without it, the question would be a different one."""


def relation(settings: Settings, *, origin: str | None, asked: str) -> WrittenFor:
    """How `asked` relates to `origin`, the model that the request was written for; both are names in [models].

    A model that is not in [models], or None, counts as one of another server.
    """
    if origin == asked:
        return "same_model"
    model, other = settings.models.get(asked), settings.models.get(origin or "")
    if model is None or other is None or model.base_url != other.base_url:
        return "other_server"
    return "same_model" if settings.sent_name(asked) == settings.sent_name(origin or "") else "same_server"


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

    Raises UnaskableError for a request that refers to what only the first server has (an earlier response, a file),
    and ValueError or TypeError for what JSON cannot represent (a lone surrogate, an object key).
    """
    kept = {name: value for name, value in request.items() if name not in _LEFT_OUT}
    if written_for != "same_model":
        kept = {name: value for name, value in kept.items() if name not in _OF_ONE_MODEL}
        _rename_limit(kept, "max_completion_tokens" if _is_openai(model, base_url) else "max_tokens")
        if isinstance(kept.get("input"), list):
            kept["input"] = [item for item in kept["input"] if not _is_reasoning(item)]
    if written_for == "other_server":
        if reference := next(_references(kept), None):
            raise UnaskableError(f"it refers to what only the server has that it was sent to: {reference}")
        for name in _REFERENCES:
            kept.pop(name, None)  # null
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


def _references(request: Mapping[str, Any]) -> Iterator[str]:
    """The names of all references in `request` to what a server keeps."""
    yield from (name for name in _REFERENCES if request.get(name) is not None)
    for message in (*_dicts(request.get("messages")), *_dicts(request.get("input"))):
        if message.get("type") in _REFERENCE_ITEMS:
            yield str(message["type"])
        for part in _dicts(message.get("content")):
            file = part.get("file")
            if part.get("file_id") or (isinstance(file, dict) and file.get("file_id")):
                yield "file_id"
    yield from ("vector_store_ids" for tool in _dicts(request.get("tools")) if tool.get("vector_store_ids"))


def _dicts(values: object) -> Iterable[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else ()

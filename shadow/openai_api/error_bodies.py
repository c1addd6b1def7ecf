"""Reads the errors that endpoints report by the HTTP status, or inside an answer with status 200.

Gateways answer 200 before they know that the provider behind them fails, and then send the error as the body, as an
event of the stream, or inside a choice (OpenRouter, vLLM, LiteLLM). Such an error says nothing about the model.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from shadow.records import Failure

#: Parts of the names that providers give to errors, in lower case and without anything between words. The first match
#: counts.
_NAMES: Final[tuple[tuple[Failure, tuple[str, ...]], ...]] = (
    (
        "rate_limited",
        ("ratelimit", "toomanyrequests", "quota", "resourceexhausted", "throttl", "qps", "capacityexceeded"),
    ),
    ("timeout", ("timeout", "timedout", "deadlineexceeded")),
    (
        "rejected",
        (
            "invalidrequest", "invalidargument", "invalidprompt", "invalidimage", "invalidvalue", "invalidapikey",
            "badrequest", "notfound", "authentication", "unauthorized", "permission", "forbidden", "accessdenied",
            "contextlength", "unprocessable", "contentpolicy", "moderation", "unsupported", "paymentrequired",
            "validation", "tooluse",
        ),
    ),
)  # fmt: skip
#: Keys of an error that hold an HTTP status or a name.
_CODES: Final = (
    "code", "status", "status_code", "http_code", "type", "error_type", "__type", "error_code",
)  # fmt: skip
#: Keys that hold the text of an error.
_TEXTS: Final = ("message", "msg", "error_msg", "error_message", "status_msg", "detail", "reason")
#: Names of errors that say nothing, so that the message is looked at.
_SAYS_NOTHING: Final = frozenset(
    {"", "none", "null", "error", "unknown", "unknown_error", "api_error", "base_resp", "detail", "errors"}
)
#: Keys of a body that hold an error, or a list of them.
_HOLDERS: Final = ("errors", "base_resp", "detail")
#: Ends of the names that services give to errors.
_ENDINGS: Final = ("error", "exception")
_NO_TEXT: Final = "the endpoint reported an error"


class ReportedError(NamedTuple):
    """An error inside an answer: the failure it stands for, and the endpoint's message."""

    failure: Failure
    message: str


def failure_of_status(status: int) -> Failure:
    """The failure that an HTTP error status stands for."""
    if status in (429, 498):  # 498: Groq has no capacity
        return "rate_limited"
    if status in (408, 504, 524):  # 524: Cloudflare's wait for the server ended
        return "timeout"
    return "endpoint_error" if status >= 500 else "rejected"


def reported_error(body: Mapping[str, Any]) -> ReportedError | None:
    """The error that a body, an event or a choice reports, if it does.

    Reads `{"error": {…}}`, `{"error": "…"}` and vLLM's `{"object": "error", …}`. Like the official client, takes a
    null or empty `error` for none.
    """
    error = body.get("error")
    if error:
        return read_error(error if isinstance(error, Mapping | str) else {**body, "error": None})
    return read_error(body) if body.get("object") == "error" else None


def error_without_answer(body: Any) -> ReportedError | None:
    """The error in a body that holds no answer, also in the forms that only such a body is searched for.

    A list with an error in it (Gemini), `detail` (FastAPI), `errors` (Cloudflare), `base_resp` (MiniMax), an exception
    under its name (Bedrock), or a message. None if `body` has nothing of the kind.
    """
    if isinstance(body, list):
        found = (error_without_answer(item) for item in body if isinstance(item, Mapping))
        return next((error for error in found if error is not None), None)
    if not isinstance(body, Mapping):
        return None
    if (error := reported_error(body)) is not None:
        return error
    for name, value in body.items():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, Mapping) and (name in _HOLDERS or name.lower().endswith(_ENDINGS)):
            return read_error({"type": name, **inner})
    return read_error(body) if _text(body) else None


def error_event(event: Any) -> ReportedError | None:
    """The error in an event of a stream that holds no part of an answer.

    As `error_without_answer`, but a message is an error only beside a code or a name that says so: servers also send
    messages about their progress. A text is an error.
    """
    if isinstance(event, str):
        return read_error(event)
    if isinstance(event, Mapping) and not reported_error(event):
        codes = [event.get(key) for key in _CODES]
        named = " ".join(code for code in codes if isinstance(code, str)).lower()
        known = any(_status(code) for code in codes) or any(ending in named for ending in _ENDINGS)
        keys = " ".join(event).lower()
        if not known and not any(sign in keys for sign in (*_ENDINGS, *_HOLDERS)):
            return None
    return error_without_answer(event)


def read_error(error: Any) -> ReportedError:
    """An error object (or its text) as a failure. Without a code that says more, it is an `endpoint_error`."""
    if not isinstance(error, Mapping):
        text = error if isinstance(error, str) else ""
        return ReportedError(_failure_of_name(text[:200]), text or _NO_TEXT)
    inner = error.get("error") or error.get("message")
    if isinstance(inner, Mapping):  # a gateway's error around a provider's
        own = {key: value for key, value in inner.items() if value is not None}
        return read_error({**{key: error.get(key) for key in _CODES}, **own})
    text = _text(error)
    codes = [error.get(key) for key in _CODES]
    for code in codes:
        if (status := _status(code)) is not None:
            return ReportedError(failure_of_status(status), text or _NO_TEXT)
    names = [code for code in codes if isinstance(code, str) and code.lower() not in _SAYS_NOTHING]
    return ReportedError(_failure_of_name(" ".join(names) if names else text[:200]), text or _NO_TEXT)


def _text(error: Mapping[str, Any]) -> str:
    return next((value for key in _TEXTS if isinstance(value := error.get(key), str) and value), "")


def _status(code: Any) -> int | None:
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def _failure_of_name(names: str) -> Failure:
    names = "".join(character for character in names.lower() if character.isalnum())
    return next((failure for failure, parts in _NAMES if any(part in names for part in parts)), "endpoint_error")

"""Reads the errors that endpoints report by the HTTP status, or inside an answer with status 200.

Gateways answer 200 before they know that the provider behind them fails, and then send the error as the body, as an
event of the stream, or inside a choice (OpenRouter, vLLM, LiteLLM). Such an error says nothing about the model.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from shadow.records import Failure

#: Parts of the names that providers give to errors, in lower case and with `_` between words. The first match counts.
_NAMES: Final[tuple[tuple[Failure, tuple[str, ...]], ...]] = (
    ("rate_limited", ("rate_limit", "ratelimit", "too_many_requests", "quota", "resource_exhausted", "throttl")),
    ("timeout", ("timeout", "timed_out", "deadline_exceeded")),
    (
        "rejected",
        (
            "invalid_request", "invalid_argument", "invalid_prompt", "invalid_image", "invalid_value",
            "invalid_api_key", "bad_request", "badrequest", "not_found", "notfound", "authentication", "unauthorized",
            "permission", "forbidden", "context_length", "unprocessable", "content_policy", "moderation",
            "unsupported", "payment_required",
        ),
    ),
)  # fmt: skip
#: Keys of an error that hold an HTTP status or a name.
_CODES: Final = ("code", "status", "status_code", "type")


class ReportedError(NamedTuple):
    """An error inside an answer: the failure it stands for, and the endpoint's message."""

    failure: Failure
    message: str


def failure_of_status(status: int) -> Failure:
    """The failure that an HTTP error status stands for."""
    if status == 429:
        return "rate_limited"
    if status in (408, 504):
        return "timeout"
    return "endpoint_error" if status >= 500 else "rejected"


def reported_error(body: Mapping[str, Any]) -> ReportedError | None:
    """The error that a body, an event or a choice reports, if it does.

    Reads `{"error": {…}}`, `{"error": "…"}` and vLLM's `{"object": "error", …}`. Like the official client, takes a
    null or empty `error` for none.
    """
    error = body.get("error")
    if error:
        return read_error(error)
    return read_error(body) if body.get("object") == "error" else None


def read_error(error: Any) -> ReportedError:
    """An error object (or its text) as a failure. Without a code that says more, it is an `endpoint_error`."""
    if not isinstance(error, Mapping):
        text = error if isinstance(error, str) else ""
        return ReportedError(_failure_of_name(text[:200]), text or "the endpoint reported an error")
    message = error.get("message")
    text = message if isinstance(message, str) and message else "the endpoint reported an error"
    codes = [error.get(key) for key in _CODES]
    for code in codes:
        if (status := _status(code)) is not None:
            return ReportedError(failure_of_status(status), text)
    names = " ".join(code for code in codes if isinstance(code, str))
    return ReportedError(_failure_of_name(names), text)


def _status(code: Any) -> int | None:
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


def _failure_of_name(names: str) -> Failure:
    names = names.lower().replace(" ", "_").replace("-", "_")
    return next((failure for failure, parts in _NAMES if any(part in names for part in parts)), "endpoint_error")

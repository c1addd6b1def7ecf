"""What the finish reason of an answer says about it. Providers and gateways use more than the format's own words."""

from functools import lru_cache
from typing import Final

from shadow.records import Failure

_FAILURES: Final[dict[str, Failure]] = {
    # The token limit of the request, or the model's context.
    "length": "truncated",
    "max_tokens": "truncated",
    "max_output_tokens": "truncated",
    "model_length": "truncated",
    "model_context_window_exceeded": "truncated",
    # The model or a filter declines.
    "content_filter": "refusal",
    "content_filtered": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
    "recitation": "refusal",
    "prohibited_content": "refusal",
    "blocklist": "refusal",
    "spii": "refusal",
    "image_safety": "refusal",
    "guardrail_intervened": "refusal",
    "sensitive": "refusal",
    # The endpoint gave the request up, which says nothing about the model.
    "error": "endpoint_error",
    "abort": "endpoint_error",
    "network_error": "endpoint_error",
    "insufficient_system_resource": "endpoint_error",
    # The model wrote a tool call that the endpoint could not read.
    "function_call_filter": "malformed",
    "malformed_function_call": "malformed",
    "unexpected_tool_call": "malformed",
}


@lru_cache(maxsize=256)  # every answer is looked at, and servers use a few words
def failure_of(finish_reason: str | None) -> Failure | None:
    """The failure that a finish reason stands for. None for an answer that came to its end, and for unknown reasons.

    Case does not count (Gemini's own are in capitals), nor what follows a colon (`content_filter: SAFETY`).
    """
    if finish_reason is None:
        return None
    return _FAILURES.get(finish_reason) or _FAILURES.get(finish_reason.partition(":")[0].strip().lower())

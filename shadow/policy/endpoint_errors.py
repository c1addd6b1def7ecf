"""Reads from an endpoint's error whether the model could not serve the request at all, and why.

Servers have no common code for it, so that the wording decides: that of OpenAI, Azure, vLLM, SGLang, llama.cpp, Ollama,
TGI, LM Studio, LiteLLM, OpenRouter, Groq, Mistral, DeepSeek, Gemini, Bedrock and xAI. A wording counts only if the
request has what it complains about: an error about tools says nothing of a request without tools. Any other error is a
failure.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from shadow.policy.eligibility import INPUT_REASONS
from shadow.policy.request_needs import Needs, needs_of
from shadow.records import Api, Ineligibility, Modality

#: Statuses of answers that say that something is not there at all.
_ABSENT: Final = (404, 405, 501)
#: Statuses that say nothing about the request.
_UNRELATED: Final = (401, 403, 408, 425, 429)


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


#: That something is refused for good, before or after its name.
_LACKS: Final = (
    r"(?:n[o']t support|\bunsupported\b|only supported (?:by|in|with)"
    r"|no endpoints found that (?:can )?(?:support|handle)"
    r"|not (?:enabled|available|allowed|implemented|permitted)|unavailable|disabled|missing data required"
    r"|(?:does not|doesn't) (?:have|accept|allow|take)|has no"
    r"|requires? --|invalid content type|unrecognized|at most \d+"
    r"|unknown (?:variant|part type|content type|parameter|argument|field)"
    r"|(?:cannot|can't) (?:process|handle|accept|read))"
)

_CONTEXT: Final = _words(
    r"context[_ -]?(?:length|window|size|limit)",
    r"(?:prompt|input)s?\b.{0,80}\b(?:is |are )?too (?:long|large)",
    r"(?:prompt|input|request).{0,60}longer than the (?:maximum|model|context)",
    r"maximum (?:model|prompt|input|sequence) length",
    r"exceeds? the max(?:imum)? (?:allowed length|number of (?:input )?tokens|length)",
    r"input tokens? (?:count )?.{0,40}exceeds?",
    r"max_new_tokens`? must be <=",
    r"inputs`? must have less than \d+ tokens",
    r"max_(?:completion_)?tokens must be at least 1, got -",
    r"(?:reduce|shorten) the (?:length|number|size) of (?:the |your )?(?:messages|prompt|input)",
    r"too many (?:input |total |prompt )?tokens",
    r"tokens to keep from the initial prompt",
    r"tokens?\b.{0,40}\bexceeds? .{0,40}(?:limit|max)",
    r"exceed(?:s|ed)? .{0,40}(?:limit|max).{0,20}\btokens?\b",
    r"token limit",
    r"max_seq_len",
    r"range of input length",
)
_TOOLS: Final = _words(
    rf"{_LACKS}.{{0,60}}\b(?:tools?|tool[_ ](?:use|choice|calling|calls?)|functions?|function[_ ]call(?:ing|s)?)\b",
    rf"\b(?:tools?|tool[_ ](?:use|choice|calling|calls?)|functions?|function[_ ]call(?:ing|s)?)\b.{{0,60}}{_LACKS}",
)
_SERVER_TOOLS: Final = (
    r"(?:hosted|built-?in) tools?|web_search\w*|file_search|code_interpreter|computer\w*|image_generation|mcp|\w*shell"
)
_BUILTIN: Final = _words(
    rf"\b(?:{_SERVER_TOOLS})\b.{{0,60}}{_LACKS}",
    rf"{_LACKS}.{{0,60}}\b(?:{_SERVER_TOOLS})\b",
)
_NOUNS: Final[Mapping[Modality, str]] = {
    "image": r"images?|image_url|input_image|vision|multi-?modal(?:ity)?|mmproj",
    "audio": r"audios?|audio_url|input_audio|multi-?modal(?:ity)?|mmproj",
    "video": r"videos?|video_url|input_video|multi-?modal(?:ity)?",
    "file": r"files?|input_file|documents?|pdfs?|multi-?modal(?:ity)?",
}
_MEDIA: Final = {
    modality: _words(
        rf"\b(?:{nouns})\b.{{0,80}}{_LACKS}", rf"{_LACKS}.{{0,80}}\b(?:{nouns})\b", r"not a (?:multi-?modal|vision)"
    )
    for modality, nouns in _NOUNS.items()
}
#: Servers that take a message's content as one text only.
_TEXT_ONLY: Final = _words(
    r"\bcontent\b.{0,60}(?:must|should) be (?:a |of type )?(?:valid )?str(?:ing)?\b",
    r"only text (?:content |input |parts? )?(?:is|are) (?:supported|allowed)",
)
_UNREACHABLE: Final = _words(
    r"invalid_image_url",
    r"\b(?:download|fetch|retriev|load)\w*.{0,60}\b(?:https?://|image|media|file|url|video|audio|document)",
    r"\b(?:image|media|file|url|video|audio|document)\b.{0,60}(?:download|fetch|retriev)",
)
_STATE: Final = _words(
    r"previous[_ ]response.{0,80}not[_ ]found",
    r"\b(?:response|item|conversation|file|container|prompt)s?\b.{0,80}(?:not found|expired|does not exist)",
    r"no (?:response|item|conversation|file|container|prompt) (?:was )?found",
    r"(?:previous_response_id|conversation|prompt|store)\b.{0,60}" + _LACKS,
    _LACKS + r".{0,60}\b(?:previous_response_id|conversation)\b",
)
_API: Final = _words(
    r"only supported in v1/",
    r"not a chat model",
    r"(?:does not|doesn't) support (?:chat|generate|the (?:chat|responses))",
    r"(?:chatcompletions?|responses|chat completions?) (?:operation|endpoint|api) (?:does not|doesn't|is not|isn't)",
)
_MODEL: Final = _words(r"\bmodels?\b", r"deployment", r"\bengine\b")
_LOGPROBS: Final = _words(
    rf"logprobs.{{0,60}}{_LACKS}", rf"{_LACKS}.{{0,60}}logprobs", r"logprobs of \d+, which is greater"
)
_PARAMETERS: Final = (
    r"parameters?|response[_ ]format|json_schema|structured outputs?|guided \w+|seed|stop|reasoning_effort|thinking"
    r"|parallel_tool_calls"
)
_PARAMETER: Final = _words(
    r"at most \d+ (?:completion|output) tokens",
    r"valid range of max_\w*tokens",
    r"unsupported[_ ](?:parameter|value|param)",
    r"UnsupportedParamsError",
    r"does not support (?:the )?(?:following )?param(?:eter)?s?\b",
    r"(?:unrecognized|unknown|unexpected) (?:request )?(?:parameter|argument|field|keyword)",
    r"extra (?:inputs|fields) (?:are )?not permitted|extra_forbidden",
    r"not supported with this model",
    r"property '[^']*' is unsupported",
    rf"\b(?:{_PARAMETERS})\b.{{0,60}}{_LACKS}",
    rf"{_LACKS}.{{0,60}}\b(?:{_PARAMETERS})\b",
)
#: The server's own trouble, whatever else its error names.
_TROUBLE: Final = _words(r"out of memory", r"overloaded")
#: Where an error of validation begins to repeat the request, whose text must not be read as the endpoint's.
_ECHO: Final = re.compile(r"""["']input["']\s*:""")


def unmet_need(
    request: Mapping[str, Any], *, api: Api, status: int | None, message: str, code: str = ""
) -> Ineligibility | None:
    """Why the model cannot serve `request` at all, according to the endpoint's error; None for any other failure.

    `status` is that of the HTTP answer, None where no status line came; `message` and `code` are those of the error.
    """
    if status is None or status in _UNRELATED:
        return None
    text = f"{code} {_ECHO.split(message, maxsplit=1)[0]}"
    if _TROUBLE.search(text):
        return None
    return next(_reasons(needs_of(request), api, status, text), None)


def _reasons(needs: Needs, api: Api, status: int, text: str) -> Iterator[Ineligibility]:
    if needs.state is not None and _STATE.search(text):
        yield "provider_state"
    if needs.builtin_tool is not None and _BUILTIN.search(text):
        yield "builtin_tool"
    for modality in needs.modalities:
        if needs.remote_media and _UNREACHABLE.search(text):
            yield "media_unreachable"
        if _MEDIA[modality].search(text) or _TEXT_ONLY.search(text):
            yield INPUT_REASONS[modality]
    if _CONTEXT.search(text):
        yield "context_length"
    if _API.search(text) or (api == "responses" and status in _ABSENT and not _MODEL.search(text)):
        yield "api_unsupported"
    if needs.logprobs and _LOGPROBS.search(text):
        yield "logprobs_unsupported"
    if needs.tools and _TOOLS.search(text):
        yield "tools_unsupported"
    if _PARAMETER.search(text):
        yield "parameter_unsupported"
    if status == 413:
        yield "request_too_large"

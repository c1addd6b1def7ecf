"""Reads what a request needs of the model and of the endpoint that answer it: tools, modalities, state, length."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from shadow.records import Modality
from shadow.redact.placeholders import BUILT_IN

#: Parameters that refer to what only the server has that production asked.
STATE_PARAMETERS: Final = ("previous_response_id", "conversation", "prompt", "cached_content")
#: Items of `input` that do too: an id, and a conversation in an encrypted form.
_STATE_ITEMS: Final = ("item_reference", "compaction")
#: Addresses of files that a provider keeps for one account.
_PROVIDER_FILE: Final = re.compile(r"gs://|https://generativelanguage\.googleapis\.com/[^/]+/files/")

#: Tools that the application runs. All others are run by the server.
_OWN_TOOLS: Final = ("function", "custom")
#: Items of `input` about calls of tools; those that the application runs are among them.
_SERVER_CALL: Final = re.compile(r"\w+_call(?:_output)?|mcp_\w+")
_OWN_CALLS: Final = ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")
#: Parameters that add what the server finds: documents of Azure, a search of xAI, plugins of OpenRouter.
_SERVER_SERVICES: Final = ("data_sources", "search_parameters", "plugins")

_MODALITIES: Final[Mapping[str, Modality]] = {
    **dict.fromkeys(("image_url", "input_image", "image", "image_file"), "image"),
    **dict.fromkeys(("input_audio", "audio_url", "audio"), "audio"),
    **dict.fromkeys(("video_url", "input_video", "video"), "video"),
    **dict.fromkeys(("file", "input_file", "file_url", "document"), "file"),
}

#: Keys of a message that is more than its text.
_NO_TEXT_ALONE: Final = frozenset({"type", "audio", "tool_calls", "function_call", "tool_call_id"})

#: Parts of a request whose text becomes a part of the prompt.
_PROMPT: Final = ("messages", "input", "instructions", "tools", "functions", "response_format", "text")
#: Keys of values that are no text of the prompt: addresses, and files in base64.
_NOT_TEXT: Final = frozenset(
    {
        *(
            "image_url",
            "input_audio",
            "audio_url",
            "video_url",
            "audio",
            "file",
            "file_url",
            "file_data",
            "url",
            "data",
        ),
        *("source", "id", "call_id", "tool_call_id", "type", "role", "encrypted_content"),
    }
)
#: Characters of Chinese, Japanese and Korean, of which at most two make a token.
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CHARACTERS_PER_TOKEN: Final = 5
_CJK_PER_TOKEN: Final = 2


class Needs(NamedTuple):
    """What a request needs.

    state         the first reference to what one server keeps, by its name; None: there is none
    builtin_tool  the first tool that the server runs, by its name; None: there is none
    modalities    what else than text it holds, in the order of its parts
    audio_output  whether a spoken answer is asked for
    tools         whether it offers tools that the application runs, or holds calls of such tools
    logprobs      whether it asks for log-probabilities
    remote_media  whether it refers to an image or a file by its address
    redacted_media  whether such an address is not the one that was sent, because a part of it was private
    """

    state: str | None
    builtin_tool: str | None
    modalities: tuple[Modality, ...]
    audio_output: bool
    tools: bool
    logprobs: bool
    remote_media: bool
    redacted_media: bool


def needs_of(request: Mapping[str, Any]) -> Needs:
    """What `request` needs, whatever its types: what is not in the form of the API needs nothing."""
    parts = list(_parts(request))
    modalities = dict.fromkeys(found for part in parts if (found := _modality(part)) is not None)
    tools = list(_dicts(request.get("tools")))
    addresses = [address for part in parts if (address := _address(part)).startswith(("http://", "https://"))]
    return Needs(
        state=next(_state(request, parts), None),
        builtin_tool=next(_builtin_tools(request, tools), None),
        modalities=tuple(modalities),
        audio_output="audio" in _strings(request.get("modalities")),
        tools=any(map(_is_own, tools)) or bool(request.get("functions")) or any(map(_is_about_a_call, parts)),
        logprobs=bool(request.get("logprobs") or request.get("top_logprobs"))
        or "message.output_text.logprobs" in _strings(request.get("include")),
        remote_media=bool(addresses),
        redacted_media=any(placeholder in address for address in addresses for placeholder in BUILT_IN),
    )


def least_tokens(request: Mapping[str, Any]) -> int:
    """A number of tokens that the prompt has at least, whatever the tokenizer; images and files are not counted.

    A token of today's vocabularies has about four letters, at most one word, and at most two Chinese characters. The
    estimate assumes longer ones, so that a request is not taken for too long that fits.
    """
    characters, cjk, words = 0, 0, 0
    for text in (text for name in _PROMPT for text in _texts(request.get(name))):
        characters += len(text)
        words += len(text.split())
        if not text.isascii():
            cjk += len(_CJK.findall(text))
    return max(words, (characters - cjk) // _CHARACTERS_PER_TOKEN + cjk // _CJK_PER_TOKEN)


def _state(request: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield from (name for name in STATE_PARAMETERS if request.get(name) is not None)
    for part in parts:
        if part.get("type") in _STATE_ITEMS:
            yield str(part["type"])
        for holder in (part, part.get("file"), part.get("source"), part.get("image_file")):
            if isinstance(holder, dict) and holder.get("file_id"):
                yield "file_id"
        audio = part.get("audio")
        if part.get("role") == "assistant" and isinstance(audio, dict) and audio.get("id"):
            yield "audio.id"
        if _PROVIDER_FILE.match(_address(part)):
            yield "a file of the provider"


def _builtin_tools(request: Mapping[str, Any], tools: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield from (str(tool.get("type") or next(iter(tool), "")) for tool in tools if not _is_own(tool))
    for item in _dicts(request.get("input")):
        kind = item.get("type")
        if isinstance(kind, str) and _SERVER_CALL.fullmatch(kind) and kind not in _OWN_CALLS:
            yield kind
    yield from (name for name in _SERVER_SERVICES if request.get(name))


def _is_own(tool: Mapping[str, Any]) -> bool:
    kind = tool.get("type")
    return kind in _OWN_TOOLS if kind is not None else "function" in tool or "name" in tool or not tool


def _is_about_a_call(part: Mapping[str, Any]) -> bool:
    """Whether this message or item is a call of a tool that the application runs, or its result."""
    return part.get("type") in _OWN_CALLS or any(
        part.get(key) for key in ("tool_calls", "function_call", "tool_call_id")
    )


def _parts(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The messages or items of a request, and the parts of their contents and of the results of tools.

    Without messages that are text and nothing else, as nearly all are: they need nothing.
    """
    for name in ("messages", "input"):
        for message in _dicts(request.get(name)):
            content = message.get("content")
            if type(content) is str and _NO_TEXT_ALONE.isdisjoint(message):
                continue
            yield message
            yield from _dicts(content)
            yield from _dicts(message.get("output"))


def _modality(part: Mapping[str, Any]) -> Modality | None:
    kind = part.get("type")
    return _MODALITIES.get(kind) if isinstance(kind, str) else None


def _address(part: Mapping[str, Any]) -> str:
    """The address of a part's image or file, as the two APIs write it; empty where there is none."""
    for name in ("image_url", "file_url", "video_url", "audio_url"):
        value = part.get(name)
        value = value.get("url") if isinstance(value, dict) else value
        if isinstance(value, str):
            return value
    return ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _NOT_TEXT:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _dicts(values: object) -> Iterable[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict)) if isinstance(values, list) else ()


def _strings(values: object) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []

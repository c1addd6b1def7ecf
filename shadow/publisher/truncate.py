"""An exchange as a Kafka message no larger than allowed.

One that is too large is compressed. If that is not enough, reasoning is cut, then images and files are left out, then
the longest texts are cut.

What is left out of a request makes it another request: `Exchange.cut` says so, and no model is asked it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from shadow import wire
from shadow.aggregates.derived_dimensions import MAX_VALUE
from shadow.errors import DroppedError, WireError
from shadow.records import PARTS, Exchange, Part, Reply, was_cut, with_short_detail
from shadow.wire import Message

#: A data URL: its type, and its data.
_DATA_URL: Final = re.compile(r"data:([\w.+/-]{0,99})[^,]{0,99},")
#: Keys of files in base64 without an address.
_BASE64_KEYS: Final = ("data", "file_data", "b64_json")
#: Smaller images and files are not worth leaving out.
_MIN_MEDIA_CHARACTERS: Final = 1_000
#: An address is kept whole or not at all: a part of it would lead elsewhere.
_ADDRESS: Final = re.compile(r"https?://\S{1,8000}")

#: No text is cut below this many bytes; an exchange that is still too large then is dropped.
_MIN_TEXT_BYTES: Final = 200
#: Room for the note at the end of a text that was cut.
_MARK_BYTES: Final = 64
#: JSON escapes make a text longer than its UTF-8, so that cutting may need several rounds.
_MAX_ROUNDS: Final = 8
#: Text and JSON become two to five times smaller. Compressing what is much larger than that would be for nothing.
_MAX_COMPRESSION: Final = 10


def encode_within(exchange: Exchange, *, source: str, limit: int) -> Message:
    """The message of `exchange`. A value above `limit` bytes is compressed, and if necessary truncated.

    What was left out is flagged by `truncated` and `cut`.

    Where it is enough to cut the reply's reasoning, which is compared with nothing, there is no flag.

    Raises DroppedError("unencodable") for text that UTF-8 cannot carry, and DroppedError("too_large")
    where not even cutting every long text helps.
    """
    exchange = _with_short_values(exchange)
    for _ in range(_MAX_ROUNDS):
        try:
            message = wire.encode(exchange, source=source)
        except WireError as error:
            raise DroppedError("unencodable", str(error)) from None
        excess = len(message.value) - limit
        if excess <= 0:
            return message
        if len(message.value) <= min(_MAX_COMPRESSION * limit, wire.MAX_VALUE_BYTES):
            smaller = wire.compressed(message, limit=limit)
            if len(smaller.value) <= limit:
                return smaller
        if (shorter := _with_shorter_reasoning(exchange.reply, excess)) is not exchange.reply:
            exchange = msgspec.structs.replace(exchange, reply=shorter)
            continue
        if (without := without_media(exchange, excess)) is not exchange:
            exchange = without
            continue
        lengths = sorted((len(text.encode()) for text in _texts(exchange)), reverse=True)
        max_bytes = _max_text_bytes(lengths, excess + _MARK_BYTES * len(lengths))
        if max_bytes <= _MIN_TEXT_BYTES and (not lengths or lengths[0] <= _MIN_TEXT_BYTES * 4):
            break
        exchange = truncated(exchange, max(max_bytes, _MIN_TEXT_BYTES))
    raise DroppedError("too_large", f"more than {limit} bytes even without its long texts")


def _with_short_values(exchange: Exchange) -> Exchange:
    """`exchange` with the values of segments and the failure's detail at their length.

    They are cut here and not where they are read, because only a whole key or number can be redacted.
    """
    reply = with_short_detail(exchange.reply)
    segment = exchange.segment
    if any(len(value) > MAX_VALUE for value in segment.values()):
        segment = {name: value[:MAX_VALUE] for name, value in segment.items()}
    if reply is exchange.reply and segment is exchange.segment:
        return exchange
    return msgspec.structs.replace(exchange, reply=reply, segment=segment)


def without_media(exchange: Exchange, excess: int) -> Exchange:
    """`exchange` without the largest images and files in its request, until at least `excess` bytes are left out.

    Each is replaced by a note of its type and size. Those that are referred to by an address stay. The same exchange
    where the request holds none.
    """
    sizes = sorted((len(text) for text in _media(exchange.request)), reverse=True)
    if not sizes:
        return exchange
    left_out = 0
    for smallest in sizes:
        left_out += smallest
        if left_out >= excess:
            break
    request = _replace_media(exchange.request, smallest)
    return _with_cut(msgspec.structs.replace(exchange, request=request), "request")


def truncated(exchange: Exchange, max_bytes: int) -> Exchange:
    """`exchange` with every text cut to about `max_bytes` of UTF-8, and `truncated` and `cut` set."""
    request = _truncate_strings(exchange.request, max_bytes)
    before = exchange.reply
    reply = msgspec.structs.replace(
        before,
        content=_truncate_strings(before.content, max_bytes),
        refusal=_truncate_strings(before.refusal, max_bytes),
        tool_calls=tuple(
            msgspec.structs.replace(call, arguments=_truncate(call.arguments, max_bytes)) for call in before.tool_calls
        ),
    )
    changed: dict[Part, bool] = {"request": request != exchange.request, "reply": reply != before}
    reply = msgspec.structs.replace(reply, reasoning=_truncate_strings(reply.reasoning, max_bytes))
    shorter = msgspec.structs.replace(exchange, request=request, reply=reply)
    return _with_cut(shorter, *(part for part in PARTS if changed[part]))


def _with_cut(exchange: Exchange, *parts: Part) -> Exchange:
    cut = tuple(part for part in PARTS if part in parts or was_cut(exchange, part))
    return msgspec.structs.replace(exchange, truncated=True, cut=cut)


def _with_shorter_reasoning(reply: Reply, excess: int) -> Reply:
    """`reply` with `excess` bytes less reasoning; `reply` itself if there is not much left to cut."""
    size = len((reply.reasoning or "").encode("utf-8", "surrogatepass"))
    if reply.reasoning is None or size <= _MIN_TEXT_BYTES:
        return reply
    return msgspec.structs.replace(reply, reasoning=_truncate(reply.reasoning, max(0, size - excess - _MARK_BYTES)))


def _max_text_bytes(lengths: list[int], excess: int) -> int:
    """The length to which the longest must be cut so that together they lose `excess` bytes; 0: they cannot."""
    saved = 0
    for index, length in enumerate(lengths):
        following = lengths[index + 1] if index + 1 < len(lengths) else 0
        step = (index + 1) * (length - following)
        if saved + step >= excess:
            return length - -(-(excess - saved) // (index + 1))
        saved += step
    return 0


def _texts(exchange: Exchange) -> Iterator[str]:
    reply: Reply = exchange.reply
    yield from _strings(exchange.request)
    yield from (text for text in (reply.content, reply.reasoning, reply.refusal) if text is not None)
    yield from (call.arguments for call in reply.tool_calls)


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            if not _ADDRESS.fullmatch(value):
                yield value
        case Mapping():
            for item in value.values():
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)


def _media(value: Any, key: str = "") -> Iterator[str]:
    match value:
        case str():
            if _is_media(value, key):
                yield value
        case Mapping():
            for name, item in value.items():
                yield from _media(item, name)
        case list():
            for item in value:
                yield from _media(item)


def _replace_media(value: Any, smallest: int, key: str = "") -> Any:
    """`value` with a note in the place of each image or file of at least `smallest` characters."""
    match value:
        case str():
            return _note(value) if len(value) >= smallest and _is_media(value, key) else value
        case Mapping():
            return {name: _replace_media(item, smallest, name) for name, item in value.items()}
        case list():
            return [_replace_media(item, smallest) for item in value]
        case _:
            return value


def _is_media(text: str, key: str) -> bool:
    if len(text) < _MIN_MEDIA_CHARACTERS:
        return False
    return _DATA_URL.match(text) is not None or (key in _BASE64_KEYS and not any(map(str.isspace, text[:200])))


def _note(text: str) -> str:
    found = _DATA_URL.match(text)
    return f"[{(found and found[1]) or 'file'} of {len(text)} characters not kept]"


def _truncate_strings(value: Any, max_bytes: int) -> Any:
    match value:
        case str():
            return value if _ADDRESS.fullmatch(value) else _truncate(value, max_bytes)
        case Mapping():
            return {key: _truncate_strings(item, max_bytes) for key, item in value.items()}
        case list():
            return [_truncate_strings(item, max_bytes) for item in value]
        case _:
            return value


def _truncate(text: str, max_bytes: int) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= max_bytes:
        return text
    kept = raw[:max_bytes].decode("utf-8", "ignore")
    return f"{kept}… [{len(text) - len(kept)} characters cut]"

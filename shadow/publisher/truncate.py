"""An exchange as a Kafka message no larger than allowed: reasoning is cut first, then the longest texts."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from shadow import wire
from shadow.errors import DroppedError, WireError
from shadow.records import Exchange, Reply
from shadow.wire import Message

#: No text is cut below this many bytes; an exchange that is still too large then is dropped.
_MIN_TEXT_BYTES: Final = 200
#: Room for the note at the end of a text that was cut.
_MARK_BYTES: Final = 64
#: JSON escapes make a text longer than its UTF-8, so that cutting may need several rounds.
_MAX_ROUNDS: Final = 8


def encode_within(exchange: Exchange, *, source: str, limit: int) -> Message:
    """The message of `exchange`. A value above `limit` bytes is truncated, and flagged `truncated`.

    Where it is enough to cut the reply's reasoning, which is compared with nothing, there is no flag.

    Raises DroppedError("unencodable") for text that UTF-8 cannot carry, and DroppedError("too_large")
    where not even cutting every long text helps.
    """
    for _ in range(_MAX_ROUNDS):
        try:
            message = wire.encode(exchange, source=source)
        except WireError as error:
            raise DroppedError("unencodable", str(error)) from None
        excess = len(message.value) - limit
        if excess <= 0:
            return message
        if (shorter := _with_shorter_reasoning(exchange.reply, excess)) is not exchange.reply:
            exchange = msgspec.structs.replace(exchange, reply=shorter)
            continue
        lengths = sorted((len(text.encode()) for text in _texts(exchange)), reverse=True)
        max_bytes = _max_text_bytes(lengths, excess + _MARK_BYTES * len(lengths))
        if max_bytes <= _MIN_TEXT_BYTES and (not lengths or lengths[0] <= _MIN_TEXT_BYTES * 4):
            break
        exchange = truncated(exchange, max(max_bytes, _MIN_TEXT_BYTES))
    raise DroppedError("too_large", f"more than {limit} bytes even without its long texts")


def truncated(exchange: Exchange, max_bytes: int) -> Exchange:
    """`exchange` with every text cut to about `max_bytes` of UTF-8, and `truncated` set."""
    reply = exchange.reply
    return msgspec.structs.replace(
        exchange,
        request=_truncate_strings(exchange.request, max_bytes),
        reply=msgspec.structs.replace(
            reply,
            content=_truncate_strings(reply.content, max_bytes),
            reasoning=_truncate_strings(reply.reasoning, max_bytes),
            refusal=_truncate_strings(reply.refusal, max_bytes),
            tool_calls=tuple(
                msgspec.structs.replace(call, arguments=_truncate(call.arguments, max_bytes))
                for call in reply.tool_calls
            ),
        ),
        truncated=True,
    )


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
            yield value
        case Mapping():
            for item in value.values():
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)


def _truncate_strings(value: Any, max_bytes: int) -> Any:
    match value:
        case str():
            return _truncate(value, max_bytes)
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

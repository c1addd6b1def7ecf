"""An exchange as a Kafka message no larger than allowed: the longest texts give way first."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from shadow import wire
from shadow.errors import DroppedError, WireError
from shadow.records import Exchange, Reply
from shadow.wire import Message

#: Never cut a text below this many characters; if that does not do, the message cannot be saved.
_SHORTEST: Final = 200
_MAX_ROUNDS: Final = 8


def encode(exchange: Exchange, *, source: str, limit: int) -> Message:
    """The message of `exchange`, its value at most `limit` bytes, truncated and flagged if need be.

    Raises DroppedError("unencodable") for text that UTF-8 cannot carry, and DroppedError("too_large")
    where not even cutting every long text helps.
    """
    for _ in range(_MAX_ROUNDS):
        try:
            message = wire.encode(exchange, source=source)
        except WireError as fault:
            raise DroppedError("unencodable", str(fault)) from None
        excess = len(message.value) - limit
        if excess <= 0:
            return message
        lengths = sorted((len(text.encode()) for text in _texts(exchange)), reverse=True)
        cap = _cap(lengths, excess + 64 * len(lengths))
        if cap <= _SHORTEST and (not lengths or lengths[0] <= _SHORTEST * 4):
            break
        exchange = shortened(exchange, max(cap, _SHORTEST))
    raise DroppedError("too_large", f"more than {limit} bytes even without its long texts")


def shortened(exchange: Exchange, cap: int) -> Exchange:
    """`exchange` with every text cut to about `cap` bytes of UTF-8, and `truncated` set."""
    reply = exchange.reply
    return msgspec.structs.replace(
        exchange,
        request=_shorten(exchange.request, cap),
        reply=msgspec.structs.replace(
            reply,
            content=_shorten(reply.content, cap),
            refusal=_shorten(reply.refusal, cap),
            tool_calls=tuple(
                msgspec.structs.replace(call, arguments=_cut(call.arguments, cap)) for call in reply.tool_calls
            ),
        ),
        truncated=True,
    )


def _cap(lengths: list[int], excess: int) -> int:
    """The length to which the longest must be cut so that all together lose `excess`."""
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
    yield from (text for text in (reply.content, reply.refusal) if text is not None)
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


def _shorten(value: Any, cap: int) -> Any:
    match value:
        case str():
            return _cut(value, cap)
        case Mapping():
            return {key: _shorten(item, cap) for key, item in value.items()}
        case list():
            return [_shorten(item, cap) for item in value]
        case _:
            return value


def _cut(text: str, cap: int) -> str:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= cap:
        return text
    kept = raw[:cap].decode("utf-8", "ignore")
    return f"{kept}… [{len(text) - len(kept)} characters cut]"

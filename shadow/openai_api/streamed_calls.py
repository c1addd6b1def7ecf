"""Assembles tool calls from the pieces of a stream, also of servers that deviate from the format."""

from typing import Any, Final

from shadow.openai_api.json_text import DECODE_ERRORS, decode, integer
from shadow.records import ToolCall

#: The index of a legacy `function_call` among streamed calls, whose indexes start at 0.
LEGACY_INDEX: Final = -1


class _Call:
    __slots__ = ("arguments", "doubtful", "id", "index", "name")

    def __init__(self, index: int | None, call_id: str) -> None:
        self.index = index
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []
        #: It began with the name of the call before it, whose arguments were complete, and may be no call at all.
        self.doubtful = False


class StreamedCalls:
    """The calls of one message. By the format, `index` says to which call a piece belongs. Servers differ:

    - parallel calls with the same index, or none, and ids of their own: an id with a name starts a new call;
    - a new id in each piece of one call: an id without a name continues the call;
    - parallel calls with neither index nor id, or with one id: a name after complete arguments starts a new call;
    - the name repeated in each piece: it counts once, also in a last piece without arguments;
    - the name under one index and the arguments under the next: a piece with neither id nor name continues a call.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._latest: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, index: Any, call_id: Any, piece: ToolCall) -> None:
        """Add a piece of a call: its name and arguments, or a part of them."""
        index = index if type(index) is int else integer(index)
        call_id = call_id if isinstance(call_id, str) else ""
        call = self._continued(index, call_id, piece)
        if call is None:
            call = _Call(index, call_id)
            before = self._before(index)
            call.doubtful = not piece.arguments and not call_id and before is not None and before.name == piece.name
            self._calls.append(call)
        if call_id:
            self._by_id[call_id] = call
        if index is not None:
            self._latest[index] = call
        if piece.name != call.name:
            call.name += piece.name
        if piece.arguments:
            call.arguments.append(piece.arguments)

    def in_order(self) -> tuple[ToolCall, ...]:
        """The calls by index, those with the same or without one in the order in which they began."""
        calls = sorted((call for call in self._calls if call.arguments or not call.doubtful), key=_by_index)
        return tuple(ToolCall(name=call.name, arguments="".join(call.arguments)) for call in calls)

    def _continued(self, index: int | None, call_id: str, piece: ToolCall) -> _Call | None:
        """The call that a piece continues; None if it starts a new one."""
        name = piece.name
        if call_id and (call := self._by_id.get(call_id)) and (index is None or call.index in (index, None)):
            return None if name and piece.arguments and _begins_another(call, piece) else call
        call = self._before(index)
        if not name:
            # Under an index of its own, arguments without a name are no call: they belong to the last one.
            return call or (None if call_id else self._before(None))
        if call is None:
            return None
        if call_id and call.id:
            return call if call_id == call.id else None
        return None if _begins_another(call, piece) else call

    def _before(self, index: int | None) -> _Call | None:
        """The latest call with this index; for None, the latest of all."""
        if index is not None:
            return self._latest.get(index)
        return self._calls[-1] if self._calls else None


def _by_index(call: _Call) -> int:
    return call.index or 0


def _begins_another(call: _Call, piece: ToolCall) -> bool:
    """Whether a piece with a name begins another call, although its index or id is that of `call`."""
    if piece.name == call.name and piece.arguments.strip() and not piece.arguments.lstrip().startswith("{"):
        return False
    return _has_complete_arguments(call)


def _has_complete_arguments(call: _Call) -> bool:
    if not call.arguments or not call.arguments[-1].endswith("}"):
        return False
    try:
        decode("".join(call.arguments).encode("utf-8", "replace"))
    except DECODE_ERRORS:
        return False
    return True

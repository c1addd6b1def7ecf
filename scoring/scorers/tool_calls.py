"""`tool_calls`: the same tools, called with the same arguments. Nothing is ever executed.

The agreement of two calls of the same tool is the share of equal arguments, where the name counts as
one more; of different tools, 0. The order of parallel calls does not matter: they are paired so that
the total agreement is largest, and calls without a partner count as 0. If one reply is text and the
other calls a tool, the agreement is 0. Arguments that are not a JSON object are malformed. A
`reference` is a JSON list of `{"name": …, "arguments": {…}}`, or of calls in the API's format.

Options: those of `json` that say how arguments are compared (`fields`, `ignore`, `relative`,
`ignore_order`).
"""

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import msgspec

from scoring.scorers import json_fields
from scoring.scorers.json_text import decode, parse
from scoring.scorers.scorer import Options, Request, Scorer, Unreadable
from shadow.openai_api.recorded_reply import tool_call
from shadow.records import Reply, ToolCall

Call: TypeAlias = tuple[str, json_fields.Fields]

#: Pairing takes cubic time in the number of calls, and no tool loop runs this many at once.
_MAX_CALLS = 64


def read(reply: Reply, request: Request, options: Options) -> tuple[Call, ...]:
    return _read(reply.tool_calls, options, _custom_tools(request))


def read_reference(text: str, options: Options) -> tuple[Call, ...]:
    """The calls in a reference. Raises Unreadable unless it is a call or a list of calls."""
    listed = parse(text)
    calls = listed if isinstance(listed, list) else [listed]
    try:
        asked = [tool_call(call) for call in calls]
        # Text instead of an object of arguments is allowed in a reference: it belongs to a custom tool.
        return _read(asked, options, {call.name for call in asked})
    except msgspec.ValidationError:
        raise Unreadable("not a list of tool calls") from None


def agree(a: tuple[Call, ...], b: tuple[Call, ...], options: Options) -> float:
    if not a or not b:
        return float(not a and not b)
    # These take half a second to import, and most tasks call no tools.
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    alike = np.array([[_alike(x, y, options) for y in b] for x in a])
    rows, columns = linear_sum_assignment(alike, maximize=True)
    return float(alike[rows, columns].sum() / max(len(a), len(b)))


def differences(a: tuple[Call, ...], b: tuple[Call, ...], _options: Options) -> dict[str, Any]:
    return {"frontier": _written(a), "candidate": _written(b)}


def _read(calls: Sequence[ToolCall], options: Options, taking_text: Collection[str]) -> tuple[Call, ...]:
    if len(calls) > _MAX_CALLS:
        raise Unreadable(f"more than {_MAX_CALLS} tool calls")
    return tuple((call.name, _arguments(call, options, text=call.name in taking_text)) for call in calls)


def _custom_tools(request: Request) -> set[str]:
    """Names of the custom tools (which take text) that a request offers, in the format of either API."""
    tools = request.get("tools")
    custom = (
        [tool for tool in tools if isinstance(tool, dict) and tool.get("type") == "custom"]
        if isinstance(tools, list)
        else []
    )
    described = [tool["custom"] if isinstance(tool.get("custom"), dict) else tool for tool in custom]
    return {name for tool in described if isinstance(name := tool.get("name"), str)}


def _alike(a: Call, b: Call, options: Options) -> float:
    if a[0] != b[0]:
        return 0.0
    arguments = len(a[1].keys() | b[1].keys())
    return (1 + arguments * json_fields.agree(a[1], b[1], options)) / (1 + arguments)


def _arguments(call: ToolCall, options: Options, *, text: bool) -> json_fields.Fields:
    try:
        found = decode(call.arguments) if call.arguments.strip() else {}  # some models write "" for none
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        if not text:
            raise Unreadable(f"arguments of {call.name[:60]!r} are not a JSON object")
        found = {"input": call.arguments}
    return json_fields.fields(found, options)


def _written(calls: tuple[Call, ...]) -> list[str]:
    return [f"{name}({', '.join(map(_argument, args.items()))})"[:200] for name, args in calls]


def _argument(field: tuple[str, Any]) -> str:
    path, value = field
    return f"{path.removeprefix('$.')}={value}"


SCORER = Scorer(read=read, agree=agree, reference=read_reference, differences=differences, options=json_fields.OPTIONS)

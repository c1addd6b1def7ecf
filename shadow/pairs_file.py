"""The pairs file: recorded exchanges and the other model's replies, one JSON object a line.

    {"id": "1", "task": "ticket-intent", "at": "2026-09-01T00:00:00Z",
     "request": {"messages": [{"role": "user", "content": "…"}]},
     "frontier": {"model": "gpt-x", "content": "refund"}, "candidate": {"model": "small-7b", "content": "refund"}}

`shadow replay` reads it, `shadow export` writes it, and a team with logs but no Kafka starts
from it. Required are id, task, at (with its time zone), request, and one of frontier and
candidate. Reading takes constant memory, whatever the size of the file, and a broken line
does not stop the rest: it comes out as a `BadLine` among the pairs.

Where not every pair was shown to a person or a judge, `label_probability` and `judge_probability`
say with which chance this one was.

Beyond what people write by hand, exported lines carry what a round trip needs: `unit`, `api`,
`candidate_name` (the candidate's name where its replies name it otherwise), and
`"id_scope": "global"` for ids that are unique over all tasks. Other ids are unique within their
task, and become `task/id` in the store, so that two teams may both count from 1.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Final, Literal, TypeAlias, cast

import msgspec

from shadow.aggregates import derived_dimensions
from shadow.records import Api, Exchange, Preference, Reply, Role, ToolCall, Trial, candidate_reply, frontier_reply

#: A longer line is reported and passed over; it could otherwise take any amount of memory.
MAX_LINE: Final = 32 * 2**20

#: `failure_detail` of a reply that a file does not hold and nobody was asked for.
NOT_RECORDED: Final = "not_recorded"

_GZIP: Final = b"\x1f\x8b"
_Probability: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Named: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class _Reply(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """A reply as people record it: the model may be left out, tool calls may be in the API's shape."""

    model: str = ""
    tool_calls: tuple[Any, ...] = ()


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line as it stands in the file."""

    id: _Named | int
    task: _Named
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    request: dict[str, Any]
    frontier: _Reply | None = None
    candidate: _Reply | None = None
    ceiling: _Reply | None = None
    segment: dict[str, str | int | float | bool] = {}
    served_by: Role = "frontier"
    reference: Any = None
    label: Preference | None = None
    label_probability: _Probability = 1.0
    judge: Preference | None = None
    judge_probability: _Probability = 1.0
    inclusion_probability: _Probability = 1.0
    unit: str | None = None
    api: Api | None = None
    candidate_name: str | None = None
    id_scope: Literal["task", "global"] = "task"


class RecordedPair(msgspec.Struct, frozen=True, kw_only=True):
    """A readable line. `exchange` has every field but a reply of its own: see `trials`.

    A reply is None where the file does not hold it. `candidate_name` is empty where nothing
    names the candidate.
    """

    number: int
    exchange: Exchange
    candidate_name: str
    frontier: Reply | None
    candidate: Reply | None
    ceiling: Reply | None


class BadLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that cannot be read, by its number from 1, and why."""

    number: int
    reason: str


_decoder: Final = msgspec.json.Decoder(_Line)
_NOBODY: Final = Reply(model="", failure="not_asked", failure_detail=NOT_RECORDED)


def read(stream: BinaryIO) -> Iterator[RecordedPair | BadLine]:
    """The lines of a pairs file, blank ones passed over. Gzip is recognised by its content."""
    number = 0
    try:
        with _uncompressed(stream) as lines:
            while line := lines.readline(MAX_LINE):
                number += 1
                if not line.endswith(b"\n") and len(line) == MAX_LINE:
                    _pass_over(lines)
                    yield BadLine(number=number, reason=f"longer than {MAX_LINE >> 20} MiB")
                elif number == 1 and line.startswith(b"\xef\xbb\xbf"):
                    yield from _read_line(number, line[3:])
                else:
                    yield from _read_line(number, line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        yield BadLine(number=number + 1, reason=f"the compressed file is damaged from here on ({fault})")


def trials(pair: RecordedPair) -> list[Trial]:
    """The trials a recorded pair holds: the candidate's or the frontier's reply, and the ceiling's.

    A reply the file does not hold becomes one that nobody was asked for. A line that has a
    ceiling and no candidate is about the ceiling alone.
    """
    exchange = pair.exchange
    frontier, candidate = pair.frontier or _NOBODY, pair.candidate or _NOBODY
    served, other = (frontier, candidate) if exchange.served_by == "frontier" else (candidate, frontier)
    whole = msgspec.structs.replace(exchange, reply=served)
    found = []
    if pair.ceiling is None or pair.candidate is not None:
        kind: Literal["shadow", "reverse"] = "shadow" if exchange.served_by == "frontier" else "reverse"
        found.append(_trial(whole, kind, pair.candidate_name or "candidate", other))
    if pair.ceiling is not None:
        # A ceiling is evidence about the frontier, and bears its name.
        name = frontier.model if pair.candidate else pair.candidate_name or frontier.model
        found.append(_trial(whole, "ceiling", name, pair.ceiling))
    return found


def line(trial: Trial) -> dict[str, Any]:
    """A stored trial as the object of one line; `read` and `trials` give the same evidence again."""
    exchange = trial.exchange
    other = "ceiling" if trial.kind == "ceiling" else "candidate"
    replies = {"frontier": frontier_reply(trial), other: candidate_reply(trial)}
    recorded: dict[str, Any] = {role: _written(reply) for role, reply in replies.items() if reply != _NOBODY}
    written: dict[str, Any] = {
        "id": exchange.id,
        "id_scope": "global",
        "task": exchange.task,
        "at": exchange.at,
        "segment": exchange.segment,
        "request": exchange.request,
        "api": exchange.api,
        "served_by": exchange.served_by,
        **recorded,
        "reference": exchange.reference,
        "label": exchange.label,
        "label_probability": _unless_certain(exchange.label_probability),
        "judge": exchange.judge,
        "judge_probability": _unless_certain(exchange.judge_probability),
        "inclusion_probability": trial.inclusion_probability,
        "unit": exchange.unit,
        "candidate_name": trial.candidate,
    }
    return {name: value for name, value in written.items() if value is not None and value != {}}


def _unless_certain(probability: float) -> float | None:
    return None if probability == 1 else probability


def _trial(exchange: Exchange, kind: Literal["shadow", "reverse", "ceiling"], candidate: str, reply: Reply) -> Trial:
    return Trial(
        exchange=exchange,
        kind=kind,
        candidate=candidate,
        reply=reply,
        at=exchange.at,
        inclusion_probability=exchange.inclusion_probability,
    )


def _read_line(number: int, line: bytes) -> Iterator[RecordedPair | BadLine]:
    if line.isspace() or not line:
        return
    try:
        yield _pair(number, _decoder.decode(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        yield BadLine(number=number, reason=str(fault)[:300] or type(fault).__name__)


def _pair(number: int, line: _Line) -> RecordedPair:
    if line.frontier is None and line.candidate is None:
        raise msgspec.ValidationError("neither `frontier` nor `candidate` is there")
    if line.ceiling is not None and (line.frontier is None or line.served_by != "frontier"):
        raise msgspec.ValidationError("a `ceiling` needs an exchange that the frontier served")
    exchange = Exchange(
        id=str(line.id) if line.id_scope == "global" else f"{line.task}/{line.id}",
        task=line.task,
        at=line.at,
        request=line.request,
        reply=_NOBODY,
        api=line.api or ("responses" if "input" in line.request and "messages" not in line.request else "chat"),
        served_by=line.served_by,
        segment={name: _segment(value) for name, value in line.segment.items() if name not in _RESERVED},
        unit=line.unit,
        inclusion_probability=line.inclusion_probability,
        reference=_reference(line.reference),
        label=line.label,
        label_probability=line.label_probability,
        judge=line.judge,
        judge_probability=line.judge_probability,
    )
    frontier, candidate = _recorded(line.frontier, "frontier"), _recorded(line.candidate, "candidate")
    return RecordedPair(
        number=number,
        exchange=exchange,
        candidate_name=line.candidate_name or (candidate.model if candidate else ""),
        frontier=frontier,
        candidate=candidate,
        ceiling=_recorded(line.ceiling, frontier.model if frontier else "frontier"),
    )


_RESERVED: Final = (*derived_dimensions.DERIVED, *derived_dimensions.CALENDAR)
_REPLY_FIELDS: Final = Reply.__struct_fields__


def _segment(value: str | float) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text[: derived_dimensions.MAX_VALUE]


def _reference(value: Any) -> str | None:
    """References may be numbers or documents; as text they are what a model would write."""
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _recorded(reply: _Reply | None, model: str) -> Reply | None:
    if reply is None:
        return None
    fields = {name: getattr(reply, name) for name in _REPLY_FIELDS}
    fields["model"] = reply.model or model
    if reply.tool_calls:
        fields["tool_calls"] = tuple(tool_call(call) for call in reply.tool_calls)
    return Reply(**fields)


def tool_call(call: Any) -> ToolCall:
    """A call as people record it: `{"name", "arguments"}`, or the API's `{"function": {…}}` and `{"custom": {…}}`.

    Arguments (of a custom tool: `input`) are text or an object; null and none at all are the same.
    Raises msgspec.ValidationError.
    """
    function = call.get("function", call.get("custom", call)) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise msgspec.ValidationError("`tool_calls` holds something that is not a tool call")
    arguments = function.get("arguments", function.get("input"))
    if arguments is None:
        return ToolCall(name=function["name"])
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return ToolCall(name=function["name"], arguments=text)


def _written(reply: Reply) -> dict[str, Any]:
    if reply.failure == "malformed" and (reply.content is not None or reply.tool_calls):
        # Said by a scorer that could not read it. Whoever reads the file may use another scorer.
        reply = msgspec.structs.replace(reply, failure=None, failure_detail=None)
    built: dict[str, Any] = msgspec.to_builtins(reply)
    return built


@contextmanager
def _uncompressed(stream: BinaryIO) -> Iterator[BinaryIO]:
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))
    if buffered.peek(2)[:2] != _GZIP:
        yield buffered
        return
    with gzip.GzipFile(fileobj=buffered) as plain:
        # Not buffered once more: of a torn file that would lose the last whole buffer.
        yield cast("BinaryIO", plain)


def _pass_over(lines: BinaryIO) -> None:
    while (part := lines.readline(MAX_LINE)) and not part.endswith(b"\n"):
        pass

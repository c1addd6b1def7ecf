"""The object of one line, read into a recorded pair and its trials, and written from a trial or from its keys."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Final, Literal, TypeAlias

import msgspec

from shadow.aggregates import derived_dimensions
from shadow.aggregates.derived_dimensions import MAX_VALUE
from shadow.openai_api import recorded_reply
from shadow.openai_api.json_text import DECODE_ERRORS, repaired
from shadow.openai_api.recorded_reply import refuse_misspelled, tool_call
from shadow.openai_api.replies import with_reasoning_apart
from shadow.openai_api.usage import usage_of
from shadow.pairs_file.file_chunks import MAX_LINE, TOO_LONG, BadLine, Chunk, chunks
from shadow.records import (
    PARTS,
    Api,
    Exchange,
    Part,
    Preference,
    Reply,
    Role,
    Trial,
    Usage,
    candidate_reply,
    frontier_reply,
    was_cut,
)

#: `failure_detail` of a reply that the file does not hold and that was not fetched.
NOT_RECORDED: Final = "not_recorded"

_BOM: Final = b"\xef\xbb\xbf"
_Probability: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1)]
_Named: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class _TokenDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    reasoning_tokens: int | None = None


class _Usage(Usage, frozen=True, kw_only=True, omit_defaults=True):
    """Token counts in our own fields, or as an API reports them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    completion_tokens_details: _TokenDetails | None = None
    output_tokens_details: _TokenDetails | None = None


class _Reply(Reply, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A reply as it may be recorded: without a model, or with tool calls in the API's shape."""

    model: str = ""
    tool_calls: tuple[Any, ...] = ()
    usage: _Usage | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A line in the form that needs no conversion; see `_converted` for the others."""

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
    cut: tuple[Part, ...] = ()


class RecordedPair(msgspec.Struct, frozen=True, kw_only=True):
    """A line that could be read. `exchange` has every field except its reply: see `trials`.

    A reply is None where the file does not hold it. `candidate_name` is empty where the line does not
    name the candidate.
    """

    number: int
    exchange: Exchange
    candidate_name: str
    frontier: Reply | None
    candidate: Reply | None
    ceiling: Reply | None


_decoder: Final = msgspec.json.Decoder(_Line)
_encoder: Final = msgspec.json.Encoder()
_NO_REPLY: Final = Reply(model="", failure="not_asked", failure_detail=NOT_RECORDED)


def read(stream: BinaryIO) -> Iterator[RecordedPair | BadLine]:
    """The lines of a pairs file, without blank lines. Gzip is recognised by its content."""
    for chunk in chunks(stream):
        yield from read_chunk(chunk)


def read_chunk(chunk: Chunk | BadLine) -> Iterator[RecordedPair | BadLine]:
    """The lines of a piece of a file, without blank lines."""
    if isinstance(chunk, BadLine):
        yield chunk
        return
    for number, line in enumerate(chunk.content.split(b"\n"), chunk.number):
        if line and not line.isspace():
            yield _read_line(number, line.removeprefix(_BOM) if number == 1 else line)


def trials(pair: RecordedPair) -> list[Trial]:
    """The trials a recorded pair holds: the candidate's or the frontier's reply, and the ceiling's.

    A reply that the file does not hold becomes a failure (`not_asked`, NOT_RECORDED). A line with a
    ceiling and without a candidate gives the ceiling's trial alone.
    """
    exchange = pair.exchange
    frontier, candidate = pair.frontier or _NO_REPLY, pair.candidate or _NO_REPLY
    served, other = (frontier, candidate) if exchange.served_by == "frontier" else (candidate, frontier)
    whole = msgspec.structs.replace(exchange, reply=served)
    found = []
    if pair.ceiling is None or pair.candidate is not None:
        kind: Literal["shadow", "reverse"] = "shadow" if exchange.served_by == "frontier" else "reverse"
        found.append(_trial(whole, kind, pair.candidate_name or "candidate", other))
    if pair.ceiling is not None:
        # A ceiling is evidence about the frontier, and has its name.
        name = frontier.model if pair.candidate else pair.candidate_name or frontier.model
        found.append(_trial(whole, "ceiling", name, pair.ceiling))
    return found


def encode_trial(trial: Trial) -> bytes:
    """A stored trial as a line, with its line end; `read` and `trials` restore the same trial."""
    return _encoder.encode(_fields_of(trial)) + b"\n"


def encode_line(fields: Mapping[str, Any]) -> bytes:
    """A line, with its line end, from the keys of the format, as an importer of other logs has them.

    A reply is a `Reply`, or an object in any form in which `read` takes one. None means absent. Raises
    ValueError, with the reason, for a key that the format does not have and for a line that `read` would refuse.
    """
    if unknown := sorted(fields.keys() - _LINE_KEYS):
        raise ValueError(f"a line has no key {', '.join(map(repr, unknown))}")
    content = _encoder.encode({name: value for name, value in fields.items() if value is not None})
    if len(content) >= MAX_LINE:
        raise ValueError(TOO_LONG)
    read_back = _read_line(1, content)
    if isinstance(read_back, BadLine):
        raise ValueError(read_back.reason)  # noqa: TRY004 - the value of a field, not the type of an argument
    return content + b"\n"


def _fields_of(trial: Trial) -> dict[str, Any]:
    exchange = trial.exchange
    other = "ceiling" if trial.kind == "ceiling" else "candidate"
    replies = {"frontier": frontier_reply(trial), other: candidate_reply(trial)}
    recorded: dict[str, Any] = {role: _written(reply) for role, reply in replies.items() if reply != _NO_REPLY}
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
        "cut": [part for part in PARTS if was_cut(exchange, part)] or None,
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


def _read_line(number: int, line: bytes) -> RecordedPair | BadLine:
    try:
        return _pair(number, _decoded(line))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return BadLine(number=number, reason=_reason(line, error))


def _reason(line: bytes, error: Exception) -> str:
    """Why a line cannot be read, with the mend for common causes."""
    reason = str(error)[:300] or type(error).__name__
    if line.lstrip().startswith(b"["):
        return f"a JSON array; write one object a line (jq -c '.[]'): {reason}"
    if line.strip() == b"{":
        return f"an object over several lines; write one object a line (jq -c .): {reason}"
    return reason


def _decoded(line: bytes) -> _Line:
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raw = _json(line)
        if not isinstance(raw, dict):
            raise error from None
        return msgspec.convert(_converted(raw), _Line)


def _json(line: bytes) -> Any:
    """The value of a line, which Python's `json` may have written, with NaN and halves of surrogate pairs."""
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        try:
            return msgspec.json.decode(repaired(line))
        except DECODE_ERRORS:
            raise error from None


def _converted(raw: dict[str, Any]) -> dict[str, Any]:
    """A line without its nulls, without keys that are not ours, and with replies in our own fields.

    Raises msgspec.ValidationError for a misspelled key, because its value would be ignored.
    """
    refuse_misspelled(raw, _LINE_KEYS, (), "a line")
    line = {name: value for name, value in raw.items() if name in _LINE_KEYS and value is not None}
    for role in _ROLES:
        if isinstance(line.get(role), dict):
            line[role] = recorded_reply.fields_of(line[role])
        elif isinstance(line.get(role), str):
            raise msgspec.ValidationError(
                f'`{role}` is text; write {{"content": "…"}}, or an answer of the client with `model_dump()`'
            )
    if isinstance(line.get("segment"), dict):
        line["segment"] = {name: value for name, value in line["segment"].items() if value is not None}
    return line


def _pair(number: int, line: _Line) -> RecordedPair:
    if line.frontier is None and line.candidate is None:
        raise msgspec.ValidationError("neither `frontier` nor `candidate` is given")
    if line.ceiling is not None and (line.frontier is None or line.served_by != "frontier"):
        raise msgspec.ValidationError("a `ceiling` needs an exchange that the frontier served")
    exchange = Exchange(
        id=str(line.id) if line.id_scope == "global" else f"{line.task}/{line.id}",
        task=line.task,
        at=line.at,
        request=line.request,
        reply=_NO_REPLY,
        api=line.api or ("responses" if "input" in line.request and "messages" not in line.request else "chat"),
        served_by=line.served_by,
        segment={
            name: value[:MAX_VALUE] if type(value) is str else _segment(value)
            for name, value in line.segment.items()
            if name not in _RESERVED
        },
        unit=line.unit,
        inclusion_probability=line.inclusion_probability,
        reference=_reference(line.reference),
        label=line.label,
        label_probability=line.label_probability,
        judge=line.judge,
        judge_probability=line.judge_probability,
        truncated=bool(line.cut),
        cut=line.cut or None,
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


_RESERVED: Final = frozenset((*derived_dimensions.DERIVED, *derived_dimensions.CALENDAR))
_LINE_KEYS: Final = frozenset(_Line.__struct_fields__)
_ROLES: Final = ("frontier", "candidate", "ceiling")


def _segment(value: str | float) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text[:MAX_VALUE]


def _reference(value: Any) -> str | None:
    """The reference as text: numbers and documents become the JSON that a model would write."""
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def _recorded(reply: _Reply | None, model: str) -> Reply | None:
    if reply is None:
        return None
    # Only the fields that are not at their default, which are few.
    fields = {name: getattr(reply, name) for name in msgspec.to_builtins(reply)}
    fields["model"] = reply.model or model
    if reply.tool_calls:
        fields["tool_calls"] = tuple(map(tool_call, reply.tool_calls))
    if reply.usage is not None:
        fields["usage"] = _usage(reply.usage)
    return with_reasoning_apart(Reply(**fields))


def _usage(usage: _Usage) -> Usage | None:
    of_responses = usage.input_tokens is not None or usage.output_tokens is not None
    if not of_responses and usage.completion_tokens_details is None and usage.total_tokens is None:
        return Usage(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            reasoning_tokens=usage.reasoning_tokens,
        )
    return usage_of(msgspec.to_builtins(usage))


def _written(reply: Reply) -> dict[str, Any]:
    if reply.failure == "malformed" and (reply.content is not None or reply.tool_calls):
        # Set by a scorer that could not read the reply; the file may be read with another scorer.
        reply = msgspec.structs.replace(reply, failure=None, failure_detail=None)
    built: dict[str, Any] = msgspec.to_builtins(reply)
    return built

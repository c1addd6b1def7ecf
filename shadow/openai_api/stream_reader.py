"""Reads a streamed answer into a `Reply`, as an application with the official client assembles it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from shadow.openai_api import reasoning_blocks, reasoning_fields, replies
from shadow.openai_api.error_bodies import ReportedError, error_event, read_error, reported_error
from shadow.openai_api.json_text import DECODE_ERRORS, decode_text, integer
from shadow.openai_api.log_probabilities import LogProbabilities
from shadow.openai_api.sse import EventStream
from shadow.openai_api.streamed_calls import LEGACY_INDEX, StreamedCalls
from shadow.openai_api.usage import usage_of
from shadow.records import Api, Reply, Usage

#: The last event of a stream. The official client stops at any data that begins with it.
_DONE: Final = b"[DONE]"
#: The output index of an item of a response, or its id where a server leaves the index out.
_ItemKey: TypeAlias = int | str
#: Calls of a response whose arguments are streamed: the field that holds them.
_ARGUMENTS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


def read_stream(
    api: Api, pieces: Iterable[tuple[bytes, float]], *, started: float, model: str = ""
) -> tuple[Reply, bool]:
    """The reply in a streamed answer's bytes, each piece with its time, and whether it is complete.

    `started` is the time of the request, on the same clock (seconds). A stream without its final
    event is `interrupted`, and not complete. An event that is not JSON ends the stream, as it does
    in the official client: the reply is `malformed`.
    """
    stream = TimedStream(api, started=started, model=model)
    for piece, at in pieces:
        stream.feed(piece, at)
        if stream.closed:
            break
    return stream.finish()


class TimedStream:
    """Reads a streamed answer piece by piece, and measures the time to its first token.

    `started` is the time of the request, in seconds of the clock that the times of the pieces are from.
    """

    def __init__(self, api: Api, *, started: float, model: str = "") -> None:
        self._reader = StreamReader(api, model=model)
        self._events = EventStream()
        self._started = started
        #: How many pieces of text had arrived at which time.
        self._arrivals: list[tuple[int, float]] = []
        self._text_pieces = 0
        self._first_at: float | None = None
        self._first_call_at: float | None = None

    @property
    def closed(self) -> bool:
        """Whether the official client would read no more of the stream."""
        return self._reader.closed

    def feed(self, piece: bytes, at: float) -> None:
        """Add a piece that arrived at the time `at`."""
        self._feed(self._events.feed(piece))
        reader = self._reader
        if self._first_at is None and reader.started:
            self._first_at = at
        if self._first_call_at is None and reader.called:
            self._first_call_at = at
        if (pieces := len(reader.text)) != self._text_pieces:
            self._text_pieces = pieces
            self._arrivals.append((pieces, at))

    def finish(self) -> tuple[Reply, bool]:
        """The reply, and whether it is complete; see `read_stream`.

        An event whose blank line is missing is no part of it, because the official client does not give it to the
        application.
        """
        if not self.closed and self._events.close().startswith(_DONE):
            self._reader.close()
        first_at = self._first_answer_at()
        ttft_ms = None if first_at is None else (first_at - self._started) * 1_000
        return msgspec.structs.replace(self._reader.reply(), ttft_ms=ttft_ms), self._reader.ended

    def _first_answer_at(self) -> float | None:
        """When the first token of the answer arrived: the text may begin with reasoning."""
        before = self._reader.pieces_of_reasoning()
        if not before:
            return self._first_at
        text_at = next((at for pieces, at in self._arrivals if pieces > before), None)
        return min((at for at in (text_at, self._first_call_at) if at is not None), default=None)

    def _feed(self, events: Iterable[bytes]) -> None:
        reader = self._reader
        for event in events:
            try:
                value = decode_text(event)
            except DECODE_ERRORS as error:
                undecodable = "" if event.startswith(_DONE) else f"an event of the stream is not JSON: {error}"
                reader.close(undecodable=undecodable)
            else:
                reader.feed(value)
            if reader.closed:
                return


class StreamReader:
    """Builds the reply of a stream from its events, one parsed `data:` object at a time.

    `started` becomes true with the first token after reasoning that comes in fields or events of its
    own, so that the caller can measure the time to the first token. `closed` becomes true with an
    event after which the official client reads no more. `text` has the pieces of text so far, and
    `called` is true if the answer calls a tool, or refuses.
    """

    def __init__(self, api: Api, *, model: str = "") -> None:
        self._api = api
        self._model = model
        self.text: list[str] = []
        self._reasoning: list[str] = []
        self._summary: list[str] = []
        #: The parts of a response whose text came in pieces.
        self._in_pieces: set[tuple[_ItemKey, Any]] = set()
        self._refusal: list[str] = []
        self._calls = StreamedCalls()
        self._items: dict[_ItemKey, Mapping[str, Any]] = {}
        self._arguments: dict[_ItemKey, list[str]] = {}
        #: The choices of other indexes, as long as there was none with index 0.
        self._other_choices: list[Mapping[str, Any]] | None = []
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._tokens = LogProbabilities()
        self._whole: Reply | None = None
        self._error: ReportedError | None = None
        self.started = False
        self.called = False
        self.closed = False

    @property
    def ended(self) -> bool:
        """Whether the stream has sent its final event, or an error."""
        return self.closed or not (self._whole is None and self._error is None and self._finish is None)

    def pieces_of_reasoning(self) -> int:
        """How many of the pieces of text come before the answer, because the text begins with reasoning."""
        text = "".join(self.text)
        _, answer = reasoning_blocks.split(text)
        if answer is text:
            return 0
        left = text.rfind(answer) if answer else len(text)
        for count, piece in enumerate(self.text):
            left -= len(piece)
            if left < 0:
                return count
        return len(self.text)

    def close(self, *, undecodable: str = "") -> None:
        """Add `[DONE]`, or an event that is not JSON (`undecodable` says why)."""
        self.closed = True
        if undecodable:
            self._error = ReportedError("malformed", undecodable)

    def feed(self, event: Any) -> None:
        """Add one event. Events of unknown kinds are ignored."""
        if not isinstance(event, Mapping):
            if isinstance(event, str | list):
                self._error = self._error or error_event(event)
            return
        if "error" in event or event.get("object") == "error":
            self._error = reported_error(event) or self._error
            if event.get("error"):  # the official client raises, and does not give the event to the application
                self.closed = True
                return
        if self._api == "chat":
            self._feed_chat(event)
        else:
            self._feed_responses(event)

    def reply(self) -> Reply:
        """The reply so far; `interrupted` if the final event has not arrived."""
        if self._other_choices:
            self._feed_lowest_choice(self._other_choices)
        reply = self._whole or self._reply_so_far()
        if self._error is not None:
            return replies.with_error(reply, self._error)
        if not self.ended:
            return msgspec.structs.replace(
                reply, failure="interrupted", failure_detail="the stream ended without a finish reason"
            )
        if reply.failure is None and not reply.content and not reply.tool_calls:
            return msgspec.structs.replace(reply, failure="empty")  # `[DONE]` and no finish reason
        return reply

    def _streamed_reasoning(self) -> str | None:
        if streamed := "".join(self._reasoning or self._summary):
            return streamed
        thoughts = map(reasoning_fields.of_item, self._items.values())
        return reasoning_blocks.paragraphs(thought for thought in thoughts if thought)

    def _reply_so_far(self) -> Reply:
        if self._api == "responses":
            calls = tuple(call for item in self._seen_output() if (call := replies.response_call(item)) is not None)
        else:
            calls = self._calls.in_order()
        reply = replies.reply_of(
            model=self._model,
            content="".join(self.text) or None,
            reasoning=self._streamed_reasoning(),
            refusal="".join(self._refusal) or None,
            calls=calls,
            finish=self._finish,
            usage=self._usage,
        )
        return self._tokens.describe(reply)

    def _feed_chat(self, event: Mapping[str, Any]) -> None:
        self._model = replies.string(event.get("model")) or self._model
        if usage := event.get("usage") or ("x_groq" in event and _groq_usage(event)):
            self._usage = usage_of(usage) or self._usage
        choices = event.get("choices")
        if not isinstance(choices, list):
            self._error = self._error or error_event(event)
            return
        for choice in choices:
            if not isinstance(choice, Mapping):
                continue
            # n > 1: only the choice 0 is compared. A chunk may hold several choices, in any order.
            if choice.get("index") in (0, "0", None):
                self._other_choices = None
                self._feed_choice(choice)
            elif self._other_choices is not None:
                self._other_choices.append(choice)

    def _feed_lowest_choice(self, choices: list[Mapping[str, Any]]) -> None:
        """Read the choice with the lowest index, which is another than 0."""
        indexes = [integer(choice.get("index")) or 0 for choice in choices]
        self._other_choices = None
        for index, choice in zip(indexes, choices, strict=True):
            if index == min(indexes):
                self._feed_choice(choice)

    def _feed_choice(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, Mapping):
            content = delta.get("content")
            if len(delta) == 1 and type(content) is str:  # nearly every piece of an answer
                if content:
                    self.text.append(content)
            else:
                self._feed_delta(delta, content)
        if not self.started and (self.text or self.called):
            self.started = True
        if (logprobs := choice.get("logprobs")) is not None:
            self._tokens.add(logprobs)
        self._finish = replies.string(choice.get("finish_reason")) or self._finish
        if choice.get("error"):
            self._error = reported_error(choice)

    def _feed_delta(self, delta: Mapping[str, Any], content: Any) -> None:
        if (thought := reasoning_fields.of_message(delta)) is not None:
            self._reasoning.append(thought)
        if text := content if content and isinstance(content, str) else replies.content_or_transcript(delta):
            self.text.append(text)
        if (isinstance(content, list) or "refusal" in delta) and (refusal := replies.refusal_text(delta)):
            self._refusal.append(refusal)
        if (piece := replies.function_call(delta.get("function_call"))) is not None:
            self._calls.add(LEGACY_INDEX, "", piece)
        for part in replies.mappings(delta.get("tool_calls")):
            if (piece := replies.chat_call(part)) is not None:
                self._calls.add(part.get("index"), part.get("id"), piece)
        self.called = bool(self._calls or self._refusal)

    def _feed_responses(self, event: Mapping[str, Any]) -> None:
        match event.get("type"):
            case "response.output_text.delta":
                self.text.append(replies.string(event.get("delta")) or "")
                self._tokens.add(event.get("logprobs"))
                self._in_pieces.add((_item_key(event), event.get("content_index")))
                self.started = True
            case "response.output_text.done" if (_item_key(event), event.get("content_index")) not in self._in_pieces:
                self.text.append(replies.string(event.get("text")) or "")
                self.started = True
            case "response.created" | "response.in_progress" if isinstance(response := event.get("response"), Mapping):
                self._model = replies.string(response.get("model")) or self._model
            case "response.refusal.delta":
                self._refusal.append(replies.string(event.get("delta")) or "")
                self.started = self.called = True
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                self._arguments.setdefault(_item_key(event), []).append(replies.string(event.get("delta")) or "")
                self.started = self.called = True
            case str(kind) if kind.startswith("response.reasoning"):
                self._feed_reasoning(kind, event)
            case "response.output_item.added" | "response.output_item.done":
                if isinstance(item := event.get("item"), Mapping):
                    self._items[_item_key(event)] = item
            case "response.completed" | "response.incomplete" | "response.failed":
                self._whole = self._final(event)
            case "error":
                self._error = self._error or read_error(event)

    def _feed_reasoning(self, kind: str, event: Mapping[str, Any]) -> None:
        """Add a piece of a response's reasoning (`response.reasoning_text.delta` and the like) or of its summary."""
        pieces = self._summary if "summary" in kind else self._reasoning
        if kind.endswith(".delta"):
            pieces.append(replies.string(event.get("delta")) or "")
        elif kind.endswith("part.added") and pieces:
            pieces.append("\n\n")  # another paragraph

    def _final(self, event: Mapping[str, Any]) -> Reply:
        """The reply of the response in a stream's last event.

        vLLM and several gateways leave its `output` empty, so that only the events before hold the answer.
        """
        response = event.get("response")
        if isinstance(response, Mapping) and not response.get("output") and (seen := self._seen_output()):
            response = {**response, "output": seen}
        reply = replies.read("responses", response, model=self._model)
        if reply.reasoning is None and (streamed := self._streamed_reasoning()) is not None:
            reply = replies.with_reasoning_apart(msgspec.structs.replace(reply, reasoning=streamed))
        is_described = reply.confidence is not None or reply.confidence_reason is not None
        return reply if is_described else self._tokens.describe(reply)

    def _seen_output(self) -> list[Mapping[str, Any]]:
        """The output of a response in the events so far: its items, and one message with all text."""
        output = []
        for key, item in self._items.items():
            field = _ARGUMENTS.get(item["type"]) if isinstance(item.get("type"), str) else None
            streamed = "".join(self._arguments.get(key, ()))
            output.append({**item, field: streamed} if field and streamed and not item.get(field) else item)
        if self.text or self._refusal:
            output = [item for item in output if item.get("type") != "message"]
            text = {"type": "output_text", "text": "".join(self.text)}
            refusal = {"type": "refusal", "refusal": "".join(self._refusal)}
            output.append({"type": "message", "content": [text, refusal]})
        return output


def _groq_usage(event: Mapping[str, Any]) -> Any:
    own = event.get("x_groq")
    return own.get("usage") if isinstance(own, Mapping) else None


def _item_key(event: Mapping[str, Any]) -> _ItemKey:
    index = event.get("output_index")
    if isinstance(index, int):
        return index
    item = event.get("item")
    key = event.get("item_id") or (item.get("id") if isinstance(item, Mapping) else None)
    return key if isinstance(key, str) else ""

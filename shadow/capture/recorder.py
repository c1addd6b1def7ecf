"""Is this request mirrored, and as what? And, once the answer is known: hand it over.

Everything here runs on the application's thread, between its question and its answer. So it is
short, it keeps references instead of copies, and nothing of it may raise into the application.
Short is meant literally: between two calls to a model the processor has forgotten this code,
and each further function or object costs about a microsecond to fetch again.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import perf_counter, time
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from shadow import identify, sampling
from shadow.capture.ambient import current
from shadow.capture.call import TRACEPARENT, Call, failure_of, new_id
from shadow.capture.process import warn_once
from shadow.capture.tape import Tape, record
from shadow.publisher.accounts import Finish
from shadow.records import Api
from shadow.settings import Settings

Request: TypeAlias = Mapping[str, Any]
SegmentSource: TypeAlias = Mapping[str, str] | Callable[[Request], Mapping[str, str]]

#: The paths that are mirrored, as the SDK names them.
APIS: Final[dict[str, Api]] = {"/chat/completions": "chat", "/responses": "responses"}

#: All that is read of a request's headers; the rest may be secret and is never looked at.
_HEADERS: Final = frozenset(
    {identify.TASK_HEADER, identify.SEGMENT_HEADER, identify.UNIT_HEADER, TRACEPARENT},
)
_NONE: Final[Mapping[str, str]] = {}


class Sink(Protocol):
    """What capture needs of `shadow.publisher.Publisher`."""

    settings: Settings

    def offer(self, finish: Finish, *, task: str, size: int) -> bool: ...
    def count_sampled_out(self, task: str) -> None: ...


class Recorder:
    """What one mirrored client knows of its requests. `rate` None: each task's `mirror_rate`."""

    def __init__(
        self,
        *,
        settings: Settings,
        publisher: Sink,
        task: str | None = None,
        segment: SegmentSource | None = None,
        unit: str | None = None,
        rate: float | None = None,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._task = task
        self._unit = unit
        self._segment = {} if segment is None or callable(segment) else dict(segment)
        self._segment_of = segment if callable(segment) else None
        self._rates = {name: spec.mirror_rate for name, spec in settings.tasks.items()} if rate is None else {}
        self._rate = 1.0 if rate is None else rate

    def begin(self, options: Any, default_headers: Any) -> Call | None:
        """The call that a request starts, or None if it is not to be mirrored.

        `options` are the SDK's `FinalRequestOptions`: the body as it will be sent (`json_data`
        and `extra_json`), the path (`url`) and the caller's headers.
        """
        try:
            api, body = APIS.get(options.url), options.json_data
            if api is None or options.method.lower() != "post" or not isinstance(body, dict):
                return None
            if options.extra_json:
                body = {**body, **options.extra_json}
            if body.get("background"):
                return None  # its answer comes with some later request
            headers = _NONE
            if default_headers or options.headers:
                headers = _read(default_headers) | _read(options.headers)
            task, unit = self._task, self._unit
            around = current.get()
            if around is not None:
                task, unit = around.task or task, around.unit or unit
            task = task or identify.task_of(self._settings, body, headers)
            if task is None:
                warn_once(
                    "no_task",
                    "a request names no task and is not mirrored: use mirror(…, task=…) or the header x-shadow-task",
                )
                return None
            rate = self._rates.get(task, self._rate)
            call = Call(self._settings, api, task, unit, headers, body, rate, self._segment)
            if rate < 1.0 and not self._chosen(call, body):
                return None
            if self._segment_of is not None:
                call.segment = _ask(self._segment_of, body)
            if around is not None:
                call.segment = {**call.segment, **around.segment}
            call.started = perf_counter()
        except Exception as bug:  # noqa: BLE001 - the application goes first
            _excuse(bug)
            return None
        return call

    def heard(self, call: Call, response: Any) -> None:
        """The SDK has an HTTP response with a good status: all of it, or the start of a stream."""
        try:
            call.ended = perf_counter()
            call.status = response.status_code
            call.request, call.body = _sent(response, call.body), None
            if response.is_closed:
                call.answer = response.content
                self._publisher.offer(call.exchange, task=call.task, size=len(call.request) + len(call.answer))
            else:
                call.answer_headers = response.headers
                record(response, Tape(partial(self._streamed, call)))
        except Exception as bug:  # noqa: BLE001 - as in begin()
            _excuse(bug)

    def failed(self, call: Call, fault: BaseException) -> None:
        """The request ended in an exception."""
        if call.body is None:
            return  # heard before: what failed is how the SDK read the answer
        try:
            call.ended = perf_counter()
            call.failure, call.detail, call.status = failure_of(fault)
            call.request, call.body = _sent(fault, call.body), None
            self._publisher.offer(call.exchange, task=call.task, size=len(call.request))
        except Exception as bug:  # noqa: BLE001 - as in begin()
            _excuse(bug)

    def missed(self, call: Call) -> None:
        """The request ended well, but its answer was not seen on its way. Counts as dropped."""
        call.body = None
        self._publisher.offer(call.exchange, task=call.task, size=0)

    def _streamed(self, call: Call, tape: Tape) -> None:
        call.tape = tape
        if tape.pieces:
            call.ended = tape.pieces[-1][1]
        self._publisher.offer(call.exchange, task=call.task, size=len(call.request) + tape.size)

    def _chosen(self, call: Call, body: Request) -> bool:
        """Whether the call is among those that its task's rate mirrors; counts it if not."""
        call.id = new_id(time())
        if sampling.chosen(identify.unit_of(body, call.headers, call.unit) or call.id, rate=call.rate, salt="mirror"):
            return True
        self._publisher.count_sampled_out(call.task)
        return False


def _ask(segment_of: Callable[[Request], Mapping[str, str]], body: Request) -> Mapping[str, str]:
    try:
        return dict(segment_of(dict(body)))
    except Exception as fault:  # noqa: BLE001 - the application's own function; its request goes on
        warn_once("segment_failed", f"segment={segment_of!r} raised {type(fault).__name__}; mirrored without it")
        return _NONE


def _excuse(bug: Exception) -> None:
    if "PYTEST_VERSION" in os.environ:
        raise bug
    warn_once("capture_bug", f"a request was not mirrored, through a fault of ours: {bug!r}")


def _read(headers: Any) -> dict[str, str]:
    if not headers or not isinstance(headers, Mapping):
        return {}
    return {
        name.lower(): value for name, value in headers.items() if name.lower() in _HEADERS and isinstance(value, str)
    }


def _sent(holder: Any, body: Request | None) -> bytes:
    """The bytes of the request that a response, or an exception of the SDK, belongs to.

    Of one that was never sent, or sent as a stream, the `body` as it is now; empty if that is no JSON.
    """
    try:
        content = holder.request.content
        if isinstance(content, bytes):
            return content
    except (AttributeError, RuntimeError):
        pass
    try:
        return msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError, UnicodeError, RecursionError):
        return b""


def _plain(value: Any) -> Any:
    """What JSON has no word for: models and their classes (structured outputs), iterables."""
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return value.model_json_schema()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Iterable):
        return list(value)
    return str(value)

"""Is this request mirrored, and as what? And, once the answer is known: hand it over.

Everything here runs on the application's thread, between its question and its answer. So it is
short, it keeps references instead of copies, and nothing of it may raise into the application.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from shadow import identify, sampling
from shadow.capture import ambient
from shadow.capture.call import TRACEPARENT, Call, Heard, exchange_of, failure_of, new_id
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
_NO_SEGMENT: Final[Mapping[str, str]] = {}


class Sink(Protocol):
    """What capture needs of `shadow.publisher.Publisher`."""

    settings: Settings

    def offer(self, finish: Finish, *, task: str, size: int) -> bool: ...
    def count_sampled_out(self, task: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """What one mirrored client knows of its requests. `rate` None: the task's `mirror_rate`."""

    settings: Settings
    publisher: Sink
    task: str | None = None
    segment: SegmentSource | None = None
    unit: str | None = None
    rate: float | None = None

    def begin(self, options: Any, default_headers: Any) -> Call | None:
        """The call that a request starts, or None if it is not to be mirrored.

        `options` are the SDK's `FinalRequestOptions`: the body as it will be sent (`json_data`
        and `extra_json`), the path (`url`) and the caller's headers.
        """
        try:
            api = APIS.get(options.url)
            if api is None or options.method.lower() != "post":
                return None
            return self._begin(api, options, default_headers)
        except Exception as bug:  # noqa: BLE001 - the application goes first
            self._excuse(bug)
            return None

    def _begin(self, api: Api, options: Any, default_headers: Any) -> Call | None:
        body = options.json_data
        if not isinstance(body, dict):
            return None
        if options.extra_json:
            body = {**body, **options.extra_json}
        if body.get("background"):
            return None  # its answer comes with some later request
        headers = _read(default_headers) | _read(options.headers)
        around = ambient.current.get()
        task = around.task or self.task or identify.task_of(self.settings, body, headers)
        if task is None:
            warn_once(
                "no_task",
                "a request names no task and is not mirrored: use mirror(…, task=…) or the header x-shadow-task",
            )
            return None
        unit = around.unit or self.unit
        at = time.time()
        rate = self._rate(task)
        name = ""
        if rate < 1:
            name = new_id(at)
            if not sampling.chosen(identify.unit_of(body, headers, unit) or name, rate=rate, salt="mirror"):
                self.publisher.count_sampled_out(task)
                return None
        segment = self._segment(body)
        return Call(
            id=name,
            api=api,
            task=task,
            segment={**segment, **around.segment} if around.segment else segment,
            unit=unit,
            headers=headers,
            probability=rate,
            at=at,
            started=time.perf_counter(),
            body=body,
        )

    def heard(self, call: Call, response: Any) -> None:
        """The SDK has an HTTP response with a good status: all of it, or the start of a stream."""
        try:
            call.request, call.body = _sent(response) or _encoded(call.body), None
            status = response.status_code
            if response.is_closed:
                self._offer(call, Heard(body=response.content, status=status))
                return
            headers = response.headers
            kind, coding = headers.get("content-type", ""), headers.get("content-encoding", "").strip().lower()

            def ended(tape: Tape) -> None:
                last = tape.times[-1] if tape.times else time.perf_counter()
                self._offer(call, Heard(ended=last, tape=tape, coding=coding, content_type=kind, status=status))

            record(response, Tape(ended))
        except Exception as bug:  # noqa: BLE001 - as in begin()
            self._excuse(bug)

    def failed(self, call: Call, fault: BaseException) -> None:
        """The request ended in an exception."""
        if call.body is None:
            return  # heard before: what failed is how the SDK read the answer
        try:
            call.request, call.body = _sent(fault) or _encoded(call.body), None
            self._offer(call, failure_of(fault))
        except Exception as bug:  # noqa: BLE001 - as in begin()
            self._excuse(bug)

    def answered(self, call: Call) -> None:
        """The request ended well. Counts it as dropped if the answer was not seen on its way."""
        if call.body is not None:
            call.body = None
            self._offer(call, Heard())

    def _offer(self, call: Call, heard: Heard) -> None:
        build = partial(exchange_of, call, heard, self.settings)
        self.publisher.offer(build, task=call.task, size=call.size(heard))

    def _rate(self, task: str) -> float:
        if self.rate is not None:
            return self.rate
        spec = self.settings.tasks.get(task)
        return 1.0 if spec is None else spec.mirror_rate

    def _segment(self, body: Request) -> Mapping[str, str]:
        if not callable(self.segment):
            return self.segment or _NO_SEGMENT
        try:
            return dict(self.segment(dict(body)))
        except Exception as fault:  # noqa: BLE001 - the application's own function; its request goes on
            warn_once("segment_failed", f"segment={self.segment!r} raised {type(fault).__name__}; mirrored without it")
            return _NO_SEGMENT

    def _excuse(self, bug: Exception) -> None:
        if "PYTEST_VERSION" in os.environ:
            raise bug
        warn_once("capture_bug", f"a request was not mirrored, through a fault of ours: {bug!r}")


def _read(headers: Any) -> dict[str, str]:
    if not headers or not isinstance(headers, Mapping):
        return {}
    return {
        name.lower(): value for name, value in headers.items() if name.lower() in _HEADERS and isinstance(value, str)
    }


def _sent(holder: Any) -> bytes:
    """The bytes of the request that a response, or an exception of the SDK, belongs to."""
    try:
        content = holder.request.content
    except (AttributeError, RuntimeError):  # never sent, or sent as a stream
        return b""
    return content if isinstance(content, bytes) else b""


def _encoded(body: Request | None) -> bytes:
    """The body of a request that was never sent, as it is now."""
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

"""From an answer to an exchange on its way: what is noted of a request, and handed to the publisher.

All of this runs on the application's thread, between its question and its answer. So it is
short, it keeps references instead of copies, and nothing of it may raise into the application.
Short is meant literally: between two calls to a model the processor has forgotten this code,
and whatever must be fetched from memory again, be it a function, an object or a global name,
costs about a microsecond.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any, Final, Protocol

import msgspec

from shadow.capture import call_context
from shadow.capture.call import TRACEPARENT, Call, exchange_of, failure_of
from shadow.capture.process import warn_once
from shadow.capture.stream_recorder import Noted, Tape, record
from shadow.capture.tags import NO_HEADERS, Labeller, Labels
from shadow.policy import identify
from shadow.publisher import Build
from shadow.records import Api
from shadow.settings import Settings

#: The paths that are mirrored, as the SDK names them.
APIS: Final[dict[str, Api]] = {"/chat/completions": "chat", "/responses": "responses"}

#: All that is read of a request's headers; the rest may be secret and is never looked at.
_HEADERS: Final = frozenset(
    {identify.TASK_HEADER, identify.SEGMENT_HEADER, identify.UNIT_HEADER, TRACEPARENT},
)


class Begun(msgspec.Struct, eq=False, gc=False):
    """A request as it began: which API it is for (None: not mirrored), and when (`time.perf_counter()`).

    `heard`: its answer was seen on its way, so that nothing more is to be said about it.
    """

    api: Api | None
    started: float
    heard: bool = False


class Sink(Protocol):
    """What capture needs of `shadow.publisher.Publisher`."""

    settings: Settings

    def offer(self, task: str, size: int, build: Build, *args: Any) -> bool: ...
    def reserve(self, size: int) -> bool: ...
    def release(self, size: int) -> None: ...
    def refuse(self, task: str, reason: str) -> None: ...
    def count_sampled_out(self, task: str) -> None: ...


class Recorder:
    """Notes the requests of one mirrored client. `default_headers` are those it adds to each.

    `options` are the SDK's `FinalRequestOptions`: method, body (`json_data` and `extra_json`) and
    the caller's headers. `heard(begun, arguments)` is told when a response with a good status is
    there, all of it or the start of a stream; `arguments` are those of `_process_response`.
    """

    def __init__(self, settings: Settings, publisher: Sink, labeller: Labeller, default_headers: Any = None) -> None:
        self._settings = settings
        self._publisher = publisher
        self._labeller = labeller
        self._default_headers = _read(default_headers)
        self.heard = self._listener()

    def failed(self, begun: Begun, options: Any, fault: BaseException) -> None:
        """The request ended in an exception, and nothing was heard before."""
        try:
            call = self._unheard(begun, options, fault)
            if call is not None:
                call.failure, call.detail, call.status = failure_of(fault)
                if call.failure is None:
                    self._publisher.refuse(call.labels.task, "application_error")
                else:
                    self._publisher.offer(call.labels.task, len(call.request), call.exchange)
        except Exception as bug:  # noqa: BLE001 - the application goes first
            _excuse(bug)

    def missed(self, begun: Begun, options: Any) -> None:
        """The request ended well, but its answer was not seen on its way. Counts as dropped."""
        try:
            call = self._unheard(begun, options, None)
            if call is not None:
                self._publisher.offer(call.labels.task, len(call.request), call.exchange)
        except Exception as bug:  # noqa: BLE001 - as in failed()
            _excuse(bug)

    def _listener(self) -> Callable[[Begun, Mapping[str, Any]], None]:
        # A closure has at hand what a method would have to look up, global names included.
        settings, publisher, offer = self._settings, self._publisher, self._publisher.offer
        constant = None if self._default_headers else self._labeller.constant
        now, length, read, blocks, no_headers = perf_counter, len, exchange_of, call_context.ever_used, NO_HEADERS

        def streamed(noted: Noted, tape: Tape) -> None:
            try:
                _settings, _api, labels, _headers, _started, _ended, request, _status = noted
                if tape.refused:
                    publisher.refuse(labels.task, "byte_budget")
                    return
                offer(labels.task, length(request) + tape.size, read, *noted, None, tape)
            except Exception as bug:  # noqa: BLE001 - as in failed()
                _excuse(bug)

        def heard(begun: Begun, arguments: Mapping[str, Any]) -> None:
            begun.heard = True
            try:
                ended = now()
                api, started = begun.api, begun.started
                options, response = arguments["options"], arguments["response"]
                labels: Labels | None = constant
                headers = no_headers
                if labels is None or api != "chat" or options.headers or options.method != "post" or blocks:
                    labels, headers = self._labelled(api, options)
                    if api is None or labels is None:
                        return
                try:
                    request = response.request.content
                except (AttributeError, RuntimeError):  # not kept: it was sent as a stream
                    request = _encoded(options)
                status = response.status_code
                if response.is_closed:
                    answer = response.content
                    size = length(request) + length(answer)
                    # fmt: off
                    offer(
                        labels.task, size, read,
                        settings, api, labels, headers, started, ended, request, status, answer,
                    )
                    # fmt: on
                else:
                    noted = settings, api, labels, headers, started, ended, request, status
                    record(response, Tape(streamed, noted, response.headers, publisher))
            except Exception as bug:  # noqa: BLE001 - as in failed()
                _excuse(bug)

        return heard

    def _unheard(self, begun: Begun, options: Any, fault: BaseException | None) -> Call | None:
        """The call without an answer; None if it is not mirrored. Its `request` is empty if it is no JSON."""
        api = begun.api
        labels, headers = self._labelled(api, options)
        if api is None or labels is None:
            return None
        try:
            request = fault.request.content  # type: ignore[union-attr] # of the SDK's own exceptions
        except (AttributeError, RuntimeError):  # it was never sent
            request = _encoded(options)
        return Call(self._settings, api, labels, headers, begun.started, perf_counter(), request)

    def _labelled(self, api: Api | None, options: Any) -> tuple[Labels | None, Mapping[str, str]]:
        """A request's labels, and its headers as far as they are ours. No labels: it is not mirrored.

        Because it is for another API, names no task, was left out by sampling (counted), or runs
        in the background, so that its answer comes with some later request.
        """
        if api is None or options.method.lower() != "post":
            return None, NO_HEADERS
        body = _body(options)
        if api == "responses" and body.get("background"):
            return None, NO_HEADERS
        headers = self._default_headers | _read(options.headers)
        labels = self._labeller.labels(body, headers, call_context.current.get())
        if labels is not None and not labels.chosen:
            self._publisher.count_sampled_out(labels.task)
            return None, headers
        return labels, headers


def _excuse(bug: Exception) -> None:
    if "PYTEST_VERSION" in os.environ:
        raise bug
    # Only the fault's type: its text may quote the request.
    warn_once("capture_bug", f"a request was not mirrored, through a fault of ours: {type(bug).__name__}")


def _read(headers: Any) -> dict[str, str]:
    if not headers or not isinstance(headers, Mapping):
        return {}
    return {
        name.lower(): value for name, value in headers.items() if name.lower() in _HEADERS and isinstance(value, str)
    }


def _body(options: Any) -> dict[str, Any]:
    """The body of a request as the SDK will send it; empty where that is not a JSON object."""
    body = options.json_data
    return {**body, **(options.extra_json or {})} if isinstance(body, Mapping) else {}


def _encoded(options: Any) -> bytes:
    """The body as it is now, which the caller's objects may have become; empty if that is no JSON."""
    try:
        return msgspec.json.encode(_body(options), enc_hook=_plain)
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

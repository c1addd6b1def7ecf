"""Makes a `CapturedCall` of a request and its response, and offers it to the publisher.

All of this runs on the application's thread, between its request and its response. So it is
short, keeps references instead of copies, and never raises into the application. Cache misses
dominate its cost: between two calls to a model the processor's caches have lost this code, and
each function, object or global name that is read costs about a microsecond.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Final

import msgspec

from shadow.capture import call_context
from shadow.capture.process import report_bug
from shadow.capture.sdk_errors import failure_of
from shadow.capture.stream_recorder import LIMIT_BYTES, recorder_for
from shadow.capture.tags import NO_HEADERS, Tagger
from shadow.openai_api.content_encoding import Piece
from shadow.policy import identify
from shadow.recording import CapturedCall, PublisherPort, Tags
from shadow.recording.captured_call import CLIENT_DISCONNECTED
from shadow.recording.credentials import credentials_of
from shadow.records import Api

#: The paths that are mirrored, as the SDK names them.
APIS: Final[dict[str, Api]] = {"/chat/completions": "chat", "/responses": "responses"}

#: The only headers of a request that are read; the others may be secret.
_HEADERS: Final = frozenset(
    {identify.TASK_HEADER, identify.SEGMENT_HEADER, identify.UNIT_HEADER, identify.TRACEPARENT_HEADER},
)


class InFlight(msgspec.Struct, eq=False, gc=False):
    """A request under way: its API (None: not mirrored), and when it started (`time.perf_counter()`).

    `recorded`: its response was seen, so that nothing is left to record.
    """

    api: Api | None
    started: float
    recorded: bool = False


class ClientCredentials(Collection[str]):
    """The API key of a client, read where it is needed and not while the application waits, and its `others`."""

    def __init__(self, client: Any, others: Sequence[str]) -> None:
        self._client = client
        self._others = others

    def __iter__(self) -> Iterator[str]:
        yield getattr(self._client, "api_key", None) or ""
        yield from self._others

    def __len__(self) -> int:
        return 1 + len(self._others)

    def __contains__(self, value: object) -> bool:
        return value in tuple(self)


class Recorder:
    """Records the requests of one mirrored client. `default_headers` are those that the client adds to each.

    `options` are the SDK's `FinalRequestOptions`: method, body (`json_data` and `extra_json`) and
    the caller's headers. `on_response(in_flight, arguments)` is called when a response with a good
    status has come, all of it or the start of a stream; `arguments` are those of `_process_response`.
    """

    def __init__(self, publisher: PublisherPort, tagger: Tagger, client: Any, default_headers: Any = None) -> None:
        self._publisher = publisher
        self._tagger = tagger
        self._default_headers = _our_headers(default_headers)
        self._credentials = ClientCredentials(client, credentials_of(_texts_of(default_headers)))
        self.on_response = self._response_hook()

    def on_error(self, in_flight: InFlight, options: Any, error: BaseException) -> None:
        """The request ended in an exception before a response was seen."""
        try:
            call = self._call_without_response(in_flight, options, error)
            if call is not None:
                call.failure, call.detail, call.status = failure_of(error)
                if call.failure is None:
                    self._publisher.refuse(call.tags.task, "application_error")
                else:
                    self._publisher.offer(call)
        except Exception as bug:  # noqa: BLE001 - nothing of ours may raise into the application
            report_bug(bug)

    def on_unseen_response(self, in_flight: InFlight, options: Any) -> None:
        """The request succeeded, but its response never passed through `on_response`. Counts as dropped."""
        try:
            tags, _ = self._tags(in_flight.api, options)
            if tags is not None:
                self._publisher.refuse(tags.task, "nothing_to_mirror")
        except Exception as bug:  # noqa: BLE001 - as in on_error()
            report_bug(bug)

    def _response_hook(self) -> Callable[[InFlight, Mapping[str, Any]], None]:
        # A closure holds what a method would have to look up, global names included.
        publisher, offer = self._publisher, self._publisher.offer
        constant = None if self._default_headers else self._tagger.constant
        now, length, call_of, contexts = perf_counter, len, CapturedCall, call_context.contexts_used
        no_headers, limit, disconnected = NO_HEADERS, LIMIT_BYTES, CLIENT_DISCONNECTED
        known_credentials = self._credentials

        def on_response(in_flight: InFlight, arguments: Mapping[str, Any]) -> None:
            in_flight.recorded = True
            try:
                ended = now()
                api, started = in_flight.api, in_flight.started
                options, response = arguments["options"], arguments["response"]
                tags: Tags | None = constant
                headers = no_headers
                credentials: Collection[str] = known_credentials
                fields = options.__dict__  # past pydantic's `__getattr__`, which slows every attribute
                if tags is None or api != "chat" or fields["headers"] or fields["method"] != "post" or contexts:
                    tags, headers = self._tags(api, options)
                    if api is None or tags is None:
                        return
                    if fields["headers"]:
                        credentials = (*known_credentials, *credentials_of(_texts_of(fields["headers"])))
                try:
                    request = response.request.content
                except (AttributeError, RuntimeError):  # not kept: it was sent as a stream
                    request = _encoded_body(options)
                status = response.status_code
                if response.is_closed:
                    body = response.content
                    size = length(request) + length(body)
                    pieces = ((body, ended),)
                    offer(call_of(tags, api, request, headers, started, ended, size, credentials, status, pieces))
                else:
                    received: list[Piece] = []
                    # fmt: off
                    call = call_of(
                        tags, api, request, headers, started, ended, length(request), credentials, status,
                        received, response.headers, limit, disconnected,
                    )
                    # fmt: on
                    stream = response.stream
                    response.stream = recorder_for(stream.__class__)(stream, call, received, publisher, offer)
            except Exception as bug:  # noqa: BLE001 - as in on_error()
                report_bug(bug)

        return on_response

    def _call_without_response(self, in_flight: InFlight, options: Any, error: BaseException) -> CapturedCall | None:
        """The call so far; None if it is not mirrored. Its `request` is empty if the body is not JSON."""
        api = in_flight.api
        tags, headers = self._tags(api, options)
        if api is None or tags is None:
            return None
        try:
            request = error.request.content  # type: ignore[attr-defined] # of the SDK's own exceptions
        except (AttributeError, RuntimeError):  # it was never sent
            request = _encoded_body(options)
        now = perf_counter()
        return CapturedCall(
            tags, api, request, headers, in_flight.started, now, len(request), self._credentials_of(error)
        )

    def _credentials_of(self, error: BaseException) -> tuple[str, ...]:
        """Those of the request that ended in `error`: the endpoint may repeat any of them in its answer."""
        known = tuple(self._credentials)
        try:
            request = error.request  # type: ignore[attr-defined] # as in _call_without_response()
            return known + credentials_of(request.headers.items(), request.url.query.decode("latin-1"))
        except (AttributeError, RuntimeError):
            return known

    def _tags(self, api: Api | None, options: Any) -> tuple[Tags | None, Mapping[str, str]]:
        """A request's tags, and those of its headers that concern us. No tags: it is not mirrored.

        A request is not mirrored if it is for another API, names no task, was left out by sampling
        (counted), or runs in the background, so that its answer comes with some later request.
        """
        if api is None or options.method.lower() != "post":
            return None, NO_HEADERS
        body = _body(options)
        if api == "responses" and body.get("background"):
            return None, NO_HEADERS
        headers = self._default_headers | _our_headers(options.headers)
        sampled_out = self._publisher.count_sampled_out
        return self._tagger.tags(body, headers, call_context.current.get(), on_sampled_out=sampled_out), headers


def _our_headers(headers: Any) -> dict[str, str]:
    if not headers or not isinstance(headers, Mapping):
        return {}
    return {
        name.lower(): value for name, value in headers.items() if name.lower() in _HEADERS and isinstance(value, str)
    }


def _texts_of(headers: Any) -> Iterable[tuple[str, str]]:
    """Those headers whose value is a text: the SDK marks a header to be left out by another kind of value."""
    items = headers.items() if isinstance(headers, Mapping) else ()
    return [(name, value) for name, value in items if isinstance(value, str)]


def _body(options: Any) -> dict[str, Any]:
    """The body of a request as the SDK will send it; empty where that is not a JSON object."""
    body = options.json_data
    return {**body, **(options.extra_json or {})} if isinstance(body, Mapping) else {}


def _encoded_body(options: Any) -> bytes:
    """The body as it is now, in case the application has not changed it since; empty if it is not JSON."""
    try:
        return msgspec.json.encode(_body(options), enc_hook=_to_json)
    except (TypeError, ValueError, UnicodeError, RecursionError):
        return b""


def _to_json(value: Any) -> Any:
    """JSON for what has none of its own: models and their classes (structured outputs), iterables."""
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return value.model_json_schema()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, Iterable):
        return list(value)
    return str(value)

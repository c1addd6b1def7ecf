"""`mirror(OpenAI())`: the same client, whose requests are also recorded.

All ways to use the SDK (`create`, `parse`, `stream`, raw and streaming responses, a plain `post`)
end in one method, `request`, which is called once per user request and retries inside; and all
responses pass through `_process_response`. A mirrored client is a copy of the application's, of
the same class, with these two methods wrapped. Their return values are untouched, and the client
it was made from does not change.
"""

import inspect
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Final, TypeAlias, TypeVar

from shadow.capture import process
from shadow.capture.recorder import APIS, InFlight, Recorder
from shadow.capture.tags import SegmentSource, Tagger
from shadow.recording import PublisherPort
from shadow.settings import Settings

C = TypeVar("C")

#: A client's `request` and `_process_response`.
Methods: TypeAlias = tuple[Callable[..., Any], Callable[..., Any]]

#: The requests whose responses the SDK is waiting for: by thread (or greenlet), or by task.
_in_threads: Final[dict[Hashable, InFlight]] = {}
_in_task: Final[ContextVar[InFlight | None]] = ContextVar("shadow_in_flight", default=None)

#: The methods that are replaced on a mirrored client.
_WRAPPED: Final = ("request", "_process_response", "copy", "with_options")


def mirror(
    client: C,
    *,
    task: str | None = None,
    segment: SegmentSource | None = None,
    unit: str | None = None,
    rate: float | None = None,
    publisher: PublisherPort | None = None,
    settings: Settings | None = None,
) -> C:
    """A client like `client` (`OpenAI`, `AsyncOpenAI` or derived) whose requests are mirrored.

    `task` names the workload; left out, the header `x-shadow-task`, the body's
    `metadata.shadow_task` or a model alias in the settings may. `segment` is a dict such as
    `{"locale": "de"}`, or a function from the request's body to one. `unit` (a user, a
    conversation) always gets the same model. `rate` in [0, 1] overrides the task's `mirror_rate`.
    `shadow.context(…)` overrides task and unit, and adds to the segment, for a block of code.

    Chat completions and responses are mirrored, one exchange per request, also those that fail.
    The caller gets what it would get without us. Without settings (no SHADOW_KAFKA, no
    `shadow.toml`) the client is returned as it is, with a warning. The two clients share their
    connections: closing one closes both. `publisher` replaces the one that the process shares, and
    its settings then replace the process's.

        client = mirror(OpenAI(), task="ticket-intent", segment={"locale": "de"})
    """
    if rate is not None and not 0 <= rate <= 1:
        raise ValueError(f"rate must be between 0 and 1, not {rate!r}")
    kind: Any = type(client)
    if not callable(getattr(kind, "request", None)) or not callable(getattr(kind, "_process_response", None)):
        raise TypeError(f"mirror() takes an OpenAI or AsyncOpenAI client, not {kind.__name__}")
    if publisher is None:
        settings = settings or process.settings_or_none()
        if settings is None:
            return client
        publisher = process.shared_publisher(settings)
    tagger = Tagger(publisher.settings, task=task, segment=segment, unit=unit, rate=rate)

    def wrapped(client: Any) -> Any:
        if "_shadow_before" in vars(client):  # by a `with_options` that goes through `copy`
            return client
        recorder = Recorder(publisher, tagger, client, getattr(client, "_custom_headers", None))
        wrap = _wrap_async if _is_async(type(client)) else _wrap_sync
        client._shadow_before = {name: vars(client).get(name) for name in _WRAPPED}  # noqa: SLF001 - ours
        for name in ("copy", "with_options"):
            setattr(client, name, _wrapping_copies(getattr(client, name), wrapped))
        client.request, client._process_response = wrap(client.request, client._process_response, recorder)  # noqa: SLF001 - to wrap it
        return client

    return wrapped(_copy(client))  # type: ignore[no-any-return] # of the client's own class


def _wrapping_copies(copy: Callable[..., Any], wrapped: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: wrapped(copy(*args, **kwargs))


def _is_async(kind: type[Any]) -> bool:
    """By its base classes, because a class derived from `AsyncOpenAI` may define `request` as a plain function."""
    return any(base.__name__ == "AsyncAPIClient" for base in kind.__mro__)


def _copy(client: Any) -> Any:
    """A client like `client`, with the methods unwrapped, that shares its connections."""
    clone = object.__new__(type(client))
    unwrapped = vars(client).get("_shadow_before", {})
    for name, value in _attributes(client):
        kept = unwrapped.get(name, value)
        # Resources (`chat`, `responses`) are cached on the client and refer to it: the copy makes its own.
        resource = getattr(value, "_client", None) is client
        if not (resource or name == "_shadow_before" or (name in unwrapped and kept is None)):
            object.__setattr__(clone, name, kept)
    return clone


def _attributes(client: Any) -> Iterator[tuple[str, Any]]:
    """Those in its `__dict__` and in its slots."""
    yield from list(vars(client).items())
    for kind in type(client).__mro__:
        for name, member in vars(kind).items():
            if inspect.ismemberdescriptor(member):
                with suppress(AttributeError):  # never set
                    yield name, member.__get__(client)


def _caller_id() -> Callable[[], Hashable]:
    """The function that identifies the caller: its thread, or its greenlet where a thread may run several."""
    greenlet = sys.modules.get("greenlet")
    getcurrent: Callable[[], Hashable] | None = getattr(greenlet, "getcurrent", None)
    return getcurrent or threading.get_ident


def _wrap_sync(sdk_request: Callable[..., Any], sdk_process: Callable[..., Any], recorder: Recorder) -> Methods:
    """The two methods of a synchronous client, wrapped.

    Requests in flight are kept by thread: a ContextVar would cost as much as all the rest of `request`.
    """
    now, caller_id, api_of, begin, on_response = perf_counter, _caller_id(), APIS.get, InFlight, recorder.on_response
    in_flight = _in_threads

    def request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        caller = caller_id()
        outer = in_flight.get(caller)
        in_flight[caller] = this = begin(api_of(options.__dict__["url"]), now())
        try:
            answer = sdk_request(cast_to, options, **kwargs)
        except BaseException as error:
            if not this.recorded:
                recorder.on_error(this, options, error)
            raise
        else:
            if not this.recorded:
                recorder.on_unseen_response(this, options)
            return answer
        finally:
            if outer is None:
                in_flight.pop(caller, None)
            else:  # made from within another request of this client, as hooks do
                in_flight[caller] = outer

    def process_response(**kwargs: Any) -> Any:
        this = in_flight.get(caller_id())
        if this is not None and not this.recorded:
            on_response(this, kwargs)
        return sdk_process(**kwargs)

    return request, process_response


def _wrap_async(sdk_request: Callable[..., Any], sdk_process: Callable[..., Any], recorder: Recorder) -> Methods:
    """The two methods of an asynchronous client, wrapped: many requests are in flight in one thread.

    A task that runs the SDK's `request` (made by `asyncio.wait_for`, say) has a copy of the
    context, which holds the same `InFlight`.
    """
    now, api_of, on_response = perf_counter, APIS.get, recorder.on_response
    in_flight = _in_task

    async def request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        this = InFlight(api_of(options.url), now())
        outer = in_flight.set(this)
        try:
            answer = await sdk_request(cast_to, options, **kwargs)
        except BaseException as error:
            if not this.recorded:
                recorder.on_error(this, options, error)
            raise
        else:
            if not this.recorded:
                recorder.on_unseen_response(this, options)
            return answer
        finally:
            with suppress(ValueError):  # closed in another context, where nothing was set
                in_flight.reset(outer)

    def process_response(**kwargs: Any) -> Any:
        this = in_flight.get()
        if this is not None and not this.recorded:
            on_response(this, kwargs)
        return sdk_process(**kwargs)  # a coroutine, which the SDK awaits

    return request, process_response

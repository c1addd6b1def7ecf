"""`mirror(OpenAI())`: the same client, whose requests are also recorded.

All of the SDK's ways to ask (`create`, `parse`, `stream`, raw and streaming responses, a plain
`post`) end in one method, `request`, which is called once per user request and does the retries
inside; and all answers pass through `_process_response`. A mirrored client is a copy of the
application's, of the same class, with these two methods watched. What it returns is untouched,
and the client it was made from does not change.
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
from shadow.capture.recorder import APIS, Begun, Recorder, Sink
from shadow.capture.tags import Labeller, SegmentSource
from shadow.settings import Settings

C = TypeVar("C")

#: A client's `request` and `_process_response`.
Methods: TypeAlias = tuple[Callable[..., Any], Callable[..., Any]]

#: The requests whose answers the SDK is waiting for: in each thread (or greenlet), or task.
_in_threads: Final[dict[Hashable, Begun]] = {}
_in_task: Final[ContextVar[Begun | None]] = ContextVar("shadow_under_way", default=None)

#: What a mirrored client has of ours, in place of its class's own.
_WATCHED: Final = ("request", "_process_response", "copy", "with_options")


def mirror(
    client: C,
    *,
    task: str | None = None,
    segment: SegmentSource | None = None,
    unit: str | None = None,
    rate: float | None = None,
    publisher: Sink | None = None,
    settings: Settings | None = None,
) -> C:
    """A client like `client` (`OpenAI`, `AsyncOpenAI` or derived) whose requests are mirrored.

    `task` names the workload; left out, the header `x-shadow-task`, the body's
    `metadata.shadow_task` or a model alias in the settings may. `segment` is a dict such as
    `{"locale": "de"}`, or a function from the request's body to one. `unit` is who sticks to one
    arm. `rate` in [0, 1] overrides the task's `mirror_rate`. `shadow.context(…)` overrides task
    and unit, and adds to the segment, for a block of code.

    Chat completions and responses are mirrored, one exchange per request, whatever became of it.
    The caller gets what it would have got without us. Without settings (no SHADOW_KAFKA, no
    `shadow.toml`) the client is returned as it is, with a warning. The two clients share their
    connections: closing one closes both.

        client = mirror(OpenAI(), task="ticket-intent", segment={"locale": "de"})
    """
    if rate is not None and not 0 <= rate <= 1:
        raise ValueError(f"rate must be between 0 and 1, not {rate!r}")
    kind: Any = type(client)
    if not callable(getattr(kind, "request", None)) or not callable(getattr(kind, "_process_response", None)):
        raise TypeError(f"mirror() takes an OpenAI or AsyncOpenAI client, not {kind.__name__}")
    if settings is None:
        settings = publisher.settings if publisher is not None else process.settings_or_none()
    if settings is None:
        return client
    sink = publisher or process.shared_publisher(settings)
    labeller = Labeller(settings, task=task, segment=segment, unit=unit, rate=rate)

    def watched(client: Any) -> Any:
        if "_shadow_before" in vars(client):  # by a `with_options` that goes through `copy`
            return client
        recorder = Recorder(settings, sink, labeller, getattr(client, "_custom_headers", None))
        watch = _watch_async if _is_async(type(client)) else _watch
        client._shadow_before = {name: vars(client).get(name) for name in _WATCHED}  # noqa: SLF001 - ours
        for name in ("copy", "with_options"):
            setattr(client, name, _watching(getattr(client, name), watched))
        client.request, client._process_response = watch(client.request, client._process_response, recorder)  # noqa: SLF001 - to watch it
        return client

    return watched(_copy(client))  # type: ignore[no-any-return] # of the client's own class


def _watching(copy: Callable[..., Any], watched: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: watched(copy(*args, **kwargs))


def _is_async(kind: type[Any]) -> bool:
    """By its ancestry: what a class derived from `AsyncOpenAI` calls `request` may be a plain function."""
    return any(base.__name__ == "AsyncAPIClient" for base in kind.__mro__)


def _copy(client: Any) -> Any:
    """A client like `client`, but not watched, that shares its connections."""
    clone = object.__new__(type(client))
    unwatched = vars(client).get("_shadow_before", {})
    for name, value in _attributes(client):
        kept = unwatched.get(name, value)
        # Resources (`chat`, `responses`) are cached on the client and hold on to it: the copy makes its own.
        resource = getattr(value, "_client", None) is client
        if not (resource or name == "_shadow_before" or (name in unwatched and kept is None)):
            object.__setattr__(clone, name, kept)
    return clone


def _attributes(client: Any) -> Iterator[tuple[str, Any]]:
    """In its `__dict__` and in its slots."""
    yield from list(vars(client).items())
    for kind in type(client).__mro__:
        for name, member in vars(kind).items():
            if inspect.ismemberdescriptor(member):
                with suppress(AttributeError):  # never set
                    yield name, member.__get__(client)


def _here() -> Callable[[], Hashable]:
    """What tells whose request this is: the thread, or the greenlet where there may be several in one."""
    greenlet = sys.modules.get("greenlet")
    getcurrent: Callable[[], Hashable] | None = getattr(greenlet, "getcurrent", None)
    return getcurrent or threading.get_ident


def _watch(sdk_request: Callable[..., Any], sdk_process: Callable[..., Any], recorder: Recorder) -> Methods:
    """The two methods of a synchronous client, watched.

    What is under way is kept by thread: a ContextVar would cost as much as all the rest of `request`.
    """
    now, here, api_of, heard = perf_counter, _here(), APIS.get, recorder.heard
    under_way = _in_threads

    def request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        me = here()
        outer = under_way.get(me)
        under_way[me] = begun = Begun(api_of(options.url), now())
        try:
            answer = sdk_request(cast_to, options, **kwargs)
        except BaseException as fault:
            if not begun.heard:
                recorder.failed(begun, options, fault)
            raise
        else:
            if not begun.heard:
                recorder.missed(begun, options)
            return answer
        finally:
            if outer is None:
                under_way.pop(me, None)
            else:  # asked from within another request of this client: a hook does that
                under_way[me] = outer

    def process_response(**kwargs: Any) -> Any:
        begun = under_way.get(here())
        if begun is not None and not begun.heard:
            heard(begun, kwargs)
        return sdk_process(**kwargs)

    return request, process_response


def _watch_async(sdk_request: Callable[..., Any], sdk_process: Callable[..., Any], recorder: Recorder) -> Methods:
    """The two methods of an asynchronous client, watched: many requests are under way in one thread.

    A task that the SDK's `request` is given to (by `asyncio.wait_for`, say) has a copy of the
    context, in which there is the same `Begun`.
    """
    now, api_of, heard = perf_counter, APIS.get, recorder.heard
    under_way = _in_task

    async def request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
        begun = Begun(api_of(options.url), now())
        outer = under_way.set(begun)
        try:
            answer = await sdk_request(cast_to, options, **kwargs)
        except BaseException as fault:
            if not begun.heard:
                recorder.failed(begun, options, fault)
            raise
        else:
            if not begun.heard:
                recorder.missed(begun, options)
            return answer
        finally:
            with suppress(ValueError):  # closed from elsewhere, where nothing was set
                under_way.reset(outer)

    def process_response(**kwargs: Any) -> Any:
        begun = under_way.get()
        if begun is not None and not begun.heard:
            heard(begun, kwargs)
        return sdk_process(**kwargs)  # a coroutine, which the SDK awaits

    return request, process_response

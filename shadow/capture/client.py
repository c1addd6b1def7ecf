"""`mirror(OpenAI())`: the same client, whose requests are also recorded.

All of the SDK's ways to ask (`create`, `parse`, `stream`, raw and streaming responses, a plain
`post`) end in one method, `request`, which is called once per user request and does the retries
inside; and all answers pass through `_process_response`. A mirrored client is a copy of the
application's, of a class derived from its class, with these two methods watched. It is still
an `OpenAI`, what it returns is untouched, and the client it was made from does not change.
"""

import inspect
from contextvars import ContextVar
from functools import cache, cached_property
from typing import Any, Final, TypeVar

from shadow.capture import process
from shadow.capture.call import Call
from shadow.capture.recorder import Recorder, SegmentSource, Sink
from shadow.settings import Settings

C = TypeVar("C")

#: The call whose answer the SDK is waiting for, in this thread or task.
_under_way: Final[ContextVar[Call | None]] = ContextVar("shadow_call", default=None)


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
    kind: Any = _original(type(client))
    if not callable(getattr(kind, "request", None)) or not callable(getattr(kind, "_process_response", None)):
        raise TypeError(f"mirror() takes an OpenAI or AsyncOpenAI client, not {kind.__name__}")
    if settings is None:
        settings = publisher.settings if publisher is not None else process.settings_or_none()
    if settings is None:
        return client
    recorder = Recorder(
        settings=settings,
        publisher=publisher or process.shared_publisher(settings),
        task=task,
        segment=segment,
        unit=unit,
        rate=rate,
    )
    clone = object.__new__(_mirrored(kind))
    # Resources (`chat`, `responses`) are cached on the client and hold on to it: the copy makes its own.
    for name, value in vars(client).items():
        if not isinstance(inspect.getattr_static(kind, name, None), cached_property):
            clone.__dict__[name] = value
    clone._shadow = recorder
    return clone  # type: ignore[no-any-return] # a class made at run time


class _Mirrored:
    """What both kinds of mirrored client share. `super()` is the application's client.

    Its two watched methods are kept at hand, because each call would look them up anew.
    """

    _sdk_request: Any
    _sdk_process_response: Any

    _shadow: Recorder | None = None  # a client that the application makes of our class has none

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        copied = super().copy(*args, **kwargs)  # type: ignore[misc] # of the SDK's client
        copied._shadow = self._shadow  # noqa: SLF001 - ours
        return copied

    with_options = copy


class _MirroredSync(_Mirrored):
    def request(self, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        recorder = self._shadow
        if recorder is None:
            return self._sdk_request(cast_to, options, **kwargs)
        call = recorder.begin(options, getattr(self, "_custom_headers", None))
        token = _under_way.set(call)
        try:
            answer = self._sdk_request(cast_to, options, **kwargs)
        except BaseException as fault:
            if call is not None:
                recorder.failed(call, fault)
            raise
        finally:
            _under_way.reset(token)
        if call is not None and call.body is not None:
            recorder.missed(call)
        return answer

    def _process_response(self, **kwargs: Any) -> Any:
        call = _under_way.get()
        if call is not None and self._shadow is not None:
            self._shadow.heard(call, kwargs.get("response"))
        return self._sdk_process_response(**kwargs)


class _MirroredAsync(_Mirrored):
    async def request(self, cast_to: Any, options: Any, **kwargs: Any) -> Any:
        recorder = self._shadow
        if recorder is None:
            return await self._sdk_request(cast_to, options, **kwargs)
        call = recorder.begin(options, getattr(self, "_custom_headers", None))
        token = _under_way.set(call)
        try:
            answer = await self._sdk_request(cast_to, options, **kwargs)
        except BaseException as fault:
            if call is not None:
                recorder.failed(call, fault)
            raise
        finally:
            _under_way.reset(token)
        if call is not None and call.body is not None:
            recorder.missed(call)
        return answer

    async def _process_response(self, **kwargs: Any) -> Any:
        call = _under_way.get()
        if call is not None and self._shadow is not None:
            self._shadow.heard(call, kwargs.get("response"))
        return await self._sdk_process_response(**kwargs)


@cache
def _mirrored(kind: type[Any]) -> type[Any]:
    """The class of mirrored clients of class `kind`; it goes by the same name."""
    ours = _MirroredAsync if inspect.iscoroutinefunction(kind.request) else _MirroredSync
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    sdk = {"_sdk_request": kind.request, "_sdk_process_response": kind._process_response}  # noqa: SLF001 - to watch it
    return type(kind.__name__, (ours, kind), names | sdk)


def _original(kind: type[Any]) -> type[Any]:
    """The application's own class, also where `mirror` is called on a mirrored client."""
    bases = kind.__bases__
    return bases[1] if bases and bases[0] in (_MirroredSync, _MirroredAsync) else kind

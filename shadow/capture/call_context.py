"""Task, segment and unit for a block of code, kept apart for each thread and task by a context variable."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, Final, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class CallContext(NamedTuple):
    """What the enclosing blocks declare; an inner block overrides task and unit, and adds to the segment."""

    task: str | None = None
    segment: Mapping[str, str] = {}
    unit: str | None = None


current: Final[ContextVar[CallContext | None]] = ContextVar("shadow_call_context", default=None)

#: Empty until the first block is entered in this process: until then `current` need not be read.
#: A task started in a block keeps the block's context, so this is never emptied again.
contexts_used: Final[list[bool]] = []


class ContextBlock:
    """A `with` block, or the decorator of a function. See `context`."""

    def __init__(self, task: str | None, segment: Mapping[str, str], unit: str | None) -> None:
        self._task, self._segment, self._unit = task, segment, unit
        self._tokens: list[Token[CallContext | None]] = []

    def __enter__(self) -> None:
        if not contexts_used:
            contexts_used.append(True)
        outer = current.get() or CallContext()
        inner = CallContext(self._task or outer.task, {**outer.segment, **self._segment}, self._unit or outer.unit)
        self._tokens.append(current.set(inner))

    def __exit__(self, *_: object) -> None:
        # A web server may run each step of a generator in its own context, and close the generator
        # in another: nothing was set there, and nothing has to be reset.
        with suppress(ValueError):
            current.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """`function`, synchronous or not, with this block around each of its calls."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__name__} is a generator: put `with shadow.context(…)` inside it")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def asynchronous(*args: Any, **kwargs: Any) -> Any:
                with self._copy():
                    return await function(*args, **kwargs)

            return asynchronous  # type: ignore[return-value] # the same signature as `function`

        @wraps(function)
        def synchronous(*args: Any, **kwargs: Any) -> Any:
            with self._copy():
                return function(*args, **kwargs)

        return synchronous  # type: ignore[return-value] # as above

    def _copy(self) -> "ContextBlock":
        """A block for one call, because calls may overlap."""
        return ContextBlock(self._task, self._segment, self._unit)


def context(
    *, task: str | None = None, segment: Mapping[str, str] | None = None, unit: str | None = None
) -> ContextBlock:
    """Set task, segment and unit of the requests made inside a `with` block, or by a decorated function.

    They override what `mirror(...)` was given: `with context(segment={"locale": "de"}): …`
    In a generator that a web server runs step by step, only the step that opens the block is sure
    to run inside it: make the request there.
    """
    return ContextBlock(task, segment or {}, unit)

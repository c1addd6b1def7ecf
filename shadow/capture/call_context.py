"""Task, segment and unit for a block of code, across threads' and tasks' own contexts."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import wraps
from typing import Any, Final, NamedTuple, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Ambient(NamedTuple):
    """What the surrounding blocks say; inner blocks override, and add to the segment."""

    task: str | None = None
    segment: Mapping[str, str] = {}
    unit: str | None = None


current: Final[ContextVar[Ambient | None]] = ContextVar("shadow_ambient", default=None)

#: Holds something once there was any block in this process: before that nobody needs to look.
#: A task started in a block keeps what the block says, so this is never emptied again.
ever_used: Final[list[bool]] = []


class Block:
    """A `with` block, or the body of a decorated function. See `context`."""

    def __init__(self, task: str | None, segment: Mapping[str, str], unit: str | None) -> None:
        self._task, self._segment, self._unit = task, segment, unit
        self._tokens: list[Token[Ambient | None]] = []

    def __enter__(self) -> None:
        if not ever_used:
            ever_used.append(True)
        outer = current.get() or Ambient()
        inner = Ambient(self._task or outer.task, {**outer.segment, **self._segment}, self._unit or outer.unit)
        self._tokens.append(current.set(inner))

    def __exit__(self, *_: object) -> None:
        # A web server may run each step of a generator in a context of its own, and close it in
        # another: there nothing was set, and nothing is to be taken back.
        with suppress(ValueError):
            current.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        """`function`, synchronous or not, with this block around each of its calls."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__name__} is a generator: put `with shadow.context(…)` inside it")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def later(*args: Any, **kwargs: Any) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return later  # type: ignore[return-value] # the same function to whoever calls it

        @wraps(function)
        def now(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return now  # type: ignore[return-value] # as above

    def _again(self) -> "Block":
        """One like this: a call may come while another is under way."""
        return Block(self._task, self._segment, self._unit)


def context(*, task: str | None = None, segment: Mapping[str, str] | None = None, unit: str | None = None) -> Block:
    """Say what the requests made inside a `with` block, or by a decorated function, are.

    It goes before what `mirror(...)` was given: `with context(segment={"locale": "de"}): …`
    In a generator that a web server runs step by step, only the step that opens the block is sure
    to be inside: make the request there.
    """
    return Block(task, segment or {}, unit)

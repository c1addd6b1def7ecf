"""Task, segment and unit for a block of code, across threads' and tasks' own contexts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple


class Ambient(NamedTuple):
    """What the surrounding blocks say; inner blocks override, and add to the segment."""

    task: str | None = None
    segment: Mapping[str, str] = {}
    unit: str | None = None


current: Final[ContextVar[Ambient | None]] = ContextVar("shadow_ambient", default=None)

#: Holds something once there was any block in this process: before that nobody needs to look.
#: A task started in a block keeps what the block says, so this is never emptied again.
ever_used: Final[list[bool]] = []


@contextmanager
def context(
    *, task: str | None = None, segment: Mapping[str, str] | None = None, unit: str | None = None
) -> Iterator[None]:
    """Say what the requests made inside a `with` block are.

    It goes before what `mirror(...)` was given: `with context(segment={"locale": "de"}): …`
    """
    if not ever_used:
        ever_used.append(True)
    outer = current.get() or Ambient()
    inner = Ambient(task or outer.task, {**outer.segment, **(segment or {})}, unit or outer.unit)
    token = current.set(inner)
    try:
        yield
    finally:
        current.reset(token)

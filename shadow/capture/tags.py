"""Is this request mirrored, and as what? Its task, segment and unit, and its task's rate.

What the application said of it applies in this order: the block of code (`shadow.context`), what
`mirror(…)` was told, then the request's own headers and body.
"""

import secrets
from collections.abc import Callable, Mapping
from time import time
from typing import Any, Final, TypeAlias

import msgspec

from shadow.capture.call_context import Ambient
from shadow.capture.process import warn_once
from shadow.policy import identify, sampling
from shadow.settings import Settings

Request: TypeAlias = Mapping[str, Any]
SegmentSource: TypeAlias = Mapping[str, str] | Callable[[Request], Mapping[str, str]]

NO_HEADERS: Final[Mapping[str, str]] = {}


class Labels(msgspec.Struct, frozen=True, eq=False):
    """What the application says a request is, and the probability with which it is mirrored.

    `id` is that of its exchange where sampling needed one, and empty where it is still to be made.
    `chosen` False: sampling left it out.
    """

    task: str
    unit: str | None
    segment: Mapping[str, str]
    rate: float
    id: str = ""
    chosen: bool = True


class Labeller:
    """Says it of each request of one mirrored client. `rate` None: each task's `mirror_rate`.

    `constant` are the labels of every request that brings neither headers of ours nor a block of
    code around it, if these are the same for all: a mirrored request then costs no thought.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        task: str | None = None,
        segment: SegmentSource | None = None,
        unit: str | None = None,
        rate: float | None = None,
    ) -> None:
        self._settings = settings
        self._task = task
        self._unit = unit
        self._segment = {} if segment is None or callable(segment) else dict(segment)
        self._segment_of = segment if callable(segment) else None
        self._rates = {name: spec.mirror_rate for name, spec in settings.tasks.items()} if rate is None else {}
        self._rate = 1.0 if rate is None else rate
        self.constant: Labels | None = None
        if task and self._rate_of(task) >= 1 and self._segment_of is None:
            self.constant = Labels(task, unit, self._segment, 1.0)

    def labels(self, body: Request, headers: Mapping[str, str], around: Ambient | None) -> Labels | None:
        """The labels of one request, or None if it names no task, and so is not mirrored."""
        around = around or Ambient()
        task, unit = around.task or self._task, around.unit or self._unit
        task = identify.task_of(self._settings, body, headers, task)
        if task is None:
            warn_once(
                "no_task",
                "a request names no task and is not mirrored: use mirror(…, task=…) or the header x-shadow-task",
            )
            return None
        rate, made = self._rate_of(task), ""
        if rate < 1:
            made = new_id(time())
            if not sampling.chosen(identify.unit_of(body, headers, unit) or made, rate=rate, salt="mirror"):
                return Labels(task, unit, self._segment, rate, made, chosen=False)
        segment = self._segment if self._segment_of is None else _ask(self._segment_of, body)
        return Labels(task, unit, {**segment, **around.segment}, rate, made)

    def _rate_of(self, task: str) -> float:
        return self._rates.get(task, self._rate)


def new_id(at: float) -> str:
    """A unique id (32 hexadecimal digits) that sorts by time; `at` is Unix time."""
    return f"{int(at * 1_000):012x}{secrets.token_hex(10)}"


def _ask(segment_of: Callable[[Request], Mapping[str, str]], body: Request) -> Mapping[str, str]:
    try:
        return dict(segment_of(dict(body)))
    except Exception as fault:  # noqa: BLE001 - the application's own function; its request goes on
        warn_once(
            "segment_failed",
            f"segment={segment_of!r} raised {type(fault).__name__}; mirrored without it",
            about=getattr(segment_of, "__qualname__", ""),
        )
        return {}

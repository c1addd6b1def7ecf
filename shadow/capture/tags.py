"""Is a request mirrored, and with which tags: task, segment, unit and sampling rate?

Where several sources name the task or the unit, the first counts: the block of code
(`shadow.context`), the arguments of `mirror(…)`, the request's own headers and body.
"""

from collections.abc import Callable, Mapping
from time import time
from typing import Any, Final, TypeAlias

from shadow.capture.call_context import CallContext
from shadow.capture.process import warn_once
from shadow.policy import identify, sampling
from shadow.recording.captured_call import Tags, new_id
from shadow.settings import Settings

Request: TypeAlias = Mapping[str, Any]
SegmentSource: TypeAlias = Mapping[str, str] | Callable[[Request], Mapping[str, str]]

NO_HEADERS: Final[Mapping[str, str]] = {}


class Tagger:
    """Tags the requests of one mirrored client. `rate` None: each task's `mirror_rate`.

    `constant` are the tags of every request that has neither headers of ours nor a block of code
    around it, if they are the same for all of these: the request then needs no work at all.
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
        self.constant: Tags | None = None
        if task and self._rate_of(task) >= 1 and self._segment_of is None:
            self.constant = Tags(task, unit, self._segment, 1.0)

    def tags(
        self,
        body: Request,
        headers: Mapping[str, str],
        context: CallContext | None,
        *,
        on_sampled_out: Callable[[str], object],
    ) -> Tags | None:
        """The tags of one request. None: it names no task, or sampling leaves it out (`on_sampled_out(task)`)."""
        context = context or CallContext()
        task, unit = context.task or self._task, context.unit or self._unit
        task = identify.task_of(self._settings, body, headers, task)
        if task is None:
            warn_once(
                "no_task",
                "a request names no task and is not mirrored: use mirror(…, task=…) or the header x-shadow-task",
            )
            return None
        rate, exchange_id = self._rate_of(task), ""
        if rate < 1:
            exchange_id = new_id(time())
            key = identify.unit_of(body, headers, unit) or exchange_id
            if not sampling.chosen(key, rate=rate, salt="mirror"):
                on_sampled_out(task)
                return None
        segment = self._segment if self._segment_of is None else _call(self._segment_of, body)
        return Tags(task, unit, {**segment, **context.segment}, rate, exchange_id)

    def _rate_of(self, task: str) -> float:
        return self._rates.get(task, self._rate)


def _call(segment_of: Callable[[Request], Mapping[str, str]], body: Request) -> Mapping[str, str]:
    try:
        return dict(segment_of(dict(body)))
    except Exception as error:  # noqa: BLE001 - a function of the application; its request must go on
        warn_once(
            "segment_failed",
            f"segment={segment_of!r} raised {type(error).__name__}; mirrored without it",
            about=getattr(segment_of, "__qualname__", ""),
        )
        return {}

"""Reads the task, the segments and the unit that a request declares.

A task is taken from the first place that names one: the caller's argument, the header
`x-shadow-task`, the body's `metadata.shadow_task`, the model alias in the settings.
"""

from collections.abc import Mapping
from typing import Any, Final

from shadow.aggregates.derived_dimensions import CALENDAR, DERIVED, MAX_DIMENSIONS
from shadow.settings import Settings

TASK_HEADER: Final = "x-shadow-task"
SEGMENT_HEADER: Final = "x-shadow-segment"
UNIT_HEADER: Final = "x-shadow-unit"
TRACEPARENT_HEADER: Final = "traceparent"

#: How many characters of a segment's value are read.
_MAX_READ: Final = 4_096


def task_of(
    settings: Settings, body: Mapping[str, Any], headers: Mapping[str, str], argument: str | None = None
) -> str | None:
    """The task of a request, or None if it declares none."""
    metadata = _metadata(body)
    named = argument or headers.get(TASK_HEADER) or metadata.get("shadow_task")
    if isinstance(named, str) and named:
        return named
    model = body.get("model")
    return next((name for name, task in settings.tasks.items() if model in task.aliases), None)


def segment_of(
    settings: Settings,
    task: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    argument: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The segments that the application declared, at most `MAX_DIMENSIONS`.

    The argument overrides the header, and the header overrides the metadata.
    """
    spec = settings.tasks.get(task)
    metadata = _metadata(body)
    found = {name: str(metadata[name]) for name in (spec.segments if spec else ()) if name in metadata}
    if header := headers.get(SEGMENT_HEADER):
        found |= parse_header(header)
    if argument:
        found |= {str(name): str(value) for name, value in argument.items()}
    if not found:
        return found
    # Values are cut to their length after redaction: of a number at the cut, the most part would stay.
    declared = {name: value[:_MAX_READ] for name, value in found.items() if name not in (*DERIVED, *CALENDAR)}
    return dict(list(declared.items())[:MAX_DIMENSIONS])


def unit_of(body: Mapping[str, Any], headers: Mapping[str, str], argument: str | None = None) -> str | None:
    """The unit (user, conversation) that always gets the same model, or None."""
    named = argument or headers.get(UNIT_HEADER) or body.get("user")
    return named if isinstance(named, str) and named else None


def parse_header(value: str) -> dict[str, str]:
    """`locale=de,plan=pro` as a dict; parts that are not `name=value` are ignored."""
    pairs = (part.partition("=") for part in value.split(","))
    return {name.strip(): found.strip() for name, equals, found in pairs if equals and name.strip() and found.strip()}


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    # None is tested first, because it is the usual case and `isinstance` with Mapping is slow.
    if metadata is None:
        return {}
    return metadata if isinstance(metadata, Mapping) else {}

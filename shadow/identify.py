"""How a request says what it is: its task, its segments, its unit.

A task is taken from the first place that names one: the caller's argument, the header
`x-shadow-task`, the body's `metadata.shadow_task`, the model alias in the settings. The
derived dimensions (`input_length`, `has_tools`) are computed here; `hour` and `weekday` need
no storage, for every rollup already carries its hour.
"""

from collections.abc import Mapping
from typing import Any, Final

from shadow.settings import Settings

TASK_HEADER: Final = "x-shadow-task"
SEGMENT_HEADER: Final = "x-shadow-segment"
UNIT_HEADER: Final = "x-shadow-unit"

#: The parts of a request that are read as text.
_TEXTS: Final = ("messages", "input", "instructions")
_LISTS: Final = (list, tuple)

#: Upper edges, in characters of input text, of the `input_length` buckets.
LENGTH_EDGES: Final = ((200, "<200"), (1_000, "200-1k"), (5_000, "1k-5k"), (20_000, "5k-20k"))
LONGEST: Final = ">20k"

DERIVED: Final = ("input_length", "has_tools")
CALENDAR: Final = ("hour", "weekday")

#: A dimension's value longer than this is an identifier gone astray, and is cut.
MAX_VALUE: Final = 64
MAX_DIMENSIONS: Final = 16


def task_of(
    settings: Settings, body: Mapping[str, Any], headers: Mapping[str, str], argument: str | None = None
) -> str | None:
    """The task of a request, or None when nothing names one."""
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
    """The segments the application declared, most explicit source last so that it wins."""
    spec = settings.tasks.get(task)
    metadata = _metadata(body)
    found = {name: str(metadata[name]) for name in (spec.segments if spec else ()) if name in metadata}
    if header := headers.get(SEGMENT_HEADER):
        found |= parse_header(header)
    if argument:
        found |= {str(name): str(value) for name, value in argument.items()}
    if not found:
        return found
    cut = {name: value[:MAX_VALUE] for name, value in found.items() if name not in (*DERIVED, *CALENDAR)}
    return dict(list(cut.items())[:MAX_DIMENSIONS])


def unit_of(body: Mapping[str, Any], headers: Mapping[str, str], argument: str | None = None) -> str | None:
    """The unit (user, conversation) that sticks to one arm, or None."""
    named = argument or headers.get(UNIT_HEADER) or body.get("user")
    return named if isinstance(named, str) and named else None


def parse_header(value: str) -> dict[str, str]:
    """`locale=de,plan=pro` as a dict; parts that are not `name=value` are passed over."""
    pairs = (part.partition("=") for part in value.split(","))
    return {name.strip(): found.strip() for name, equals, found in pairs if equals and name.strip() and found.strip()}


def derived(request: Mapping[str, Any], characters: int) -> dict[str, str]:
    """The dimensions the platform adds: `input_length`, of the `input_characters`, and `has_tools`."""
    return {"input_length": length_bucket(characters), "has_tools": "yes" if request.get("tools") else "no"}


def length_bucket(characters: int) -> str:
    for edge, name in LENGTH_EDGES:
        if characters < edge:
            return name
    return LONGEST


def input_characters(request: Mapping[str, Any]) -> int:
    """Characters of text the model was given, across messages, input items and instructions."""
    return sum([_characters(request[part]) for part in _TEXTS if part in request])


def _characters(item: Any) -> int:
    # Counted for every pair, so without the cost of `match` and generators.
    if isinstance(item, str):
        return len(item)
    if isinstance(item, dict):
        content, text = item.get("content"), item.get("text")
        found = len(content) if isinstance(content, str) else _characters(content)
        return found if text is None else found + _characters(text)
    if isinstance(item, _LISTS):
        return sum([_characters(each) for each in item])
    return 0


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    # The usual ones first: to ask whether something is a Mapping takes a while.
    if metadata is None:
        return {}
    return metadata if isinstance(metadata, Mapping) else {}

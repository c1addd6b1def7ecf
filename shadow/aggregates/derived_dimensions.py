"""The dimensions that every exchange has: those derived from its request, and those of the calendar.

`input_length` and `has_tools` are derived here. `hour` and `weekday` need no storage, because
every rollup row already carries its hour.
"""

from collections.abc import Mapping
from typing import Any, Final

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

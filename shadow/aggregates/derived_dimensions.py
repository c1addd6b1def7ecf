"""The dimensions that every exchange has: those derived from its request, and those of the calendar.

`input_length` and `has_tools` are computed here. `hour` and `weekday` are not stored, because every
rollup row has its hour.
"""

from collections.abc import Mapping
from typing import Any, Final

#: The parts of a request whose text is counted.
_TEXTS: Final = ("messages", "input", "instructions")
_LISTS: Final = (list, tuple)

#: Upper edges, in characters of input text, of the `input_length` buckets.
LENGTH_EDGES: Final = ((200, "<200"), (1_000, "200-1k"), (5_000, "1k-5k"), (20_000, "5k-20k"))
LONGEST: Final = ">20k"

DERIVED: Final = ("input_length", "has_tools")
CALENDAR: Final = ("hour", "weekday")

#: The values of `weekday`, by `datetime.weekday`.
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

#: Maximum length of a dimension's name and value; a longer one is probably an id, and is cut.
MAX_VALUE: Final = 64
#: Maximum number of declared dimensions of an exchange.
MAX_DIMENSIONS: Final = 16


def length_bucket(characters: int) -> str:
    for edge, name in LENGTH_EDGES:
        if characters < edge:
            return name
    return LONGEST


def input_characters(request: Mapping[str, Any]) -> int:
    """Number of characters of text in the messages, input items and instructions of a request."""
    total = 0
    for part in _TEXTS:
        if part in request:
            total += _characters(request[part])
    return total


def _characters(item: Any) -> int:
    # Runs for every pair: `match` and generators would be slower.
    if isinstance(item, str):
        return len(item)
    if isinstance(item, dict):
        content, text = item.get("content"), item.get("text")
        found = len(content) if isinstance(content, str) else _characters(content)
        return found if text is None else found + _characters(text)
    if isinstance(item, _LISTS):
        total = 0
        for each in item:
            # Nearly always a message whose content is one text.
            if type(each) is dict and type(content := each.get("content")) is str and "text" not in each:
                total += len(content)
            else:
                total += _characters(each)
        return total
    return 0
